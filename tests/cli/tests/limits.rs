//! Limits on a kernel with all of cgroup v2: lines 6 to 9 of mini-run's list, and what goes with them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cli::{
    Ended, Scratch, busybox, husk_run, processes_with, program, rootfs, run, run_in, shell, started, wait,
    wait_until,
};

const CGROUPS: &str = "/sys/fs/cgroup";

fn place() -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let root = rootfs(&scratch);
    (scratch, root)
}

/// Every cgroup of the machine.
fn groups() -> BTreeSet<PathBuf> {
    fn collect(folder: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                collect(&entry.path(), found);
                found.insert(entry.path());
            }
        }
    }
    let mut found = BTreeSet::new();
    collect(Path::new(CGROUPS), &mut found);
    found
}

fn send(signal: &str, pid: u32) {
    run(Command::new(busybox()).args(["kill", signal, &pid.to_string()])).good();
}

#[test]
fn line_6_the_files_of_the_cgroup_show_what_was_asked() {
    let (_scratch, root) = place();
    for (option, file, expected) in [
        ("--memory=64m", "memory.max", "67108864"),
        ("--memory=1.5g", "memory.max", "1610612736"),
        ("--memory=67108864", "memory.max", "67108864"),
        ("--memory=max", "memory.max", "max"),
        ("--cpus=0.5", "cpu.max", "50000 100000"),
        ("--cpus=2", "cpu.max", "200000 100000"),
        ("--pids=20", "pids.max", "20"),
        ("--cpuset=0", "cpuset.cpus", "0"),
        ("--io-weight=50", "io.weight", "default 50"),
    ] {
        let said = shell(&[option], &root, &format!("cat /sys/fs/cgroup/{file}")).good();
        assert_eq!(said, expected, "{option}");
    }
    let all = ["--memory=64m", "--cpus=0.25", "--pids=9"];
    let files = "cd /sys/fs/cgroup; cat memory.max cpu.max pids.max; read first < cgroup.procs; echo $first";
    assert_eq!(shell(&all, &root, files).good(), "67108864\n25000 100000\n9\n1");
    // The view is the container's own, and not writable.
    assert_eq!(shell(&all, &root, "cat /proc/self/cgroup").good(), "0::/");
    assert!(run_in(&all, &root, &["/bin/probe", "mkdir", "/sys/fs/cgroup/a"]).good().contains("EROFS"));
}

#[test]
fn line_7_a_memory_bomb_is_killed_inside_its_group_and_it_is_told() {
    let (_scratch, root) = place();
    let ended = run_in(&["--memory", "64m"], &root, &["/bin/probe", "allocate", "200m"]);
    assert_eq!((ended.code(), ended.out().as_str()), (137, ""));
    assert_eq!(ended.err(), "husk: killed: memory limit 64m reached\n");
    // As much as is allowed is had.
    let ended = run_in(&["--memory", "64m"], &root, &["/bin/probe", "allocate", "30m"]);
    assert!(ended.good().contains("\"ok\""));
}

#[test]
fn line_7_a_process_that_is_not_the_first_is_told_of_too() {
    let (_scratch, root) = place();
    let ended = shell(&["--memory", "64m"], &root, "probe allocate 200m; echo code $?");
    assert_eq!((ended.code(), ended.out().as_str()), (0, "code 137\n"));
    // The shell says `Killed` before.
    let last = ended.err().lines().last().map(String::from);
    assert_eq!(last.as_deref(), Some("husk: a process was killed: memory limit 64m reached"));
}

#[test]
fn line_8_a_busy_loop_stays_within_its_fraction() {
    let (_scratch, root) = place();
    let script = "probe spin 6 >/dev/null; cat /sys/fs/cgroup/cpu.stat";
    let since = Instant::now();
    let said = shell(&["--cpus", "0.25"], &root, script).good();
    let wall = since.elapsed().as_secs_f64();
    let value = |key: &str| -> f64 {
        let line = said.lines().find_map(|line| line.strip_prefix(key)).expect("cpu.stat");
        line.trim().parse().expect("a number")
    };
    let used = value("usage_usec ") / 1e6;
    assert!(used / wall < 0.25 * 1.3, "{used} s of {wall} s");
    assert!(value("nr_throttled ") > 0.0, "{said}");
}

#[test]
fn line_9_the_cgroup_is_gone_however_it_ends() {
    let (_scratch, root) = place();
    let options = ["--memory", "64m"];
    // The group that holds those of all containers stays.
    run_in(&options, &root, &["/bin/true"]);
    let before = groups();
    assert_eq!(run_in(&options, &root, &["/bin/true"]).code(), 0);
    assert_eq!(groups(), before, "after the end");
    assert_eq!(run_in(&options, &root, &["/none"]).code(), 127);
    assert_eq!(groups(), before, "after a failure");
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let mut command = husk_run(&options, &root, &["/bin/probe", "sleep", "100"]);
        let (mut child, _, _output) = started(&mut command);
        assert_eq!(groups().len(), before.len() + 1, "a group while it runs");
        send(signal, child.id());
        assert_eq!(wait(&mut child, &command).code(), Some(code));
        assert_eq!(groups(), before, "after {signal}");
    }
}

