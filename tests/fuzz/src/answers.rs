//! What clients read of a server that says anything: typed answers are what `serde_json` finds in them, output is the
//! bytes of its frames, and everything else is an error of one line. Nothing is waited for that does not come.

use std::io::Write as _;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use husk_client::{Client, Error, Event, Exec, Exit, Filter, member};
use serde_json::Value as Reference;
use wire::{Frame, FrameKind, HEADER};

use crate::source::Source;

pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    match source.below(6) {
        0 => greeting(source.rest()),
        1 => stream(source.rest()),
        kind => answer(kind, &String::from_utf8_lossy(source.rest())),
    }
}

/// A server that has said this, and has closed.
fn server(said: &[u8]) -> (UnixStream, OwnedFd) {
    let (mut server, client) = UnixStream::pair().expect("a pair");
    server.write_all(said).expect("a buffer has room for an input");
    server.shutdown(Shutdown::Write).expect("it is connected");
    // The other end stays, so that requests find room.
    (server, client.into())
}

fn is_one_line(error: &Error) {
    if let Error::Refused { .. } | Error::Unexpected { .. } = error {
        // These have the server's words in them.
        return;
    }
    let text = error.to_string();
    assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
}

/// The first line of a server.
fn greeting(said: &[u8]) {
    let (_server, socket) = server(said);
    let line = said.split(|byte| *byte == b'\n').next().filter(|line| line.len() < said.len());
    let reference = line.and_then(|line| serde_json::from_slice::<Reference>(line).ok());
    match Client::over(socket) {
        Ok(mut client) => {
            // Of a name that stands there twice ours is the first and the reference's the last.
            assert!(reference.is_none_or(|line| line["type"].is_string()), "{line:?}");
            if let Err(error) = client.ping() {
                is_one_line(&error);
            }
        }
        Err(error) => is_one_line(&error),
    }
}

