//! The main command: one that the server has not started itself, logs, and ends with.

mod client;

use std::path::{Path, PathBuf};

use client::{Client, Ground, script_with, text, wait_until};
use serde_json::{Value, json};

fn attach(ground: &Ground) -> Client {
    let mut client = ground.connect();
    client.send(&json!({"type": "attach", "id": "main", "output": "chunks"}));
    assert_eq!(client.next()["type"], "started");
    client
}

fn listed(ground: &Ground) -> Value {
    ground.ask_one(&json!({"type": "list", "filter": {"id": "main"}}))["execs"][0].clone()
}

/// What a log says of one stream.
fn logged(path: &Path, stream: &str) -> String {
    let mut text = String::new();
    for line in std::fs::read_to_string(path).unwrap_or_default().split_terminator('\n') {
        let mut parts = line.splitn(4, ' ');
        let [stamp, from, letter, content] = std::array::from_fn(|_| parts.next().unwrap());
        assert_eq!((stamp.len(), stamp.ends_with('Z')), (30, true), "{line}");
        if from == stream {
            text += content;
            text += if letter == "F" { "\n" } else { "" };
        }
    }
    text
}

fn log(ground: &Ground) -> PathBuf {
    ground.directory.join("log")
}

#[test]
fn the_main_command_is_an_exec_like_any_other() {
    let mut ground = Ground::of_main("echo begun; echo wrong >&2; read line; echo $line; exit 7", &[]);
    let (mut waiting, mut client) = (ground.connect(), attach(&ground));
    waiting.send(&json!({"type": "wait", "id": "main"}));
    let exec = listed(&ground);
    assert_eq!((&exec["state"], &exec["user"]), (&json!("running"), &json!("root")));
    assert_eq!(exec["pid"].to_string(), ground.children()[0]);
    ground.ask_one(&json!({"type": "stdin", "id": "main", "data": "from a client\n"}));
    let messages = client.until("exit");
    assert_eq!(messages.last().unwrap()["code"], 7);
    assert_eq!(
        std::fs::read_to_string(ground.directory.join("exit")).unwrap(),
        "7\n",
        "noted before it is told"
    );
    assert_eq!(text(&messages, "stdout", ""), "begun\nfrom a client\n");
    assert_eq!(text(&messages, "stderr", ""), "wrong\n");
    assert_eq!(waiting.next()["code"], 7);
    assert!(ground.wait().success(), "the server has ended by itself");
    assert_eq!(logged(&log(&ground), "stdout"), "begun\nfrom a client\n");
    assert_eq!(logged(&log(&ground), "stderr"), "wrong\n");
}

#[test]
fn its_end_ends_whatever_else_runs() {
    let mut ground = Ground::of_main("read line; exit 3", &[]);
    let mut client = ground.connect();
    client.send(&script_with(
        "trap '' TERM; echo up; sleep 60; sleep 60",
        &json!({"id": "other", "events": true}),
    ));
    client.until("stdout");
    ground.ask_one(&json!({"type": "stdin", "id": "main", "data": "\n"}));
    let exit = client.until("exit").pop().unwrap();
    assert_eq!((&exit["killed_by"], &exit["signal"]), (&json!("shutdown"), &json!(9)));
    assert!(ground.wait().success());
    assert!(ground.children().is_empty());
}

#[test]
fn its_input_is_open_to_all_until_one_closes_it() {
    let mut ground = Ground::of_main("cat; exit 4", &[]);
    let mut client = attach(&ground);
    for number in 0..20 {
        let answer = ground.ask_one(&json!({"type": "stdin", "id": "main", "data": format!("{number}\n")}));
        assert_eq!(answer["type"], "ok");
    }
    assert_eq!(listed(&ground)["state"], "running");
    ground.ask_one(&json!({"type": "stdin_close", "id": "main"}));
    let messages = client.until("exit");
    let numbers: String = (0..20).map(|number| format!("{number}\n")).collect();
    assert_eq!((text(&messages, "stdout", ""), &messages.last().unwrap()["code"]), (numbers, &json!(4)));
    assert!(ground.wait().success());
}

#[test]
fn a_client_that_reads_nothing_stops_neither_the_command_nor_its_log() {
    const LINES: usize = 200_000;
    let script = format!("read line; seq 1 {LINES}; read line");
    let mut ground = Ground::of_main(&script, &[]);
    let mut slow = attach(&ground);
    ground.ask_one(&json!({"type": "stdin", "id": "main", "data": "\n"}));
    let all: String = (1..=LINES).map(|number| format!("{number}\n")).collect();
    wait_until("all is written", || listed(&ground)["bytes"]["stdout"] == all.len());
    assert!(logged(&log(&ground), "stdout") == all, "the log has all of it");
    ground.ask_one(&json!({"type": "stdin", "id": "main", "data": "\n"}));
    let messages = slow.until("exit");
    let (mut at, mut gaps) = (0, 0);
    for message in &messages {
        let number = |name: &str| message[name].as_u64().unwrap() as usize;
        match message["type"].as_str().unwrap() {
            "stdout" => {
                let data = message["data"].as_str().unwrap();
                assert!(number("off") == at && all[at..].starts_with(data), "at {at}");
                at += data.len();
            }
            "gap" => {
                assert_eq!(number("from"), at, "what it has missed is told");
                (at, gaps) = (number("to"), gaps + 1);
            }
            _ => {}
        }
    }
    assert!(at == all.len() && gaps > 0, "{gaps} gaps, up to {at}");
    assert!(ground.wait().success());
}

