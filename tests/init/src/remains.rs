//! What a suite leaves behind: processes, cgroups, mounts, files. A runtime that leaks is found here.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use sys::mount::{self, UnmountFlags};
use sys::process::{self, Pid, Signal};

use crate::machine::CGROUPS;

/// Folders in which nothing may stay.
const FOLDERS: &[&str] = &["/run", "/tmp"];

/// The group below which husk makes those of its containers. It stays, with the controllers that they need, so
/// that the next start finds it.
const KEPT: &str = "husk";

/// What there is on the machine at one moment, each thing as it is reported.
#[derive(Default)]
pub struct Inventory {
    processes: BTreeSet<String>,
    cgroups: BTreeSet<String>,
    mounts: BTreeSet<String>,
    files: BTreeSet<String>,
}

impl Inventory {
    /// Looks around.
    pub fn take() -> Inventory {
        let mut inventory = Inventory { processes: processes(), mounts: mounts(), ..Inventory::default() };
        collect_cgroups(Path::new(CGROUPS), &mut inventory.cgroups);
        for folder in FOLDERS {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            inventory.files.extend(entries.map(|entry| entry.path().display().to_string()));
        }
        inventory
    }

    /// What is there now and was not before, in words.
    pub fn since(&self, before: &Inventory) -> Vec<String> {
        let pairs = [
            ("process", &self.processes, &before.processes),
            ("cgroup", &self.cgroups, &before.cgroups),
            ("mount", &self.mounts, &before.mounts),
            ("file", &self.files, &before.files),
        ];
        pairs
            .iter()
            .flat_map(|(kind, now, then)| now.difference(then).map(move |thing| format!("{kind} {thing}")))
            .collect()
    }

    /// Removes what was not there before, as far as it goes, for the sake of the next suite.
    pub fn clear_since(&self, before: &Inventory) {
        for process in self.processes.difference(&before.processes) {
            let pid = process.split(' ').next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
            // It may have ended meanwhile.
            pid.map(|pid| process::kill_process(pid, Signal::KILL).ok());
        }
        for mounted in self.mounts.difference(&before.mounts) {
            let place = mounted.split(' ').nth(1).unwrap_or_default();
            mount::unmount(place, UnmountFlags::DETACH).ok();
        }
        // Children sort behind their parents and must go first.
        let cgroups: Vec<&String> = self.cgroups.difference(&before.cgroups).collect();
        for cgroup in cgroups.into_iter().rev() {
            fs::remove_dir(cgroup).ok();
        }
        for file in self.files.difference(&before.files) {
            if fs::remove_dir_all(file).is_err() {
                fs::remove_file(file).ok();
            }
        }
    }
}

/// Every process but the first and the kernel's own threads: number and name.
fn processes() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // proc_pid_stat(5): number (name) state parent …; a name may hold blanks and parentheses.
        let Some((before, after)) = stat.rsplit_once(')') else { continue };
        let parent = after.split_whitespace().nth(1).unwrap_or_default();
        let is_kernel_thread = name == "2" || parent == "2";
        if name != "1" && !is_kernel_thread && name.bytes().all(|byte| byte.is_ascii_digit()) {
            let command = before.split_once('(').map_or("", |(_, command)| command);
            found.insert(format!("{name} ({command})"));
        }
    }
    found
}

/// Every mount: identifier, place, type. Identifiers are used anew, hence the place beside them.
fn mounts() -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mount = |line: &str| {
        let (place, kind) = (line.split(' ').nth(4)?, line.split(" - ").nth(1)?.split(' ').next()?);
        Some(format!("{} {place} {kind}", line.split(' ').next()?))
    };
    table.lines().filter_map(mount).collect()
}

fn collect_cgroups(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let path = entry.path();
            // What is in it counts, it does not.
            if path != Path::new(CGROUPS).join(KEPT) {
                found.insert(path.display().to_string());
            }
            collect_cgroups(&entry.path(), found);
        }
    }
}
