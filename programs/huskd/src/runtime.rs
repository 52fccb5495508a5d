//! The runtime directory, which belongs to one root at a time. Shims are known there by their instances' names, and another
//! root may have an instance of the same name, or none: whoever took its shims for its own would end them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use instance::InstanceName;
use instance::message::{Reason, Refusal};
use sys::fs::{FlockOperation, flock};

use crate::refusal::{failed, failed_io, refuse};

/// The lock, with the path of the root in its last line. No instance has a name that begins so.
const OWNER: &str = ".root";
/// How long the lock is waited for: a child of a daemon that was killed has it for a moment (see `instance::Store`).
const MOMENT: Duration = Duration::from_secs(2);
const HINT: &str = "huskd --runtime DIR has the shims of this root elsewhere";

/// The runtime directory, locked: as long as this is held, no other daemon has it.
#[derive(Debug)]
pub struct Runtime {
    _lock: File,
    /// Whether it is on record that all that is in it is of our root.
    pub is_known: bool,
}

/// Takes a runtime directory for a root.
///
/// # Errors
/// Another daemon has it; there is something of another root's in it; what cannot be made or written.
pub fn take(runtime: &Path, root: &Path) -> Result<Runtime, Refusal> {
    let at = |path: &Path, error: &std::io::Error| failed_io(path.display(), error);
    let made = DirBuilder::new().recursive(true).mode(0o711).create(runtime);
    made.map_err(|error| at(runtime, &error))?;
    // However the command line writes it.
    let root = root.canonicalize().map_err(|error| at(root, &error))?;
    let path = runtime.join(OWNER);
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path);
    let mut file = file.map_err(|error| at(&path, &error))?;
    let is_ours = lock(&file).map_err(|errno| failed(path.display(), errno))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(|error| at(&path, &error))?;
    // A line that is not whole was being written when something came between: the one before it counts.
    text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
    let owner = text.strip_suffix(b"\n").map(|text| {
        let last = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        PathBuf::from(std::ffi::OsString::from_vec(last.into()))
    });
    if !is_ours {
        let whose = owner.map_or(String::new(), |owner| format!(", the one of {}", owner.display()));
        let text = format!("{}: another huskd has it{whose}", runtime.display());
        return Err(Refusal { hint: Some(HINT.into()), ..refuse(Reason::State, text) });
    }
    let is_known = owner.as_ref() == Some(&root);
    if is_known {
        return Ok(Runtime { _lock: file, is_known });
    }
    // Without an owner, what our root has the name of may well be ours; the rest is left alone, and so is what would
    // have the next start take it for ours.
    let is_claimed = owner.is_some();
    let is_foreign = |name: &InstanceName| is_claimed || !root.join("instances").join(name.as_str()).is_dir();
    let foreign = any_instance(runtime, is_foreign).map_err(|error| at(runtime, &error))?;
    match (owner, foreign) {
        (Some(owner), Some(name)) => return Err(others(runtime, &owner, &name)),
        (None, Some(_)) => return Ok(Runtime { _lock: file, is_known }),
        (_, None) => {}
    }
    // After what is there, which goes at no time: the last line counts.
    let whole = text.len() as u64;
    let line = [root.as_os_str().as_bytes(), b"\n"].concat();
    let written = file.set_len(whole).and_then(|()| file.write_all(&line));
    written.map_err(|error| {
        let _ = file.set_len(whole);
        at(&path, &error)
    })?;
    Ok(Runtime { _lock: file, is_known })
}

fn others(runtime: &Path, owner: &Path, name: &InstanceName) -> Refusal {
    let (runtime, owner) = (runtime.display(), owner.display());
    let text = format!("{runtime}: the instances in it, {name} for one, are those of another root, {owner}");
    let hint = format!("{HINT}; or stop them first, with huskd --root {owner}");
    Refusal { hint: Some(hint), ..refuse(Reason::State, text) }
}

/// Whether the lock is ours now.
fn lock(file: &File) -> sys::Result<bool> {
    let until = Instant::now() + MOMENT;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(sys::Errno::WOULDBLOCK) if Instant::now() < until => std::thread::sleep(MOMENT / 200),
            Err(sys::Errno::WOULDBLOCK) => return Ok(false),
            Err(errno) => return Err(errno),
        }
    }
}

/// An instance of this kind that has left something here, running or ended.
fn any_instance(
    runtime: &Path,
    is_meant: impl Fn(&InstanceName) -> bool,
) -> std::io::Result<Option<InstanceName>> {
    for entry in std::fs::read_dir(runtime)? {
        let entry = entry?;
        let name = entry.file_name().to_str().and_then(|name| InstanceName::new(name).ok());
        if let Some(name) =
            name.filter(|name| entry.file_type().is_ok_and(|kind| kind.is_dir()) && is_meant(name))
        {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_owns_is_claimed_only_without_instances_of_others_and_the_last_whole_line_counts() {
        let base = std::env::temp_dir().join(format!("huskd-runtime-{}", std::process::id()));
        let (run, root, other) = (base.join("run"), base.join("root"), base.join("other"));
        for path in [&root.join("instances"), &other, &run.join("web")] {
            std::fs::create_dir_all(path).unwrap();
        }
        let read = || std::fs::read(run.join(OWNER)).unwrap();
        for _ in 0..2 {
            assert!(!take(&run, &root).unwrap().is_known);
            assert_eq!(read(), b"");
        }
        std::fs::create_dir(root.join("instances/web")).unwrap();
        assert!(!take(&run, &root).unwrap().is_known);
        assert!(take(&run, &root).unwrap().is_known);
        assert!(take(&run, &other).is_err());
        std::fs::write(run.join(OWNER), [read(), b"/oth".to_vec()].concat()).unwrap();
        assert!(take(&run, &root).unwrap().is_known);
        std::fs::remove_dir(run.join("web")).unwrap();
        assert!(!take(&run, &other).unwrap().is_known);
        assert!(take(&run, &other).unwrap().is_known);
        std::fs::remove_dir_all(&base).unwrap();
    }
}
