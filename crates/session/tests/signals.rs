//! Signals: what a process does with them, and how a session passes them on.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use session::{Disposition, Kind, Session, block_signals, disposition};
use spawn::{Exit, Launch, Memory, Others, Plan};
use sys::clone::Namespaces;
use sys::exec::Argument;
use sys::fd::AsFd as _;
use sys::process::Pid;

mod ground;

/// A shell that runs a script and says `ready` when it has come to the end of it.
fn shell(script: &str) -> (Child, Pid) {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("{script}; echo ready; read line")]);
    let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
    (child, pid)
}

#[test]
fn disposition_tells_what_a_real_process_does() {
    let (mut child, pid) = shell("trap : TERM; trap '' USR1");
    for (number, expected) in [
        (15, Disposition::Taken),
        (10, Disposition::Taken),
        (12, Disposition::Default),
        (14, Disposition::Default),
        // Nobody can take this one.
        (9, Disposition::Default),
    ] {
        assert_eq!(disposition(pid, number), Ok(expected), "{number}");
    }
    // Its input ends, and so does it.
    drop(child.stdin.take());
    child.wait().expect("its end");
}

#[test]
fn a_process_that_is_gone_has_no_disposition() {
    let (mut child, pid) = shell(":");
    drop(child.stdin.take());
    child.wait().expect("its end");
    assert_eq!(disposition(pid, 15), Err(sys::Errno::NOENT));
}

/// Runs this test of this program again, with the signals blocked in all of its threads from the beginning: one
/// that is sent to a process goes to any thread that does not block it. Whether this is that run.
fn is_alone(test: &str) -> bool {
    const MARK: &str = "SESSION_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let mut again = Command::new("env");
    again.arg("--block-signal=HUP,TERM").arg(std::env::current_exe().expect("own path"));
    again.args(["--exact", test, "--nocapture"]).env(MARK, "1");
    let output = again.output().expect("this program");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{}: {text}", output.status);
    false
}

/// Runs a script in a session of its own.
fn session_of(script: &std::ffi::CStr, namespaces: Namespaces, kind: Kind) -> session::Ended {
    let signals = block_signals().expect("signalfd");
    let argv = [c"sh", c"-c", script].map(Argument::new);
    let argv = [argv[0], argv[1], argv[2], Argument::END];
    let steps = ground::program(&argv);
    let launch = Launch {
        plan: Plan { steps: &steps },
        namespaces,
        cgroup: None,
        standard: [None; 3],
        others: Others::Keep,
        memory: Memory::Copied,
    };
    let child = spawn::start(&launch, &mut ground::Bystander).expect("sh");
    let out = ground::null();
    let session = Session {
        child: &child,
        kind,
        signals: signals.as_fd(),
        terminal: None,
        input: None,
        output: out.as_fd(),
    };
    session.run().expect("its end")
}

#[test]
fn a_signal_to_the_session_is_passed_on() {
    if is_alone("a_signal_to_the_session_is_passed_on") {
        let script = c"trap 'exit 7' TERM; kill -TERM $PPID; for i in $(seq 50); do sleep 0.1; done";
        let ended = session_of(script, Namespaces::NONE, Kind::Plain);
        assert_eq!((ended.exit, ended.ended_for), (Exit::Code(7), None));
    }
}

#[test]
fn a_signal_that_a_plain_process_does_not_take_ends_it() {
    if is_alone("a_signal_that_a_plain_process_does_not_take_ends_it") {
        let script = c"kill -HUP $PPID; exec sleep 5";
        let ended = session_of(script, Namespaces::NONE, Kind::Plain);
        assert_eq!((ended.exit, ended.code()), (Exit::Signal(1), 129));
    }
}

#[test]
fn a_first_process_that_does_not_take_a_signal_is_ended_for_it() {
    if !sys::process::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    if is_alone("a_first_process_that_does_not_take_a_signal_is_ended_for_it") {
        // From its namespace the session cannot be named: another process sends the signal, after a while.
        let mut killer = Command::new("/bin/sh");
        killer.args(["-c", &format!("sleep 0.2; kill -TERM {}", std::process::id())]);
        let mut killer = killer.spawn().expect("sh");
        let script = c"exec sleep 5";
        let ended = session_of(script, Namespaces::PID, Kind::Init);
        assert_eq!((ended.exit, ended.ended_for, ended.code()), (Exit::Signal(9), Some(15), 143));
        assert!(killer.wait().expect("its end").success());
    }
}