#[test]
fn a_log_goes_on_in_new_files_and_keeps_so_many() {
    let tail = "x".repeat(200);
    let script = format!("i=0; while [ $i -lt 3000 ]; do echo $i {tail}; i=$((i+1)); done");
    let mut ground = Ground::of_main(&script, &[("SERVE_LOG_BYTES", "100000")]);
    assert!(ground.wait().success());
    let read = |name: &str| logged(&ground.directory.join(name), "stdout");
    let kept = read("log.2") + &read("log.1") + &read("log");
    let all: String = (0..3000).map(|number| format!("{number} {tail}\n")).collect();
    // Where a file ends depends on the pieces that were read; no two of them are less than one whole.
    assert!(all.ends_with(&kept), "{} bytes of {} are not its end", kept.len(), all.len());
    assert!(kept.len() > 100_000, "{} bytes of {}", kept.len(), all.len());
    for name in ["log", "log.1", "log.2"] {
        let size = std::fs::metadata(ground.directory.join(name)).unwrap().len();
        assert!((1..=100_000).contains(&size), "{name}: {size} bytes");
    }
    assert!(!ground.directory.join("log.3").exists() && !ground.directory.join("log.new").exists());
}

#[test]
fn a_line_without_an_end_is_logged_at_once_and_ended_with_the_command() {
    let mut ground = Ground::of_main("printf 'name: '; read name; printf \"hello $name\"", &[]);
    wait_until("the prompt is in the log", || logged(&log(&ground), "stdout") == "name: ");
    ground.ask_one(&json!({"type": "stdin", "id": "main", "data": "x\n"}));
    assert!(ground.wait().success());
    assert_eq!(logged(&log(&ground), "stdout"), "name: hello x\n");
}

#[test]
fn what_finds_no_room_in_the_log_is_counted_and_the_command_goes_on() {
    const LOST: &str = "No space left on device";
    let script =
        "i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; read line; echo after; read line";
    let mut ground = Ground::of_main(script, &[("SERVE_LOG_ROOM", "128k")]);
    assert_eq!(listed(&ground)["state"], "running");
    let directory = log_directory(ground.pid()).expect("the directory of the log");
    let ask = || ground.ask_one(&json!({"type": "stats"}))["log"]["lost_bytes"].as_u64().unwrap();
    wait_until("the command has written all", || {
        let bytes = &listed(&ground)["bytes"]["stdout"];
        *bytes == 220_000
    });
    let lost = ask();
    let path = directory.join("log");
    let written = logged(&path, "stdout");
    assert_eq!(written.len() as u64 + lost, 220_000, "every byte is in the log or counted");
    assert!(lost > 0 && written.lines().all(|line| line == "0123456789"), "no entry is there by half");
    // Room again: a hole is punched by cutting the file to its first entries.
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(510).unwrap();
    ground.ask_one(&json!({"type": "stdin", "id": "main", "data": "\n"}));
    wait_until("it is said", || logged(&path, "stdout").ends_with("after\n"));
    assert_eq!(logged(&path, "system"), format!("husk: {lost} bytes were lost: {LOST}\n"));
    assert_eq!(ask(), lost);
    ground.ask_one(&json!({"type": "stdin", "id": "main", "data": "\n"}));
    assert!(ground.wait().success());
}

/// The one of a process's descriptors in which there is a log.
fn log_directory(pid: u32) -> Option<PathBuf> {
    let all = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    all.map(|entry| entry.unwrap().path()).find(|path| path.join("log").exists())
}

#[test]
fn signals_reach_the_first_process_of_a_namespace_if_it_wants_them() {
    let script = "trap 'echo hup' HUP; while :; do read -t 1 line; done";
    let mut ground = Ground::of_main(script, &[]);
    let mut client = attach(&ground);
    let kill = |signal: &str| {
        ground.ask_one(&json!({"type": "kill", "id": "main", "scope": "leader", "signal": signal}))
    };
    // Not before the shell has got so far.
    wait_until("it catches the signal", || {
        kill("HUP");
        logged(&log(&ground), "stdout").contains("hup")
    });
    assert_eq!(kill("TERM")["success"], true);
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(listed(&ground)["state"], "running", "it has no handler for that one");
    kill("KILL");
    let exit = client.until("exit").pop().unwrap();
    assert_eq!((&exit["code"], &exit["killed_by"]), (&json!(137), &json!("kill")));
    assert!(ground.wait().success());
}

