//! How tests start the program, and how long they wait for it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program: what MINIT_BIN says, or else built as its package says.
pub fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Ok(given) = std::env::var("MINIT_BIN") {
            return given;
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", "minit", "--features", "program"]);
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        assert!(build.status().expect("cargo").success(), "cargo build of minit");
        // …/debug/deps/NAME-HASH of this test is beside …/debug/minit.
        let test = std::env::current_exe().expect("own path");
        let directory = test.parent().and_then(Path::parent).expect("target directory");
        directory.join("minit").to_str().expect("UTF-8").to_owned()
    })
}

/// The program as it is shipped: what is counted there is what users get.
pub fn released() -> &'static Path {
    static PROGRAM: OnceLock<std::path::PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--release", "--package", "minit", "--features", "program"]);
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        assert!(build.status().expect("cargo").success(), "cargo build --release of minit");
        let test = std::env::current_exe().expect("own path");
        test.ancestors().nth(3).expect("target directory").join("release/minit")
    })
}

/// minit without its api, beside other processes.
pub fn minit(arguments: &[&str]) -> Command {
    let mut command = called("minit", &["--no-api"]);
    command.args(arguments);
    command
}

/// The program under another name.
pub fn called(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.arg0(name).args(arguments);
    command
}

/// minit without its api as the first process of a pid namespace.
pub fn first(arguments: &[&str]) -> Command {
    let mut command = first_with_api(&["--no-api"]);
    command.args(arguments);
    command
}

/// minit as the first process of a pid namespace.
pub fn first_with_api(arguments: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", program()]).args(arguments);
    command
}

/// How a program ended and what it printed.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

/// Runs it to its end.
pub fn run(command: &mut Command) -> Outcome {
    Running::start(command).end()
}

/// A started program, which is killed if the test does not see its end.
pub struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    since: Instant,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let out = BufReader::new(child.stdout.take().expect("it has an output"));
        Self { child, out, since: Instant::now() }
    }

    /// The next line of its output, without the newline.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("its output is text");
        line.trim_end().to_owned()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: &str) {
        send(signal, self.pid());
    }

    /// Sends it a signal and waits for its end. Behind an `unshare` the first process gets the signal.
    pub fn end_by(self, signal: &str) -> Outcome {
        let behind = |pid: &u32| status(*pid, "NSpid").is_some_and(|pids| pids.ends_with("\t1"));
        let first = children(self.pid()).into_iter().find(behind);
        send(signal, first.unwrap_or(self.pid()));
        self.end()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Outcome {
        let mut errors = self.child.stderr.take().expect("it has an error output");
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).map(|_| text)
        });
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                break status;
            }
            assert!(Instant::now() < until, "it does not end");
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = self.since.elapsed();
        let mut out = String::new();
        self.out.read_to_string(&mut out).expect("its output is text");
        let err = errors.join().expect("no panic").expect("its errors are text");
        Outcome { code: status.code(), signal: status.signal(), out, err, took }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // What was started lives on when its starter is killed: it goes too, with its group where it leads one.
            let started = children(self.child.id());
            let _ = self.child.kill();
            let _ = self.child.wait();
            for pid in started {
                for target in [format!("-{pid}"), pid.to_string()] {
                    let kill = ["-s", "KILL", "--", &target];
                    let _ = Command::new("kill").args(kill).stderr(Stdio::null()).status();
                }
            }
        }
    }
}

/// kill(1)
pub fn send(signal: &str, pid: u32) {
    let status = Command::new("kill").args(["-s", signal, &pid.to_string()]).status();
    assert!(status.expect("kill starts").success(), "{signal} to {pid}");
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A line of /proc/PID/status.
pub fn status(pid: u32, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| Some(line.strip_prefix(key)?.strip_prefix(':')?.trim().to_owned()))
}

/// The children of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}

/// Whether a process is there, dead or alive.
pub fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}
