//! A daemon with a root of its own on the arena's disk, and what is found out about it.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::rounds::{Cost, run_metered};
use crate::{Result, run};

/// The program of the command line.
const HUSK: &str = "/bench/husk";
const SOCKET: &str = "/run/husk.sock";
const ROOT: &str = "/bench/fresh/store";
const LOG: &str = "/run/huskd.log";
/// The root file system with which peers' containers are made, and the image `small`.
pub const SMALL: &str = "/bench/rootfs";
const PATIENCE: Duration = Duration::from_secs(20);

/// The daemon; it ends, with all that it has, when this is dropped.
pub struct Daemon {
    child: Child,
}

impl Daemon {
    /// One without images.
    pub fn start() -> Result<Self> {
        clear(ROOT)?;
        let log = fs::File::create(LOG).map_err(|why| format!("{LOG}: {why}"))?;
        let mut command = Command::new("/bench/huskd");
        command.args(["--no-console", "--root", ROOT, "--socket", SOCKET]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let daemon = Self { child: command.spawn().map_err(|why| format!("huskd: {why}"))? };
        await_that("huskd serves", || Ok(daemon.husk(&["ls"]).is_ok()))?;
        Ok(daemon)
    }

    /// The same with the image `small`, made of what the peers' containers have.
    pub fn with_small() -> Result<Self> {
        let daemon = Self::start()?;
        daemon.husk(&["seed", SMALL, "small"])?;
        Ok(daemon)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Does something by the command line.
    pub fn husk(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new(HUSK);
        // Until the daemon listens, husk would start another.
        command.args(["--socket", SOCKET]).args(words).env("HUSK_NO_DAEMON", "1");
        run::text(command)
    }

    /// The same, measured.
    pub fn cost(&self, words: &[&str]) -> Result<Cost> {
        run_metered(&Self::words(words))
    }

    /// The command line of something.
    pub fn words(words: &[&str]) -> Vec<String> {
        [HUSK, "--socket", SOCKET].iter().chain(words).map(|word| (*word).to_owned()).collect()
    }

    /// A file in the files that an instance has changed.
    pub fn changed(name: &str, file: &str) -> PathBuf {
        PathBuf::from(format!("{ROOT}/instances/{name}/upper/{file}"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A shim takes its container along.
        for pid in processes("husk-shim") {
            let _ = run::output(run::command("/usr/bin/kill", ["-KILL", &pid.to_string()]));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = await_that("the shims end", || Ok(processes("husk-shim").is_empty()));
        let _ = clear(ROOT);
    }
}

/// The processes of a name, as comm has it (proc_pid_comm(5): 15 bytes of it).
pub fn processes(name: &str) -> Vec<u32> {
    let comm = &name[..name.len().min(15)];
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| load::process::read(*pid, "comm").is_ok_and(|found| found.trim_end() == comm)).collect()
}

/// Waits until something is so.
pub fn await_that(what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while !is_so()? {
        if Instant::now() > until {
            let said = fs::read_to_string(LOG).unwrap_or_default();
            return Err(format!("{what}: not within {} s; huskd said: {said}", PATIENCE.as_secs()));
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Removes a directory with all that is in it.
pub fn clear(path: &str) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(format!("{path}: {why}")),
        _ => Ok(()),
    }
}
