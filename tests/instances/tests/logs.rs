//! Logs: what was written, what is written, and what was rotated away.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cli::{Scratch, run};
use instance::message::Request;
use instances::{Fake, husk};
use serde_json::json;

/// A daemon with a log in a directory, whose instance ends when it is told to.
fn logging(directory: &Path, is_over: &Arc<AtomicBool>) -> Fake {
    let (directory, is_over) = (directory.to_path_buf(), is_over.clone());
    Fake::new(move |request, peer| match request {
        Request::Logs { .. } => {
            let older = [1, 2].map(|number| directory.join(format!("log.{number}")));
            let rotated: Vec<&PathBuf> = older.iter().filter(|path| path.exists()).collect();
            peer.ok_with(json!({"rotated": rotated}), File::open(directory.join("log")).unwrap());
        }
        Request::Wait { .. } => {
            while !is_over.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            peer.ok(json!({"code": 0, "signal": null, "oom": false}));
        }
        other => panic!("{other:?}"),
    })
}

fn write(path: &Path, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(format!("2026-01-01T00:00:00.5Z {text}\n").as_bytes()).unwrap();
}

#[test]
fn rotated_files_come_first_and_streams_stay_apart() {
    let scratch = Scratch::new();
    write(&scratch.join("log.2"), "stdout F oldest");
    write(&scratch.join("log.1"), "stderr F older");
    write(&scratch.join("log"), "stdout P new");
    write(&scratch.join("log"), "stdout F est");
    let fake = logging(scratch.path(), &Arc::default());
    let ended = run(&mut husk(&fake, &["logs", "web"]));
    assert_eq!((ended.out().as_str(), ended.err().as_str()), ("oldest\nnewest\n", "older\n"));
    let ended = run(&mut husk(&fake, &["logs", "--tail", "1", "-t", "web"]));
    assert_eq!((ended.out().as_str(), ended.err().as_str()), ("2026-01-01T00:00:00.5Z newest\n", ""));
    assert_eq!(run(&mut husk(&fake, &["logs", "--since", "1h", "web"])).good(), "");
    assert_eq!(
        run(&mut husk(&fake, &["logs", "--since", "2025-01-01", "--tail", "all", "web"])).out(),
        "oldest\nnewest\n"
    );
}

#[test]
fn what_is_written_is_shown_at_once_over_rotations_until_the_end() {
    let scratch = Scratch::new();
    let log = scratch.join("log");
    write(&log, "stdout F 0");
    let is_over = Arc::default();
    let fake = logging(scratch.path(), &is_over);
    let mut child = husk(&fake, &["logs", "-f", "web"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().map(Result::unwrap);
    assert_eq!(next().as_deref(), Some("0"));
    for number in 1..40 {
        if number % 10 == 0 {
            // What is written behind the last look goes with it.
            write(&log, &format!("stdout F last of {number}"));
            std::fs::rename(scratch.join("log.1"), scratch.join("log.2")).ok();
            std::fs::rename(&log, scratch.join("log.1")).unwrap();
            File::create(&log).unwrap();
        }
        write(&log, &format!("stdout F {number}"));
        if number % 10 == 0 {
            assert_eq!(next(), Some(format!("last of {number}")));
        }
        assert_eq!(next(), Some(number.to_string()));
    }
    write(&log, "stdout F at the end");
    is_over.store(true, Ordering::SeqCst);
    assert_eq!(next().as_deref(), Some("at the end"));
    assert_eq!(next(), None);
    assert_eq!(cli::wait(&mut child, &"logs -f").code(), Some(0));
}

#[test]
fn a_follower_waits_without_working() {
    let scratch = Scratch::new();
    write(&scratch.join("log"), "stdout F 0");
    let fake = logging(scratch.path(), &Arc::default());
    let mut child = husk(&fake, &["logs", "-f", "web"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let switches = |pid: u32| -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        line.trim().parse().unwrap()
    };
    let before = switches(child.id());
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(switches(child.id()), before, "it woke up for nothing");
    child.kill().unwrap();
    child.wait().unwrap();
}
