//! A tree outside of every container, and what it looks like to the last detail.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

/// The user id that the victim's passwd gives to `www`. The images' is another, so that a container that runs
/// as this one has read the wrong file.
pub const FOREIGN_USER: u32 = 4242;

/// A tree and its state when it was made.
pub struct Victim {
    path: PathBuf,
    before: BTreeMap<PathBuf, String>,
}

impl Victim {
    /// Makes the tree at `path`: files, directories, links, modes and owners that differ. It gets a copy of the
    /// program `tool` twice, once under the name of the images' command: a container that runs it has run what
    /// is not in its image.
    ///
    /// # Panics
    /// Where that is not possible.
    pub fn new(path: PathBuf, tool: &Path) -> Self {
        for directory in ["empty", "full/deep", "private", "null", "pts", "shm", "fs/cgroup"] {
            fs::create_dir_all(path.join(directory)).expect("victim directory");
        }
        let passwd =
            format!("root:x:{FOREIGN_USER}:0::/:/bin/sh\nwww:x:{FOREIGN_USER}:{FOREIGN_USER}::/:/bin/sh\n");
        let group = format!("root:x:0:\nwww:x:{FOREIGN_USER}:\n");
        for (name, text) in [
            ("passwd", passwd.as_str()),
            ("group", group.as_str()),
            ("secret", "nobody may see this\n"),
            ("full/file", "as it was\n"),
            ("private/key", "0123456789\n"),
        ] {
            fs::write(path.join(name), text).expect("victim file");
        }
        for name in ["tool", "probe"] {
            crate::copy_program(tool, &path.join(name)).expect("victim's program");
        }
        symlink("full/file", path.join("link")).expect("victim link");
        for (name, mode) in [("secret", 0o600), ("private", 0o700), ("empty", 0o1777), ("full/file", 0o640)] {
            fs::set_permissions(path.join(name), fs::Permissions::from_mode(mode)).expect("mode");
        }
        chown(path.join("full/file"), Some(12), Some(34)).expect("owner");
        let before = state(&path);
        Self { path, before }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What differs from the state in which it was made, a line each.
    pub fn changes(&self) -> Vec<String> {
        let now = state(&self.path);
        let gone = self.before.keys().filter(|path| !now.contains_key(*path));
        let gone = gone.map(|path| format!("{}: is gone", path.display()));
        let other = now.iter().filter_map(|(path, line)| match self.before.get(path) {
            None => Some(format!("{}: is new ({line})", path.display())),
            Some(before) if before != line => Some(format!("{}: was {before}, is {line}", path.display())),
            Some(_) => None,
        });
        gone.chain(other).collect()
    }
}

/// Each path below `top`, itself included, with everything that stat(2) tells but the time of the last access,
/// and with what is in it.
fn state(top: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut rest = vec![top.to_path_buf()];
    while let Some(path) = rest.pop() {
        let Ok(found) = path.symlink_metadata() else { continue };
        let content = match () {
            () if found.is_symlink() => path.read_link().map(|to| checksum(to.as_os_str().as_bytes())).ok(),
            // Of the large one the times are enough: each run of thousands looks here.
            () if found.is_file() && found.size() < 65_536 => {
                fs::read(&path).map(|bytes| checksum(&bytes)).ok()
            }
            () => None,
        };
        if found.is_dir() {
            rest.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
        let (modified, changed) = ((found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec()));
        let line = format!(
            "device {} inode {} mode {:o} links {} owner {}:{} size {} modified {modified:?} changed {changed:?} \
             content {content:x?}",
            found.dev(),
            found.ino(),
            found.mode(),
            found.nlink(),
            found.uid(),
            found.gid(),
            found.size(),
        );
        all.insert(path, line);
    }
    all
}

/// FNV-1a, 64 bits: what is compared was not made to collide.
pub fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_seen() {
        let scratch = cli::Scratch::new();
        if !sys::process::geteuid().is_root() {
            println!("skipped: owners can be given by root only");
            return;
        }
        let victim = Victim::new(scratch.join("victim"), Path::new("/proc/self/cmdline"));
        assert_eq!(victim.changes(), Vec::<String>::new());
        let file = victim.path().join("full/file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o641)).expect("mode");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("mode");
        assert_eq!(victim.changes().len(), 1, "changed and changed back");
        fs::create_dir(victim.path().join("empty/x")).expect("directory");
        fs::remove_file(victim.path().join("link")).expect("link");
        let changes = victim.changes().join("\n");
        for part in ["empty/x: is new", "link: is gone", "full/file: was"] {
            assert!(changes.contains(part), "{part} is not in {changes}");
        }
    }
}
