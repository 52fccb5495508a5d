//! Signals on their way to the command.

use std::process::Command;

use crate::bed::{Running, children, minit, program, run, status, until};

/// Prints the number of each signal that it gets.
const PRINTER: &str = "for n in $(seq 1 64); do case $n in 9|17|19|32|33) ;; *) trap \"echo $n\" $n;; esac; done; \
     echo ready; while :; do sleep 0.01; done";

/// A printer under minit.
fn printer(options: &[&str]) -> Running {
    let mut arguments = options.to_vec();
    arguments.extend(["bash", "-c", PRINTER]);
    let mut running = Running::start(&mut minit(&arguments));
    assert_eq!(running.line(), "ready");
    running
}

#[test]
fn every_signal_is_passed_on_real_time_ones_included() {
    let mut printer = printer(&[]);
    // The job-control signals stop it, and SIGTERM and SIGINT end it: they have tests of their own.
    for number in (1..=64).filter(|number| ![2, 9, 15, 17, 19, 20, 21, 22, 32, 33].contains(number)) {
        printer.signal(&number.to_string());
        assert_eq!(printer.line(), number.to_string());
    }
}

#[test]
fn signals_reach_the_whole_group() {
    let script = "trap : USR1; (trap 'echo inner; exit' USR1; echo ready; while :; do sleep 0.01; done) & \
         wait; wait";
    let mut running = Running::start(&mut minit(&["bash", "-c", script]));
    assert_eq!(running.line(), "ready");
    running.signal("USR1");
    assert_eq!(running.line(), "inner");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn signals_are_rewritten_and_dropped_as_asked() {
    let mut printer = printer(&["-r", "HUP:USR1", "-r", "SIGUSR2:0", "--rewrite=40:41"]);
    printer.signal("USR2");
    printer.signal("HUP");
    assert_eq!(printer.line(), "10", "the first one was dropped, the second is another");
    printer.signal("40");
    assert_eq!(printer.line(), "41");
}

#[test]
fn a_suspended_init_and_its_command_go_on_together() {
    let mut printer = printer(&[]);
    let command = children(printer.pid())[0];
    printer.signal("TSTP");
    let state = |pid| status(pid, "State").unwrap_or_default();
    until("both are stopped", || state(printer.pid()).starts_with('T') && state(command).starts_with('T'));
    printer.signal("CONT");
    assert_eq!(printer.line(), "18");
    assert!(!state(printer.pid()).starts_with('T'));
}

#[test]
fn a_signal_that_the_kernel_does_not_let_through_is_a_warning() {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-kill", program(), "--no-api", "--user", "nobody", "sh", "-c"]);
    command.arg("echo ready; sleep 1; exit 5");
    let mut running = Running::start(&mut command);
    assert_eq!(running.line(), "ready");
    running.signal("HUP");
    let outcome = running.end();
    assert_eq!(outcome.code, Some(5), "it lives on");
    assert_eq!(outcome.err, "minit: warning: signal 1 not passed on: Operation not permitted\n");
}

#[test]
fn the_command_starts_with_no_signal_blocked_or_ignored() {
    let program = program();
    let script = format!("trap '' HUP USR1 CHLD; exec {program} --no-api cat /proc/self/status");
    let out = run(Command::new("sh").args(["-c", &script])).out;
    for key in ["SigBlk:", "SigIgn:"] {
        let line = out.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        assert_eq!(line.trim(), "0000000000000000", "{key}");
    }
}
