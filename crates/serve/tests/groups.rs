//! Commands in cgroups of their own: limits, freezing, the end of whole trees, and what is told of it all.

mod client;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use client::{Ground, is_alive, script_with, text, wait_until};
use serde_json::{Value, json};

/// A server whose commands get groups below one of its own, which is gone with all in it when this is dropped.
struct Grouped {
    ground: Ground,
    parent: PathBuf,
}

impl Grouped {
    fn new(name: &str) -> Self {
        let ground = Ground::noted_with(&[("SERVE_CGROUP", name)]);
        Self { ground, parent: Path::new("/sys/fs/cgroup").join(name) }
    }

    fn groups(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.parent).unwrap().map(|entry| entry.unwrap());
        entries.filter(|entry| entry.file_type().unwrap().is_dir()).map(|entry| entry.path()).collect()
    }

    fn wait_until_empty(&self) {
        wait_until("the group is gone", || self.groups().is_empty());
    }
}

impl Deref for Grouped {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}

impl Drop for Grouped {
    fn drop(&mut self) {
        let _ = std::fs::write(self.parent.join("cgroup.kill"), "1");
        let begun = Instant::now();
        while std::fs::remove_dir(&self.parent).is_err() && begun.elapsed() < Duration::from_secs(5) {
            for group in self.groups() {
                let _ = std::fs::remove_dir(group);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn run(ground: &Ground, text: &str, fields: &Value) -> Vec<Value> {
    let mut client = ground.connect();
    client.send(&script_with(text, fields));
    client.until("exit")
}

#[test]
fn limits_are_in_force_from_the_first_instruction() {
    let ground = Grouped::new("serve-limits");
    let script = "g=/sys/fs/cgroup$(sed s/0::// /proc/self/cgroup); cat $g/memory.max $g/cpu.max $g/pids.max";
    let limits = json!({"memory": "32m", "cpus": 0.5, "pids": 20});
    let messages = run(&ground, script, &json!({"limits": limits, "events": true}));
    assert_eq!(text(&messages, "stdout", "\n"), "33554432\n50000 100000\n20\n");
    ground.wait_until_empty();
}

#[test]
fn what_the_kernel_ends_for_want_of_memory_is_told_as_such() {
    let ground = Grouped::new("serve-oom");
    let mut subscriber = ground.connect();
    subscriber.send(&json!({"type": "events"}));
    subscriber.next();
    let fields = json!({"id": "greedy", "events": true, "limits": {"memory": "16m"}});
    let messages = run(&ground, "exec tail /dev/zero", &fields);
    let exit = messages.last().unwrap();
    assert_eq!((&exit["code"], &exit["signal"], &exit["oom"]), (&json!(137), &json!(9), &json!(true)));
    let events: Vec<Value> = (0..3).map(|_| subscriber.next()).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["started", "oom", "exit"]);
    // A child of the command, which lives on.
    let messages =
        run(&ground, "tail /dev/zero; exit 4", &json!({"events": true, "limits": {"memory": "16m"}}));
    assert_eq!(
        (&messages.last().unwrap()["code"], &messages.last().unwrap()["oom"]),
        (&json!(4), &json!(false))
    );
    subscriber.until("event");
    assert_eq!(subscriber.next()["event"], "oom");
}

#[test]
fn a_frozen_command_stands_still_and_can_be_killed() {
    let ground = Grouped::new("serve-freeze");
    let mut client = ground.connect();
    client.send(&script_with("while :; do echo x; sleep 0.01; done", &json!({"id": "f", "events": true})));
    client.until("stdout");
    assert_eq!(ground.ask_one(&json!({"type": "freeze", "id": "f"})), json!({"type": "ok", "id": "f"}));
    let bytes = || ground.ask_one(&json!({"type": "list"}))["execs"][0]["bytes"]["stdout"].as_u64().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let before = bytes();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(bytes(), before);
    ground.ask_one(&json!({"type": "thaw", "id": "f"}));
    wait_until("it goes on", || bytes() > before);
    ground.ask_one(&json!({"type": "freeze", "id": "f"}));
    ground.ask_one(&json!({"type": "kill", "id": "f", "signal": "KILL", "scope": "tree"}));
    assert_eq!(client.until("exit").last().unwrap()["code"], 137);
}

/// Processes that have left their sessions and their parents.
fn daemons(count: usize) -> String {
    format!("for i in $(seq {count}); do (setsid sleep 60 &) ; done; echo up; sleep 60")
}

#[test]
fn a_tree_of_hundreds_is_killed_by_one_write_and_leaves_no_group() {
    let ground = Grouped::new("serve-tree");
    let mut client = ground.connect();
    client.send(&script_with(&daemons(300), &json!({"id": "t", "events": true})));
    client.until("stdout");
    let begun = Instant::now();
    ground.ask_one(&json!({"type": "kill", "id": "t", "signal": "KILL", "scope": "tree"}));
    println!("the kill of 301 was answered after {:?}", begun.elapsed());
    client.until("exit");
    wait_until("all are gone", || ground.children().is_empty());
    println!("all were gone after {:?}", begun.elapsed());
    ground.wait_until_empty();
}

#[test]
fn nothing_of_a_tree_is_alive_after_its_time() {
    let ground = Grouped::new("serve-timeout");
    let mut client = ground.connect();
    let script =
        format!("trap '' TERM; {}", daemons(50).replace("sleep 60", "sh -c 'trap \"\" TERM; sleep 60'"));
    client.send(&script_with(
        &script,
        &json!({"id": "t", "events": true, "timeout_ms": 4000, "grace_ms": 300}),
    ));
    let exit = client.until("exit").pop().unwrap();
    assert_eq!((&exit["timed_out"], &exit["killed_by"]), (&json!(true), &json!("timeout")));
    wait_until("all are gone", || ground.children().is_empty());
    ground.wait_until_empty();
}

#[test]
fn a_group_is_gone_with_the_last_of_its_processes() {
    let ground = Grouped::new("serve-last");
    let mut client = ground.connect();
    client.send(&script_with("(setsid sleep 1 >/dev/null 2>&1 &)", &json!({"id": "t", "events": true})));
    client.until("exit");
    assert_eq!(ground.groups().len(), 1, "what it has left behind lives in its group");
    // No other command begins or ends that would be an occasion.
    ground.wait_until_empty();
}

#[test]
fn a_command_that_outlives_its_server_is_killed_with_its_group() {
    let mut grouped = Grouped::new("serve-heir");
    let ground = &mut grouped.ground;
    let mut client = ground.connect();
    client.send(&script_with(
        "(setsid sleep 60 & echo $!); sleep 60",
        &json!({"id": "t", "events": true, "timeout_ms": 0}),
    ));
    let daemon = text(&client.until("stdout"), "stdout", "");
    ground.restart();
    assert_eq!(ground.ask_one(&json!({"type": "list"}))["execs"][0]["state"], "orphaned");
    ground.ask_one(&json!({"type": "kill", "id": "t", "signal": "KILL", "scope": "tree"}));
    wait_until("its daemon is gone", || !is_alive(&daemon));
    grouped.wait_until_empty();
}

#[test]
fn stats_have_the_figures_of_the_servers_group() {
    let ground = Grouped::new("serve-stats");
    let own = format!("/sys/fs/cgroup/own-{}", ground.pid());
    std::fs::create_dir(&own).unwrap();
    for controllers in ["+memory", "+pids", "+io", "+cpu"] {
        let _ = std::fs::write("/sys/fs/cgroup/cgroup.subtree_control", controllers);
    }
    std::fs::write(format!("{own}/memory.max"), "64M").unwrap();
    std::fs::write(format!("{own}/cgroup.procs"), ground.pid().to_string()).unwrap();
    run(&ground, ":", &json!({}));
    let stats = ground.ask_one(&json!({"type": "stats"}));
    assert_eq!(
        (&stats["memory"]["max"], &stats["pids"]["current"]),
        (&json!(67_108_864), &json!(1)),
        "{stats}"
    );
    assert!(stats["memory"]["current"].as_u64() > Some(0) && stats["pids"]["max"].is_null(), "{stats}");
    assert!(stats["cpu"]["usage_usec"].as_u64() > Some(0), "{stats}");
    assert_eq!(stats["sessions_open"], 0);
    for resource in ["memory", "cpu", "io"] {
        let has = Path::new(&own).join(format!("{resource}.pressure")).exists();
        assert_eq!(stats["pressure"][resource]["some"]["avg10"].is_f64(), has, "{stats}");
    }
    drop(ground);
    wait_until("the group can be removed", || std::fs::remove_dir(&own).is_ok());
}
