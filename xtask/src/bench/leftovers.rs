//! What a runtime leaves behind: mounts, cgroups, processes, files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::Result;

/// Where a runtime keeps files while it runs. Nothing else is in these folders of the arena.
const KEPT: &[&str] = &["/run", "/tmp", "/dev/shm"];

/// What there is at one moment; each entry is a line that can be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory(BTreeSet<String>);

impl Inventory {
    /// Looks around in the arena.
    pub fn take() -> Result<Inventory> {
        let mut found = BTreeSet::new();
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|why| format!("mountinfo: {why}"))?;
        found.extend(mounts.lines().filter_map(mount_point).map(|point| format!("mount {point}")));
        walk(Path::new("/sys/fs/cgroup"), Entries::Folders, &mut found);
        // Its groups count; the one they are made in stays for the next start.
        found.remove("cgroup /sys/fs/cgroup/husk");
        for folder in KEPT {
            walk(Path::new(folder), Entries::All, &mut found);
        }
        let processes = fs::read_dir("/proc").map_err(|why| format!("/proc: {why}"))?;
        for entry in processes.flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
                let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let words = String::from_utf8_lossy(&words).replace('\0', " ");
                found.insert(format!("process {} {}", name.to_string_lossy(), words.trim_end()));
            }
        }
        Ok(Inventory(found))
    }

    /// What is here and was not there.
    pub fn since(&self, before: &Inventory) -> Vec<String> {
        self.0.difference(&before.0).cloned().collect()
    }
}

/// Which entries of a tree count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entries {
    All,
    Folders,
}

/// Entries may vanish meanwhile; what cannot be read any more is not left over.
fn walk(folder: &Path, entries: Entries, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder || entries == Entries::All {
            let kind = if entries == Entries::Folders { "cgroup" } else { "file" };
            found.insert(format!("{kind} {}", path.display()));
        }
        if is_folder {
            walk(&path, entries, found);
        }
    }
}

/// Id and mount point of a line of mountinfo: two mounts on one place are two.
fn mount_point(line: &str) -> Option<String> {
    let fields: Vec<&str> = line.split(' ').collect();
    Some(format!("{} {}", fields.first()?, fields.get(4)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_told_by_its_id_and_its_place() {
        let line = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        assert_eq!(mount_point(line).unwrap(), "36 /mnt2");
        assert_eq!(mount_point("36 35"), None);
    }

    #[test]
    fn only_what_is_new_is_left_over() {
        let of = |lines: &[&str]| Inventory(lines.iter().map(|line| (*line).to_owned()).collect());
        let left = of(&["file /run/a", "process 9 x"]).since(&of(&["file /run/a", "mount 36 /mnt"]));
        assert_eq!(left, ["process 9 x"]);
    }
}
