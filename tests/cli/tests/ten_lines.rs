//! The ten lines of mini-run's list, those that need no limits. The others are in `limits.rs`.

use std::path::PathBuf;

use cli::{Ended, Scratch, busybox, rootfs, run_in, shell};

/// A container's root file system, and the directory that goes away.
fn place() -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let root = rootfs(&scratch);
    (scratch, root)
}

fn say(script: &str) -> String {
    let (_scratch, root) = place();
    shell(&[], &root, script).good()
}

#[test]
fn line_1_the_command_is_process_1() {
    assert_eq!(say("echo $$"), "1");
}

#[test]
fn line_2_the_host_name_is_generated_and_not_the_hosts() {
    let (_scratch, root) = place();
    let names: Vec<String> = (0..2).map(|_| shell(&[], &root, "hostname").good()).collect();
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("/proc");
    for name in &names {
        assert_ne!(name, own.trim());
        let digits = name.strip_prefix("husk-").unwrap_or_else(|| panic!("{name} does not start with husk-"));
        assert_eq!(digits.len(), 8, "{name}");
        assert!(digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{name}");
    }
    assert_ne!(names[0], names[1], "two containers have one name");
}

#[test]
fn line_3_mount_shows_the_containers_mounts_only() {
    let lines = say("mount");
    let places: Vec<&str> = lines.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    for place in &places {
        let known = *place == "/" || ["/proc", "/dev", "/sys"].iter().any(|top| place.starts_with(top));
        assert!(known, "{place} is mounted:\n{lines}");
    }
    for place in ["/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/sys"] {
        assert_eq!(places.iter().filter(|one| **one == place).count(), 1, "{place}:\n{lines}");
    }
}

#[test]
fn line_4_ps_shows_the_containers_processes_only() {
    let lines = say("sleep 60 & ps -o pid; kill $!");
    let pids: Vec<&str> = lines.lines().skip(1).map(str::trim).collect();
    // The shell, sleep and ps.
    assert_eq!(pids, ["1", "2", "3"], "{lines}");
}

#[test]
fn line_5_the_old_root_is_gone_and_no_path_of_the_host_is_reachable() {
    let (scratch, root) = place();
    std::fs::write(scratch.join("secret"), "of the host").expect("secret");
    let secret = scratch.join("secret");
    let paths = [
        secret.display().to_string(),
        format!("/..{}", secret.display()),
        format!("/proc/1/root{}", secret.display()),
        format!("/proc/self/cwd/../../..{}", secret.display()),
        String::from("/../secret"),
        String::from("/proc/1/cwd/../secret"),
    ];
    for path in &paths {
        let Ended { stdout, .. } = run_in(&[], &root, &["/bin/cat", path]);
        assert_eq!(String::from_utf8_lossy(&stdout), "", "{path} is reachable");
    }
    // Where the old root was is not even an empty directory.
    let names = shell(&[], &root, "echo /* /.[!.]*").good();
    assert_eq!(names, "/bin /dev /etc /proc /root /run /sys /tmp /var /.[!.]*");
    // A chroot out of a chroot ends at the container's root.
    let script =
        "mkdir /tmp/a && cp /bin/busybox /tmp/a/ && exec chroot /tmp/a /busybox ls -d /../../../../bin";
    assert_ne!(shell(&[], &root, script).code(), 0, "a chroot was left");
    // No mount of the host's is left in the namespace, reachable or not.
    let mounts = shell(&[], &root, "cat /proc/self/mountinfo").good();
    assert!(!mounts.contains("oldroot") && !mounts.contains(".pivot"), "{mounts}");
}

#[test]
fn line_5_above_the_root_is_the_root_whatever_it_is_made_of() {
    let (scratch, root) = place();
    // The root, what is above it, and how many mounts lie on it.
    let script = "busybox stat -c %d:%i / /.. /../..; \
                  busybox cat /proc/self/mountinfo";
    let with_root = ["--net=host", "--ephemeral", "--read-only", "--privileged", "--tmpfs=/mnt"]
        .map(|option| vec!["run", option, root.to_str().expect("UTF-8"), "sh", "-c", script]);
    let own = vec!["run", "--", "busybox", "sh", "-c", script];
    for words in
        with_root.iter().chain([&own, &vec!["run", "--read-only", "--", "busybox", "sh", "-c", script]])
    {
        let out = cli::run(cli::husk().args(words)).good();
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!((lines[0], lines[0]), (lines[1], lines[2]), "{words:?}: something lies above the root");
        let on_root = lines[3..].iter().filter(|line| line.split(' ').nth(4) == Some("/")).count();
        assert_eq!(on_root, 1, "{words:?}:\n{out}");
    }
    drop(scratch);
}

#[test]
fn line_10_exit_42_gives_42() {
    let (_scratch, root) = place();
    let ended = shell(&[], &root, "exit 42");
    assert_eq!((ended.code(), ended.out(), ended.err()), (42, String::new(), String::new()));
}

#[test]
fn the_hosts_own_root_does_as_well_and_is_thrown_away() {
    let mark = format!("/var/husk-test-{}", std::process::id());
    let script = format!("echo pid $$ on $(hostname); echo x > {mark} && cat {mark}");
    let mut command = cli::husk();
    let ended = cli::run(command.args(["run", "--"]).arg(busybox()).args(["sh", "-c", &script]));
    let text = ended.good();
    assert!(text.starts_with("pid 1 on husk-") && text.ends_with("\nx"), "{text}");
    assert!(!std::path::Path::new(&mark).exists(), "{mark} was left on the host");
}

#[test]
fn the_readmes_first_command_works() {
    let script = "echo \"pid $$ on $(hostname)\"; ps ax";
    let ended = cli::run(cli::husk().args(["run", "--", "/bin/sh", "-c", script]));
    let text = ended.good();
    assert!(text.starts_with("pid 1 on husk-"), "{text}");
    // The header, the shell (unless it became ps) and ps.
    assert!((3..=4).contains(&text.lines().count()), "{text}");
}
