//! What is listed and shown, for people and for programs.

use std::process::{Command, Stdio};

use cli::run;
use instance::message::{Request, What};
use instances::{Fake, husk};
use serde_json::{Value, json};

fn listing() -> Fake {
    Fake::new(|request, peer| {
        match request {
        Request::Ls { what: What::Instances } => peer.ok(json!({"instances": [
            {"name": "db", "image": "alpine", "state": "exited", "pid": null, "code": 1, "created": 1, "since": 1,
             "address": null, "command": ["sh"]},
            {"name": "web", "image": "debian:12", "state": "running", "pid": 4711, "code": null, "created": 1,
             "since": 1, "address": null, "command": ["nginx"]},
        ]})),
        Request::Ls { what: What::Images } => peer.ok(json!({"images": [
            {"name": "debian:12", "created": 1, "size": 104_857_600, "layers": 3, "instances": ["web"]},
        ]})),
        Request::Inspect { name } => peer.ok(json!({"kind": "instance", "value": {"name": name}})),
        Request::Wait { .. } => peer.ok(json!({"code": 3, "signal": null, "oom": false})),
        Request::Events => {
            peer.event(json!({"time_ns": 0, "event": "started", "name": "web", "by": {"uid": 0}}));
            peer.event(json!({"time_ns": 1_000_000_000, "event": "exited", "name": "web", "code": 1}));
            peer.hang_up();
        }
        other => panic!("{other:?}"),
    }
    })
}

#[test]
fn lists_are_tables_names_or_json() {
    let fake = listing();
    assert_eq!(run(&mut husk(&fake, &["ls", "-q"])).good(), "db\nweb");
    assert_eq!(run(&mut husk(&fake, &["images", "-q"])).good(), "debian:12");
    assert_eq!(run(&mut husk(&fake, &["ls", "images", "-q"])).good(), "debian:12");
    let json: Value =
        serde_json::from_str(&run(&mut husk(&fake, &["ls", "--format", "json"])).good()).unwrap();
    assert_eq!((json[0]["name"].as_str(), json[1]["pid"].as_u64()), (Some("db"), Some(4711)));
    let table = run(&mut husk(&fake, &["ls"])).good();
    assert!(table.starts_with("NAME  IMAGE      STATE     SINCE") && table.contains("exited 1"), "{table}");
    assert!(run(&mut husk(&fake, &["images"])).good().contains("100MiB"));
}

#[test]
fn colours_are_for_terminals_that_are_not_asked_to_have_none() {
    let fake = listing();
    let shown = |more: &str| {
        let mut command = Command::new("script");
        command.args(["-qec", &format!("{more} \"$H\" ls"), "/dev/null"]).env("H", cli::program("husk"));
        command
            .env("HUSK_SOCKET", fake.socket())
            .env("SHELL", "/bin/sh")
            .env_remove("NO_COLOR")
            .stdin(Stdio::null());
        run(&mut command).out()
    };
    assert!(shown("").contains("\x1b[32mrunning\x1b[0m") && shown("").contains("\x1b[31mexited 1\x1b[0m"));
    assert!(!shown("NO_COLOR=1").contains('\x1b'));
    assert!(!run(&mut husk(&fake, &["ls"])).out().contains('\x1b'));
}

#[test]
fn one_thing_is_an_object_and_several_are_an_array() {
    let fake = listing();
    let json =
        |line: &[&str]| -> Value { serde_json::from_str(&run(&mut husk(&fake, line)).good()).unwrap() };
    assert_eq!(json(&["inspect", "web"]), json!({"name": "web"}));
    assert_eq!(json(&["inspect", "web", "db"]), json!([{"name": "web"}, {"name": "db"}]));
}

#[test]
fn wait_prints_exit_codes() {
    assert_eq!(run(&mut husk(&listing(), &["wait", "web", "db"])).good(), "3\n3");
}

#[test]
fn events_are_lines() {
    let fake = listing();
    let ended = run(&mut husk(&fake, &["events"]));
    assert!(ended.out().starts_with("1970-01-01T00:00:00Z started web (by uid 0)\n"), "{}", ended.out());
    let ended = run(&mut husk(&fake, &["events", "--format", "json"]));
    let last: Value = serde_json::from_str(ended.out().lines().last().unwrap()).unwrap();
    assert_eq!((last["event"].as_str(), last["code"].as_u64()), (Some("exited"), Some(1)));
}
