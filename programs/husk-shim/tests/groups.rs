//! The container's cgroup: in the guest, which has all of cgroup v2.

#[path = "process/ground.rs"]
#[allow(dead_code)] // what other tests use
mod ground;
#[path = "process/watched.rs"]
mod watched;

use std::fs;
use std::path::PathBuf;

use container::group;
use container::task::Root;
use husk_client::{Error, Exec, Mode};
use instance::Profile;

use ground::{Ground, Shim, exists, until};

/// A file of the container's group.
fn file(ground: &Ground, name: &str) -> PathBuf {
    PathBuf::from("/sys/fs/cgroup/husk").join(ground.task("").name.as_str()).join(name)
}

fn read(ground: &Ground, name: &str) -> String {
    let path = file(ground, name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Writes to memory until it is not given any more.
const BOMB: &str = "dd if=/dev/zero of=/dev/null bs=200M count=1";

#[test]
fn limits_hold_for_the_container_and_all_that_enters_it() {
    let ground = Ground::new();
    let mut task = ground.task("sleep 1000");
    task.settings.memory = Some("64m".into());
    task.settings.cpus = Some("0.5".into());
    task.settings.pids = Some("20".into());
    task.settings.io_weight = Some("50".into());
    let shim = ground.start(&task).unwrap();
    for (name, value) in [
        ("memory.max", "67108864"),
        ("memory.swap.max", "0"),
        ("cpu.max", "50000 100000"),
        ("pids.max", "20"),
    ] {
        let path = file(&ground, name);
        // A kernel without swap has no such file.
        assert!(!path.exists() && name.contains("swap") || read(&ground, name).trim() == value, "{name}");
    }
    assert_eq!(read(&ground, "main/cgroup.procs"), format!("{}\n", shim.pid));
    // What enters has a group of its own beside it, and is counted all the same.
    let output = shim.output(&Exec::new("sh").args(["-c", "cat /proc/self/cgroup; exec sh -c \"$0\"", BOMB]));
    assert!(output.text().starts_with("0::/../exec-"), "{}", output.text());
    assert_eq!((output.exit.signal, output.exit.oom), (Some(9), true));
    let forks = shim.shell("for i in $(seq 40); do sleep 5 & done; echo $?");
    assert!(forks.contains("can't fork"), "{forks}");
    assert!(exists(shim.pid), "the container is none the worse");
    let stats = shim.client().stats().unwrap();
    assert!(stats.as_str().contains("\"max\":67108864"), "{}", stats.as_str());
}

#[test]
fn a_container_that_needs_more_memory_than_it_may_have_is_said_to() {
    let ground = Ground::new();
    let mut task = ground.task(&format!("exec {BOMB}"));
    task.settings.memory = Some("32m".into());
    let ended = ground.start(&task).unwrap().wait();
    assert_eq!((ended.code, ended.signal, ended.oom), (137, Some(9), true));
    assert!(!file(&ground, "").exists(), "its group is gone");
}

fn refused(shim: &Shim<'_>) -> String {
    match shim.client().output(&Exec::new("true"), b"") {
        Err(Error::Refused { text, .. }) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_frozen_container_stands_still_and_lets_nobody_in() {
    let ground = Ground::new();
    let shim = ground.run("while :; do echo x; sleep 0.01; done");
    until("it runs", || ground.logged().len() > 4);
    shim.client().freeze(None).unwrap();
    assert!(read(&ground, "cgroup.events").contains("frozen 1"));
    assert!(shim.client().stats().unwrap().as_str().contains("\"state\":\"frozen\""));
    // What was in its pipe is in the log by now.
    std::thread::sleep(std::time::Duration::from_millis(100));
    let before = ground.logged().len();
    assert!(refused(&shim).contains("paused"), "{}", refused(&shim));
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(ground.logged().len(), before);
    shim.client().thaw(None).unwrap();
    assert_eq!(shim.shell("echo runs"), "runs\n");
    until("it goes on", || ground.logged().len() > before);
}

#[test]
fn a_frozen_container_can_be_stopped() {
    let ground = Ground::new();
    let shim = ground.run("trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done");
    until("it runs", || ground.logged().contains("up"));
    shim.client().freeze(None).unwrap();
    shim.client().shutdown(Mode::Exit, Some(10_000), None).unwrap();
    assert_eq!(shim.wait().code, 3);
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    shim.client().freeze(None).unwrap();
    shim.client().shutdown(Mode::Exit, Some(0), None).unwrap();
    assert_eq!(shim.wait().signal, Some(9));
}

#[test]
fn what_a_killed_shim_has_left_is_ended_by_who_comes_next() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    // One that is in the group alone: no member of the container's pid namespace, which ends with the shim.
    let mut stray = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    fs::write(file(&ground, "main/cgroup.procs"), stray.id().to_string()).unwrap();
    spawn::end(&shim.child);
    until("the container has ended", || !exists(shim.pid));
    assert!(file(&ground, "main").exists());
    group::clear(ground.task("").name.as_str()).unwrap();
    stray.wait().unwrap();
    assert!(!file(&ground, "").exists());
    group::clear(ground.task("").name.as_str()).unwrap();
    // The next shim does it by itself, too.
    fs::create_dir_all(file(&ground, "main/below")).unwrap();
    drop(shim);
    assert_eq!(ground.run("exit 4").wait().code, 4);
    assert!(!file(&ground, "").exists());
}

#[test]
fn an_exec_has_limits_of_its_own() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    let output = shim.output(&Exec::new("sh").args(["-c", BOMB]).memory("16m"));
    assert!(output.exit.oom, "{:?}", output.exit);
    let mut client = shim.client();
    let (id, pid) = client.start(&Exec::new("sleep").arg("1000").pids("7").id("held")).unwrap();
    let group = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let limit = format!("/sys/fs/cgroup{}/pids.max", group.trim().strip_prefix("0::").unwrap());
    assert_eq!(fs::read_to_string(&limit).unwrap(), "7\n");
    client.freeze(Some(&id)).unwrap();
    client.thaw(Some(&id)).unwrap();
    client.kill_exec(&id, "KILL", husk_client::Scope::Tree).unwrap();
    client.wait(&id, None).unwrap();
    until("its group is gone", || !PathBuf::from(&limit).exists());
}

#[test]
fn an_unrestricted_container_shares_out_what_it_has() {
    let ground = Ground::new();
    let (upper, work) = (ground.directory.join("upper"), ground.directory.join("work"));
    fs::create_dir(&upper).unwrap();
    fs::create_dir(&work).unwrap();
    let script = "set -e; cd /sys/fs/cgroup; cat /proc/self/cgroup cgroup.controllers; mkdir init work; \
        echo 0 > init/cgroup.procs; echo +memory +pids > cgroup.subtree_control; echo 5 > work/pids.max; \
        cat work/pids.max; echo $container; mount -t tmpfs none /run; echo done; sleep 1000";
    let mut task = ground.task(script);
    task.root = Root::Layers { lower: vec![ground.root.clone()], upper, work };
    task.settings.profile = Profile::Unrestricted;
    let shim = ground.start(&task).unwrap();
    until("it is set up", || ground.logged().contains("done"));
    let logged = ground.logged();
    let lines: Vec<&str> = logged.lines().collect();
    assert_eq!((lines[0], &lines[2..]), ("0::/", &["5", "husk", "done"][..]), "{logged}");
    for controller in ["memory", "pids", "cpu", "io"] {
        assert!(lines[1].split(' ').any(|name| name == controller), "{controller}: {}", lines[1]);
    }
    // What enters is no part of that.
    assert_eq!(shim.shell("echo enters"), "enters\n");
    shim.client().shutdown(Mode::Exit, Some(0), None).unwrap();
    shim.wait();
    assert!(!file(&ground, "").exists(), "with all that it has made below");
}
