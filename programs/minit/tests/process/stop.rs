//! The end: told, waited for, killed.

use std::time::Duration;

use crate::bed::{Running, children, exists, first, minit, run, status, until};

const BRIEF: Duration = Duration::from_secs(5);

#[test]
fn nobody_is_waited_for_when_none_is_left() {
    let outcome = run(&mut minit(&["--grace", "15s", "sh", "-c", "sleep 100 & exit 3"]));
    assert_eq!(outcome.code, Some(3));
    assert!(outcome.took < BRIEF, "{:?}", outcome.took);
    let outcome = run(&mut first(&["--grace", "15s", "sh", "-c", "setsid sleep 100 & sleep 0.1; exit 3"]));
    assert_eq!(outcome.code, Some(3));
    assert!(outcome.took < BRIEF, "{:?}", outcome.took);
}

#[test]
fn leftovers_have_the_grace_to_end_in() {
    let script = "setsid sh -c 'trap \"sleep 0.5; echo done; exit\" TERM; echo up; while :; do sleep 0.01; done' & \
         sleep 0.3; exit 0";
    for command in [&mut minit(&["sh", "-c", script]), &mut first(&["sh", "-c", script])] {
        let outcome = run(command);
        assert_eq!((outcome.code, &*outcome.out), (Some(0), "up\ndone\n"));
    }
}

#[test]
fn who_does_not_end_within_the_grace_is_killed() {
    let script = "setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 100' & sleep 0.3; exit 6";
    let mut running = Running::start(&mut minit(&["--grace", "300ms", "sh", "-c", script]));
    let straggler: u32 = running.line().parse().expect("a pid");
    let outcome = running.end();
    assert_eq!(outcome.code, Some(6));
    assert!(!exists(straggler), "it was killed, and reaped");
    assert!(outcome.took >= Duration::from_millis(600) && outcome.took < BRIEF, "{:?}", outcome.took);
    let outcome = run(&mut first(&["--grace", "300ms", "sh", "-c", script]));
    assert_eq!(outcome.code, Some(6));
    assert!(outcome.took >= Duration::from_millis(600) && outcome.took < BRIEF, "{:?}", outcome.took);
}

#[test]
fn a_command_that_ignores_the_stop_is_killed_after_the_grace() {
    let script = "trap '' TERM; echo ready; while :; do sleep 1; done";
    let mut running = Running::start(&mut minit(&["--grace", "300ms", "sh", "-c", script]));
    assert_eq!(running.line(), "ready");
    running.signal("TERM");
    let outcome = running.end();
    assert_eq!(outcome.code, Some(137));
    assert!(outcome.took < BRIEF, "{:?}", outcome.took);
}

#[test]
fn staying_it_lives_until_it_is_told_to_end() {
    let mut running = Running::start(&mut minit(&["--on-exit", "stay", "sh", "-c", "echo ran; exit 4"]));
    assert_eq!(running.line(), "ran");
    let pid = running.pid();
    until("the command is gone", || children(pid).is_empty());
    std::thread::sleep(Duration::from_millis(200));
    assert!(status(pid, "State").is_some_and(|state| state.starts_with('S')));
    running.signal("TERM");
    assert_eq!(running.end().code, Some(4));
}

#[test]
fn respawning_it_starts_the_command_again() {
    let mut running = Running::start(&mut minit(&["--on-exit=respawn", "sh", "-c", "echo $$"]));
    let (one, two) = (running.line(), running.line());
    assert_ne!(one, two);
    running.signal("TERM");
    let outcome = running.end();
    assert!(outcome.took >= Duration::from_secs(1), "a second lies between starts");
    assert!(outcome.code.is_some());
}

#[test]
fn what_is_started_again_starts_in_the_same_directory() {
    let mut command = minit(&["--on-exit=respawn", "sh", "-c", "pwd -P"]);
    let mut running = Running::start(command.current_dir("/usr/bin"));
    let place = std::fs::canonicalize("/usr/bin").expect("it is there");
    let place = place.to_str().expect("UTF-8");
    assert_eq!((&*running.line(), &*running.line()), (place, place));
    running.signal("TERM");
    running.end();
}