#[test]
fn a_tree_of_the_main_command_has_its_orphans_and_no_exec() {
    let mut ground =
        Ground::of_main("(setsid sleep 60 &); trap : TERM; echo up; while :; do read -t 1 x; done", &[]);
    let mut client = ground.connect();
    client.send(&script_with("echo up; exec sleep 60", &json!({"id": "other", "events": true})));
    client.until("stdout");
    wait_until("it is up", || logged(&log(&ground), "stdout") == "up\n");
    let answer = ground.ask_one(&json!({"type": "kill", "id": "main", "scope": "tree"}));
    assert_eq!(answer["success"], true);
    let pid = ground.children()[0].clone();
    wait_until("its orphan has ended", || {
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap().trim().is_empty()
    });
    let states = ground.ask_one(&json!({"type": "list", "filter": {"state": "running"}}));
    assert_eq!(states["execs"].as_array().unwrap().len(), 2);
    ground.ask_one(&json!({"type": "kill", "id": "main", "scope": "tree", "signal": "KILL"}));
    assert!(ground.wait().success());
}

#[test]
fn a_terminal_is_resized_typed_to_and_logged() {
    let script = "stty -echo; echo ready; read line; stty size; echo $line; exit 5";
    let mut ground = Ground::of_main(script, &[("SERVE_TERMINAL", "1")]);
    let mut client = attach(&ground);
    wait_until("it is up", || logged(&log(&ground), "stdout").contains("ready"));
    let resize = json!({"type": "resize", "id": "main", "rows": 33, "cols": 77});
    assert_eq!(ground.ask_one(&resize)["type"], "ok");
    ground.ask_one(&json!({"type": "stdin", "id": "main", "data": "typed\n"}));
    let messages = client.until("exit");
    assert_eq!(messages.last().unwrap()["code"], 5);
    assert!(text(&messages, "stdout", "").ends_with("33 77\r\ntyped\r\n"), "{messages:?}");
    assert!(ground.wait().success());
    assert!(logged(&log(&ground), "stdout").ends_with("33 77\r\ntyped\r\n"));
}

#[test]
fn a_machine_may_refuse_to_start_anything() {
    let ground = Ground::of_main("read line", &[]);
    let exec = || ground.ask_one(&script_with(":", &json!({"events": true})));
    assert_eq!(ground.ask_one(&json!({"type": "freeze"}))["type"], "ok");
    let refused = exec();
    assert_eq!(refused["data"], "exec: the container is paused");
    assert_eq!(refused["code"], 125);
    assert_eq!(ground.ask_one(&json!({"type": "thaw"}))["type"], "ok");
    assert_eq!(exec()["type"], "started");
}

#[test]
fn a_command_that_hangs_in_its_start_is_refused_and_reaped_when_it_ends() {
    let ground = Ground::of_main("read line", &[("SERVE_JOIN", "1")]);
    let refused = ground.ask_one(&script_with(":", &json!({"events": true, "id": "h", "tag": "hangs"})));
    assert_eq!(refused["data"], "exec: it has not begun");
    // The main command alone: in the pid namespace a process that nobody waits for would keep it from ending.
    wait_until("it is reaped", || ground.children().len() == 1);
    let execs = ground.ask_one(&json!({"type": "list"}))["execs"].clone();
    assert_eq!(execs.as_array().unwrap().len(), 1, "nothing is kept of it: {execs}");
}

#[test]
fn a_request_with_the_id_of_the_main_command_follows_it() {
    let ground = Ground::of_main("echo here; read line", &[]);
    wait_until("it is up", || logged(&log(&ground), "stdout") == "here\n");
    let mut client = ground.connect();
    client.send(&json!({"type": "exec", "id": "main", "cmd": "/bin/false", "events": true}));
    assert_eq!(client.next()["pid"], listed(&ground)["pid"]);
    assert_eq!(client.next()["data"], "here");
}

#[test]
fn a_tree_has_the_orphans_that_fell_to_the_main_command() {
    let mut ground = Ground::of_main("trap : CHLD; while :; do read -t 1 line; done", &[("SERVE_JOIN", "1")]);
    let pid = listed(&ground)["pid"].to_string();
    let orphans = || {
        let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        text.split_whitespace().filter(|pid| client::is_alive(pid)).count()
    };
    let mut clients = Vec::new();
    for id in ["one", "other"] {
        let mut client = ground.connect();
        let script = "(setsid sleep 60 >/dev/null 2>&1 &); echo up; sleep 60";
        client.send(&script_with(script, &json!({"id": id, "events": true})));
        client.until("stdout");
        clients.push(client);
    }
    wait_until("both are orphans", || orphans() == 2);
    ground.ask_one(&json!({"type": "kill", "id": "one", "signal": "KILL", "scope": "tree"}));
    clients[0].until("exit");
    wait_until("one of them is killed", || orphans() == 1);
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(orphans(), 1, "the other is another's");
    ground.ask_one(&json!({"type": "kill", "id": "main", "signal": "KILL", "scope": "leader"}));
    let exit = clients[1].until("exit").pop().unwrap();
    assert_eq!(exit["signal"], 9, "it ends with its namespace");
    assert!(ground.wait().success());
}
