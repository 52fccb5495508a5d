//! From the end of the command to that of the machine.

use boot::{Machine, Plan, Root, Shape};

/// Boots, runs a script, and returns the console.
fn run(shape: Shape, options: &[&str], script: &str) -> Vec<String> {
    let arguments = [options, &["--report", "console", "/bin/sh", "-c", script]].concat();
    Machine::boot(Plan { shape, ..Plan::pc(Root::usual(), &arguments) }).end()
}

fn has(console: &[String], text: &str) -> bool {
    console.iter().any(|line| line.contains(text))
}

#[test]
fn the_code_is_told_and_the_machine_is_switched_off() {
    let console = run(Shape::Pc, &[], "exit 7");
    assert!(has(&console, "minit: exit 7") && has(&console, "reboot: Power down"), "{console:#?}");
}

#[test]
fn a_machine_without_acpi_ends_by_a_reset() {
    let console = run(Shape::Micro, &["--on-exit", "reboot"], "kill -KILL $$");
    assert!(has(&console, "minit: exit 137") && has(&console, "reboot: Restarting system"), "{console:#?}");
    assert!(!has(&console, "warning"), "{console:#?}");
}

#[test]
fn a_command_that_is_not_there_ends_the_machine_with_its_code() {
    let arguments = ["--report", "console", "--on-exit", "exit", "/bin/nothing"];
    let console = Machine::boot(Plan::pc(Root::usual(), &arguments)).end();
    assert!(has(&console, "minit: /bin/nothing: command not found"), "{console:#?}");
    assert!(has(&console, "minit: exit 127") && has(&console, "reboot: Power down"), "{console:#?}");
}

#[test]
fn what_the_command_leaves_is_told_to_end_first() {
    let script =
        "(trap '' HUP; trap 'echo told; exit 0' TERM; while :; do sleep 0.1; done) & sleep 0.5; exit 3";
    let console = run(Shape::Pc, &["-e", "3"], script);
    let place = |text: &str| console.iter().position(|line| line.contains(text));
    assert!(place("told").is_some() && place("told") < place("minit: exit 0"), "{console:#?}");
}

#[test]
fn it_stays_until_the_keys_that_end_a_machine_are_pressed() {
    let script = "(sleep 2; echo still here; sleep 1000) & exit 5";
    let arguments = ["--on-exit", "stay", "--report", "console", "--grace", "500ms", "/bin/sh", "-c", script];
    let mut machine = Machine::boot(Plan::pc(Root::usual(), &arguments));
    machine.until("still here");
    machine.press("ctrl-alt-delete");
    machine.until("minit: exit 5");
    machine.until("reboot: Power down");
}

#[test]
fn a_command_is_started_again_and_again() {
    let script = "echo run >> /run/runs; cat /run/runs | wc -l; \
                  if [ $(cat /run/runs | wc -l) = 3 ]; then kill -TERM 1; sleep 100; fi; exit 1";
    let console = run(Shape::Pc, &["--on-exit", "respawn"], script);
    for line in ["1", "2", "3"] {
        assert!(console.iter().any(|seen| seen == line), "{console:#?}");
    }
    assert!(has(&console, "minit: exit 143") && has(&console, "reboot: Power down"), "{console:#?}");
}

#[test]
fn a_restart_that_was_ordered_comes_though_the_command_has_to_be_killed() {
    let script = "trap '' TERM; until /init ping; do sleep 0.1; done; \
                  /init shutdown --mode reboot --grace 500ms --code 4; while :; do sleep 1; done";
    let console = run(Shape::Pc, &[], script);
    assert!(has(&console, "minit: exit 4") && has(&console, "reboot: Restarting system"), "{console:#?}");
}
