//! Without /proc nobody knows who descends from a command. What its pidfd names is reached all the same: itself and its
//! process group.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::{children, until};
use crate::client::{Connection, Served};

/// Processes below one, as this machine's /proc has them.
fn below(pid: u32) -> usize {
    children(pid).into_iter().map(|child| 1 + below(child)).sum()
}

/// The first process, the api, and what the test starts beside them.
const IDLE: usize = 2;

fn begin(served: &Served, script: &str, fields: &Value) -> Connection {
    let mut request = json!({"type": "exec", "id": "one", "events": true, "timeout_ms": 0, "cmd": "sh",
        "args": ["-c", script]});
    for (name, value) in fields.as_object().expect("fields") {
        request[name] = value.clone();
    }
    let mut client = served.connect();
    client.send(request);
    client
}

fn all_are_gone(served: &Served, by: Instant) {
    until("nothing of the tree is left", || below(served.running.pid()) == IDLE);
    assert!(by.elapsed() < Duration::from_millis(1500), "{:?}", by.elapsed());
}

#[test]
fn a_timeout_ends_the_command_and_its_group() {
    let served = Served::without_proc(&[]);
    let script = "trap '' TERM; sleep 60 & echo ready; wait; sleep 60";
    let mut client = begin(&served, script, &json!({"timeout_ms": 300, "grace_ms": 300}));
    assert_eq!(client.next_of("stdout")["data"], "ready");
    client.next_of("timeout");
    let told = Instant::now();
    let exit = client.next_of("exit");
    assert_eq!((&exit["code"], &exit["timed_out"]), (&json!(137), &json!(true)), "{exit}");
    all_are_gone(&served, told);
}

#[test]
fn what_outlives_its_leader_is_killed_when_the_grace_is_over() {
    let served = Served::without_proc(&[]);
    let script = "(trap '' TERM; echo ready; sleep 60; sleep 60) & exec sleep 60";
    let mut client = begin(&served, script, &json!({"timeout_ms": 300, "grace_ms": 300}));
    assert_eq!(client.next_of("stdout")["data"], "ready");
    client.next_of("timeout");
    let told = Instant::now();
    assert_eq!(client.next_of("exit")["code"], 143, "the leader ends by SIGTERM");
    assert!(below(served.running.pid()) > IDLE, "the others have their time");
    all_are_gone(&served, told);
}

#[test]
fn a_signal_for_a_tree_reaches_each_of_the_group_once() {
    let served = Served::without_proc(&[]);
    let script = "trap 'echo told' TERM; trap 'exit 7' USR1; echo ready; while :; do sleep 0.05; done";
    let mut client = begin(&served, script, &json!({}));
    let pid = client.next_of("started")["pid"].clone();
    assert_eq!(client.next_of("stdout")["data"], "ready");
    for target in [json!({"id": "one"}), json!({"pid": pid})] {
        let mut request = target;
        request["type"] = json!("kill");
        request["scope"] = json!("tree");
        assert_eq!(served.ask(request), json!({"type": "kill_result", "success": true}));
        assert_eq!(client.next_of("stdout")["data"], "told");
    }
    let end = json!({"type": "kill", "id": "one", "signal": "USR1"});
    assert_eq!(served.ask(end)["success"], true);
    loop {
        let next = client.next().expect("the end comes first");
        assert_ne!(next["type"], "stdout", "one signal has come twice: {next}");
        if next["type"] == "exit" {
            assert_eq!(next["code"], 7);
            break;
        }
    }
}

#[test]
fn sigkill_of_a_tree_by_id_and_by_number_takes_its_group_along() {
    let served = Served::without_proc(&[]);
    for by_number in [false, true] {
        let mut client = begin(&served, "sleep 60 & sleep 60 & echo ready; wait", &json!({}));
        let pid = client.next_of("started")["pid"].clone();
        client.next_of("stdout");
        let mut request = json!({"type": "kill", "signal": "KILL", "scope": "tree"});
        let (name, target) = if by_number { ("pid", pid) } else { ("id", json!("one")) };
        request[name] = target;
        let asked = Instant::now();
        assert_eq!(served.ask(request), json!({"type": "kill_result", "success": true}));
        assert_eq!(client.next_of("exit")["code"], 137);
        all_are_gone(&served, asked);
        assert_eq!(served.ask(json!({"type": "ack", "id": "one"}))["type"], "ok");
        let gone = served.ask(json!({"type": "kill", "id": "one", "scope": "tree"}));
        assert_eq!(gone["success"], false, "{gone}");
    }
}

#[test]
fn a_list_of_processes_is_an_error_that_says_what_is_missing() {
    let served = Served::without_proc(&[]);
    let answer = served.ask(json!({"type": "list_processes"}));
    assert_eq!(answer["type"], "error");
    assert_eq!(answer["data"], "list_processes: /proc: No such file or directory");
}
