//! `list_processes`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sys::strerror;
use wire::answer::Process;

use crate::proc::{self, Stat};

/// What a process's arguments are cut to in a list.
const MAX_COMMAND: usize = 4096;
/// The kernel's USER_HZ, in which it tells times to programs.
const TICKS: u64 = 100;
const PAGE_KB: u64 = 4;

/// Every process that can be seen, in the order of pids.
///
/// # Errors
/// In words: without /proc there is no list.
pub fn list() -> Result<Vec<Process>, String> {
    let all = proc::all().map_err(|errno| format!("list_processes: /proc: {}", strerror::describe(errno)))?;
    let booted = boot_time();
    Ok(all.into_iter().map(|stat| describe(stat, booted)).collect())
}

fn describe(stat: Stat, booted: Option<u64>) -> Process {
    let mut command = proc::read(&format!("/proc/{}/cmdline", stat.pid), MAX_COMMAND).unwrap_or_default();
    command.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
    let command = command.trim_ascii();
    Process {
        pid: stat.pid,
        ppid: stat.ppid,
        // A kernel thread or a zombie has no arguments.
        command: if command.is_empty() { stat.name } else { command.to_vec() },
        state: stat.state,
        memory_kb: stat.resident * PAGE_KB,
        started_at: booted.map(|booted| booted + stat.started / TICKS),
    }
}

/// When the machine started, in seconds since 1970 (`btime` of /proc/stat).
fn boot_time() -> Option<u64> {
    let text = proc::read("/proc/stat", 1 << 20).ok()?;
    let line = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"btime "))?;
    proc::number(line.trim_ascii())
}
