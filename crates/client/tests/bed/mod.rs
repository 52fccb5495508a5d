//! A server of one's own: the example of `serve`.
#![allow(dead_code)] // each test uses its part of it

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use husk_client::{Address, Client, Exec};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The server: what HUSK_TEST_SERVER says, or else the example, built as the tests are.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(given) = std::env::var_os("HUSK_TEST_SERVER") {
            return given.into();
        }
        let test = std::env::current_exe().expect("own path");
        // …/debug/deps/NAME-HASH of this test; the example is …/debug/examples/server.
        let directory = test.parent().and_then(Path::parent).expect("target directory");
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--package", "serve", "--example", "server"]);
        if directory.ends_with("release") {
            build.arg("--release");
        }
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        assert!(build.status().expect("cargo").success(), "cargo build of the example server");
        directory.join("examples/server")
    })
}

/// A running server in a directory of its own; both are gone when it is dropped.
pub struct Ground {
    pub directory: PathBuf,
    server: Child,
}

impl Ground {
    pub fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("husk-client-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory of our own");
        let server = serve(&directory.join("s"));
        Self { directory, server }
    }

    /// Ends the server with what it has started, and starts another in its place, which knows nothing of that.
    pub fn restart(&mut self) {
        self.stop();
        self.server = serve(&self.socket());
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.join("s")
    }

    pub fn connect(&self) -> Client {
        Client::connect_within(Address::Unix(self.socket().as_os_str().as_bytes()), 20_000)
            .expect("it serves")
    }

    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Resident memory of the server, in KiB.
    pub fn resident_kb(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).expect("it has memory");
        line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number")
    }
}

/// Starts a server, which listens when this returns.
fn serve(socket: &Path) -> Child {
    let mut server = Command::new(program());
    server.arg(socket).env_clear().env("PATH", "/usr/bin:/bin").env("FROM_SERVER", "1");
    let server = server.stdin(Stdio::null()).spawn().expect("the server starts");
    let begun = Instant::now();
    while std::os::unix::net::UnixStream::connect(socket).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10), "the server does not listen");
        std::thread::sleep(Duration::from_millis(2));
    }
    server
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Ground {
    fn stop(&mut self) {
        // What it has started would outlive it.
        let children = format!("/proc/{0}/task/{0}/children", self.pid());
        let children = std::fs::read_to_string(children).unwrap_or_default();
        let _ = self.server.kill();
        let _ = self.server.wait();
        for pid in children.split_whitespace() {
            let group = format!("-{pid}");
            let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).stderr(Stdio::null()).status();
        }
    }
}

/// A script for busybox's shell.
pub fn script(text: &str) -> Exec {
    Exec::new("/bin/busybox").args(["sh", "-c", text]).timeout_ms(120_000)
}
