//! A server of one's own, and a client that knows no more than the protocol.
#![allow(dead_code)] // each test uses its part of it

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A running server in a directory of its own; both are gone when it is dropped.
pub struct Ground {
    pub directory: PathBuf,
    server: Child,
    variables: Vec<(String, PathBuf)>,
}

/// The example `server`, which cargo builds beside the tests; the guest has it as a program of its own.
fn program() -> PathBuf {
    if let Some(program) = std::env::var_os("SERVER_BIN") {
        return program.into();
    }
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap().join("examples/server");
    assert!(program.exists(), "build it first: cargo build -p serve --example server");
    program
}

impl Ground {
    /// Starts a server; `arguments` are further users that may connect.
    pub fn new(arguments: &[&str]) -> Self {
        Self::start(arguments, &[])
    }

    /// The same, with variables of its own.
    pub fn with_environment(variables: &[(&str, &str)]) -> Self {
        Self::start(&[], variables)
    }

    /// The same, with a client that is connected before it starts: its standard input.
    pub fn with_client() -> (Self, Client) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let stdin = Stdio::from(std::os::fd::OwnedFd::from(theirs));
        let ground = Self::start_with(&[], &[("SERVE_STDIN", "1")], stdin);
        (ground, Client::of(ours))
    }

    /// The same, with so many descriptors at most.
    pub fn with_limit_on_descriptors(limit: u64) -> Self {
        let ground = Self::new(&[]);
        let limit = sys::process::Rlimit { current: Some(limit), maximum: Some(limit) };
        let pid = sys::process::Pid::from_raw(ground.pid() as i32);
        sys::process::prlimit(pid, sys::process::Resource::Nofile, limit).unwrap();
        ground
    }

    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_with(arguments, variables, Stdio::null())
    }

    fn start_with(arguments: &[&str], variables: &[(&str, &str)], stdin: Stdio) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("serve-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
        Self::run(directory, arguments, variables, stdin)
    }

    /// A server that notes what runs in a file, and is told what is new by a FIFO.
    pub fn noted() -> Self {
        Self::noted_with(&[])
    }

    /// The same, with variables of its own.
    pub fn noted_with(more: &[(&str, &str)]) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("serve-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        assert!(
            Command::new("/bin/busybox")
                .arg("mkfifo")
                .arg(directory.join("news"))
                .status()
                .unwrap()
                .success()
        );
        let variable = |name: &str, file: &str| (name.to_owned(), directory.join(file));
        let mut variables = vec![variable("SERVE_JOURNAL", "journal"), variable("SERVE_NEWS", "news")];
        variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.into())));
        Self::run(directory, &[], variables, Stdio::null())
    }

    /// A server with a main command, which logs into the directory unless the variables say otherwise.
    pub fn of_main(script: &str, more: &[(&str, &str)]) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("serve-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let mut variables = vec![
            ("SERVE_MAIN".to_owned(), script.into()),
            ("SERVE_EXIT".to_owned(), directory.join("exit")),
            ("SERVE_LOG".to_owned(), directory.clone()),
        ];
        variables.retain(|(name, _)| {
            !more.iter().any(|(other, _)| *other == "SERVE_LOG_ROOM" && name == "SERVE_LOG")
        });
        variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.into())));
        Self::run(directory, &[], variables, Stdio::null())
    }

    fn run(directory: PathBuf, arguments: &[&str], variables: Vec<(String, PathBuf)>, stdin: Stdio) -> Self {
        let server = Command::new(program())
            .arg(directory.join("run/s"))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("FROM_SERVER", "1")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(stdin)
            .spawn()
            .unwrap();
        let ground = Self { directory, server, variables };
        let begun = Instant::now();
        while UnixStream::connect(ground.socket()).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the server does not listen");
            std::thread::sleep(Duration::from_millis(2));
        }
        ground
    }

    /// Kills the server, and starts another in its place. Its commands live on.
    pub fn restart(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
        let (directory, variables) = (self.directory.clone(), self.variables.clone());
        let successor = Self::run(directory, &[], variables, Stdio::null());
        let mut successor = std::mem::ManuallyDrop::new(successor);
        std::mem::swap(&mut self.server, &mut successor.server);
    }

    /// How the server ends.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.server.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "the server does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills what the server has started.
    pub fn kill_children(&self) {
        for pid in self.children() {
            let _ = Command::new("/bin/busybox").args(["kill", "-KILL", &pid]).status();
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.join("run/s")
    }

    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    pub fn connect(&self) -> Client {
        Client::new(&self.socket())
    }

    /// One request, and every line that comes back until the server closes.
    pub fn ask(&self, request: &str) -> Vec<String> {
        let mut client = self.connect();
        client.send_line(request);
        client.rest()
    }

    /// One request, and the one answer to it.
    pub fn ask_one(&self, request: &Value) -> Value {
        let mut client = self.connect();
        client.send(request);
        client.next()
    }

    /// A figure of the server's /proc/PID/status, in KiB.
    pub fn status_kb(&self, name: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Processes of the server that are left, zombies included: its descendants.
    pub fn children(&self) -> Vec<String> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// One connection.
pub struct Client {
    pub reader: BufReader<UnixStream>,
}

impl Client {
    pub fn new(path: &Path) -> Self {
        Self::of(UnixStream::connect(path).unwrap())
    }

    fn of(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    pub fn stream(&mut self) -> &mut UnixStream {
        self.reader.get_mut()
    }

    pub fn send(&mut self, request: &Value) {
        self.send_line(&request.to_string());
    }

    pub fn send_line(&mut self, line: &str) {
        self.stream().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The next message.
    pub fn next(&mut self) -> Value {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the server has closed the connection after {line:?}");
        serde_json::from_str(&line).unwrap()
    }

    /// The next message; none where the server has closed the connection.
    pub fn try_next(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(count) if count > 0 => Some(serde_json::from_str(&line).unwrap()),
            _ => None,
        }
    }

    /// Messages up to and with the first of this type.
    pub fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            let message = self.next();
            let found = message["type"] == kind;
            messages.push(message);
            if found {
                return messages;
            }
        }
    }

    /// Lines until the server closes.
    pub fn rest(&mut self) -> Vec<String> {
        let mut text = String::new();
        self.reader.read_to_string(&mut text).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// A request to run a script in busybox's shell.
pub fn script(text: &str) -> Value {
    json!({"type": "exec", "cmd": "/bin/busybox", "args": ["sh", "-c", text]})
}

/// The same, with further fields.
pub fn script_with(text: &str, fields: &Value) -> Value {
    let mut request = script(text);
    for (name, value) in fields.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

/// Text of all messages of one type, with `between` behind each.
pub fn text(messages: &[Value], kind: &str, between: &str) -> String {
    let own = messages.iter().filter(|message| message["type"] == kind);
    own.map(|message| message["data"].as_str().unwrap().to_owned() + between).collect()
}

/// Waits until `holds` does.
pub fn wait_until(what: &str, holds: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
    begun.elapsed()
}

/// Whether a process exists and has not ended.
pub fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}
