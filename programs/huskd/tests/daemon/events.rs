//! Who listens.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::{Bed, PATIENCE};
use crate::client::{Client, of, reason};

/// A client that listens for certain: what happens from here on, it hears. `web` is an instance.
pub fn listening(bed: &Bed) -> Client {
    let mut client = bed.client();
    client.send(&json!({"type": "events"}), None).unwrap();
    client.socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let until = Instant::now() + PATIENCE;
    loop {
        bed.client().done(&json!({"type": "set", "name": "web", "changes": {}}));
        if client.next().is_some() {
            break;
        }
        assert!(Instant::now() < until, "nothing is heard");
    }
    while client.next().is_some() {}
    client.socket.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

#[test]
fn who_executes_what_is_in_the_log_with_the_time() {
    let bed = Bed::new();
    bed.run("web");
    let mut client = bed.client();
    client.done(&json!({"type": "connect", "name": "web", "exec": "/bin/sh"}));
    client.done(&of("connect", "web"));
    let log = bed.log();
    let own = std::process::id();
    let line =
        |part: &str| log.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {log}"));
    let exec = line("huskd: web: exec, command /bin/sh, by uid ");
    assert!(exec.ends_with(&format!("pid {own}")), "{exec}");
    line(&format!("huskd: web: connection to its shim, by uid 0 pid {own}"));
    // Nobody else notes it where standard error is a file: 2026-11-30T20:09:22.123Z
    let time = exec.split(' ').next().unwrap();
    assert!(time.len() == 24 && time.as_bytes()[10] == b'T' && time.ends_with('Z'), "{exec}");
}

#[test]
fn what_happens_is_told_in_order_and_with_who_wanted_it() {
    let bed = Bed::new();
    bed.make("web", &["/sbin/init"]);
    let mut events = listening(&bed);
    bed.client().done(&of("run", "web"));
    bed.await_ready("web");
    bed.client().done(&of("stop", "web"));
    bed.client().done(&of("rm", "web"));
    let heard: Vec<Value> = (0..4).map(|_| events.next().expect("an event")).collect();
    let words: Vec<&str> = heard.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(words, ["started", "stopping", "exited", "removed"]);
    let own = json!({"uid": 0, "pid": std::process::id()});
    assert_eq!((&heard[0]["by"], &heard[2]["by"]), (&own, &Value::Null));
    assert_eq!((&heard[2]["name"], &heard[2]["code"]), (&json!("web"), &json!(0)));
    assert!(heard.windows(2).all(|two| two[0]["time_ns"].as_u64() <= two[1]["time_ns"].as_u64()));
}

#[test]
fn who_does_not_read_is_cut_off_and_nobody_waits_for_him() {
    let bed = Bed::new();
    bed.make("web", &["/sbin/init"]);
    let mut deaf = listening(&bed);
    let mut client = bed.client();
    // More than a socket and a queue hold.
    const MANY: usize = 1600;
    for _ in 0..MANY {
        client.done(&json!({"type": "set", "name": "web", "changes": {}}));
    }
    let mut heard = 0;
    while let Some(message) = deaf.next() {
        if message["type"] == "error" {
            assert_eq!(reason(&message), "interrupted");
        } else {
            heard += 1;
        }
    }
    assert!(heard < MANY, "all of it was kept for who does not read");
    client.done(&json!({"type": "ping"}));
}
