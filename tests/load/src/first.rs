//! An init as process 1.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::process::{children, read};

/// Longer than any start takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// An init as process 1 of a pid namespace of its own, which ends with this.
#[derive(Debug)]
pub struct First {
    outer: Child,
    output: BufReader<ChildStdout>,
    /// The pid of process 1, as its starter counts.
    pub pid: u32,
}

impl First {
    /// Starts `command`; `load` is the program of that name.
    pub fn start<S: AsRef<OsStr>>(load: &Path, command: &[S]) -> Result<First> {
        let mut outer = Command::new(load)
            .arg("first")
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A hundred warnings of an api that is killed are not what a reader of the results looks for.
            .stderr(Stdio::null())
            .spawn()
            .map_err(|why| format!("{}: {why}", load.display()))?;
        let output = BufReader::new(outer.stdout.take().ok_or("no standard output")?);
        let begun = Instant::now();
        let pid = loop {
            if let Some(pid) = children(outer.id()).first() {
                break *pid;
            }
            expect_soon(begun, "process 1")?;
        };
        Ok(First { outer, output, pid })
    }

    /// Starts minit with an api at `socket`; waits until it serves.
    pub fn serving(load: &Path, minit: &Path, socket: &Path, command: &[&OsStr]) -> Result<First> {
        let mut words = vec![minit.as_os_str(), OsStr::new("--socket"), socket.as_os_str(), OsStr::new("--")];
        words.extend(command);
        let first = First::start(load, &words)?;
        let begun = Instant::now();
        while UnixStream::connect(socket).is_err() {
            expect_soon(begun, "minit")?;
        }
        Ok(first)
    }

    /// The next line of its output, with a newline.
    pub fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|why| format!("its output: {why}"))?;
        Ok(line)
    }

    /// A byte for the workload that waits for one.
    pub fn go(&mut self) -> Result<()> {
        let input = self.outer.stdin.as_mut().ok_or("no standard input")?;
        input.write_all(b".").map_err(|why| format!("its input: {why}"))
    }

    /// The api role, which is the child that is called so.
    pub fn api(&self) -> Result<u32> {
        let begun = Instant::now();
        loop {
            let is_api = |pid: &u32| read(*pid, "comm").is_ok_and(|name| name.trim() == "minit-api");
            if let Some(pid) = children(self.pid).into_iter().find(is_api) {
                return Ok(pid);
            }
            expect_soon(begun, "minit-api")?;
        }
    }
}

impl Drop for First {
    fn drop(&mut self) {
        // Process 1 ends with its parent, and its whole namespace with it.
        let _ = self.outer.kill();
        let _ = self.outer.wait();
    }
}

fn expect_soon(begun: Instant, what: &str) -> Result<()> {
    thread::sleep(Duration::from_millis(1));
    if begun.elapsed() < PATIENCE { Ok(()) } else { Err(format!("{what}: it does not start")) }
}
