//! The caller's own group: alone in its program, because it moves the whole test process about.
#[allow(dead_code, reason = "the other test programs use the rest of it")]
mod ground;

use cgroup::{Delegated, Hierarchy, Limits, Membership, Name, Pids};
use ground::{Ground, Running};
use std::time::Duration;
use sys::Errno;
use sys::fd::AsFd;

const PATIENCE: Duration = Duration::from_secs(20);

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn own() -> String {
    match Hierarchy::membership().expect("/proc") {
        Membership::Inside(path) => path,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_caller_that_is_alone_in_its_group_makes_room_and_one_that_is_not_is_told_how() {
    let Some(ground) = Ground::prepare("delegated") else { return };
    let pids = Limits { pids_max: Some(Pids::Count(50)), ..Limits::default() };
    let home = own();
    // With its controllers enabled, the parent is what a delegated scope is to its user.
    let scope = ground.parent.create(&name("scope"), &pids).expect("a group");
    scope.add(sys::process::getpid()).expect("moved");
    let inside = own();
    assert!(inside.ends_with("/scope"), "{inside}");

    let delegated = Delegated::find().expect("it is ours");
    assert_eq!((delegated.path(), delegated.controllers().to_string().as_str()), (inside.as_str(), "pids"));
    let parent = delegated.into_parent(&name("husk")).expect("a parent");
    let company = Running::start(&["/bin/sleep", "1000"]);
    let error = parent.create(&name("web"), &pids).expect_err("not alone");
    assert_eq!((error.errno, error.file.as_str()), (Errno::BUSY, "cgroup.subtree_control"));
    assert!(error.hint().expect("a hint").contains("-p Delegate=yes"));
    assert_eq!(own(), inside);

    drop(company);
    let web = parent.create(&name("web"), &pids).expect("alone");
    assert_eq!(own(), format!("{inside}/husk-caller"));
    assert_eq!(ground.text("scope/husk/web/pids.max"), "50");
    assert_eq!(Delegated::find().expect("still ours").path(), inside, "the leaf is not taken for the group");

    web.remove(parent.as_fd(), PATIENCE).expect("removed");
    std::fs::write(format!("/sys/fs/cgroup/{home}/cgroup.procs"), std::process::id().to_string())
        .expect("home");
    scope.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
}
