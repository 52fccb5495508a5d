//! Orphans, and what it costs to be there.

use std::time::Duration;

use crate::bed::{Running, called, children, first, minit, released, run, status, until};

/// Leaves orphans that end at once, and waits.
const ORPHANS: &str = "for i in $(seq 300); do (true &); done; echo made; sleep 1";

#[test]
fn orphans_are_reaped_beside_others_and_as_the_first_process() {
    let mut running = Running::start(&mut minit(&["bash", "-c", ORPHANS]));
    assert_eq!(running.line(), "made");
    let pid = running.pid();
    until("only the command is left", || children(pid).len() == 1);
    assert_eq!(running.end().code, Some(0));

    let script = format!("{ORPHANS}; ps -A -o stat= | grep -c Z; exit 0");
    let outcome = run(&mut first(&["bash", "-c", &script]));
    assert_eq!(outcome.out, "made\n0\n");
}

#[test]
fn orphans_are_reaped_under_the_other_names() {
    for arguments in [&["tini", "-s"][..], &["catatonit"]] {
        let mut all = arguments[1..].to_vec();
        all.extend(["--", "bash", "-c", ORPHANS]);
        let mut running = Running::start(&mut called(arguments[0], &all));
        assert_eq!(running.line(), "made");
        let pid = running.pid();
        until("only the command is left", || children(pid).len() == 1);
    }
}

#[test]
fn it_does_not_wake_up_for_nothing() {
    let mut running = Running::start(&mut minit(&["sh", "-c", "echo ready; sleep 3"]));
    assert_eq!(running.line(), "ready");
    std::thread::sleep(Duration::from_millis(300));
    let switches = |running: &Running| status(running.pid(), "voluntary_ctxt_switches");
    let before = switches(&running);
    assert!(before.is_some());
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(switches(&running), before);
}

#[test]
fn it_takes_next_to_no_memory() {
    let mut command = std::process::Command::new(released());
    let mut running = Running::start(command.args(["--no-api", "sh", "-c", "echo ready; sleep 3"]));
    assert_eq!(running.line(), "ready");
    let pid = running.pid();
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("proc(5)");
    // Not Private_Dirty: pages of a program that was built just now may not be on the disk yet.
    let dirty = text.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("it is listed");
    let kilobytes: u32 = dirty.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kilobytes <= 48, "{text}");
}
