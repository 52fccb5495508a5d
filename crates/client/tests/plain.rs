//! A client of today's minit (release 1.1.0), as far as its server's types show it: one request a connection, lines of
//! JSON with fixed types. Nothing in it knows of anything newer, and it must not have to.

mod bed;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use bed::Ground;
use serde_json::{Map, Value, json};

/// What comes back to one request, line by line, until `last` or the end.
fn ask(ground: &Ground, request: &str, last: &str) -> Vec<Map<String, Value>> {
    let mut stream = UnixStream::connect(ground.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut messages = Vec::new();
    for line in BufReader::new(stream).lines() {
        let Value::Object(message) = serde_json::from_str(&line.unwrap()).unwrap() else {
            panic!("no object")
        };
        let is_last = message["type"] == last;
        messages.push(message);
        if is_last {
            break;
        }
    }
    messages
}

fn exec(ground: &Ground, request: &Value) -> Vec<Map<String, Value>> {
    let messages = ask(ground, &format!("{request}\n"), "exit");
    for message in &messages {
        typed(message);
    }
    messages
}

/// Every member that today's client reads of an answer to `exec` has the type that it reads.
fn typed(message: &Map<String, Value>) {
    let integer = |name: &str, least: i64| {
        message.get(name).is_none_or(|value| value.as_i64().is_some_and(|number| number >= least))
    };
    let is_text = message.get("data").is_none_or(Value::is_string);
    assert!(is_text && integer("code", 0) && integer("elapsed_ms", 0) && integer("pid", 2), "{message:?}");
    let required: &[&str] = match message["type"].as_str().unwrap() {
        "stdout" | "stderr" | "error" => &["data"],
        "timeout" => &["data", "code", "elapsed_ms", "pid"],
        "exit" => &["code", "elapsed_ms", "pid"],
        other => panic!("today's client knows no {other}"),
    };
    assert!(required.iter().all(|name| message.contains_key(*name)), "{message:?}");
}

fn data(messages: &[Map<String, Value>], kind: &str) -> Vec<String> {
    let own = messages.iter().filter(|message| message["type"] == kind);
    own.map(|message| message["data"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn ping_tells_what_it_has_always_told_and_in_this_order() {
    let ground = Ground::new();
    let pong = ask(&ground, "{\"type\":\"ping\"}\n", "pong").remove(0);
    assert!(pong["version"].is_string() && pong["uptime_secs"].is_u64());
    assert!(pong["pid"].as_u64().is_some_and(|pid| pid > 1));
}

#[test]
fn an_exec_with_variables_and_input_is_run_and_its_lines_come_back() {
    let ground = Ground::new();
    let script = "echo \"$GREETING\"; cat; echo oops >&2; exit 3";
    let request = json!({
        "type": "exec", "cmd": "sh", "args": ["-c", script], "env": {"GREETING": "hello"},
        "timeout_ms": 5000, "stdin_data": "one\ntwo",
    });
    let messages = exec(&ground, &request);
    assert_eq!(data(&messages, "stdout"), ["hello", "one", "two"]);
    assert_eq!(data(&messages, "stderr"), ["oops"]);
    assert_eq!(messages.last().unwrap()["code"], 3);
    // The four fields that may be left out.
    let messages = exec(&ground, &json!({"type": "exec", "cmd": "cat"}));
    assert_eq!((messages.len(), &messages[0]["code"]), (1, &json!(0)));
    let exit: Vec<&String> = messages[0].keys().collect();
    assert_eq!(exit.len(), 4, "nothing is in `exit` that was not: {exit:?}");
}

#[test]
fn a_timeout_is_told_with_the_code_of_sigterm_and_then_the_exit() {
    let ground = Ground::new();
    let begun = Instant::now();
    let messages = exec(&ground, &json!({"type": "exec", "cmd": "sleep", "args": ["60"], "timeout_ms": 200}));
    let kinds: Vec<&str> = messages.iter().map(|message| message["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["timeout", "exit"]);
    assert_eq!((&messages[0]["code"], &messages[1]["code"]), (&json!(143), &json!(143)));
    assert_eq!(messages[0]["pid"], messages[1]["pid"]);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_process_is_found_in_the_list_and_killed_by_its_number() {
    let ground = Ground::new();
    let server = ask(&ground, "{\"type\":\"ping\"}\n", "pong").remove(0)["pid"].clone();
    let mut follower = UnixStream::connect(ground.socket()).unwrap();
    follower.write_all(b"{\"type\":\"exec\",\"cmd\":\"sleep\",\"args\":[\"43210\"]}\n").unwrap();
    let mut pid = None;
    while pid.is_none() {
        let list = ask(&ground, "{\"type\":\"list_processes\"}\n", "processes").remove(0);
        let own = list["processes"].as_array().unwrap().iter().find(|process| {
            for (name, is_typed) in
                [("ppid", process["ppid"].is_i64()), ("memory_kb", process["memory_kb"].is_u64())]
            {
                assert!(is_typed, "{name}: {process}");
            }
            assert!(process["state"].as_str().is_some_and(|state| state.len() == 1), "{process}");
            process["ppid"] == server && process["command"].as_str().unwrap().ends_with("sleep 43210")
        });
        pid = own.map(|process| process["pid"].as_i64().unwrap());
    }
    let kill = |pid: i64, signal: &str| {
        let request = json!({"type": "kill", "pid": pid, "signal": signal});
        ask(&ground, &format!("{request}\n"), "kill_result").remove(0)
    };
    let pid = pid.unwrap();
    let refused = kill(pid, "NOPE");
    assert!(refused["success"] == false && refused["error"].is_string(), "{refused:?}");
    assert_eq!(Value::Object(kill(pid, "sigterm")), json!({"type": "kill_result", "success": true}));
    let line = BufReader::new(follower).lines().next().unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["code"], 143);
    let gone = kill(pid, "KILL");
    assert!(gone["success"] == false && gone["error"].is_string(), "{gone:?}");
    // Without a signal it is TERM; without a process it is no success.
    let request = format!("{{\"type\":\"kill\",\"pid\":{}}}\n", i32::MAX);
    assert_eq!(ask(&ground, &request, "kill_result")[0]["success"], false);
}

#[test]
fn what_is_wrong_with_a_request_is_one_error_in_words() {
    let ground = Ground::new();
    let large = format!("{{\"type\":\"exec\",\"cmd\":\"{}\"}}\n", "x".repeat(1 << 20));
    for request in [
        "{\"type\":\"dance\"}\n",
        "{\"cmd\":\"true\"}\n",
        "{\"type\":\"exec\"}\n",
        "{\"type\":\"exec\",\"cmd\":\"true\",\"args\":\"-x\"}\n",
        "{\"type\":\"exec\",\"cmd\":\"true\",\"timeout_ms\":-1}\n",
        "{\"type\":\"kill\"}\n",
        "no json\n",
        "\n",
        &large,
        "{\"type\":\"exec\",\"cmd\":\"no-such-program\"}\n",
        "{\"type\":\"exec\",\"cmd\":\"/no/such/program\"}\n",
        "{\"type\":\"exec\",\"cmd\":\"true\",\"env\":{\"ld_preload\":\"x\"}}\n",
        "{\"type\":\"exec\",\"cmd\":\"true\",\"env\":{\"NODE_PATH\":\"x\"}}\n",
    ] {
        let answer = ask(&ground, request, "error");
        assert_eq!(answer.len(), 1, "{request:.40}: {answer:?}");
        assert!(answer[0]["data"].as_str().is_some_and(|text| !text.is_empty()), "{request:.40}");
    }
}

#[test]
fn the_server_closes_after_the_exit_so_that_a_client_may_read_to_the_end() {
    let ground = Ground::new();
    let begun = Instant::now();
    let messages = ask(&ground, "{\"type\":\"exec\",\"cmd\":\"echo\",\"args\":[\"x\"]}\n", "never");
    assert_eq!(messages.last().unwrap()["type"], "exit");
    assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
    // After the other requests it waits for more, and not for long.
    for request in ["{\"type\":\"ping\"}\n", "{\"type\":\"list_processes\"}\n"] {
        let begun = Instant::now();
        assert_eq!(ask(&ground, request, "never").len(), 1);
        assert!(begun.elapsed() < Duration::from_secs(4), "{request}: {:?}", begun.elapsed());
    }
}
