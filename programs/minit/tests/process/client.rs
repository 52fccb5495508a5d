//! A client of the api that knows no more than the protocol: a line goes out, lines come in.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{Running, first_with_api, program, until};

/// Longer than any answer here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of its own for a socket, which goes with it.
pub struct Place(PathBuf);

impl Place {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("minit-api-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    pub fn socket(&self) -> String {
        self.0.join("socket").to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// minit with an api at a socket of its own.
pub struct Served {
    pub running: Running,
    pub place: Place,
}

impl Served {
    /// Beside other processes.
    pub fn beside(arguments: &[&str]) -> Self {
        Self::start(Command::new(program()), arguments)
    }

    /// As the first process of a pid namespace.
    pub fn first(arguments: &[&str]) -> Self {
        Self::start(first_with_api(&[]), arguments)
    }

    /// The same, where there is no /proc.
    pub fn without_proc(arguments: &[&str]) -> Self {
        let script = "umount -l /proc && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount", "sh", "-c", script, "sh", program()]);
        Self::start(command, arguments)
    }

    /// The same behind a command of one's own.
    pub fn start(mut command: Command, arguments: &[&str]) -> Self {
        let place = Place::new();
        command.args(["--socket", &place.socket()]).args(arguments);
        let served = Self { running: Running::start(&mut command), place };
        until("it listens", || UnixStream::connect(served.place.socket()).is_ok());
        served
    }

    pub fn connect(&self) -> Connection {
        Connection::to(&self.place.socket())
    }

    /// The one answer to a request.
    pub fn ask(&self, request: Value) -> Value {
        let mut connection = self.connect();
        connection.send(request);
        connection.next().expect("an answer")
    }
}

/// One connection.
pub struct Connection(BufReader<UnixStream>);

impl Connection {
    pub fn to(path: &str) -> Self {
        let begun = Instant::now();
        loop {
            match UnixStream::connect(path) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
                    return Self(BufReader::new(stream));
                }
                Err(error) => assert!(begun.elapsed() < PATIENCE, "{path}: {error}"),
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn send(&mut self, request: Value) {
        self.0.get_mut().write_all(format!("{request}\n").as_bytes()).expect("it is taken");
    }

    /// The next message; `None` at the end.
    pub fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            read => assert!(read.is_ok(), "no answer in time: {read:?}"),
        }
        (!line.is_empty()).then(|| serde_json::from_str(&line).expect("JSON"))
    }

    /// The next message of this type; others are passed over.
    pub fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().unwrap_or_else(|| panic!("the end, and no {kind}"));
            if message["type"] == kind {
                return message;
            }
        }
    }
}
