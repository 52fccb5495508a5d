//! Which faults are tried, and by how many at once.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::traced::{Fault, Lasting};

/// No descriptor, no memory, no room, not now, interrupted, not allowed.
const ERRORS: [&str; 7] = ["EMFILE", "ENOMEM", "ENOSPC", "EAGAIN", "EINTR", "EPERM", "EACCES"];

/// What is over after one time: nothing interrupts for ever, and what poll(2) or epoll(7) reports as ready is not
/// put off again and again.
const PASSING: [&str; 2] = ["EINTR", "EAGAIN"];

/// Not refused: what cannot fail (getpid(2); clock_gettime(2) with a clock that there is); what does not return;
/// the exec by which the program comes; and close(2), which frees the descriptor whatever it answers, while a
/// refusal by strace leaves it open as no kernel does.
const SPARED: [&str; 10] = [
    "getpid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "clock_gettime",
    "exit_group",
    "execve",
    "close",
    "restart_syscall",
];

/// The name of the call that a line of strace's log is about; none where it is the rest of one, a signal or an end.
pub fn name(line: &str) -> Option<&str> {
    let line = line.trim_start_matches(|character: char| character.is_ascii_digit() || character == ' ');
    let (name, _) = line.split_once('(')?;
    (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        .then_some(name)
}

/// The pid that a line begins with where several processes are traced.
pub fn pid_of(line: &str) -> Option<u32> {
    line.split_whitespace().next()?.parse().ok()
}

/// Every fault of the calls in `log` that `is_ours` says yes to, by their number and line.
pub fn faults(log: &[String], is_ours: impl Fn(usize, &str) -> bool) -> Vec<Fault> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for (index, line) in log.iter().enumerate() {
        let Some(call) = name(line) else { continue };
        let number = *counts.entry(call).and_modify(|count| *count += 1).or_insert(1);
        if SPARED.contains(&call) || !is_ours(index, line) {
            continue;
        }
        for lasting in [Lasting::Once, Lasting::FromThereOn] {
            let lasts = |error: &&str| lasting == Lasting::Once || !PASSING.contains(error);
            let errors = ERRORS.into_iter().filter(lasts);
            faults.extend(errors.map(|error| Fault { call: call.to_owned(), error, number, lasting }));
        }
    }
    faults
}

/// Tries faults, several at once; returns what is wrong. At most `most`, chosen by a fixed seed, unless all are
/// asked for.
pub fn try_all(
    what: &str,
    mut faults: Vec<Fault>,
    most: usize,
    attempt: impl Fn(&Fault) -> Result<(), String> + Sync,
) -> Vec<String> {
    let there_are = faults.len();
    if std::env::var_os("MINIT_FAULTS").is_none_or(|which| which != "all") {
        shuffle(&mut faults);
        faults.truncate(most);
    }
    let (began, tried) = (Instant::now(), faults.len());
    let (left, wrong) = (Mutex::new(faults), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some(fault) = left.lock().expect("no panic").pop() else { return };
                    if let Err(why) = attempt(&fault) {
                        println!("{what}, {fault}: {why}");
                        wrong.lock().expect("no panic").push(format!("{what}, {fault}: {why}"));
                    }
                }
            });
        }
    });
    println!("{what}: {tried} of {there_are} faults in {:.1} s", began.elapsed().as_secs_f64());
    assert!(tried > 20, "{what}: only {there_are} faults were found");
    wrong.into_inner().expect("no panic")
}

/// One test after the other: each starts several things at once, and times are part of what is judged.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Most of an attempt is waiting.
const WORKERS: usize = 6;

/// Fisher and Yates, by a linear congruential generator from a fixed seed.
fn shuffle(faults: &mut [Fault]) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for last in (1..faults.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        faults.swap(last, (state >> 33) as usize % (last + 1));
    }
}
