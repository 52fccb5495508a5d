//! What follows on a defect of ours. The program of these tests is built with one: SIGRTMAX.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::bed::{Running, children, send, until};

fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let target = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/defect"));
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args([
            "build",
            "--quiet",
            "--package",
            "minit",
            "--features",
            "program,defect",
            "--target-dir",
        ]);
        build.arg(target).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        assert!(build.status().expect("cargo").success(), "cargo build of minit with a defect");
        target.join("x86_64-unknown-linux-gnu/debug/minit")
    })
}

/// minit as the first process, with its defect met.
fn broken(arguments: &[&str]) -> (Running, u32) {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(program()).arg("--no-api");
    let mut running = Running::start(command.args(arguments));
    assert_eq!(running.line(), "ready");
    let first = children(running.pid())[0];
    send("64", first);
    (running, first)
}

#[test]
fn a_first_process_with_a_defect_goes_on_reaping_and_forwarding_and_ends_with_its_command() {
    let script = "trap 'echo told; exit 7' HUP; echo ready; while :; do (true &); sleep 0.1; done";
    let (mut running, first) = broken(&["sh", "-c", script]);
    until("orphans are reaped", || children(first).len() <= 2);
    send("HUP", first);
    assert_eq!(running.line(), "told");
    let outcome = running.end();
    assert_eq!(outcome.code, Some(7));
    let ours: Vec<&str> = outcome.err.lines().filter(|line| line.starts_with("minit")).collect();
    assert!(matches!(ours[..], [line] if line.starts_with("minit: defect at ")), "{}", outcome.err);
}

#[test]
fn a_successor_takes_the_place_of_a_first_process_with_a_defect() {
    let (mut running, _) = broken(&["--on-crash", "/bin/pwd", "sh", "-c", "echo ready; sleep 1000"]);
    // The working directory of the first process.
    assert_eq!(running.line(), "/");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn a_successor_that_cannot_be_executed_is_told_of_and_done_without() {
    let (running, first) = broken(&["--on-crash", "/no/such", "sh", "-c", "echo ready; sleep 1000"]);
    send("TERM", first);
    let outcome = running.end();
    assert_eq!(outcome.code, Some(143));
    assert!(
        outcome.err.ends_with("minit: --on-crash /no/such: No such file or directory\n"),
        "{}",
        outcome.err
    );
}

#[test]
fn with_a_defect_it_still_stays_until_it_is_told_to_end() {
    let (running, first) =
        broken(&["--on-exit", "stay", "-e", "5", "sh", "-c", "sleep 1000 & echo ready; sleep 0.5; exit 5"]);
    let main = children(first)[0];
    until("the command is gone", || !crate::bed::exists(main));
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(crate::bed::exists(first));
    send("TERM", first);
    let outcome = running.end();
    assert_eq!(outcome.code, Some(0), "5 was to become 0: {}", outcome.err);
}

#[test]
fn with_a_defect_it_still_kills_who_does_not_end_within_the_grace() {
    let script = "setsid sh -c 'trap \"\" TERM; sleep 1000; sleep 1000' & sleep 0.3; echo ready; sleep 1000";
    let (running, first) = broken(&["--grace", "400ms", "sh", "-c", script]);
    let begun = std::time::Instant::now();
    send("TERM", first);
    let outcome = running.end();
    assert_eq!(outcome.code, Some(143), "{}", outcome.err);
    let took = begun.elapsed().as_millis();
    assert!((400..5_000).contains(&took), "{took} ms");
}
