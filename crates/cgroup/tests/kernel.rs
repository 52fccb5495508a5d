//! Groups on the kernel that runs, without any controller: also a hybrid machine has these.
mod ground;

use cgroup::{Action, Group, Hierarchy, Limits, Memory, Name, Owner, Unavailable, sweep};
use ground::{Ground, Running};
use std::time::Duration;
use sys::Errno;
use sys::fd::AsFd;
use sys::mount::MountFlags;
use sys::process::{Pid, Signal};

const PATIENCE: Duration = Duration::from_secs(10);
const KILLED: Option<i32> = Some(Signal::KILL.as_raw());

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

/// A group in the ground without limits.
fn group(ground: &Ground, text: &str) -> Group {
    ground.parent.create(&name(text), &Limits::default()).expect("a group")
}

/// A command that runs in a group until it is killed.
fn sleeper(group: &Group) -> Running {
    let running = Running::start(&["/bin/sleep", "1000"]);
    group.add(running.pid()).expect("moved");
    running
}

#[test]
fn a_group_is_made_and_removed_and_no_controller_is_enabled_for_it() {
    let Some(ground) = Ground::prepare("make") else { return };
    let made = group(&ground, "web");
    assert_eq!(ground.groups(), ["web"]);
    assert_eq!(ground.text("cgroup.subtree_control"), "");
    made.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
    assert!(ground.groups().is_empty());
}

#[test]
fn a_second_group_of_the_same_name_is_refused_and_the_first_stays() {
    let Some(ground) = Ground::prepare("twice") else { return };
    let first = group(&ground, "web");
    let error = ground.parent.create(&name("web"), &Limits::default()).expect_err("twice");
    assert_eq!(error.to_string(), "create cgroup web: File exists");
    assert!(error.hint().expect("a hint").contains("of this name runs"));
    assert_eq!(ground.groups(), ["web"]);
    first.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
}

#[test]
fn a_limit_without_its_controller_names_the_controller() {
    let Some(ground) = Ground::prepare("missing") else { return };
    let above = group(&ground, "above");
    let below = Group::create(above.as_fd(), &name("below")).expect("a group");
    let limits = Limits { memory_max: Memory::parse("64m").ok(), ..Limits::default() };
    let error = below.apply(&limits).expect_err("memory is not enabled in above");
    assert_eq!(
        error.to_string(),
        "write \"67108864\" to memory.max of cgroup below: No such file or directory"
    );
    assert_eq!(error.missing.to_string(), "memory");
    above.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
}

#[test]
fn a_process_is_moved_in_and_listed() {
    let Some(ground) = Ground::prepare("move") else { return };
    let group = group(&ground, "web");
    assert!(!group.events().expect("events").populated);
    let running = sleeper(&group);
    assert_eq!(group.procs().expect("processes"), [running.pid()]);
    assert!(group.events().expect("events").populated);
    drop(running);
    group.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
}

#[test]
fn a_frozen_group_stands_still_until_it_is_thawed() {
    let Some(ground) = Ground::prepare("freeze") else { return };
    let group = group(&ground, "web");
    let running = Running::start(&["/bin/sh", "-c", "while :; do :; done"]);
    group.add(running.pid()).expect("moved");
    let used = || group.stats().cpu.expect("cpu.stat").usage_usec;
    group.freeze(PATIENCE).expect("frozen");
    assert!(group.events().expect("events").frozen);
    let before = used();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(used(), before);
    group.thaw(PATIENCE).expect("thawed");
    assert!(!group.events().expect("events").frozen);
    while used() == before {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(running);
    group.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
}

#[test]
fn killing_a_group_ends_every_process_in_it_and_below_frozen_or_not() {
    let Some(ground) = Ground::prepare("kill") else { return };
    type Kill = fn(&Group) -> Result<(), cgroup::Error>;
    for kill in [Group::kill as Kill, Group::kill_one_by_one as Kill] {
        let top = group(&ground, "web");
        let below = Group::create(top.as_fd(), &name("below")).expect("a group");
        let (first, second) = (sleeper(&top), sleeper(&below));
        below.freeze(PATIENCE).expect("frozen");
        kill(&top).expect("killed");
        assert_eq!((first.outcome().0, second.outcome().0), (KILLED, KILLED));
        top.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
    }
}

#[test]
fn a_group_that_forks_without_end_is_killed_without_cgroup_kill_too() {
    let Some(ground) = Ground::prepare("forks") else { return };
    let group = group(&ground, "web");
    // What it forked before it was moved would stay outside.
    let script = "until grep -q /web /proc/self/cgroup; do sleep 0.01; done; \
                  for i in 1 2 3 4 5 6 7 8; do (while :; do /bin/true; done) & done; wait";
    let running = Running::start(&["/bin/sh", "-c", script]);
    group.add(running.pid()).expect("moved");
    while group.procs().expect("processes").len() < 8 {
        std::thread::sleep(Duration::from_millis(5));
    }
    group.kill_one_by_one().expect("killed");
    assert_eq!(running.outcome().0, KILLED);
    group.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
}

#[test]
fn removal_waits_for_the_last_process_but_not_for_ever() {
    let Some(ground) = Ground::prepare("wait") else { return };
    let first = group(&ground, "web");
    let running = sleeper(&first);
    let error = first.remove(ground.parent.as_fd(), Duration::from_millis(50)).expect_err("it sleeps");
    assert_eq!((error.action, error.errno), (Action::Wait, Errno::TIMEDOUT));
    let again = Group::open(ground.parent.as_fd(), &name("web")).expect("still there");
    let ender = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        drop(running);
    });
    again.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
    ender.join().expect("ended");
    assert!(ground.groups().is_empty());
}

