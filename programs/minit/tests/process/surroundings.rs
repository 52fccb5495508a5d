//! What it is started with: descriptors, a parent.

use std::process::Command;

use crate::bed::{program, run};

#[test]
fn the_command_sees_exactly_descriptors_0_1_and_2() {
    let program = program();
    // By test(1), which opens nothing itself.
    let script = format!(
        "exec 5</dev/null 9</dev/null; \
         exec {program} --no-api sh -c 'for n in $(seq 0 255); do test -e /proc/$$/fd/$n && echo $n; done; true'"
    );
    let out = run(Command::new("bash").args(["-c", &script])).out;
    assert_eq!(out, "0\n1\n2\n");
}

#[test]
fn under_the_other_names_descriptors_are_passed_on() {
    let program = program();
    let script = format!("exec 9</dev/null; exec -a tini {program} -s sh -c 'test -e /proc/$$/fd/9'");
    assert_eq!(run(Command::new("bash").args(["-c", &script])).code, Some(0));
}

#[test]
fn closed_standard_descriptors_are_no_trouble() {
    let program = program();
    let script = format!(
        "{program} --no-api sh -c 'exit 7' <&- >&- 2>&-; echo $?; {program} --no-api no-such-program <&- 2>&-; echo $?"
    );
    assert_eq!(run(Command::new("bash").args(["-c", &script])).out, "7\n127\n");
}

#[test]
fn without_any_privilege_it_works_as_well() {
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--no-new-privs",
        "--bounding-set=-all",
    ]);
    let program = std::fs::File::open(program()).expect("the program");
    // By descriptor: the directories above it need not be everybody's.
    let path = format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&program));
    let copy = std::env::temp_dir().join(format!("minit-test-{}", std::process::id()));
    std::fs::copy(&path, &copy).expect("a copy");
    let outcome = run(command.arg(&copy).args(["--no-api", "sh", "-c", "echo $(id -u); exit 3"]));
    std::fs::remove_file(&copy).expect("it is ours");
    assert_eq!((outcome.code, &*outcome.out, &*outcome.err), (Some(3), "65534\n", ""));
}

#[test]
fn it_gets_the_signal_asked_for_when_its_parent_ends() {
    let program = program();
    let script = format!(
        "{program} --no-api --pdeath USR1 bash -c 'trap \"echo parent ended; exit 0\" USR1; echo ready; \
         while :; do sleep 0.01; done' & sleep 0.4; kill -9 $$"
    );
    let outcome = run(Command::new("bash").args(["-c", &script]));
    assert_eq!(outcome.out, "ready\nparent ended\n");
}
