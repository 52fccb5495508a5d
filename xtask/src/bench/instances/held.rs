//! What it takes to hold a container that does nothing: the process that stays beside it.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use load::process::figure;

use super::bed::{Daemon, SMALL, await_that, processes};
use super::starts::{podman, podman_run};
use crate::bench::table::{Goal, Table};
use crate::{Result, run};

/// Until whoever holds it has settled.
const SETTLING: Duration = Duration::from_secs(3);
const CONTAINERD: &str = "/run/containerd/containerd.sock";

/// The memory of a process, in kB.
#[derive(Debug, Clone, Copy)]
struct Memory {
    resident: u64,
    /// What no other process shares: what one container more costs.
    private: u64,
}

impl Memory {
    fn of(pid: u32) -> Result<Self> {
        let of = |key| figure(pid, "smaps_rollup", key);
        Ok(Self { resident: of("Rss")?, private: of("Private_Clean")? + of("Private_Dirty")? })
    }
}

/// Adds the lines about what holds containers.
pub fn measure(table: &mut Table) -> Result<()> {
    let daemon = Daemon::with_small()?;
    // Two, since what they share is nobody's cost.
    for name in ["rest-1", "rest-2"] {
        daemon.husk(&["new", name, "small", "--", "/bin/rest"])?;
        daemon.husk(&["run", "-d", name])?;
    }
    thread::sleep(SETTLING);
    let ours = memory_of("husk-shim")?;
    println!("\n| holds an idle container | RSS kB | private kB |\n|---|---|---|");
    show("husk-shim", ours);
    let mut peers = String::new();
    for (name, held) in [("conmon", by_podman()), ("containerd-shim-runc-v2", by_containerd())] {
        match held {
            Ok(memory) => {
                show(name, memory);
                peers += &format!("{name} {} kB, ", memory.private);
            }
            Err(why) => table.note_failure(format!("held: {name}: {why}")),
        }
    }
    let peers = peers.trim_end_matches(", ");
    table.add("idle container's shim, private", peers, ours.private as f64, "kB", Goal::AtMost(1024.0));
    Ok(())
}

fn show(name: &str, memory: Memory) {
    println!("| {name} | {} | {} |", memory.resident, memory.private);
}

/// Of the process of this name that has most to itself.
fn memory_of(name: &str) -> Result<Memory> {
    let all = processes(name).into_iter().map(Memory::of).collect::<Result<Vec<_>>>()?;
    all.into_iter().max_by_key(|memory| memory.private).ok_or_else(|| format!("{name}: no such process"))
}

fn by_podman() -> Result<Memory> {
    for name in ["rest-1", "rest-2"] {
        let mut start = Command::new("/usr/bin/podman");
        start.args(podman_run(name)).args([SMALL, "/bin/rest"]);
        // conmon keeps what it is given.
        start.stdin(Stdio::null()).stdout(Stdio::null());
        let done = start.status().map_err(|why| format!("podman: {why}"))?;
        if !done.success() {
            return Err(format!("podman run: {done}"));
        }
    }
    thread::sleep(SETTLING);
    let memory = memory_of("conmon");
    run::output(podman(&["rm", "--force", "--time", "0", "rest-1", "rest-2"]))?;
    memory
}

fn by_containerd() -> Result<Memory> {
    let log = fs::File::create("/run/containerd.log").map_err(|why| format!("its log: {why}"))?;
    let mut containerd = Command::new("/usr/bin/containerd");
    containerd.args(["--root", "/run/containerd/root", "--state", "/run/containerd/state"]);
    containerd.args(["--address", CONTAINERD]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let daemon = Ending(containerd.spawn().map_err(|why| format!("containerd: {why}"))?);
    await_that("containerd serves", || Ok(run::output(ctr(&["version"])).is_ok()))?;
    for name in ["rest-1", "rest-2"] {
        run::output(ctr(&["run", "--detach", "--config", "/bench/bundle-rest/config.json", name]))?;
    }
    thread::sleep(SETTLING);
    let memory = memory_of("containerd-shim-runc-v2");
    for name in ["rest-1", "rest-2"] {
        run::output(ctr(&["task", "rm", "--force", name]))?;
    }
    drop(daemon);
    memory
}

fn ctr(words: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/ctr");
    command.args(["--address", CONTAINERD]).args(words);
    command
}

/// A process that ends with this.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
