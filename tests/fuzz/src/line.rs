//! A line of the protocol: JSON as `serde_json` reads it, then a request or one line that says why not.

use serde_json::Value as Reference;
use wire::json::Value;
use wire::{Exec, Request, Stdin};

use crate::reference::{agree, read};

pub fn run(bytes: &[u8]) {
    let parsed = Request::parse(bytes);
    let text = std::str::from_utf8(bytes);
    let document = text.ok().and_then(|text| {
        let theirs = read(text)?;
        let ours = Value::parse(text);
        assert_eq!(ours.is_ok(), theirs.is_ok(), "ours {ours:?}, theirs {theirs:?}");
        let theirs = theirs.ok()?;
        assert!(ours.is_ok_and(|ours| agree(ours, &theirs)), "not {theirs}");
        Some(theirs)
    });
    match (parsed, document) {
        (Ok(request), document) => {
            let text = text.expect("only text is a request");
            let whole = Value::parse(text).expect("only JSON is a request");
            assert!(whole.members().is_some(), "only an object is a request");
            if let Some(document) = document {
                accepted(&request, &document);
            }
        }
        (Err(refusal), document) => refused(&refusal, document.as_ref()),
    }
}

/// A refusal is one line, is valid JSON when it goes out, and names a field of what is an object.
fn refused(refusal: &wire::Refusal, document: Option<&Reference>) {
    let text = refusal.to_string();
    assert!(!text.is_empty() && !text.contains(['\n', '\r', '\0']), "{text:?}");
    assert!(text.len() < 2048, "{} bytes of refusal", text.len());
    if document.is_some_and(Reference::is_object) {
        assert!(text.contains("the field \""), "{text}");
    }
    let mut line = Vec::new();
    refusal.write(&mut line);
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
    let answer: Reference = serde_json::from_slice(&line).expect("an answer is JSON");
    match answer["type"].as_str() {
        Some("error") => {
            assert_eq!((answer["data"].as_str(), answer["code"].as_u64()), (Some(&*text), Some(125)));
        }
        Some("kill_result") => {
            assert_eq!((answer["error"].as_str(), answer["success"].as_bool()), (Some(&*text), Some(false)));
        }
        other => panic!("a refusal of type {other:?}"),
    }
}

fn accepted(request: &Request, document: &Reference) {
    match request {
        Request::Exec(exec) => executes(exec, document),
        Request::Stdin { bytes, .. } if document["data"].is_string() => {
            assert_eq!(document["data"].as_str().map(str::as_bytes), Some(&bytes[..]));
        }
        Request::Stdin { bytes, .. } => {
            // Four characters stand for three bytes, the last four for one to three.
            let length = document["data_b64"].as_str().expect("one of the two").len();
            assert_eq!(length, bytes.len().div_ceil(3) * 4);
        }
        Request::SignalMain(signal) => assert!((1..=64).contains(&signal.get())),
        Request::Hello { frames } => assert_eq!(*frames, document["frames"] == true),
        _ => {}
    }
}

/// What an exec is given is what the document says, and within the limits of the protocol.
fn executes(exec: &Exec, document: &Reference) {
    assert_eq!(Some(exec.cmd.to_bytes()), document["cmd"].as_str().map(str::as_bytes));
    let said = document["args"].as_array();
    let args = said.into_iter().flatten().map(|word| word.as_str().expect("a string").as_bytes());
    assert!(exec.args.iter().map(std::ffi::CStr::to_bytes).eq(args), "{:?}", exec.args);
    assert_eq!(exec.args.len(), exec.args.iter().count());
    if let Stdin::Bytes(bytes) = &exec.stdin {
        assert_eq!(document["stdin_data"].as_str().map(str::as_bytes), Some(&bytes[..]));
    }
    let id = |id: &wire::Id| id.get() != u32::MAX;
    assert!(exec.groups.iter().flatten().all(id), "{:?}", exec.groups);
    assert_eq!(exec.groups.as_ref().map(Vec::len), document["groups"].as_array().map(Vec::len));
    const YEAR: u64 = 366 * 86_400_000;
    assert!([exec.timeout_ms, exec.grace_ms, exec.linger_ms].iter().all(|time| *time <= YEAR));
    assert!(exec.umask.is_none_or(|mask| mask <= 0o777), "{:?}", exec.umask);
    assert!(exec.nice.is_none_or(|nice| (-20..=19).contains(&nice)), "{:?}", exec.nice);
    assert!(exec.oom_score_adj.is_none_or(|score| (-1000..=1000).contains(&score)));
    assert!(exec.rlimits.len() <= 32 && exec.ambient.len() <= 64);
    if let Some(user) = &exec.user {
        for part in [Some(&user.user), user.group.as_ref()].into_iter().flatten() {
            assert!(!part.is_empty() && !part.contains(['\0', '\n']), "{part:?}");
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            assert!(!digits || part.parse::<u32>().is_ok_and(|id| id != u32::MAX), "{part}");
        }
    }
    environment(exec, document);
}

/// Each variable once, with the value that the document says; and every name noted that is refused by default.
fn environment(exec: &Exec, document: &Reference) {
    let none = serde_json::Map::new();
    let said = document["env"].as_object().unwrap_or(&none);
    let mut names: Vec<&str> = Vec::new();
    for word in exec.env.words.iter() {
        let (name, value) = word.to_str().expect("text").split_once('=').expect("NAME=VALUE");
        assert_eq!(said.get(name).and_then(Reference::as_str), Some(value), "{name}");
        assert!(!names.contains(&name), "{name} stands there twice");
        names.push(name);
    }
    assert_eq!(names.len(), said.len());
    let refused = names.iter().filter(|name| wire::refused_name(name));
    assert!(refused.eq(exec.env.refused.iter()), "{:?}", exec.env.refused);
}
