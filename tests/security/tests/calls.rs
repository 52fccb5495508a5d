//! System calls that the default profile refuses, made from inside.
//!
//! This test's own program, which is static, is the container's command: it runs one of its tests there.

use security::{Ground, Outcome, attempt, copy_program};
use sys::fs::{CWD, Mode, OFlags, openat};
use sys::mount::{FsOpenFlags, MountFlags, OpenTreeFlags, fsopen, mount, open_tree};
use sys::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// Set in the container, and there alone.
const INSIDE: &str = "HUSK_TEST_INSIDE";

/// Makes the calls, and prints what each comes to. Outside of a container it does nothing.
#[test]
fn inside() {
    // Process 1 of a container: nobody else may come this far.
    if std::env::var_os(INSIDE).is_none() || std::process::id() != 1 {
        return;
    }
    for (name, result) in calls() {
        println!("call {name}: {}", result.map_or_else(sys::strerror::name, |()| "ok"));
    }
}

/// Calls that would change nothing but their caller, had they been allowed.
fn calls() -> Vec<(&'static str, sys::Result<()>)> {
    let socket = |family| socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).map(drop);
    let tree = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let namespace = openat(CWD, c"/proc/1/ns/mnt", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let enter = namespace.and_then(|namespace| {
        let kind = Some(sys::thread::LinkNameSpaceType::Mount);
        sys::thread::move_into_link_name_space(sys::fd::AsFd::as_fd(&namespace), kind)
    });
    vec![
        ("socket unix", socket(AddressFamily::UNIX)),
        ("socket vsock", socket(AddressFamily::VSOCK)),
        ("fsopen", fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).map(drop)),
        ("open_tree", open_tree(CWD, c"/tmp", tree).map(drop)),
        ("mount", mount(c"none", c"/tmp", c"tmpfs", MountFlags::empty(), None)),
        ("pivot_root", sys::process::pivot_root(c"/tmp", c"/tmp")),
        ("setns", enter),
        ("sethostname", sys::system::sethostname(sys::system::uname().nodename().to_bytes())),
        ("delete_module", sys::system::delete_module(c"no_such_module", 0)),
    ]
}

/// What each call comes to in a container with these options.
fn results(ground: &Ground, options: &[&str]) -> Vec<(String, String)> {
    let root = ground.image();
    let own = std::env::current_exe().expect("own path");
    copy_program(&own, &root.join("bin/calls")).expect("own program");
    let inside = format!("--env={INSIDE}=1");
    let options = [options, &[&inside]].concat();
    // In the guest this file is a module of a larger suite.
    let name =
        module_path!().split_once("::").map_or(String::new(), |(_, module)| format!("{module}::")) + "inside";
    let command = ["/bin/calls", "--exact", &name, "--nocapture"];
    let outcome = attempt(&mut ground.run(&options, &root, &command));
    let Outcome::Ran(0, out, _) = &outcome else { panic!("{options:?}: {outcome:?}") };
    let results = out.lines().filter_map(|line| line.split("call ").nth(1)?.split_once(": "));
    results.map(|(name, result)| (name.to_owned(), result.to_owned())).collect()
}

#[test]
fn calls_that_reach_beyond_a_container_are_refused() {
    let Some(ground) = Ground::new() else { return };
    for options in [&[] as &[&str], &["--ephemeral"], &["--user=1000"], &["--net=none"]] {
        let results = results(&ground, options);
        assert_eq!(results.len(), 9, "{results:?}");
        for (name, result) in &results {
            let expected = if name == "socket unix" { "ok" } else { "EPERM" };
            assert_eq!(result, expected, "{options:?}: {name}");
        }
    }
    ground.assert_untouched("calls");
}

/// That the filter refuses a socket of AF_VSOCK, which needs no right, is seen where there is no filter.
#[test]
fn calls_come_to_something_else_without_filter() {
    let Some(ground) = Ground::new() else { return };
    let results = results(&ground, &["--seccomp=unconfined"]);
    let vsock = results.iter().find(|(name, _)| name == "socket vsock").expect("the call");
    assert_ne!(vsock.1, "EPERM");
}
