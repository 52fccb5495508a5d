//! A tar archive of an instance, unpacked on the host. The instance may be hostile, and it is root who copies: every
//! name is resolved beneath the destination with no symbolic link on the way (openat2(2)), so that no archive, whatever
//! links it makes first, writes anywhere else; devices, set-id bits and owners are left behind.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use container::Failure;
use sys::Errno;
use sys::fd::{AsFd, OwnedFd};
use sys::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Timespec, Timestamps};
use sys::fs::{fchmod, futimens, linkat, mkdirat, openat, openat2, symlinkat, unlinkat};
use sys::strerror::describe;
use tar::{Archive, Entry, EntryType};

/// Where a copy goes.
pub struct Target {
    /// The directory.
    directory: OwnedFd,
    /// In words.
    shown: PathBuf,
    /// What the original is called.
    own: Option<OsString>,
    /// What the copy is called in its place.
    called: PathBuf,
}

impl Target {
    /// Into `to` where it is a directory, else under its name. `path` is what is copied.
    pub fn of(to: &Path, path: &str) -> Result<Self, Failure> {
        let own = Path::new(path).file_name().map(OsString::from);
        let (directory, called) = if to.is_dir() {
            (to.to_path_buf(), own.clone().map(PathBuf::from).unwrap_or_default())
        } else {
            let name = to
                .file_name()
                .ok_or_else(|| Failure::ours(format!("{}: No such file or directory", to.display())))?;
            if to.as_os_str().as_bytes().ends_with(b"/") {
                return Err(Failure::ours(format!("{}: no such directory", to.display())));
            }
            let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
            (parent.unwrap_or(Path::new(".")).to_path_buf(), PathBuf::from(name))
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(CWD, &directory, flags, Mode::empty());
        let opened = opened.map_err(|errno| failed(&directory, errno))?;
        Ok(Self { directory: opened, shown: directory, own, called })
    }
}

/// Whether the first entry of an archive is a directory.
pub fn is_directory(from: impl Read) -> bool {
    let mut archive = Archive::new(from);
    let first = archive.entries().ok().and_then(|mut entries| entries.next());
    first.is_some_and(|entry| entry.is_ok_and(|entry| entry.header().entry_type().is_dir()))
}

/// Unpacks an archive: what is in a directory, the directory itself first as `.`, or what was copied under its own name.
pub fn unpack(from: impl Read, target: &Target) -> Result<(), Failure> {
    let broken = |error: io::Error| Failure::io("archive of the instance", &error);
    let mut archive = Archive::new(from);
    // Directories get their modes and times last: what is made in them would change the times, and could not be made
    // in one that is read-only.
    let mut directories: Vec<(PathBuf, Mode, u64)> = Vec::new();
    let mut form = None;
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?.into_owned();
        let form = *form.get_or_insert_with(|| Form::of(&path));
        let name = name(&path, form, target)?;
        if name.as_os_str().is_empty() {
            continue;
        }
        let (mode, mtime) = (entry.header().mode().map_err(broken)?, entry.header().mtime().map_err(broken)?);
        // Set-id and sticky bits are of the instance's users.
        let mode = Mode::from_raw_mode(mode & 0o777);
        put(&mut entry, (&name, form), mode, mtime, target)?;
        if entry.header().entry_type().is_dir() {
            directories.push((name, mode, mtime));
        }
    }
    for (name, mode, mtime) in directories.iter().rev() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let set = open(target, name, flags, Mode::empty()).and_then(|made| finish(&made, *mode, *mtime));
        set.map_err(|errno| failed(&target.shown.join(name), errno))?;
    }
    Ok(())
}

/// What the names of an archive begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// Nothing: they are in the directory that was copied.
    Contents,
    /// The name of what was copied.
    Named,
}

impl Form {
    /// The first entry tells.
    fn of(first: &Path) -> Self {
        let is_dot = first.components().all(|part| part == Component::CurDir);
        if is_dot { Self::Contents } else { Self::Named }
    }
}

