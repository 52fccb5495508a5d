//! The base protocol, exchange by exchange, as a client of today's minit sees it.

mod client;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use client::{Ground, script, script_with, text};
use serde_json::{Value, json};

/// A line with its numbers that differ from run to run replaced by N.
fn golden(line: &str) -> String {
    let mut text = line.to_owned();
    for name in ["\"elapsed_ms\":", "\"pid\":", "\"uptime_secs\":"] {
        if let Some(at) = text.find(name) {
            let start = at + name.len();
            let end = start + text[start..].find([',', '}']).unwrap();
            assert!(text[start..end].parse::<u64>().is_ok(), "{line}");
            text.replace_range(start..end, "N");
        }
    }
    text
}

fn transcript(ground: &Ground, request: &str) -> Vec<String> {
    ground.ask(request).iter().map(|line| golden(line)).collect()
}

#[test]
fn ping_is_answered_by_pong() {
    let ground = Ground::new(&[]);
    let answer = transcript(&ground, r#"{"type":"ping"}"#);
    assert_eq!(answer.len(), 1);
    let expected = r#"{"type":"pong","version":"1.1.0","uptime_secs":N,"pid":N,"proto":2,"features":["#;
    assert!(answer[0].starts_with(expected), "{answer:?}");
}

#[test]
fn output_comes_line_by_line_and_then_the_exit() {
    let ground = Ground::new(&[]);
    assert_eq!(
        transcript(&ground, r#"{"type":"exec","cmd":"/bin/busybox","args":["echo","hello \"you\""]}"#),
        [r#"{"type":"stdout","data":"hello \"you\""}"#, r#"{"type":"exit","code":0,"elapsed_ms":N,"pid":N}"#]
    );
    assert_eq!(
        transcript(&ground, &script("echo one; echo two >&2; exit 7").to_string()),
        [
            r#"{"type":"stdout","data":"one"}"#,
            r#"{"type":"stderr","data":"two"}"#,
            r#"{"type":"exit","code":7,"elapsed_ms":N,"pid":N}"#
        ]
    );
}

#[test]
fn a_last_line_without_newline_is_sent_and_invalid_utf8_is_replaced() {
    let ground = Ground::new(&[]);
    assert_eq!(
        transcript(&ground, &script(r"printf 'a\377b\nlast'").to_string()),
        [
            "{\"type\":\"stdout\",\"data\":\"a\u{fffd}b\"}",
            r#"{"type":"stdout","data":"last"}"#,
            r#"{"type":"exit","code":0,"elapsed_ms":N,"pid":N}"#
        ]
    );
}

#[test]
fn environment_and_stdin_data_reach_the_command() {
    let ground = Ground::new(&[]);
    let request = script_with(
        "echo $A-$FROM_SERVER-$HOME-$TERM-$PATH; cat",
        &json!({"env": {"A": "x", "TERM": "dumb"}, "stdin_data": "in\nput"}),
    );
    let lines = ground.ask(&request.to_string());
    let messages: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(text(&messages, "stdout", "\n"), "x-1-/-dumb-/usr/bin:/bin\nin\nput\n");
}

#[test]
fn without_stdin_data_the_input_is_at_its_end() {
    let ground = Ground::new(&[]);
    let lines = transcript(&ground, &script("cat; echo done").to_string());
    assert_eq!(lines[0], r#"{"type":"stdout","data":"done"}"#);
}

#[test]
fn stdin_data_larger_than_a_pipe_arrives_whole() {
    let ground = Ground::new(&[]);
    let input = "x".repeat(900_000);
    let request = script_with("sleep 0.1; wc -c", &json!({"stdin_data": input}));
    assert_eq!(transcript(&ground, &request.to_string())[0], r#"{"type":"stdout","data":"900000"}"#);
}

#[test]
fn a_command_that_ignores_its_input_does_not_harm_the_server() {
    let ground = Ground::new(&[]);
    let request = script_with("exec 0<&-; sleep 0.05; exit 4", &json!({"stdin_data": "x".repeat(900_000)}));
    let lines = transcript(&ground, &request.to_string());
    assert_eq!(lines, [r#"{"type":"exit","code":4,"elapsed_ms":N,"pid":N}"#]);
    assert_eq!(ground.ask_one(&json!({"type": "ping"}))["type"], "pong");
}

#[test]
fn a_timeout_is_told_before_the_exit() {
    let ground = Ground::new(&[]);
    let request = script_with("sleep 30", &json!({"timeout_ms": 100}));
    let begun = Instant::now();
    let lines = transcript(&ground, &request.to_string());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(lines[0].starts_with(r#"{"type":"timeout","data":"the command exceeded its timeout of 100ms"#));
    assert!(lines[0].ends_with(r#","code":143,"elapsed_ms":N,"pid":N}"#), "{lines:?}");
    assert_eq!(lines[1..], [r#"{"type":"exit","code":143,"elapsed_ms":N,"pid":N}"#]);
}

#[test]
fn exit_codes_are_those_of_a_shell() {
    let ground = Ground::new(&[]);
    let exit = |text: &str| {
        let lines = ground.ask(&script(text).to_string());
        serde_json::from_str::<Value>(lines.last().unwrap()).unwrap()["code"].clone()
    };
    assert_eq!(
        (exit("exit 255"), exit("kill -KILL $$"), exit("kill -TERM $$")),
        (255.into(), 137.into(), 143.into())
    );
}

#[test]
fn commands_that_cannot_run_are_an_error_without_a_code() {
    let ground = Ground::new(&[]);
    for (cmd, words) in [
        ("no-such-command", "command not found"),
        ("/no/such/file", "not found"),
        ("/etc", "not executable"),
        ("/etc/passwd", "not executable"),
    ] {
        let answer = ground.ask(&json!({"type": "exec", "cmd": cmd}).to_string());
        assert_eq!(answer.len(), 1, "{answer:?}");
        let error: Value = serde_json::from_str(&answer[0]).unwrap();
        assert_eq!(error.as_object().unwrap().keys().collect::<Vec<_>>(), ["data", "type"], "{error}");
        assert!(error["type"] == "error" && error["data"].as_str().unwrap().contains(words), "{error}");
    }
}

#[test]
fn variables_that_load_code_are_refused() {
    let ground = Ground::new(&[]);
    for name in ["LD_PRELOAD", "ld_preload", "NODE_PATH", "Glibc_Tunables"] {
        let error = ground.ask_one(&json!({"type": "exec", "cmd": "true", "env": {name: "x"}}));
        assert!(error["type"] == "error" && error["data"].as_str().unwrap().contains(name), "{error}");
    }
}

#[test]
fn variables_that_the_server_was_told_to_allow_are_set_in_any_letter_case() {
    let ground = Ground::with_environment(&[("SERVE_ALLOW_ENV", "PYTHONPATH")]);
    for name in ["PYTHONPATH", "pythonpath"] {
        let request = script_with(&format!("echo ${name}"), &json!({"env": {name: "/x"}}));
        assert_eq!(transcript(&ground, &request.to_string())[0], r#"{"type":"stdout","data":"/x"}"#);
    }
    let error = ground.ask_one(&json!({"type": "exec", "cmd": "true", "env": {"LD_AUDIT": "x"}}));
    assert!(error["data"].as_str().unwrap().contains("LD_AUDIT"), "{error}");
}

#[test]
fn kill_answers_with_success_or_an_error() {
    let ground = Ground::new(&[]);
    let mut sleeper = std::process::Command::new("/bin/busybox").args(["sleep", "60"]).spawn().unwrap();
    let request = json!({"type": "kill", "pid": sleeper.id(), "signal": "KILL"});
    assert_eq!(ground.ask(&request.to_string()), [r#"{"type":"kill_result","success":true}"#]);
    sleeper.wait().unwrap();
    assert_eq!(
        ground.ask(&request.to_string()),
        [format!(
            r#"{{"type":"kill_result","success":false,"error":"kill {}: No such process"}}"#,
            sleeper.id()
        )]
    );
    for request in [
        json!({"type": "kill", "pid": 1}),
        json!({"type": "kill", "pid": -1}),
        json!({"type": "kill", "pid": 2, "signal": "NO"}),
    ] {
        let answer = ground.ask_one(&request);
        assert!(answer["success"] == false && answer["error"].is_string(), "{answer}");
    }
}

#[test]
fn processes_are_listed_in_the_order_of_pids() {
    let ground = Ground::new(&[]);
    let answer = ground.ask_one(&json!({"type": "list_processes"}));
    let processes = answer["processes"].as_array().unwrap();
    let pids: Vec<i64> = processes.iter().map(|process| process["pid"].as_i64().unwrap()).collect();
    assert!(pids.is_sorted() && pids.contains(&i64::from(ground.pid())));
    let own = processes.iter().find(|process| process["pid"] == ground.pid()).unwrap();
    assert_eq!(own["ppid"], std::process::id());
    assert!(own["command"].as_str().unwrap().contains("examples/server /"), "{own}");
    assert!(own["memory_kb"].as_u64().unwrap() > 100 && own["state"].as_str().unwrap().len() == 1, "{own}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(own["started_at"].as_u64().unwrap().abs_diff(now) < 20, "{own}");
}

#[test]
fn a_request_may_end_with_the_stream_in_place_of_a_newline() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.stream().write_all(script("echo late").to_string().as_bytes()).unwrap();
    client.stream().shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    client.stream().read_to_string(&mut text).unwrap();
    assert!(text.starts_with("{\"type\":\"stdout\",\"data\":\"late\"}\n{\"type\":\"exit\""), "{text}");
}

#[test]
fn a_command_sees_its_own_session_default_signals_and_three_descriptors() {
    let ground = Ground::new(&[]);
    let output = |args: Value| {
        let request = json!({"type": "exec", "cmd": "/bin/busybox", "args": args, "events": true});
        let mut client = ground.connect();
        client.send(&request);
        let messages = client.until("exit");
        (messages[0]["pid"].to_string(), text(&messages, "stdout", "\n"))
    };
    let (pid, ids) = output(json!(["cut", "-d ", "-f1,5,6", "/proc/self/stat"]));
    assert_eq!(ids, format!("{pid} {pid} {pid}\n"));
    let (_, signals) = output(json!(["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]));
    assert_eq!(signals, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    let (_, descriptors) =
        output(json!(["sh", "-c", "for n in $(seq 0 99); do [ -e /proc/$$/fd/$n ] && echo $n; done"]));
    assert_eq!(descriptors, "0\n1\n2\n");
}
