//! A server that ends, and the one that follows it.

mod client;

use std::io::Write;
use std::time::{Duration, Instant};

use client::{Ground, is_alive, script, script_with, wait_until};
use serde_json::{Value, json};

/// A server whose running commands are noted, and that is told things by a FIFO. What it leaves falls to us.
fn ground() -> Ground {
    sys::process::set_child_subreaper(Some(sys::process::getpid())).unwrap();
    Ground::noted()
}

fn tell(ground: &Ground, line: &str) {
    let mut fifo = std::fs::OpenOptions::new().write(true).open(ground.directory.join("news")).unwrap();
    fifo.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// A command that runs on until it is told not to; its pid.
fn begin(ground: &Ground, id: &str, text: &str) -> u64 {
    let mut client = ground.connect();
    client.send(&script_with(
        text,
        &json!({"id": id, "events": true, "tag": "kept", "detach": true, "timeout_ms": 0}),
    ));
    client.next()["pid"].as_u64().unwrap()
}

fn listed(ground: &Ground, id: &str) -> Value {
    ground.ask_one(&json!({"type": "list", "filter": {"id": id}}))["execs"][0].clone()
}

/// What the first process does: orphans fall to this one.
fn reap(pid: u64) {
    use sys::process::{Pid, WaitOptions, waitpid};
    let pid = Pid::from_raw(pid as i32);
    wait_until("it is reaped", || matches!(waitpid(pid, WaitOptions::NOHANG), Ok(Some(_))));
}

#[test]
fn commands_of_a_killed_server_are_listed_killed_and_waited_for_by_the_next() {
    let mut ground = ground();
    let long = begin(&ground, "long", "trap 'exit 9' TERM; sleep 60 & wait");
    let tree = begin(&ground, "tree", "setsid sleep 60 & sleep 60 & wait");
    begin(&ground, "ended", "exit 3");
    wait_until("one has ended", || listed(&ground, "ended")["state"] == "exited");
    ground.restart();
    let shown = listed(&ground, "long");
    assert_eq!(
        (&shown["pid"], &shown["state"], &shown["tag"]),
        (&json!(long), &json!("orphaned"), &json!("kept"))
    );
    assert!(shown["cmd"].as_str().unwrap().starts_with("/bin/busybox sh -c trap"), "{shown}");
    assert_eq!(ground.ask_one(&json!({"type": "stats"}))["watch"], "on");
    assert!(listed(&ground, "ended").is_null(), "what had ended is not taken for another's process");
    let mut waiter = ground.connect();
    waiter.send(&json!({"type": "wait", "id": "long"}));
    let killed = ground.ask_one(&json!({"type": "kill", "id": "long", "signal": "TERM", "scope": "leader"}));
    assert_eq!(killed["success"], true, "{killed}");
    reap(long);
    let exit = waiter.next();
    assert_eq!((&exit["code"], &exit["id"], &exit["killed_by"]), (&json!(9), &json!("long"), &json!("kill")));
    let killed = ground.ask_one(&json!({"type": "kill", "id": "tree", "signal": "KILL", "scope": "tree"}));
    assert_eq!(killed["success"], true, "{killed}");
    wait_until("the tree is gone", || !is_alive(&tree.to_string()));
    reap(tree);
    assert_eq!(ground.ask_one(&json!({"type": "wait", "id": "tree"}))["code"], 137);
    wait_until("no orphan is of interest", || ground.ask_one(&json!({"type": "stats"}))["watch"] == "off");
    // The record is there, the note is not.
    assert_eq!(listed(&ground, "tree")["state"], "exited");
    ground.restart();
    assert!(listed(&ground, "tree").is_null());
}

#[test]
fn each_subscriber_is_told_once_that_the_server_was_started_again() {
    let mut ground = ground();
    let subscribe = |ground: &Ground| {
        let mut client = ground.connect();
        client.send(&json!({"type": "events"}));
        assert_eq!(client.next(), json!({"type": "ok"}));
        client
    };
    let mut first = subscribe(&ground);
    begin(&ground, "a", "sleep 60");
    assert_eq!(first.next()["event"], "started", "a first server has nothing else to say");
    ground.restart();
    for _ in 0..2 {
        let mut client = subscribe(&ground);
        assert_eq!(client.next(), json!({"type": "event", "event": "api_restarted", "execs": 1}));
        client.send(&json!({"type": "events"}));
        assert_eq!(client.next(), json!({"type": "ok"}));
        client.send(&json!({"type": "ping"}));
        assert_eq!(client.next()["type"], "pong", "not a second time");
    }
    ground.ask_one(&json!({"type": "kill", "id": "a", "signal": "KILL"}));
}

#[test]
fn reaped_orphans_are_counted_and_told_while_somebody_listens() {
    let ground = ground();
    let stats = || ground.ask_one(&json!({"type": "stats"}));
    assert_eq!(stats()["watch"], "off");
    let mut client = ground.connect();
    client.send(&json!({"type": "events"}));
    client.next();
    assert_eq!(stats()["watch"], "on");
    tell(&ground, "reaped 4242 7");
    assert_eq!(client.next(), json!({"type": "event", "event": "orphan_reaped", "pid": 4242, "code": 7}));
    assert_eq!(stats()["api_orphans_reaped"], 1);
    drop(client);
    wait_until("nobody listens", || stats()["watch"] == "off");
}

#[test]
fn a_server_that_stops_refuses_commands_and_ends_after_the_last_one() {
    let mut ground = ground();
    let mut client = ground.connect();
    client.send(&script_with("sleep 0.5; echo last; exit 4", &json!({"id": "a", "events": true})));
    client.next();
    let mut other = ground.connect();
    other.send(&json!({"type": "hello"}));
    other.next();
    tell(&ground, "stop");
    wait_until("nobody can connect", || std::os::unix::net::UnixStream::connect(ground.socket()).is_err());
    other.send(&script("echo new"));
    let error = other.next();
    assert!(error["data"].as_str().unwrap().contains("being stopped"), "{error}");
    let messages = client.until("exit");
    assert_eq!(client::text(&messages, "stdout", "\n"), "last\n");
    assert_eq!(messages.last().unwrap()["code"], 4);
    assert!(ground.wait().success());
}

#[test]
fn clients_that_do_not_read_hold_a_stop_for_a_second_at_most() {
    let mut ground = ground();
    let mut client = ground.connect();
    client.send(&script_with("yes | head -c 9000000", &json!({"events": true, "id": "a"})));
    client.next();
    std::thread::sleep(Duration::from_millis(100));
    tell(&ground, "stop");
    ground.kill_children();
    let begun = Instant::now();
    assert!(ground.wait().success());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn commands_get_the_limit_on_descriptors_that_the_server_was_told() {
    let ground = Ground::with_environment(&[("SERVE_NOFILE", "777")]);
    let limit = |fields| {
        let mut client = ground.connect();
        client.send(&script_with("ulimit -Sn; ulimit -Hn", &fields));
        client::text(&client.until("exit"), "stdout", " ")
    };
    assert_eq!(limit(json!({})), "777 777 ");
    assert_eq!(limit(json!({"rlimits": {"nofile": {"soft": 5, "hard": 6}}})), "5 6 ");
}
