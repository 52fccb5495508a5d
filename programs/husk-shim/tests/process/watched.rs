//! Commands that enter a container in which somebody may look into everything.

use std::fs;
use std::process::Command;

use husk_client::Exec;
use instance::{Profile, Settings};

use crate::ground::{Ground, probe, until};

/// What only the shim has in its memory.
const MARKER: &str = "of-the-shim-alone";

/// How many commands enter, and how many of them are caught before they are their programs, at least. The guest has one
/// processor, which is emulated: there each takes its time, and few are caught.
const COMMANDS: u64 = if cfg!(feature = "guest") { 100 } else { 1_000 };
const CAUGHT: u64 = if cfg!(feature = "guest") { 1 } else { 100 };

/// A container with a watcher that may trace everything, and commands that enter it beside that.
fn watched(change: impl Fn(&mut Settings), exec: &Exec) {
    let ground = Ground::new();
    assert!(Command::new("cp").arg(probe()).arg(ground.root.join("bin/probe")).status().unwrap().success());
    let backwards: String = MARKER.chars().rev().collect();
    let mut task = ground.task("");
    task.settings.command = vec!["probe".into(), "watch".into(), backwards];
    task.settings.cap_add = vec!["SYS_PTRACE".into()];
    change(&mut task.settings);
    // The shim keeps what its container is made of.
    let bound = ground.directory.join(MARKER);
    fs::create_dir(&bound).unwrap();
    task.settings.bind = vec![format!("{}:/srv", bound.display())];
    let shim = ground.start(&task).unwrap();
    until("it watches", || ground.logged().contains("watches"));
    let mut client = shim.client();
    for _ in 0..COMMANDS {
        assert_eq!(client.output(exec, b"").unwrap().exit.code, 0);
    }
    let logged = ground.logged();
    assert!(!logged.contains("foreign"), "{logged}");
    // Many were stopped before they were their programs, or nothing has been shown.
    let last = logged.lines().rfind(|line| line.contains("early")).expect("it has seen some");
    let last: serde_json::Value = serde_json::from_str(last).unwrap();
    assert!(last["early"].as_u64() >= Some(CAUGHT), "{last}");
}

#[test]
fn what_enters_has_nothing_that_who_may_trace_it_could_look_into() {
    watched(|_| {}, &Exec::new("true"));
}

#[test]
fn what_enters_on_a_terminal_with_all_rights_has_nothing_to_be_looked_into() {
    watched(|settings| settings.profile = Profile::Unrestricted, &Exec::new("true").pty(24, 80, None));
}
