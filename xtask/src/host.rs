//! The tests that run on this machine: `cargo test --workspace`, counted.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::tally::{Reader, Tally};
use crate::workspace::Workspace;
use crate::{Result, run};

/// Building and running together; a test that hangs must not hold a build machine for hours.
const DEADLINE: Duration = Duration::from_secs(40 * 60);

/// Runs every test of the host, also after a failure, and counts.
pub fn test(workspace: &Workspace) -> Result<Tally> {
    let mut cargo = workspace.cargo(["test", "--workspace", "--no-fail-fast", "--", "--show-output"]);
    // A group of its own, so that the deadline ends the tests together with cargo.
    let mut cargo = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|why| format!("cargo test: {why}"))?;
    let mut reader = Reader::default();
    let in_time = show_until_end(&mut cargo, &mut reader)?;
    let status = cargo.wait().map_err(|why| format!("cargo test: {why}"))?;
    let mut tally = reader.tally;
    if !in_time {
        println!("cargo test: killed after {} s", DEADLINE.as_secs());
        tally.failed += 1;
    } else if !status.success() && tally.failed == 0 {
        // A build error or a test program that crashed: nothing was counted, and still it is a failure.
        println!("cargo test: {status}");
        tally.failed += 1;
    }
    Ok(tally)
}

/// Shows what cargo prints until it ends or the time is over; returns whether it ended by itself.
fn show_until_end(cargo: &mut Child, reader: &mut Reader) -> Result<bool> {
    let output = cargo.stdout.take().ok_or("cargo test: no output to read")?;
    let (send, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(output).split(b'\n').map_while(std::result::Result::ok);
        while let Some(line) = lines.next()
            && send.send(String::from_utf8_lossy(&line).into_owned()).is_ok()
        {}
    });
    let until = Instant::now() + DEADLINE;
    loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(shown) = reader.line(&line) {
                    println!("{shown}");
                }
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(true),
            Err(RecvTimeoutError::Timeout) => {
                let group = format!("-{}", cargo.id());
                run::output(run::command("kill", ["-KILL", "--", &group]))?;
                return Ok(false);
            }
        }
    }
}
