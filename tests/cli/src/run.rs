//! Running husk to its end, and what came of it.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program;

/// The longest a test waits for anything. Generous: the guest is emulated.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a program ended, and what it wrote.
#[derive(Debug)]
pub struct Ended {
    /// As the kernel tells it.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Ended {
    /// The exit code; 128 and the signal where one ended it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// Standard output as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Standard output without its last newline, after a check that all went well.
    ///
    /// # Panics
    /// Where the exit code is not 0, or something was said on standard error.
    pub fn good(&self) -> String {
        assert_eq!((self.code(), self.err().as_str()), (0, ""), "standard output: {}", self.out());
        self.out().trim_end_matches('\n').to_owned()
    }
}

/// husk, with nothing on its standard input, and no daemon: none is needed here, and none of the machine's is disturbed.
pub fn husk() -> Command {
    let mut command = Command::new(program("husk"));
    command.stdin(Stdio::null()).env("HUSK_NO_DAEMON", "1").env("HUSK_SOCKET", "/nonexistent/husk.sock");
    command
}

/// `husk run OPTIONS ROOTFS WORDS`.
pub fn husk_run<W: AsRef<OsStr>>(options: &[&str], rootfs: &Path, words: &[W]) -> Command {
    let mut command = husk();
    command.arg("run").args(options).arg(rootfs).args(words);
    command
}

/// Runs a command to its end.
///
/// # Panics
/// Where it does not start, or takes longer than a minute.
pub fn run(command: &mut Command) -> Ended {
    run_with(command, b"")
}

/// Runs a command to its end with something on its standard input. Nothing leaves the input as it was set; a
/// pipe stays open until the end then.
///
/// # Panics
/// As [`run`].
pub fn run_with(command: &mut Command, input: &[u8]) -> Ended {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let (out, err, mut stdin) = (child.stdout.take(), child.stderr.take(), child.stdin.take());
    thread::scope(|scope| {
        let out = scope.spawn(|| drain(out));
        let err = scope.spawn(|| drain(err));
        if let Some(mut pipe) = stdin.take_if(|_| !input.is_empty()) {
            // Who does not read its input is not made to.
            let _ = pipe.write_all(input);
        }
        let status = wait(&mut child, command);
        Ended { status, stdout: out.join().expect("output"), stderr: err.join().expect("errors") }
    })
}

fn drain(from: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A pipe does not fail to be read.
    let _ = from.map(|mut from| from.read_to_end(&mut bytes));
    bytes
}

/// Waits for the end of a child.
///
/// # Panics
/// After a minute; the child is killed then.
pub fn wait(child: &mut Child, told: &dyn std::fmt::Debug) -> ExitStatus {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return status;
        }
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{told:?}: still runs after {} s", PATIENCE.as_secs());
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Runs `husk run OPTIONS ROOTFS WORDS` to its end.
pub fn run_in<W: AsRef<OsStr>>(options: &[&str], rootfs: &Path, words: &[W]) -> Ended {
    run(&mut husk_run(options, rootfs, words))
}

/// Runs a script of busybox's shell in a container to its end.
pub fn shell(options: &[&str], rootfs: &Path, script: &str) -> Ended {
    run_in(options, rootfs, &["/bin/sh", "-c", script])
}

/// What the probe sees in a container with these options.
///
/// # Panics
/// Where it does not run.
pub fn report(options: &[&str], rootfs: &Path) -> Value {
    serde_json::from_str(&run_in(options, rootfs, &["/bin/probe"]).good()).expect("JSON")
}

/// Starts a container whose output is read by the test, and waits for the first line of it.
///
/// # Panics
/// Where no line comes.
pub fn started(command: &mut Command) -> (Child, String, BufReader<ChildStdout>) {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    output.read_line(&mut line).expect("output");
    assert!(!line.is_empty(), "{command:?}: ended without a line");
    (child, line.trim_end().to_owned(), output)
}

/// Waits until something is so.
///
/// # Panics
/// Where it is not within the time.
pub fn wait_until(what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + within;
    while !is_so() {
        assert!(Instant::now() < until, "{what}: not within {} s", within.as_secs_f32());
        thread::sleep(Duration::from_millis(2));
    }
}
