//! Signals to husk are signals to the container's first process, as if there were no husk in between.

use std::io::{BufRead as _, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use cli::{Scratch, busybox, husk_run, processes_with, rootfs, run, started, wait, wait_until};

fn place() -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let root = rootfs(&scratch);
    (scratch, root)
}

fn send(child: &Child, signal: i32) {
    let mut kill = Command::new(busybox());
    run(kill.args(["kill", &format!("-{signal}"), &child.id().to_string()])).good();
}

/// Whether a process has the word among its arguments.
fn lives(word: &str) -> bool {
    !processes_with("cmdline", word.as_bytes()).is_empty()
}

#[test]
fn a_signal_that_the_first_process_catches_reaches_it() {
    let (_scratch, root) = place();
    // HUP INT QUIT USR1 USR2 ALRM TERM URG WINCH IO PWR, the first, a middle and the last real-time signal.
    for signal in [1, 2, 3, 10, 12, 14, 15, 23, 28, 29, 30, 34, 40, 64] {
        let script = format!("trap 'echo got it; exit 7' {signal}; echo ready; while :; do sleep 0.05; done");
        let (mut child, line, mut output) = started(&mut husk_run(&[], &root, &["/bin/sh", "-c", &script]));
        assert_eq!(line, "ready");
        send(&child, signal);
        let mut rest = String::new();
        output.read_to_string(&mut rest).expect("output");
        assert_eq!(
            (rest.as_str(), wait(&mut child, &script).code()),
            ("got it\n", Some(7)),
            "signal {signal}"
        );
    }
}

#[test]
fn a_signal_that_nobody_prepared_for_ends_the_container_at_once() {
    let (_scratch, root) = place();
    for signal in [1, 2, 3, 10, 12, 14, 15, 34, 40, 64] {
        let mut command = husk_run(&[], &root, &["/bin/probe", "sleep", "100"]);
        let (mut child, _, _output) = started(&mut command);
        let since = Instant::now();
        send(&child, signal);
        assert_eq!(wait(&mut child, &command).code(), Some(128 + signal), "signal {signal}");
        assert!(since.elapsed() < Duration::from_secs(2), "signal {signal}: {:?}", since.elapsed());
    }
}

#[test]
fn a_signal_whose_default_is_to_be_ignored_ends_nothing() {
    let (_scratch, root) = place();
    let mut command = husk_run(&[], &root, &["/bin/probe", "sleep", "0.5"]);
    let (mut child, _, _output) = started(&mut command);
    // CONT URG WINCH
    for signal in [18, 23, 28] {
        send(&child, signal);
    }
    assert_eq!(wait(&mut child, &command).code(), Some(0));
}

#[test]
fn a_signal_that_the_first_process_ignores_is_ignored() {
    let (_scratch, root) = place();
    for signal in [1, 2, 15, 40] {
        let script = format!("trap '' {signal}; echo ready; sleep 0.5; echo lived; exit 5");
        let (mut child, _, mut output) = started(&mut husk_run(&[], &root, &["/bin/sh", "-c", &script]));
        send(&child, signal);
        let mut rest = String::new();
        output.read_to_string(&mut rest).expect("output");
        assert_eq!(
            (rest.as_str(), wait(&mut child, &script).code()),
            ("lived\n", Some(5)),
            "signal {signal}"
        );
    }
}

#[test]
fn one_signal_after_the_other_is_passed_on() {
    let (_scratch, root) = place();
    let script =
        "n=0; trap 'n=$((n+1)); echo $n' USR1; echo ready; while test $n -lt 20; do sleep 0.02; done";
    let (mut child, _, mut output) = started(&mut husk_run(&[], &root, &["/bin/sh", "-c", script]));
    for expected in 1..=20 {
        send(&child, 10);
        let mut line = String::new();
        output.read_line(&mut line).expect("output");
        assert_eq!(line, format!("{expected}\n"));
    }
    assert!(wait(&mut child, &script).success());
}

#[test]
fn the_end_of_husk_is_the_end_of_its_container() {
    let (scratch, root) = place();
    let mark = scratch.path().file_name().expect("name").to_string_lossy().into_owned();
    // Processes that ignore everything, in a session of their own, with a parent that is gone.
    let script = format!(
        "trap '' 1 2 15; (setsid sh -c 'trap \"\" 1 2 15; : {mark}; sleep 1000; :' &) ; : {mark}; echo ready; \
         sleep 1000; :"
    );
    let (mut child, _, _output) = started(&mut husk_run(&[], &root, &["/bin/sh", "-c", &script]));
    assert!(lives(&mark));
    child.kill().expect("SIGKILL");
    child.wait().expect("wait");
    wait_until("the end of the container", Duration::from_secs(1), || !lives(&mark));
}

#[test]
fn the_end_of_the_first_process_is_the_end_of_all_others() {
    let (scratch, root) = place();
    let mark = scratch.path().file_name().expect("name").to_string_lossy().into_owned();
    let script = format!("setsid sh -c ': {mark}; sleep 1000; :' & echo ready; exit 3");
    let ended = cli::shell(&[], &root, &script);
    assert_eq!((ended.code(), ended.out().as_str()), (3, "ready\n"));
    assert!(!lives(&mark), "a process was left");
}

#[test]
fn a_signal_is_lost_at_no_moment_of_the_start() {
    let (scratch, root) = place();
    let mark = scratch.path().file_name().expect("name").to_string_lossy().into_owned();
    for round in 0..60_u64 {
        let script = format!(": {mark}; sleep 1000; :");
        let mut command = husk_run(&[], &root, &["/bin/sh", "-c", &script]);
        let mut child = command.spawn().expect("starts");
        std::thread::sleep(Duration::from_micros(150 * round));
        send(&child, 15);
        let status = wait(&mut child, &command);
        // Before husk takes signals it is ended by one itself.
        let by_signal = std::os::unix::process::ExitStatusExt::signal(&status) == Some(15);
        assert!(by_signal || status.code() == Some(143), "round {round}: {status}");
        wait_until("the end of the container", Duration::from_secs(1), || !lives(&mark));
    }
}
