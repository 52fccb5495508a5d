//! What there is, to be compared with what there was before.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One stress at a time: what one leaves behind must not be another's.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many descriptors this process has open (the one of the count itself included).
pub fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("/proc/self/fd").count()
}

/// The children of this process, those that have ended and were not waited for included.
pub fn children() -> Vec<u32> {
    let own = std::process::id().to_string();
    let parent = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // proc_pid_stat(5): number (name) state parent …
        stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1).map(String::from))
    };
    processes().into_iter().filter(|pid| parent(pid).as_ref() == Some(&own)).collect()
}

/// Processes in whose command line the text stands, without this one.
pub fn processes_of(text: &str) -> Vec<u32> {
    let has = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.windows(text.len()).any(|window| window == text.as_bytes())
    };
    processes().into_iter().filter(|pid| *pid != std::process::id()).filter(has).collect()
}

fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok()).collect()
}

/// The mounts below a path in this mount namespace.
pub fn mounts_below(path: &Path) -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let path = path.to_string_lossy();
    text.lines().filter(|line| line.contains(path.as_ref())).map(String::from).collect()
}

/// Everything below a directory, by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tree(BTreeSet<PathBuf>);

impl Tree {
    /// What is there now.
    pub fn of(path: &Path) -> Self {
        let mut found = BTreeSet::new();
        collect(path, &mut found);
        Self(found)
    }
}

fn collect(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), found);
        }
        found.insert(entry.path());
    }
}
