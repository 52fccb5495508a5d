//! What `husk run` may cost: counts, which are the same on every machine, of the release build.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use cli::Scratch;
use stress::{Deadline, alone, processes_of, release, rootfs};

/// System calls of husk, of its child, and of busybox's `true`, on a host without cgroup v2.
const SYSTEM_CALLS: usize = 160;
/// Largest resident memory of husk itself, KiB.
const MEMORY: usize = 2048;
/// The program file, bytes: the verbs of instances, and what draws their progress, are in it and not touched by a run.
const SIZE: u64 = 2304 << 10;
/// Steps of the default container.
const STEPS: usize = 60;

#[test]
fn a_run_makes_few_system_calls() {
    let _alone = alone();
    let scratch = Scratch::new();
    let (root, log) = (rootfs(&scratch), scratch.join("count"));
    let status = Command::new("strace")
        .args(["-f", "-c", "-o"])
        .args([log.as_path(), release("husk")])
        .arg("run")
        .args([root.as_path(), Path::new("/bin/true")])
        .stdin(Stdio::null())
        .status()
        .expect("strace");
    assert!(status.success(), "{status}");
    let text = std::fs::read_to_string(log).expect("the counts");
    // "100.00 SECONDS MICROSECONDS CALLS ERRORS total"
    let total = text.lines().find(|line| line.ends_with("total")).expect("a total");
    let calls: usize = total.split_whitespace().nth(3).and_then(|word| word.parse().ok()).expect("a number");
    println!("{calls} system calls of {SYSTEM_CALLS}");
    assert!(calls <= SYSTEM_CALLS, "{calls} system calls, more than {SYSTEM_CALLS}:\n{text}");
}

#[test]
fn husk_needs_little_memory() {
    let _alone = alone();
    let _deadline = Deadline::of("memory", Duration::from_secs(300));
    let scratch = Scratch::new();
    let root = rootfs(&scratch);
    let number = format!("{}00000", std::process::id());
    let mut husk = Command::new(release("husk"));
    husk.arg("run").arg(&root).args(["sleep", &number]).stdin(Stdio::null());
    let mut husk = husk.spawn().expect("husk");
    // husk is at its peak once its child is another program: one whose arguments begin with `sleep`.
    let sleeps = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(b"sleep\0")
    };
    cli::wait_until("the container runs", Duration::from_secs(10), || {
        processes_of(&number).iter().any(sleeps)
    });
    let status = std::fs::read_to_string(format!("/proc/{}/status", husk.id())).expect("status");
    husk.kill().expect("SIGKILL");
    husk.wait().expect("its end");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    let peak: usize = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    println!("{peak} KiB of {MEMORY}");
    assert!(peak <= MEMORY, "{peak} KiB at the peak, more than {MEMORY}");
}

#[test]
fn the_program_is_small() {
    let size = std::fs::metadata(release("husk")).expect("husk").len();
    println!("{size} bytes of {SIZE}");
    assert!(size <= SIZE, "{size} bytes, more than {SIZE}");
}

#[test]
fn the_default_container_has_few_steps() {
    let scratch = Scratch::new();
    let root = rootfs(&scratch);
    let output = Command::new(release("husk")).args(["run", "--plan"]).arg(&root).arg("/bin/true").output();
    let text = String::from_utf8(output.expect("husk").stdout).expect("UTF-8");
    let is_step = |line: &&str| line.trim_start().starts_with(|first: char| first.is_ascii_digit());
    let steps = text.lines().filter(is_step).count();
    println!("{steps} steps of {STEPS}");
    assert!((20..=STEPS).contains(&steps), "{steps} steps, more than {STEPS}:\n{text}");
}
