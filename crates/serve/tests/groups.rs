//! Commands in cgroups of their own. These tests need root and cgroup v2 at its place: they run in the guest.

mod client;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use client::{Ground, is_alive, script_with, wait_until};
use serde_json::json;

/// A server that makes a cgroup for each command.
fn ground() -> (Ground, Leftover) {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = format!("serve-{}-{number}", std::process::id());
    (
        Ground::with_environment(&[("SERVE_CGROUP", &name)]),
        Leftover(PathBuf::from("/sys/fs/cgroup").join(name)),
    )
}

/// Removes the parent group when the test is over.
struct Leftover(PathBuf);

impl Drop for Leftover {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

impl Leftover {
    fn groups(&self) -> usize {
        let entries = std::fs::read_dir(&self.0).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().file_type().unwrap().is_dir()).count()
    }
}

#[test]
fn a_frozen_command_stands_still_until_it_is_thawed_and_its_tree_dies_at_once() {
    let (ground, groups) = ground();
    let mut client = ground.connect();
    let file = ground.directory.join("ticks");
    let ticks = || std::fs::metadata(&file).map_or(0, |file| file.len());
    client.send(&script_with(
        &format!("setsid sleep 99 & while :; do echo x >> {}; sleep 0.01; done", file.display()),
        &json!({"id": "f", "events": true}),
    ));
    wait_until("it runs", || ticks() > 4);
    assert_eq!(groups.groups(), 1);
    assert_eq!(ground.ask_one(&json!({"type": "freeze", "id": "f"})), json!({"type": "ok", "id": "f"}));
    let before = ticks();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(ticks(), before);
    assert_eq!(ground.ask_one(&json!({"type": "thaw", "id": "f"}))["type"], "ok");
    wait_until("it runs again", || ticks() > before);
    let children = ground.children();
    let begun = Instant::now();
    ground.ask_one(&json!({"type": "kill", "id": "f", "signal": "KILL", "scope": "tree"}));
    wait_until("all are gone", || !children.iter().any(|pid| is_alive(pid)));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(client.until("exit").pop().unwrap()["code"], 137);
    wait_until("its group is gone", || groups.groups() == 0);
}

#[test]
fn a_command_that_takes_too_much_memory_is_told_to_have_run_out_of_it() {
    let (ground, groups) = ground();
    let mut client = ground.connect();
    let fields = json!({"events": true, "limits": {"memory": "16m", "pids": 20, "cpus": 1}});
    client.send(&script_with("tail /dev/zero", &fields));
    let exit = client.until("exit").pop().unwrap();
    assert_eq!((&exit["oom"], &exit["code"]), (&json!(true), &json!(137)));
    wait_until("its group is gone", || groups.groups() == 0);
    let wrong = ground.ask_one(&script_with("true", &json!({"limits": {"memory": "much"}})));
    assert!(wrong["data"].as_str().unwrap().contains("\"memory\" is wrong"), "{wrong}");
}
