//! The system calls of the first process, all of them: one more, and this fails. SECURITY.md says what each is for.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::bed::children;
use crate::choice::{alone, name};
use crate::traced::{First, Folder, PATIENCE, Reach, SIGKILL, SIGTERM, SIGUSR1, Tracer, kill, wait_for};

/// Up to the start of the command: all that can fail.
const STARTING: [&str; 18] = [
    "chdir",
    "clock_gettime",
    "clone3",
    "close",
    "close_range",
    "fcntl",
    "getpid",
    "ioctl",
    "memfd_create",
    "mmap",
    "openat",
    "pwrite64",
    "read",
    "reboot",
    "recvmsg",
    "rt_sigprocmask",
    "signalfd4",
    "socketpair",
];

/// From then on: waiting; a signal read and passed on; reaping; the api, and the command, started again; the end.
const RUNNING: [&str; 17] = [
    "clock_gettime",
    "clone",
    "clone3",
    "close",
    "exit_group",
    "ioctl",
    "kill",
    "ppoll",
    "read",
    "recvfrom",
    "recvmsg",
    "rt_sigaction",
    "sendto",
    "socketpair",
    "uname",
    "wait4",
    "write",
];

/// Of these, what is not made everywhere: Linux 6.15 and newer ones are asked to reap orphans and how a child ended;
/// a command that is not started in the first process's own memory reports by a message.
const SOMETIMES: [&str; 3] = ["ioctl", "recvmsg", "rt_sigaction"];

/// Made in place of another that fails, as the tests beside this one have it.
const INSTEAD: [&str; 4] = ["nanosleep", "pidfd_send_signal", "rt_sigtimedwait", "waitid"];

const COMMAND: &str = "trap 'echo usr1; over=1' USR1; trap 'exit 9' TERM; (true &); \
    setsid sh -c 'trap \"\" TERM; sleep 30' & echo runs; until [ \"$over\" ]; do sleep 0.05; done";

/// Two lives with all that can happen in one: what was called before the command ran, and after.
fn calls() -> (BTreeSet<String>, BTreeSet<String>) {
    let lives = [
        &["--socket=SOCKET", "--on-exit=respawn", "--grace=200ms", "sh", "-c", COMMAND][..],
        &[
            "--no-api",
            "--user=root",
            "--groups=root,1",
            "--oom-score-adj=5",
            "--grace=200ms",
            "sh",
            "-c",
            COMMAND,
        ],
    ];
    let (mut starting, mut running) = (BTreeSet::new(), BTreeSet::new());
    for arguments in lives {
        let folder = Folder::new();
        let mut first = First::prepare(&folder, "minit", arguments);
        let tracer = Tracer::attach(first.pid, folder.join("log"), None, Reach::Alone);
        first.go();
        assert_eq!(first.line(PATIENCE), "runs", "{}", first.said());
        first.signal(SIGUSR1);
        assert_eq!(first.line(PATIENCE), "usr1", "{}", first.said());
        if arguments[0].starts_with("--socket") {
            let named = |pid: &u32, name: &str| {
                std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|found| found.trim() == name)
            };
            let api = || children(first.pid).into_iter().find(|pid| named(pid, "minit-api"));
            let before = api().expect("the api runs");
            kill(before, SIGKILL);
            assert!(wait_for(|| api().is_some_and(|pid| pid != before)), "it is started again");
            // The command has ended by the signal, and runs a second time.
            assert_eq!(first.line(PATIENCE), "runs", "{}", first.said());
            std::thread::sleep(Duration::from_millis(50));
        }
        first.signal(SIGTERM);
        first.end();
        let log = tracer.detach();
        let names = || log.iter().filter_map(|line| name(line));
        let executed = names().position(|call| call == "execve").expect("minit is executed");
        // What follows on the command's start before the loop begins is its working directory; nothing does where the
        // command is to start there again.
        let place = |wanted: &str| names().position(|call| call == wanted);
        let started = place("chdir").or_else(|| place("clone3")).expect("the command is started");
        starting.extend(names().take(started + 1).skip(executed + 1).map(str::to_owned));
        running.extend(names().skip(started + 1).map(str::to_owned));
    }
    (starting, running)
}

#[test]
fn no_other_system_call_is_made_by_the_first_process() {
    let _alone = alone();
    let (starting, running) = calls();
    println!("starting: {starting:?}\nrunning: {running:?}");
    let beyond = |made: &BTreeSet<String>, list: &[&str]| -> Vec<String> {
        made.iter().filter(|call| !list.contains(&call.as_str())).cloned().collect()
    };
    assert_eq!((beyond(&starting, &STARTING), beyond(&running, &RUNNING)), (Vec::new(), Vec::new()));
    // A name that nobody calls any more allows what nobody needs.
    let unused = |made: &BTreeSet<String>, list: &[&'static str]| -> Vec<&str> {
        let is_made = |call: &&&str| made.contains(**call) || SOMETIMES.contains(*call);
        list.iter().filter(|call| !is_made(call)).copied().collect()
    };
    assert_eq!((unused(&starting, &STARTING), unused(&running, &RUNNING)), (Vec::new(), Vec::new()));
}

#[test]
fn every_system_call_of_the_first_process_has_its_reason_in_security() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../SECURITY.md");
    let text = std::fs::read_to_string(path).expect("SECURITY.md");
    let silent: Vec<&str> = STARTING
        .into_iter()
        .chain(RUNNING)
        .chain(INSTEAD)
        .filter(|call| !text.contains(&format!("`{call}`")))
        .collect();
    assert!(silent.is_empty(), "not in SECURITY.md: {silent:?}");
}
