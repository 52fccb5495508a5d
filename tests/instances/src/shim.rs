//! A shim without a container: the example server of the minit protocol, with a process that is called `main`.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use cli::Scratch;
use husk_client::{Address, Client, Exec};

/// It ends, with all that it has started, when this is dropped.
pub struct Shim {
    scratch: Scratch,
    server: Child,
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // …/debug/husk; the example is …/debug/examples/server.
        let husk = cli::program("husk");
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--package", "serve", "--example", "server"]);
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        assert!(build.status().expect("cargo").success(), "cargo build of the example server");
        husk.with_file_name("examples").join("server")
    })
}

impl Shim {
    /// One whose process 1 is this.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn new(main: &Exec) -> Self {
        let scratch = Scratch::new();
        let mut server = Command::new(program());
        server.arg(scratch.join("s")).env_clear().env("PATH", "/usr/bin:/bin");
        server.stdin(Stdio::null()).stdout(Stdio::null());
        let shim = Self { server: server.spawn().expect("the server starts"), scratch };
        cli::wait_until("the server listens", Duration::from_secs(10), || {
            UnixStream::connect(shim.scratch.join("s")).is_ok()
        });
        shim.client().start(&main.clone().id("main")).expect("its process 1 starts");
        shim
    }

    /// A connection to it, as the daemon hands it over.
    ///
    /// # Panics
    /// Where it does not listen.
    pub fn connect(&self) -> UnixStream {
        UnixStream::connect(self.scratch.join("s")).expect("it listens")
    }

    /// A client of it.
    ///
    /// # Panics
    /// Where it does not serve.
    pub fn client(&self) -> Client {
        let path = self.scratch.join("s");
        Client::connect(Address::Unix(path.as_os_str().as_bytes())).expect("it serves")
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        // What it has started would outlive it.
        let children = format!("/proc/{0}/task/{0}/children", self.server.id());
        let children = std::fs::read_to_string(children).unwrap_or_default();
        let _ = self.server.kill();
        let _ = self.server.wait();
        for pid in children.split_whitespace() {
            let group = format!("-{pid}");
            let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).stderr(Stdio::null()).status();
        }
    }
}
