//! A tar archive of an instance, unpacked on the host. The instance may be hostile, and it is root who copies: every
//! name is resolved beneath the destination with no symbolic link on the way (openat2(2)), so that no archive, whatever
//! links it makes first, writes anywhere else; devices, set-id bits and owners are left behind.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use container::Failure;
use image::tar::{End, Entry, Incoming, Input, Kind, Reader, Segment, Time};
use image::{Copied, Error, Landing, Within};
use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{AtFlags, Mode, OFlags, ResolveFlags, Timespec, Timestamps};
use sys::fs::{fchmod, futimens, linkat, mkdirat, openat2, symlinkat, unlinkat};
use sys::strerror::describe;

/// Unpacks an archive where it lands: what it is of is told by its first entry. `whole` is how many of its files and
/// directories are there by then, also where it fails; of a file that is not whole nothing is left.
pub fn unpack(from: impl Read, to: &Path, whole: &mut u64) -> Result<(), Failure> {
    let broken = |error: Error| Failure::ours(format!("archive of the instance: {error}"));
    let mut reader = Reader::new(Incoming::new(from), End::Marked);
    let mut next = reader.next_entry().map_err(broken)?;
    let Some(first) = &next else {
        return Err(Failure::ours("archive of the instance: there is nothing in it"));
    };
    let is_bare = first.path.split(|byte| *byte == b'/').all(|part| matches!(part, b"" | b"."));
    let copied = match first.kind {
        Kind::Directory if is_bare => Copied::Contents,
        Kind::Directory => Copied::Directory,
        _ => Copied::File,
    };
    let landing = Landing::find(Within::Host, to.as_os_str().as_bytes(), copied);
    let landing = landing.map_err(|error| Failure::ours(error.to_string()))?;
    let shown = if landing.renames() { to.parent().unwrap_or(to) } else { to };
    let mut unpacking = Unpacking { landing, shown, directories: Vec::new() };
    while let Some(entry) = next {
        unpacking.put(&entry, &mut reader)?;
        *whole += 1;
        next = reader.next_entry().map_err(broken)?;
    }
    unpacking.finish()
}

/// An archive on its way.
struct Unpacking<'t> {
    landing: Landing,
    /// The directory that it goes to, in words.
    shown: &'t Path,
    /// Directories get their modes and times last: what is made in them would change the times, and could not be made
    /// in one that is read-only.
    directories: Vec<(PathBuf, Mode, Time)>,
}

impl Unpacking<'_> {
    /// The name of an entry below the landing.
    fn name(&self, path: &[u8]) -> Result<PathBuf, Failure> {
        let out =
            || Failure::ours(format!("archive of the instance: {} leads out of it", image::shown(path)));
        if path.starts_with(b"/") {
            return Err(out());
        }
        let name = self.landing.name(path).map_err(|_| out())?;
        Ok(PathBuf::from(OsString::from_vec(name)))
    }

    fn put(&mut self, entry: &Entry, reader: &mut Reader<impl Input>) -> Result<(), Failure> {
        let name = self.name(&entry.path)?;
        if name.as_os_str().is_empty() {
            return Ok(());
        }
        let why = |errno| failed(self.shown, &name, errno);
        let at = self.landing.place();
        let (parent, last) = parent(at, &name).map_err(why)?;
        // Set-id and sticky bits are of the instance's users.
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        match entry.kind {
            Kind::Directory => {
                match mkdirat(&parent, last, Mode::RWXU) {
                    // One that is there is filled up; a link to one is none.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(why(errno)),
                }
                open(at, &name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).map_err(why)?;
                self.directories.push((name, mode, entry.mtime));
                Ok(())
            }
            Kind::File => {
                remove(&parent, last).map_err(why)?;
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
                let made = open(at, &name, flags, Mode::RUSR | Mode::WUSR).map_err(why)?;
                let file = File::from(made);
                fill(&file, entry, reader).map_err(|error| {
                    // What was there before has made room already.
                    let _ = remove(&parent, last);
                    Failure::ours(format!("{}: {error}", self.shown.join(&name).display()))
                })?;
                finish(&file, mode, entry.mtime).map_err(why)
            }
            Kind::Symlink => {
                remove(&parent, last).map_err(why)?;
                symlinkat(entry.link.as_slice(), &parent, last).map_err(why)
            }
            Kind::HardLink => {
                let to = self.name(&entry.link)?;
                let (other, other_last) = self::parent(at, &to).map_err(why)?;
                remove(&parent, last).map_err(why)?;
                // A symbolic link is linked itself, never what it leads to.
                linkat(&other, other_last, &parent, last, AtFlags::empty()).map_err(why)
            }
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => {
                let shown = self.shown.join(&name).display().to_string();
                let shown = super::super::words::plain(&shown);
                crate::tell(&format!("{shown}: a device or a pipe, not copied"));
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<(), Failure> {
        for (name, mode, mtime) in self.directories.iter().rev() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let set = open(self.landing.place(), name, flags, Mode::empty())
                .and_then(|made| finish(&made, *mode, *mtime));
            set.map_err(|errno| failed(self.shown, name, errno))?;
        }
        Ok(())
    }
}

/// Writes the content of an entry: holes stay holes.
fn fill(file: &File, entry: &Entry, reader: &mut Reader<impl Input>) -> Result<(), Error> {
    let system = |error: std::io::Error| Error::stream("write", "the copy", &error);
    let whole = [Segment { offset: 0, length: entry.size }];
    if entry.map.is_some() {
        file.set_len(entry.size).map_err(system)?;
    }
    for segment in entry.map.as_deref().unwrap_or(&whole) {
        let Segment { mut offset, mut length } = *segment;
        while length > 0 {
            let bytes = reader.content()?;
            let count = usize::try_from(length).map_or(bytes.len(), |length| bytes.len().min(length));
            if count == 0 {
                return Err(Error::Archive("the archive has less of it than it says".to_owned()));
            }
            file.write_all_at(&bytes[..count], offset).map_err(system)?;
            reader.consume(count);
            (offset, length) = (offset + count as u64, length - count as u64);
        }
    }
    Ok(())
}

/// The directory that an entry is in, and its name there.
fn parent<'n>(at: BorrowedFd<'_>, name: &'n Path) -> sys::Result<(OwnedFd, &'n Path)> {
    let last = name.file_name().map(Path::new).ok_or(Errno::INVAL)?;
    let above = name.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    open(at, above, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).map(|above| (above, last))
}

/// Opens a name beneath the landing, no part of which is a symbolic link.
fn open(at: BorrowedFd<'_>, name: &Path, flags: OFlags, mode: Mode) -> sys::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    loop {
        match openat2(at, name, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, mode, resolve) {
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

fn finish(made: impl AsFd, mode: Mode, mtime: Time) -> sys::Result<()> {
    fchmod(made.as_fd(), mode)?;
    let time = Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() };
    futimens(made.as_fd(), &Timestamps { last_access: time, last_modification: time })
}

fn failed(to: &Path, name: &Path, errno: Errno) -> Failure {
    let hint = match errno {
        Errno::XDEV | Errno::LOOP => Some("a symbolic link is on the way, and none is followed"),
        _ => None,
    };
    Failure::ours(format!("{}: {}", to.join(name).display(), describe(errno))).hint(hint)
}

#[cfg(test)]
mod tests;