/// Frames of any kind, after an exec has started whose number is 7.
fn stream(frames: &[u8]) {
    let mut said = b"{\"type\":\"ok\"}\n".to_vec();
    json(&mut said, br#"{"type":"started","id":"x","pid":5,"exec":7}"#);
    said.extend_from_slice(frames);
    let (_server, socket) = server(&said);
    let mut client = Client::over(socket).expect("it was greeted");
    let running = client.exec(&Exec::new("true")).expect("it has started");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let error = loop {
        match running.next(&mut client) {
            Ok(Some(Event::Stdout { bytes, .. })) => out.extend(bytes),
            Ok(Some(Event::Stderr { bytes, .. })) => err.extend(bytes),
            Ok(Some(_)) => {}
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    error.iter().for_each(is_one_line);
    let (wanted_out, wanted_err) = written(frames);
    // After its end nothing is read that comes later.
    assert!(wanted_out.starts_with(&out) && wanted_err.starts_with(&err));
    if matches!(error, Some(Error::Lost { why: None, .. })) {
        assert_eq!((out, err), (wanted_out, wanted_err), "all that was there is told before the end");
    }
}

/// What frames say that an exec wrote.
fn written(mut frames: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while let Ok(Some((frame, rest))) = Frame::parse_answer(frames) {
        match frame {
            Frame { kind: FrameKind::Stdout, exec: 7, bytes, .. } => out.extend_from_slice(bytes),
            Frame { kind: FrameKind::Stderr, exec: 7, bytes, .. } => err.extend_from_slice(bytes),
            _ => {}
        }
        frames = rest;
    }
    (out, err)
}

fn json(said: &mut Vec<u8>, text: &[u8]) {
    let before = said.len();
    Frame { kind: FrameKind::Json, exec: 0, offset: 0, bytes: text }.write(said);
    assert_eq!(said.len(), before + HEADER + text.len());
}

/// An answer of each type around what the input has.
fn answer(kind: usize, text: &str) {
    let whole = match kind {
        2 => format!("{{\"type\":\"pong\",{text}}}"),
        3 => format!("{{\"type\":\"execs\",\"execs\":{text}}}"),
        4 => format!("{{\"type\":\"processes\",\"processes\":{text}}}"),
        _ => format!("{{\"type\":\"exit\",\"id\":\"i\",{text}}}"),
    };
    let mut said = b"{\"type\":\"ok\"}\n".to_vec();
    json(&mut said, whole.as_bytes());
    let (_server, socket) = server(&said);
    let mut client = Client::over(socket).expect("it was greeted");
    // What the two readers are known to differ in is nothing to compare them by.
    let reference = serde_json::from_str::<Reference>(&whole).ok().filter(|_| is_plain(&whole));
    let error = match kind {
        2 => client.ping().map(|pong| {
            let Some(said) = reference else { return };
            let features: Vec<&str> =
                said["features"].as_array().into_iter().flatten().filter_map(Reference::as_str).collect();
            let expected =
                (text_of(&said, "version"), count_of(&said, "uptime_secs"), count_of(&said, "pid"));
            assert_eq!((&*pong.version, pong.uptime_secs, pong.pid), expected);
            assert_eq!(pong.features, features);
        }),
        3 => client.list(Filter::default()).map(|execs| {
            let Some(said) = reference else { return };
            let said = said["execs"].as_array().map(Vec::as_slice).unwrap_or_default();
            assert_eq!(execs.len(), said.len());
            for (exec, said) in execs.iter().zip(said) {
                let expected = (text_of(said, "id"), text_of(said, "tag"), text_of(said, "cmd"));
                assert_eq!((&*exec.id, &*exec.tag, &*exec.cmd), expected);
                assert_eq!(exec.stdout, count_of(&said["bytes"], "stdout"));
                assert_eq!(exec.exit.is_some(), said.get("exit").is_some());
                exec.exit.iter().for_each(|exit| ended(exit, &said["exit"]));
            }
        }),
        4 => client.list_processes().map(|processes| {
            let Some(said) = reference else { return };
            let said = said["processes"].as_array().map(Vec::as_slice).unwrap_or_default();
            assert_eq!(processes.len(), said.len());
            for (process, said) in processes.iter().zip(said) {
                let expected = (count_of(said, "pid"), text_of(said, "command"), text_of(said, "state"));
                assert_eq!((process.pid, &*process.command, &*process.state), expected);
            }
        }),
        _ => client.wait("i", None).map(|exit| reference.iter().for_each(|said| ended(&exit, said))),
    };
    error.err().iter().for_each(is_one_line);
}

fn ended(exit: &Exit, said: &Reference) {
    assert_eq!(u64::from(exit.code), count_of(said, "code").min(255));
    assert_eq!(exit.signal.map(u64::from), said["signal"].as_u64().map(|signal| signal.min(255)));
    assert_eq!((exit.pid, exit.left), (count_of(said, "pid"), count_of(said, "left")));
    assert_eq!((exit.timed_out, exit.oom), (said["timed_out"] == true, said["oom"] == true));
    assert_eq!(exit.killed_by.as_deref(), said["killed_by"].as_str());
    assert_eq!(exit.usage.maxrss_kb, count_of(&said["rusage"], "maxrss_kb"));
}

fn text_of<'a>(object: &'a Reference, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_default()
}

fn count_of(object: &Reference, name: &str) -> u64 {
    object[name].as_u64().unwrap_or_default()
}

/// Whether no name stands twice in an object, and no number is written as `-0`.
fn is_plain(text: &str) -> bool {
    fn is_single(value: wire::json::Value<'_>) -> bool {
        let elements = value.elements().into_iter().flatten().all(is_single);
        let members: Vec<_> = value.members().into_iter().flatten().collect();
        let names: std::collections::BTreeSet<&str> = members.iter().map(|(name, _)| &**name).collect();
        elements && names.len() == members.len() && members.iter().all(|(_, value)| is_single(*value))
    }
    !text.contains("-0")
        && wire::json::Value::parse(text)
            .is_ok_and(|value| member(value, "type").is_some() && is_single(value))
}
