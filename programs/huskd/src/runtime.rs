//! The runtime directory, which belongs to one root at a time. Shims are known there by their instances' names, and another
//! root may have an instance of the same name, or none: whoever took its shims for its own would end them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use instance::InstanceName;
use instance::message::{Reason, Refusal};
use sys::fs::{FlockOperation, flock};

use crate::refusal::{failed, failed_io, refuse};

/// The lock, with the path of the root in it. No instance has a name that begins so.
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
    let mut owner = Vec::new();
    file.read_to_end(&mut owner).map_err(|error| at(&path, &error))?;
    let owner =
        owner.strip_suffix(b"\n").map(|text| PathBuf::from(std::ffi::OsString::from_vec(text.into())));
    if !is_ours {
        let whose = owner.map_or(String::new(), |owner| format!(", the one of {}", owner.display()));
        let text = format!("{}: another huskd has it{whose}", runtime.display());
        return Err(Refusal { hint: Some(HINT.into()), ..refuse(Reason::State, text) });
    }
    let is_known = owner.as_ref() == Some(&root);
    if let Some(owner) = owner.filter(|owner| *owner != root)
        && let Some(name) = any_instance(runtime).map_err(|error| at(runtime, &error))?
    {
        return Err(others(runtime, &owner, &name));
    }
    let line = [root.as_os_str().as_bytes(), b"\n"].concat();
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&line));
    written.map_err(|error| at(&path, &error))?;
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

/// An instance that has left something here, running or ended.
fn any_instance(runtime: &Path) -> std::io::Result<Option<InstanceName>> {
    for entry in std::fs::read_dir(runtime)? {
        let entry = entry?;
        let name = entry.file_name().to_str().and_then(|name| InstanceName::new(name).ok());
        if let Some(name) = name.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
