//! What /proc says of a process.

use std::fs;
use std::path::Path;

use crate::Result;

/// A file of /proc/PID.
pub fn read(pid: u32, name: &str) -> Result<String> {
    let path = Path::new("/proc").join(pid.to_string()).join(name);
    fs::read_to_string(&path).map_err(|why| format!("{}: {why}", path.display()))
}

/// The children of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let text = read(pid, &format!("task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}

/// Those of them that have ended and were not waited for.
pub fn zombies(pid: u32) -> Vec<u32> {
    // proc_pid_stat(5): number (name) state …
    let state = |pid: u32| read(pid, "stat").ok()?.rsplit_once(") ")?.1.chars().next();
    children(pid).into_iter().filter(|child| state(*child) == Some('Z')).collect()
}

/// A number of smaps_rollup or status: `Rss:  123 kB`.
pub fn figure(pid: u32, file: &str, key: &str) -> Result<u64> {
    let text = read(pid, file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| format!("/proc/{pid}/{file}: no {key}"))
}

/// The soft limit on descriptors.
pub fn descriptors(pid: u32) -> Result<usize> {
    let limits = read(pid, "limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let limit = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    limit.ok_or_else(|| format!("/proc/{pid}/limits: no limit on open files"))
}

/// Nanoseconds of processor time that a process has used.
pub fn processor_ns(pid: u32) -> Result<u64> {
    let text = read(pid, "schedstat")?;
    let first = text.split_whitespace().next().and_then(|number| number.parse().ok());
    first.ok_or_else(|| format!("/proc/{pid}/schedstat: {text}"))
}
