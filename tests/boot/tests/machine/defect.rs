//! A defect of minit on a machine: the kernel panics when its first process ends, so that it must end the machine itself.

use boot::{Machine, Plan, Root, broken_minit};

/// A machine whose minit meets its defect as soon as its command runs.
fn broken(options: &[&str], script: &str) -> Machine {
    let script = format!("kill -64 1; {script}");
    let arguments = [options, &["--report", "console", "/bin/sh", "-c", &script]].concat();
    let mut machine = Machine::boot(Plan::pc(Root::usual().program("init", broken_minit()), &arguments));
    machine.until("minit: defect at ");
    machine
}

#[test]
fn with_a_defect_a_machine_ends_with_its_command_and_says_how() {
    let mut machine = broken(&[], "mount -t tmpfs none /var; sleep 1; exit 7");
    machine.until("minit: exit 7");
    machine.until("reboot: Power down");
    assert!(!machine.console().contains("Kernel panic"), "{}", machine.console());
}

#[test]
fn with_a_defect_a_machine_that_stays_is_ended_by_a_stop() {
    let script = "(trap '' TERM; sleep 2; kill -TERM 1; sleep 1000) & exit 5";
    let mut machine = broken(&["--on-exit", "stay", "--grace", "500ms", "-e", "5"], script);
    machine.until("minit: exit 0");
    machine.until("reboot: Power down");
    assert!(!machine.console().contains("Kernel panic"), "{}", machine.console());
}

#[test]
fn with_a_defect_a_machine_is_restarted_where_that_was_wanted() {
    let mut machine = broken(&["--on-exit", "reboot"], "sleep 1; exit 3");
    machine.until("minit: exit 3");
    machine.until("reboot: Restarting system");
}
