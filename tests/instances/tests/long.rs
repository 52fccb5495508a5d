//! Work that takes its time: how far it is, and how it is ended.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cli::run;
use instance::message::{Reason, Request};
use instances::{Fake, husk};
use serde_json::json;

#[test]
fn in_a_pipe_there_is_a_line_a_second_and_one_at_the_end() {
    let fake = Fake::new(|_, peer| {
        for step in 0..=25 {
            peer.progress("unpack", step * 4_000_000, Some(100_000_000));
            std::thread::sleep(Duration::from_millis(100));
        }
        peer.ok(json!({}));
    });
    let ended = run(&mut husk(&fake, &["import", "/dev/null", "debian:12"]));
    let text = ended.err();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((ended.code(), ended.out().as_str(), lines.len()), (0, "", 3), "{text}");
    assert!(
        lines[0].starts_with("husk: import /dev/null debian:12: unpack ") && lines[0].ends_with(" left"),
        "{text}"
    );
    assert!(lines[0].contains("of 95MiB, ") && lines[0].contains("MiB/s, "), "{text}");
    assert!(lines[2].starts_with("husk: import /dev/null debian:12: 95MiB in 2."), "{text}");
}

#[test]
fn on_a_terminal_there_is_a_bar_that_goes_away() {
    let fake = Fake::new(|_, peer| {
        for step in 0..=5 {
            peer.progress("pack", step * 20_000_000, Some(100_000_000));
            std::thread::sleep(Duration::from_millis(120));
        }
        peer.ok(json!({}));
    });
    let mut command = Command::new("script");
    command.args(["-qec", "\"$H\" commit web mine", "/dev/null"]).env("H", cli::program("husk"));
    command
        .env("HUSK_SOCKET", fake.socket())
        .env("SHELL", "/bin/sh")
        .env("TERM", "vt220")
        .stdin(Stdio::null());
    let text = run(&mut command).out();
    assert!(text.contains("commit web mine: pack [") && text.contains("left"), "{text:?}");
    assert!(text.trim_end().ends_with('s') && text.contains("commit web mine: 95MiB in 0."), "{text:?}");
}

/// A daemon whose work has no end but that of its client.
fn endless(noticed: &Arc<AtomicBool>) -> Fake {
    let noticed = noticed.clone();
    Fake::new(move |_, peer| {
        peer.progress("unpack", 1, None);
        noticed.store(peer.goes_within(Duration::from_secs(20)), Ordering::SeqCst);
        peer.refuse(Reason::Interrupted, "nobody waits any more");
    })
}

#[test]
fn an_interruption_is_passed_on_and_leaves_nothing() {
    for (signal, line) in [
        ("INT", vec!["seed", "/", "base"]),
        ("TERM", vec!["import", "/dev/null", "x"]),
        ("INT", vec!["cp", "-", "web:/x"]),
    ] {
        let noticed = Arc::new(AtomicBool::new(false));
        let fake = endless(&noticed);
        let mut child = husk(&fake, &line).stderr(Stdio::piped()).spawn().unwrap();
        cli::wait_until("it is asked", Duration::from_secs(10), || !fake.asked().is_empty());
        Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        let status = cli::wait(&mut child, &line);
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(status.code(), Some(130), "{line:?}: {said}");
        assert!(said.ends_with("husk: interrupted: nothing was left\n"), "{line:?}: {said}");
        assert!(noticed.load(Ordering::SeqCst), "{line:?}: the daemon was told");
    }
}

#[test]
fn an_export_is_there_whole_or_not_at_all() {
    let fake = Fake::new(|request, peer| {
        let Request::Export { name, .. } = request else { panic!("{request:?}") };
        let mut file = File::from(peer.descriptor());
        file.write_all(b"an archive").unwrap();
        match name.as_str() {
            "web" => peer.ok(json!({})),
            _ => peer.refuse(Reason::Failed, "no space left"),
        }
    });
    let to = fake.directory().join("to");
    std::fs::create_dir(&to).unwrap();
    let file = to.join("web.tar.zst");
    let path = file.to_str().unwrap();
    assert_eq!(run(&mut husk(&fake, &["export", "-o", path, "other"])).code(), 1);
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), 0, "nothing is left of it");
    assert_eq!(run(&mut husk(&fake, &["export", "-o", path, "web"])).code(), 0);
    assert_eq!(std::fs::read(&file).unwrap(), b"an archive");
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), 1);
    let ended = run(&mut husk(&fake, &["export", "--format", "oci", "web"]));
    assert_eq!(ended.out(), "an archive");
    let asked = fake.asked();
    assert_eq!(asked[1], json!({"type": "export", "name": "web", "format": "tar", "compression": "zstd"}));
    assert_eq!(asked[2], json!({"type": "export", "name": "web", "format": "oci", "compression": "none"}));
}

#[test]
fn an_archive_is_read_from_standard_input() {
    let fake = Fake::new(|_, peer| {
        let mut bytes = Vec::new();
        File::from(peer.descriptor()).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"an archive");
        peer.ok(json!({}));
    });
    let ended = cli::run_with(&mut husk(&fake, &["import", "-", "x"]), b"an archive");
    assert_eq!(ended.code(), 0, "{}", ended.err());
}

#[test]
fn a_terminal_is_no_archive() {
    let fake = Fake::new(|_, _| {});
    for line in ["import - x", "export web", "cp web:/a -", "cp - web:/a"] {
        let mut command = Command::new("script");
        command.args(["-qec", &format!("\"$H\" {line}"), "/dev/null"]).env("H", cli::program("husk"));
        command.env("HUSK_SOCKET", fake.socket()).env("SHELL", "/bin/sh").stdin(Stdio::piped());
        let text = run(&mut command).out();
        assert!(text.contains("is a terminal"), "{line}: {text}");
    }
    assert_eq!(fake.asked().len(), 0);
}