#[test]
fn groups_that_the_container_made_are_removed_however_deep_and_many() {
    let Some(ground) = Ground::prepare("deep") else { return };
    let top = group(&ground, "web");
    for branch in ["a", "b"] {
        let mut deepest = Group::create(top.as_fd(), &name(branch)).expect("a group");
        for level in 0..200 {
            let below = Group::create(deepest.as_fd(), &name(&format!("level-{level}"))).expect("a group");
            Group::create(deepest.as_fd(), &name("side")).expect("a group");
            deepest = below;
        }
    }
    top.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
    assert!(ground.groups().is_empty());
}

#[test]
fn a_sweep_removes_the_groups_of_dead_owners_and_no_others() {
    let Some(ground) = Ground::prepare("sweep") else { return };
    assert!(sweep(ground.parent.as_fd(), |_| false).expect("nothing there").removed.is_empty());
    let mine = Owner::caller("mine");
    let gone = Owner { id: "gone".into(), pid: Pid::INIT, made: 0 };
    let other = group(&ground, "an-instance");
    let kept = group(&ground, mine.format().expect("a name").as_str());
    let left = group(&ground, gone.format().expect("a name").as_str());
    Group::create(left.as_fd(), &name("below")).expect("a group");
    let running = sleeper(&left);
    let swept = sweep(ground.parent.as_fd(), Owner::keeps).expect("swept");
    assert_eq!(swept.removed, [gone.format().expect("a name").as_str()]);
    assert!(swept.left.is_empty(), "{:?}", swept.left);
    assert_eq!(running.outcome().0, KILLED);
    assert_eq!(ground.groups().len(), 2);
    for group in [other, kept] {
        group.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
    }
}

#[test]
fn a_machine_without_cgroup_v2_is_told_what_it_has_instead() {
    if !sys::process::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    ground::leave_mount_namespace();
    let mount = |kind: &str| sys::mount::mount("none", "/sys/fs/cgroup", kind, MountFlags::empty(), None);
    mount("tmpfs").expect("mount tmpfs");
    assert_eq!(Hierarchy::find().expect_err("empty"), Unavailable::NotMounted);
    std::fs::create_dir("/sys/fs/cgroup/memory").expect("a directory");
    assert_eq!(Hierarchy::find().expect_err("version 1"), Unavailable::Version1);
    std::fs::create_dir("/sys/fs/cgroup/unified").expect("a directory");
    sys::mount::mount("none", "/sys/fs/cgroup/unified", "cgroup2", MountFlags::empty(), None)
        .expect("mount cgroup2");
    assert_eq!(Hierarchy::find().expect_err("a hybrid"), Unavailable::Hybrid);
    mount("sysfs").expect("mount sysfs");
    assert_eq!(Hierarchy::find().expect_err("sysfs"), Unavailable::NotMounted);
    mount("proc").expect("mount proc");
    assert_eq!(Hierarchy::find().expect_err("proc"), Unavailable::Foreign(0x9fa0));
    mount("cgroup2").expect("mount cgroup2");
    assert!(Hierarchy::find().is_ok());
}