#[test]
fn line_9_the_cgroup_of_a_husk_that_was_killed_is_gone_after_the_next_run() {
    let (_scratch, root) = place();
    run_in(&["--pids", "20"], &root, &["/bin/true"]);
    let before = groups();
    for _ in 0..5 {
        let (mut child, _, _output) =
            started(&mut husk_run(&["--pids", "20"], &root, &["/bin/probe", "sleep", "100"]));
        send("-KILL", child.id());
        child.wait().expect("wait");
    }
    run_in(&["--pids", "20"], &root, &["/bin/true"]);
    // What the killed ones had in them ends within a moment; the run after that finds the groups empty.
    wait_until("the groups to be swept", Duration::from_secs(10), || {
        run_in(&["--pids", "20"], &root, &["/bin/true"]);
        groups() == before
    });
}

#[test]
fn what_outlives_a_killed_husk_because_it_changed_its_user_is_ended_by_the_next_run() {
    // The kernel forgets the signal of the parent's death with a change of user (PR_SET_PDEATHSIG).
    let (_scratch, root) = place();
    run_in(&[], &root, &["/bin/true"]);
    let before = groups();
    let words = ["/bin/su", "-s", "/bin/sh", "www", "-c", "exec /bin/probe sleep 4711"];
    let (mut child, _, _output) = started(&mut husk_run(&[], &root, &words));
    let alive = || !processes_with("cmdline", b"sleep\x004711").is_empty();
    assert!(alive());
    send("-KILL", child.id());
    child.wait().expect("wait");
    run_in(&[], &root, &["/bin/true"]);
    wait_until("the container is gone", Duration::from_secs(10), || !alive());
    run_in(&[], &root, &["/bin/true"]);
    assert_eq!(groups(), before);
}

#[test]
fn a_limit_too_low_to_start_is_told_in_one_line() {
    let (_scratch, root) = place();
    for (option, parts) in [("--memory=4096", ["memory", "4096"]), ("--pids=1", ["", ""])] {
        let Ended { status, stderr, stdout } =
            run_in(&[option], &root, &["/bin/sh", "-c", "/bin/true; exit 5"]);
        let err = String::from_utf8_lossy(&stderr);
        if option.starts_with("--memory") {
            assert!(matches!(status.code(), Some(125 | 137)), "{status} {err}");
            assert_eq!((err.lines().count(), stdout.len()), (1, 0), "{err}");
            assert!(err.starts_with("husk: "), "{err}");
            assert!(parts.iter().all(|part| err.contains(part)), "{err}");
        } else {
            // The first process fits; its child does not.
            assert_ne!(status.code(), Some(5), "{err}");
        }
    }
}

#[test]
fn a_limit_on_processes_stops_a_fork_bomb() {
    let (_scratch, root) = place();
    let said = run_in(&["--pids", "10"], &root, &["/bin/probe", "fork", "100"]).good();
    assert!(said.contains("EAGAIN") && said.contains("\"started\":9"), "{said}");
    let bomb = "b() { b | b & }; b 2>/dev/null; sleep 2; exit 3";
    let ended = shell(&["--pids", "20"], &root, bomb);
    assert!(ended.code() == 3 || ended.code() == 2, "{ended:?}");
    assert!(run_in(&[], &root, &["/bin/probe", "fork", "30"]).good().contains("\"started\":30"));
}

#[test]
fn without_limits_a_container_has_a_cgroup_too() {
    let (_scratch, root) = place();
    assert_eq!(shell(&[], &root, "cat /proc/self/cgroup /sys/fs/cgroup/memory.max").good(), "0::/\nmax");
    let mut command = husk_run(&[], &root, &["/bin/probe", "sleep", "100"]);
    let before = groups();
    let (mut child, _, _output) = started(&mut command);
    assert_eq!(groups().difference(&before).count(), 1);
    send("-TERM", child.id());
    wait(&mut child, &command);
    assert_eq!(groups(), before);
}

#[test]
fn without_root_a_limit_needs_a_delegated_group() {
    let (scratch, root) = place();
    let delegated = format!("{CGROUPS}/tester");
    // As systemd delegates: the directory and what moves processes and enables controllers in it.
    let script = "set -e; mkdir $D; chown tester $D $D/cgroup.procs $D/cgroup.threads $D/cgroup.subtree_control; \
                  echo 0 > $D/cgroup.procs; chown -R tester $S; cd /; exec su -s /bin/sh tester -c \
                  \"$H run --memory 64m --pids 20 $R /bin/sh -c \
                  'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max; id -u'\"";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).env("D", &delegated).env("H", program("husk")).env("R", &root);
    let ended = run(command.env("S", scratch.path()).stdin(Stdio::null()));
    let left: Vec<PathBuf> = groups().into_iter().filter(|path| path.starts_with(&delegated)).collect();
    for path in &left {
        let _ = fs::remove_dir(path);
    }
    let _ = fs::remove_dir(&delegated);
    assert_eq!(ended.good(), "67108864\n20\n0");
    // Where nothing was delegated the limit is an error that says so.
    let script = "exec su -s /bin/sh tester -c \"$H run --memory 64m $R /bin/true\"";
    let ended = run(Command::new("/bin/sh")
        .args(["-c", script])
        .env("H", program("husk"))
        .env("R", &root)
        .current_dir("/"));
    assert_eq!(ended.code(), 125, "{ended:?}");
    assert!(ended.err().starts_with("husk: limits need a cgroup of your own: "), "{}", ended.err());
}
