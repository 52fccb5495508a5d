//! What a command has started ends with it, wherever it has gone.

mod client;

use std::time::{Duration, Instant};

use client::{Ground, is_alive, script_with, wait_until};
use serde_json::json;

/// Children that have left the session, have lost their parents, ignore SIGTERM; the pids of all of them are
/// written to a file each.
const TREE: &str = "
    cd $1
    b=/bin/busybox
    $b sleep 60 & echo $! > plain
    $b setsid $b sh -c 'echo $$ > session; exec $b sleep 60' &
    $b sh -c '$b sh -c \"echo \\$\\$ > orphan; exec $b sleep 60\" & :' &
    $b sh -c '$b setsid $b sh -c \"trap \\\"\\\" TERM; echo \\$\\$ > daemon; $b sleep 60 & wait; $b sleep 60\" & :' &
    echo $$ > leader
    wait; $b sleep 60";

const FILES: [&str; 5] = ["plain", "session", "orphan", "daemon", "leader"];

fn tree(ground: &Ground, fields: serde_json::Value) -> serde_json::Value {
    let mut request = script_with(TREE, &fields);
    request["env"] = json!({"b": "/bin/busybox"});
    request["args"] = json!(["sh", "-c", TREE, "tree", ground.directory]);
    request
}

fn pids(ground: &Ground) -> Vec<String> {
    let read = |name| std::fs::read_to_string(ground.directory.join(name)).unwrap_or_default();
    wait_until("every process of the tree has written its pid", || {
        FILES.iter().all(|name| read(name).ends_with('\n'))
    });
    FILES.iter().map(|name| read(name).trim().to_owned()).collect()
}

#[test]
fn a_timeout_ends_sessions_orphans_and_those_that_ignore_the_signal() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&tree(&ground, json!({"timeout_ms": 1500, "grace_ms": 300})));
    let pids = pids(&ground);
    assert!(pids.iter().all(|pid| is_alive(pid)), "{pids:?}");
    let messages = client.until("exit");
    assert_eq!(messages[0]["type"], "timeout");
    std::thread::sleep(Duration::from_millis(350));
    let alive: Vec<_> = FILES.iter().zip(&pids).filter(|(_, pid)| is_alive(pid)).collect();
    assert!(alive.is_empty(), "alive: {alive:?}");
    wait_until("no zombie is left", || ground.children().is_empty());
}

#[test]
fn a_kill_of_the_tree_leaves_nothing() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&tree(&ground, json!({"id": "t", "events": true})));
    let pids = pids(&ground);
    let begun = Instant::now();
    let answer = ground.ask_one(&json!({"type": "kill", "id": "t", "signal": "KILL", "scope": "tree"}));
    assert_eq!(answer, json!({"type": "kill_result", "success": true}));
    wait_until("all are gone", || !pids.iter().any(|pid| is_alive(pid)));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let exit = client.until("exit").pop().unwrap();
    assert_eq!(
        (&exit["code"], &exit["signal"], &exit["killed_by"]),
        (&json!(137), &json!(9), &json!("kill"))
    );
}

#[test]
fn a_kill_of_the_tree_of_one_exec_spares_the_others() {
    let ground = Ground::new(&[]);
    let mut other = ground.connect();
    other.send(&script_with(
        "(setsid sleep 60 &) ; echo up; sleep 60",
        &json!({"id": "other", "events": true}),
    ));
    other.until("stdout");
    let mut client = ground.connect();
    client.send(&tree(&ground, json!({"id": "t", "events": true})));
    let pids = pids(&ground);
    ground.ask_one(&json!({"type": "kill", "id": "t", "signal": "KILL", "scope": "tree"}));
    wait_until("all are gone", || !pids.iter().any(|pid| is_alive(pid)));
    // The other's leader and its orphan.
    wait_until("two are left", || ground.children().len() == 2);
    ground.ask_one(&json!({"type": "kill", "id": "other", "signal": "KILL", "scope": "tree"}));
    wait_until("the other is gone too", || ground.children().is_empty());
}

#[test]
fn a_client_that_goes_away_takes_its_command_along_only_if_it_said_so() {
    let ground = Ground::new(&[]);
    let state = |id: &str| {
        let answer = ground.ask_one(&json!({"type": "list", "filter": {"id": id}}));
        answer["execs"][0]["state"].as_str().unwrap().to_owned()
    };
    for (id, then) in [("keep", "keep"), ("kill", "kill"), ("hup", "hup")] {
        let mut client = ground.connect();
        client.send(&script_with("echo up; exec sleep 60", &json!({"id": id, "on_disconnect": then})));
        client.next();
    }
    wait_until("two have ended", || state("kill") == "exited" && state("hup") == "exited");
    assert_eq!(state("keep"), "running");
    ground.ask_one(&json!({"type": "kill", "id": "keep", "signal": "KILL"}));
    wait_until("nothing is left", || ground.children().is_empty());
}

/// A thousand processes that have left their sessions and their parents, a few milliseconds after they are asked for.
fn thousand(ground: &Ground, fields: &serde_json::Value) -> client::Client {
    let mut client = ground.connect();
    let script = "import os, sys, time
for number in range(1000):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    os.wait()
print('up', flush=True)
time.sleep(60)";
    let mut request =
        json!({"type": "exec", "cmd": "python3", "args": ["-c", script], "id": "t", "events": true});
    for (name, value) in fields.as_object().unwrap() {
        request[name] = value.clone();
    }
    client.send(&request);
    client.until("stdout");
    client
}

#[test]
fn a_thousand_daemons_of_one_command_are_killed_together() {
    let ground = Ground::new(&[]);
    let mut client = thousand(&ground, &json!({}));
    assert!(ground.children().len() > 1000);
    let begun = Instant::now();
    let answer = ground.ask_one(&json!({"type": "kill", "id": "t", "signal": "KILL", "scope": "tree"}));
    let took = begun.elapsed();
    println!("a tree of 1001 was killed in {took:?}");
    assert_eq!(answer["success"], true);
    client.until("exit");
    wait_until("all are gone", || ground.children().is_empty());
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn orphans_are_reaped() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&client::script("for i in $(seq 1 200); do (sleep 0.0$((i % 7)) &); done; sleep 0.3"));
    client.until("exit");
    wait_until("no zombie is left", || ground.children().is_empty());
}