/// The name of an entry below the target.
fn name(path: &Path, form: Form, target: &Target) -> Result<PathBuf, Failure> {
    let mut parts = path.components().peekable();
    if let Some(own) = target.own.as_ref().filter(|_| form == Form::Named) {
        parts.next_if_eq(&Component::Normal(own));
    }
    let mut name = target.called.clone();
    for part in parts {
        match part {
            Component::Normal(part) => name.push(part),
            Component::CurDir => {}
            _ => {
                return Err(Failure::ours(format!(
                    "archive of the instance: {} leads out of it",
                    path.display()
                )));
            }
        }
    }
    Ok(name)
}

fn put(
    entry: &mut Entry<'_, impl Read>,
    (name, form): (&Path, Form),
    mode: Mode,
    mtime: u64,
    target: &Target,
) -> Result<(), Failure> {
    let shown = target.shown.join(name);
    let why = |errno| failed(&shown, errno);
    let (parent, last) = parent(target, name).map_err(why)?;
    let kind = entry.header().entry_type();
    match kind {
        EntryType::Directory => match mkdirat(&parent, last, Mode::RWXU) {
            // One that is there is filled up; a link to one is none.
            Ok(()) | Err(Errno::EXIST) => {
                open(target, name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).map(drop).map_err(why)
            }
            Err(errno) => Err(why(errno)),
        },
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            remove(&parent, last).map_err(why)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
            let made = open(target, name, flags, Mode::RUSR | Mode::WUSR).map_err(why)?;
            let mut file = File::from(made);
            io::copy(entry, &mut file).map_err(|error| Failure::io(shown.display(), &error))?;
            finish(&file, mode, mtime).map_err(why)
        }
        EntryType::Symlink => {
            let to = entry.link_name().ok().flatten().ok_or_else(|| why(Errno::INVAL))?;
            remove(&parent, last).map_err(why)?;
            symlinkat(to.as_os_str(), &parent, last).map_err(why)
        }
        EntryType::Link => {
            let to = entry.link_name().ok().flatten().ok_or_else(|| why(Errno::INVAL))?;
            let to = self::name(&to, form, target)?;
            let (other, other_last) = self::parent(target, &to).map_err(why)?;
            remove(&parent, last).map_err(why)?;
            // A symbolic link is linked itself, never what it leads to.
            linkat(&other, other_last, &parent, last, AtFlags::empty()).map_err(why)
        }
        EntryType::XGlobalHeader => Ok(()),
        _ => {
            crate::tell(&format!(
                "{}: a device or a pipe, not copied",
                super::super::words::plain(&shown.display().to_string())
            ));
            Ok(())
        }
    }
}

/// The directory that an entry is in, and its name there.
fn parent<'n>(target: &Target, name: &'n Path) -> sys::Result<(OwnedFd, &'n Path)> {
    let last = name.file_name().map(Path::new).ok_or(Errno::INVAL)?;
    let above = name.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    open(target, above, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).map(|above| (above, last))
}

/// Opens a name beneath the target, no part of which is a symbolic link.
fn open(target: &Target, name: &Path, flags: OFlags, mode: Mode) -> sys::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    loop {
        match openat2(&target.directory, name, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, mode, resolve) {
            // Something was renamed meanwhile (openat2(2)).
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return done,
        }
    }
}

/// What is there makes room, unless it is a directory.
fn remove(parent: &OwnedFd, name: &Path) -> sys::Result<()> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn finish(made: impl AsFd, mode: Mode, mtime: u64) -> sys::Result<()> {
    fchmod(made.as_fd(), mode)?;
    let time = Timespec { tv_sec: i64::try_from(mtime).unwrap_or(i64::MAX), tv_nsec: 0 };
    futimens(made.as_fd(), &Timestamps { last_access: time, last_modification: time })
}

fn failed(path: &Path, errno: Errno) -> Failure {
    let hint = match errno {
        Errno::XDEV | Errno::LOOP => Some("a symbolic link is on the way, and none is followed"),
        _ => None,
    };
    Failure::ours(format!("{}: {}", path.display(), describe(errno))).hint(hint)
}

#[cfg(test)]
mod tests;
