//! minit as the first process of a pid namespace, with strace on it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use sys::reap::Target;

use crate::bed::{children, status};

pub const SIGINT: i32 = 2;
pub const SIGKILL: i32 = 9;
pub const SIGUSR1: i32 = 10;
pub const SIGTERM: i32 = 15;

/// Longer than any scenario takes with any fault, grace and all.
pub const PATIENCE: Duration = Duration::from_secs(12);

/// A system call that fails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    pub call: String,
    pub error: &'static str,
    /// The first that fails, of all calls of this name from when strace is there, from 1.
    pub number: usize,
    pub lasting: Lasting,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lasting {
    /// That one alone.
    Once,
    /// Every one from there on.
    FromThereOn,
}

impl std::fmt::Display for Fault {
    /// As strace takes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plus = if self.lasting == Lasting::FromThereOn { "+" } else { "" };
        write!(f, "{}:error={}:when={}{plus}", self.call, self.error, self.number)
    }
}

/// Sends a signal to a process, if it is there.
pub fn kill(pid: u32, number: i32) {
    let _ = sys::reap::kill(Target::Process(pid.cast_signed()), number);
}

/// Removed with what is in it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("minit-faults-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a folder");
        Self(path)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// strace on some process. Dropped, it lets go of it.
pub struct Tracer {
    child: Child,
    log: PathBuf,
}

/// Whether what a traced process starts is traced too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    Alone,
    WithChildren,
}

impl Tracer {
    /// Attaches, and returns when that is done.
    pub fn attach(pid: u32, log: PathBuf, fault: Option<&Fault>, reach: Reach) -> Self {
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-p", &pid.to_string(), "-o"]).arg(&log);
        if reach == Reach::WithChildren {
            strace.arg("-f");
        }
        if let Some(fault) = fault {
            strace.arg("-e").arg(format!("inject={fault}"));
        }
        let child = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let tracer = Self { child: child.expect("strace"), log };
        let is_traced = || status(pid, "TracerPid").is_some_and(|tracer| tracer != "0");
        // It may be over already: then there is nothing to trace.
        wait_for(|| is_traced() || status(pid, "State").is_none());
        tracer
    }

    /// Lets go, and returns the lines of the log.
    pub fn detach(mut self) -> Vec<String> {
        self.stop();
        let text = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }

    fn stop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // The processes go on without it.
            kill(self.child.id(), SIGINT);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits until something holds, or for as long as anything may take; says whether it held.
pub fn wait_for(mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// minit in a pid namespace of its own. Dropped, everything in there is killed.
pub struct First {
    outside: Child,
    /// The first process, as it is numbered outside.
    pub pid: u32,
    lines: Receiver<String>,
    said: PathBuf,
}

impl First {
    /// Everything up to minit's own exec, for which it waits: a shell stands in its place. `SOCKET` in an argument is a
    /// path in the folder.
    pub fn prepare(folder: &Folder, name: &str, arguments: &[&str]) -> Self {
        let (said, program) = (folder.join("said"), folder.join(name));
        std::os::unix::fs::symlink(crate::bed::program(), &program).expect("a link");
        let socket = folder.join("socket").to_str().expect("UTF-8").to_owned();
        let arguments = arguments.iter().map(|argument| argument.replace("SOCKET", &socket));
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"]);
        command.args(["echo; read go; exec \"$@\"", "sh"]).arg(program).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(fs::File::create(&said).expect("a file"));
        let mut outside = command.spawn().expect("unshare");
        let out = BufReader::new(outside.stdout.take().expect("it has an output"));
        let (send, lines) = mpsc::channel();
        // Apart, so that a test never waits for what is never printed. It ends with the namespace.
        std::thread::spawn(move || out.lines().map_while(Result::ok).all(|line| send.send(line).is_ok()));
        assert_eq!(lines.recv_timeout(PATIENCE).as_deref(), Ok(""), "the shell does not come up");
        let pid = *children(outside.id()).first().expect("the first process");
        Self { outside, pid, lines, said }
    }

    /// Lets minit be executed.
    pub fn go(&mut self) {
        let mut input = self.outside.stdin.take().expect("it was not told before");
        // A shell that is gone has said why.
        let _ = input.write_all(b"\n");
    }

    /// The next line that the command prints; empty where it prints nothing within the time.
    pub fn line(&self, within: Duration) -> String {
        self.lines.recv_timeout(within).unwrap_or_default()
    }

    /// Sends it a signal, if it is there.
    pub fn signal(&self, number: i32) {
        kill(self.pid, number);
    }

    /// Its exit code, 128 and more for a signal; `None` where it does not end.
    pub fn end(&mut self) -> Option<i32> {
        let mut ended = None;
        wait_for(|| {
            ended = self.outside.try_wait().expect("it is ours");
            ended.is_some()
        });
        ended.and_then(|status| status.code().or_else(|| status.signal().map(|signal| 128 + signal)))
    }

    /// What was said on standard error.
    pub fn said(&self) -> String {
        let text = fs::read(&self.said).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for First {
    fn drop(&mut self) {
        // The kernel kills the rest of the namespace with its first process (--kill-child).
        let _ = self.outside.kill();
        let _ = self.outside.wait();
    }
}
