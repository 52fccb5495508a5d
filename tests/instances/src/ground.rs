//! A daemon of a test's own, with everything of it in a directory that goes away.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use cli::Scratch;

/// The directory with husk, huskd, husk-shim and minit in it.
///
/// # Panics
/// Where they cannot be built.
pub fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let husk = cli::program("husk");
        if std::env::var_os("HUSK_BIN").is_none() {
            let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            build.args(["build", "--quiet", "--package", "huskd", "--package", "husk-shim"]);
            build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
            assert!(build.status().expect("cargo").success(), "cargo build of huskd and husk-shim");
        }
        husk.parent().expect("a directory").to_path_buf()
    })
}

/// A daemon, and the files that it keeps.
pub struct Ground {
    scratch: Scratch,
    daemon: Child,
}

impl Ground {
    /// One with no image and no instance.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn new() -> Self {
        let scratch = Scratch::new();
        let daemon = start(&scratch);
        Self { scratch, daemon }
    }

    /// One with an image `busybox`.
    ///
    /// # Panics
    /// Where it cannot be imported.
    pub fn with_image() -> Self {
        let ground = Self::new();
        let root = cli::rootfs(&ground.scratch);
        let archive = ground.join("busybox.tar");
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(root).arg("-cf").arg(&archive).arg(".");
        assert!(tar.status().expect("tar").success());
        let ended = cli::run(&mut ground.husk(&["import", archive.to_str().expect("UTF-8"), "busybox"]));
        assert_eq!(ended.code(), 0, "{}", ended.err());
        ground
    }

    /// husk, with this daemon.
    pub fn husk(&self, line: &[&str]) -> Command {
        let mut command = Command::new(cli::program("husk"));
        command.args(line).env("HUSK_SOCKET", self.join("s")).env("HUSK_NO_DAEMON", "1").stdin(Stdio::null());
        command
    }

    /// Runs husk to its end, and what it prints without its last newline.
    ///
    /// # Panics
    /// Where it fails.
    pub fn good(&self, line: &[&str]) -> String {
        let ended = cli::run(&mut self.husk(line));
        assert_eq!(ended.code(), 0, "{line:?}: {}", ended.err());
        ended.out().trim_end_matches('\n').to_owned()
    }

    /// A path in the test's directory.
    pub fn join(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// The daemon's process.
    pub fn daemon_pid(&self) -> u32 {
        self.daemon.id()
    }

    /// Kills the daemon, and starts another.
    ///
    /// # Panics
    /// Where that does not start.
    pub fn replace_daemon(&mut self) {
        self.daemon.kill().expect("SIGKILL");
        self.daemon.wait().expect("its end");
        self.daemon = start(&self.scratch);
    }
}

impl Default for Ground {
    fn default() -> Self {
        Self::new()
    }
}

fn start(scratch: &Scratch) -> Child {
    let mut daemon = Command::new(programs().join("huskd"));
    for (option, name) in [("--root", "root"), ("--runtime", "run"), ("--socket", "s")] {
        daemon.arg(option).arg(scratch.join(name));
    }
    let log = std::fs::File::options().append(true).create(true).open(scratch.join("log")).expect("a log");
    daemon.arg("--no-console").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let daemon = daemon.spawn().expect("huskd");
    cli::wait_until("huskd listens", Duration::from_secs(20), || {
        std::os::unix::net::UnixStream::connect(scratch.join("s")).is_ok()
    });
    daemon
}

impl Drop for Ground {
    fn drop(&mut self) {
        let names = cli::run(&mut self.husk(&["ls", "-q"])).out();
        for name in names.lines() {
            cli::run(&mut self.husk(&["rm", "-f", name]));
        }
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
