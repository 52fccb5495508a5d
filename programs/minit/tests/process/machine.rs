//! What it does for a machine, asked for in a container.

use std::process::Command;

use crate::bed::{program, run};

/// minit as the first process of namespaces of its own.
fn contained(arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount", "--uts", "--net"]);
    command.arg(program()).args(["--no-api", "--on-exit", "exit"]).args(arguments);
    command
}

const LOOK: &str = "cat /proc/self/mounts; cat /sys/class/net/lo/flags; hostname";

#[test]
fn a_container_gets_nothing_that_was_not_asked_for() {
    let look = |init: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount", "--uts", "--net"]).args(init);
        run(command.args(["sh", "-c", LOOK]))
    };
    let bare = look(&[]);
    let beneath = look(&[program(), "--no-api", "--on-exit", "exit"]);
    assert_eq!((beneath.code, beneath.out), (Some(0), bare.out), "{}", beneath.err);
    assert_eq!(beneath.err, bare.err);
}

#[test]
fn a_container_gets_what_was_asked_for() {
    let script = "busybox ip addr show lo | grep -c 'inet 127.0.0.1'; hostname; grep -c ' /run tmpfs ' /proc/self/mounts";
    let arguments = ["--mount", "run", "--net", "lo", "--hostname", "inside", "sh", "-c", script];
    let outcome = run(&mut contained(&arguments));
    assert_eq!(outcome.out, "1\ninside\n1\n", "{}", outcome.err);
}

#[test]
fn a_mount_that_exists_is_left_alone() {
    let script = "mount -t tmpfs mine /run && touch /run/mark && grep -c ' /run ' /proc/self/mounts && \
                  exec \"$0\" --no-api --on-exit exit --mount run \
                  sh -c 'grep -c \" /run \" /proc/self/mounts; ls /run'";
    let mut command = Command::new("unshare");
    command.args([
        "--pid",
        "--fork",
        "--kill-child",
        "--mount",
        "--mount-proc",
        "sh",
        "-c",
        script,
        program(),
    ]);
    let outcome = run(&mut command);
    let lines: Vec<&str> = outcome.out.lines().collect();
    assert!(lines.len() == 3 && lines[0] == lines[1] && lines[2] == "mark", "{outcome:?}");
}

#[test]
fn the_code_is_told_at_the_end_of_a_container_too() {
    let outcome = run(&mut contained(&["--report", "console", "sh", "-c", "exit 5"]));
    assert_eq!(outcome.code, Some(5));
    assert_eq!(outcome.err, "minit: exit 5\n");
}

#[test]
fn what_a_machine_is_given_is_read_strictly() {
    for (arguments, why) in [
        (["--mount", "home"], "those that are wanted"),
        (["--net", "10.0.0.1"], "lo, none or ADDRESS/PREFIX,GATEWAY"),
        (["--net", "10.0.0.1/33"], "lo, none or ADDRESS/PREFIX,GATEWAY"),
        (["--report", "vsock:"], "console or vsock:PORT"),
    ] {
        let outcome = run(&mut contained(&[&arguments[..], &["true"]].concat()));
        assert_eq!(outcome.code, Some(125), "{arguments:?}");
        assert!(outcome.err.contains(why), "{arguments:?}: {}", outcome.err);
    }
}

#[test]
fn a_container_that_may_not_end_a_machine_ends_with_the_code() {
    let arguments = ["--on-exit", "poweroff", "--report", "console", "sh", "-c", "exit 9"];
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "setpriv", "--bounding-set", "-sys_boot"]);
    command.args(["--inh-caps", "-sys_boot", "--", program(), "--no-api"]);
    let outcome = run(command.args(arguments));
    assert_eq!(outcome.code, Some(9), "{}", outcome.err);
    assert!(
        outcome.err.contains("the machine does not end: reboot: Operation not permitted"),
        "{}",
        outcome.err
    );
}
