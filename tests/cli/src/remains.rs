//! What a run may have left behind, as far as it can be told from what other runs do at the same time.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Scratch;

/// What there is at one moment that belongs to one test: mounts and files in its scratch directory, records
/// that bear its name, and processes with its mark in their environment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remains {
    mounts: Vec<String>,
    files: BTreeSet<PathBuf>,
    records: BTreeSet<PathBuf>,
    processes: Vec<u32>,
}

impl Remains {
    /// The environment variable that marks a test's processes; its value is the path of the scratch directory.
    pub const MARK: &str = "HUSK_TEST_SCRATCH";

    /// Looks around.
    pub fn of(scratch: &Scratch) -> Self {
        let path = scratch.path();
        let text = path.to_string_lossy();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mut files = BTreeSet::new();
        collect(path, &mut files);
        let mut records = BTreeSet::new();
        collect(Path::new("/run/husk"), &mut records);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        records.retain(|path| path.to_string_lossy().contains(name.as_ref()));
        let mark = format!("{}={text}", Self::MARK);
        Self {
            mounts: mounts.lines().filter(|line| line.contains(text.as_ref())).map(String::from).collect(),
            files,
            records,
            processes: processes_with("environ", mark.as_bytes()),
        }
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

/// The processes in whose `cmdline` or `environ` the bytes stand, without this one.
pub fn processes_with(file: &str, bytes: &[u8]) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_string_lossy().parse::<u32>();
        let Some(pid) = pid.ok().filter(|pid| *pid != std::process::id()) else { continue };
        // A process may end while it is looked at.
        let text = fs::read(entry.path().join(file)).unwrap_or_default();
        if text.windows(bytes.len()).any(|window| window == bytes) {
            found.push(pid);
        }
    }
    found
}
