//! Each system call of a start fails once (strace's fault injection): husk says so and leaves nothing, at whichever
//! point it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use cli::Scratch;
use stress::{Deadline, Tree, alone, mounts_below, processes_of, release, rootfs};

/// The longest that one start may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the start of the static C library and of Rust's runtime calls before `main`, and what the allocator does
/// with a refusal, is not husk's: these may end it by a signal.
const BEFORE_MAIN: [&str; 8] =
    ["brk", "mmap", "mprotect", "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "prlimit64"];

/// With what they fail: no memory, no right, and a signal that came in between.
const ERRORS: [&str; 3] = ["ENOMEM", "EPERM", "EINTR"];

/// Calls that a container can do without, and how many of each at most: none of them confines. Questions about
/// ids, the terminal, the program's own path, the place for cgroups; umask(2), which cannot fail.
const UNNEEDED: [(&str, usize); 8] = [
    ("getrandom", 1),
    ("getresgid", 1),
    ("getresuid", 1),
    ("ioctl", 1),
    ("openat", 2),
    ("readlink", 1),
    ("statfs", 1),
    ("umask", 1),
];

/// Not refused: the exec that strace itself makes, what cannot fail, and close(2), which frees the descriptor
/// whatever it answers; a refusal by strace would leave it open as no kernel does.
const SPARED: [&str; 3] = ["close", "exit_group", "exit"];

/// The system calls of one start: for each name, how often one process makes it, up to the exec of the program.
fn positions(scratch: &Scratch, root: &Path) -> BTreeMap<String, usize> {
    let log = scratch.join("log");
    let status = Command::new("strace")
        .args(["-f", "-qq", "-o"])
        .args([log.as_path(), release("husk")])
        .arg("run")
        .args([root, Path::new("/bin/true")])
        .status()
        .expect("strace");
    assert!(status.success(), "a start under strace: {status}");
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let text = fs::read_to_string(&log).expect("the log");
    fs::remove_file(&log).expect("the log");
    let first = text.split_whitespace().next().unwrap_or_default().to_owned();
    let mut is_program = false;
    for line in text.lines() {
        let mut words = line.splitn(2, ' ');
        let (pid, call) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().trim());
        let Some((name, _)) = call.split_once('(') else { continue };
        if name.contains(' ') || pid != first && is_program {
            continue;
        }
        // The child's exec is the end of husk's part.
        is_program |= pid != first && name == "execve";
        if !SPARED.contains(&name) && (pid != first || name != "execve") {
            *counts.entry((name.to_owned(), pid.to_owned())).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((name, _), count) in counts {
        let entry: &mut usize = most.entry(name).or_default();
        *entry = count.max(*entry);
    }
    most
}

/// Runs with one call refused, as strace has it in words; returns how it ended and what it said, `None` where it
/// did not end.
fn refused(scratch: &Scratch, root: &Path, injected: &str) -> Option<(ExitStatus, String)> {
    let said = scratch.join("said");
    let mut child = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e"])
        .arg(format!("inject={injected}"))
        .arg(release("husk"))
        .arg("run")
        .args([root, Path::new("/bin/true")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&said).expect("a file"))
        .spawn()
        .expect("strace");
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("strace") {
            break status;
        }
        if started.elapsed() > PATIENCE {
            for pid in processes_of(&root.to_string_lossy()) {
                let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
            }
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let text = fs::read_to_string(&said).expect("what it said");
    fs::remove_file(&said).expect("the file");
    Some((status, text))
}

/// What an end comes to.
enum Outcome {
    Told,
    PassedOver,
    Wrong(String),
}

fn outcome(name: &str, error: &str, ended: Option<(ExitStatus, String)>) -> Outcome {
    let Some((status, said)) = ended else { return Outcome::Wrong(String::from("hangs")) };
    let lines: Vec<&str> = said.lines().collect();
    match (status.code(), lines.as_slice()) {
        // A call that was interrupted is made again.
        (Some(0), []) if error == "EINTR" => Outcome::Told,
        (Some(125..=127), [line]) if line.starts_with("husk: ") => Outcome::Told,
        _ if BEFORE_MAIN.contains(&name) => Outcome::Told,
        (Some(0), []) => Outcome::PassedOver,
        _ => Outcome::Wrong(format!("{status}, said {said:?}")),
    }
}

#[test]
fn every_system_call_may_fail_once() {
    let _alone = alone();
    let _deadline = Deadline::of("fault injection", Duration::from_secs(240));
    let scratch = Scratch::new();
    let root = rootfs(&scratch);
    let positions = positions(&scratch, &root);
    let before = Tree::of(scratch.path());
    let (started, mut tried, mut told) = (Instant::now(), 0, Vec::new());
    let mut passed_over: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (name, count) in &positions {
        for (number, error) in (1..=*count).flat_map(|number| ERRORS.map(|error| (number, error))) {
            let injected = format!("{name}:error={error}:when={number}");
            let ended = refused(&scratch, &root, &injected);
            tried += 1;
            match outcome(name, error, ended) {
                Outcome::Told => {}
                Outcome::PassedOver => *passed_over.entry((name.as_str(), error)).or_default() += 1,
                Outcome::Wrong(why) => told.push(format!("{injected}: {why}")),
            }
            told.extend(left(&scratch, &root, &before).map(|what| format!("{injected}: left {what}")));
        }
    }
    for ((name, error), count) in passed_over {
        let allowed = UNNEEDED.iter().find(|(unneeded, _)| *unneeded == name).map_or(0, |(_, most)| *most);
        if count > allowed {
            told.push(format!("{name}:error={error}: {count} passed over, and {allowed} may be"));
        }
    }
    println!("{tried} calls refused, one at a time, in {:.1} s", started.elapsed().as_secs_f64());
    assert!(tried > 100, "{tried} calls: not all were seen");
    assert!(told.is_empty(), "\n{}", told.join("\n"));
}

/// What was left behind, if anything.
fn left(scratch: &Scratch, root: &Path, before: &Tree) -> Option<String> {
    let mounts = mounts_below(scratch.path());
    let processes = processes_of(&root.to_string_lossy());
    if Tree::of(scratch.path()) == *before && mounts.is_empty() && processes.is_empty() {
        return None;
    }
    Some(format!("files, mounts {mounts:?} or processes {processes:?}"))
}
