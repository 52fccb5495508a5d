//! minit as it is shipped, as process 1 of a pid namespace, with its api.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cli::Scratch;
use load::{Client, First};
use serde_json::{Value, json};

use crate::release;

/// The program `load`, built once for a run of tests.
///
/// # Panics
/// Where the compiler that links all programs here is missing.
pub fn load() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // Beside the programs that cargo builds: …/debug/deps/NAME-HASH is this test.
        let test = std::env::current_exe().expect("own path");
        let folder = test.ancestors().nth(2).expect("target directory").join("load");
        std::fs::create_dir_all(&folder).expect("a directory");
        let (source, program) = (folder.join("load.c"), folder.join("load"));
        std::fs::write(&source, load::SOURCE).expect("the source");
        // Renamed when it is whole: another run may be using the one that is there.
        let fresh = folder.join(format!("load-{}", std::process::id()));
        let mut compile = Command::new("cc");
        compile.args(["-O2", "-static", "-o"]).arg(&fresh).arg(&source);
        assert!(compile.status().expect("cc").success(), "cc of load.c");
        std::fs::rename(&fresh, &program).expect("its name");
        program
    })
}

/// minit with its api and a main command that sleeps.
#[derive(Debug)]
pub struct Served {
    /// Process 1.
    pub first: First,
    socket: PathBuf,
    _scratch: Scratch,
}

impl Served {
    /// Starts it.
    ///
    /// # Panics
    /// Where it does not serve in time.
    pub fn new() -> Self {
        let scratch = Scratch::new();
        let socket = scratch.join("api/socket");
        let command = [load().as_os_str(), OsStr::new("rest")];
        let first = First::serving(load(), release("minit"), &socket, &command).expect("minit serves");
        Self { first, socket, _scratch: scratch }
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A connection.
    ///
    /// # Panics
    /// Where nobody listens.
    pub fn connect(&self) -> Client {
        Client::connect(&self.socket).expect("it listens")
    }

    /// The one answer to a request.
    ///
    /// # Panics
    /// Where there is none.
    pub fn ask(&self, request: &Value) -> Value {
        let mut client = self.connect();
        client.send(&request.to_string()).expect("it is taken");
        client.message().expect("an answer")
    }

    /// A command of `load` that is followed by the connection.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn run(&self, id: &str, arguments: &[&str], fields: &Value) -> Client {
        let mut request = json!({"type": "exec", "id": id, "events": true, "cmd": load(), "args": arguments,
            "timeout_ms": 0});
        for (name, value) in fields.as_object().into_iter().flatten() {
            request[name] = value.clone();
        }
        let mut client = self.connect();
        client.send(&request.to_string()).expect("it is taken");
        client.message_of("started").expect("it starts");
        client
    }
}

impl Default for Served {
    fn default() -> Self {
        Self::new()
    }
}

/// A client that asks all the while whether the server is there.
#[derive(Debug)]
pub struct Pings {
    over: &'static AtomicBool,
    thread: JoinHandle<Vec<Duration>>,
}

impl Pings {
    /// Begins.
    pub fn of(served: &Served) -> Self {
        // One for each test program's few tests.
        let over: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        let mut client = served.connect();
        let thread = thread::spawn(move || {
            let mut times = Vec::new();
            while !over.load(Ordering::Relaxed) {
                times.push(client.time(r#"{"type":"ping"}"#).expect("a pong"));
                thread::sleep(Duration::from_millis(2));
            }
            times
        });
        Self { over, thread }
    }

    /// How long 99 of 100 answers took at most.
    ///
    /// # Panics
    /// Where one did not come.
    pub fn p99(self) -> Duration {
        self.over.store(true, Ordering::Relaxed);
        let mut times = self.thread.join().expect("every ping is answered");
        times.sort_unstable();
        times[times.len() * 99 / 100]
    }
}

/// Waits for something to hold; how long that took.
///
/// # Panics
/// Where it does not come to that.
pub fn time_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_micros(500));
    }
    begun.elapsed()
}
