//! What each kind of entry makes.

use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{self, AtFlags, FileType, Mode, OFlags};

use super::attributes::Origin;
use super::descent::times;
use super::marks::{is_opaque, is_whiteout, make_opaque};
use super::path::{Place, components, place};
use super::{Devices, Target, Unpacking};
use crate::error::{Error, Result, shown};
use crate::remove_tree;
use crate::tar::{Entry, Input, Kind, Reader, Segment};

impl Unpacking<'_> {
    /// Makes what the entry says; the reader stands at its content.
    pub(super) fn make<I: Input>(&mut self, entry: &Entry, reader: &mut Reader<I>) -> Result<()> {
        let path = &entry.path;
        match place(path)? {
            Place::Ignored => Ok(()),
            // The directory is somebody's, and stays as it is.
            Place::Root if self.target == Target::Tree => Ok(()),
            Place::Whiteout(..) | Place::Opaque(_) if self.target == Target::Tree => {
                Err(Error::entry(path, "names that begin with `.wh.` are marks of layers, and this is none"))
            }
            Place::Root => self.root(entry),
            Place::Whiteout(names, hidden) => {
                self.descent.enter(&names, path)?;
                self.whiteout(hidden, path)
            }
            Place::Opaque(names) => {
                self.descent.enter(&names, path)?;
                make_opaque(self.descent.parent()?.fd, path)
            }
            Place::Below(names, name) => {
                self.descent.enter(&names, path)?;
                match entry.kind {
                    Kind::File => self.file(name, entry, reader),
                    Kind::Directory => self.directory(name, entry),
                    Kind::Symlink => self.symlink(name, entry),
                    Kind::HardLink => self.hard_link(name, entry),
                    Kind::Fifo => self.node(name, entry, FileType::Fifo),
                    Kind::CharDevice => self.device(name, entry, FileType::CharacterDevice),
                    Kind::BlockDevice => self.device(name, entry, FileType::BlockDevice),
                }
            }
        }
    }

    fn root(&mut self, entry: &Entry) -> Result<()> {
        if entry.kind != Kind::Directory {
            return Err(Error::entry(&entry.path, "the root can be a directory only"));
        }
        self.descent.enter(&[], &entry.path)?;
        self.set_entered(entry, Origin::Unknown)
    }

    fn directory(&mut self, name: &[u8], entry: &Entry) -> Result<()> {
        let path = &entry.path;
        let parent = self.descent.parent()?;
        let mut origin = if parent.gives_group { Origin::Unknown } else { Origin::New };
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        let mut hides = false;
        match fs::mkdirat(parent.fd, name, mode) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let stat = fs::statat(parent.fd, name, AtFlags::SYMLINK_NOFOLLOW);
                let stat = stat.map_err(Error::making(path, "stat"))?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    origin = Origin::Unknown;
                } else if self.target == Target::Tree {
                    // /bin may be a link to usr/bin, and every program with it.
                    return Err(Error::entry(path, "something that is no directory stands there"));
                } else {
                    // Something else stood here, a file or the mark that the name is gone: either would have
                    // hidden what the layers below have, and this directory has to as well.
                    hides = true;
                    fs::unlinkat(parent.fd, name, AtFlags::empty()).map_err(Error::making(path, "unlink"))?;
                    fs::mkdirat(parent.fd, name, mode).map_err(Error::making(path, "make directory"))?;
                }
            }
            Err(errno) => return Err(Error::making(path, "make directory")(errno)),
        }
        self.descent.descend(name)?;
        if hides {
            make_opaque(self.descent.parent()?.fd, path)?;
        }
        self.set_entered(entry, origin)
    }

    /// Attributes of the directory that has been entered.
    fn set_entered(&mut self, entry: &Entry, origin: Origin) -> Result<()> {
        let fd = self.descent.parent()?.fd.try_clone_to_owned();
        let fd = fd.map_err(|error| Error::stream("open", &shown(&entry.path), &error))?;
        self.set_attributes(fd.as_fd(), entry, origin)?;
        self.descent.set(entry.mtime, entry.mode);
        Ok(())
    }

    fn file<I: Input>(&mut self, name: &[u8], entry: &Entry, reader: &mut Reader<I>) -> Result<()> {
        let path = &entry.path;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        let parent = self.descent.parent()?;
        let origin = if parent.gives_group { Origin::Unknown } else { Origin::New };
        let fd = anew((&parent.fd, name), path, replaces(self.target, entry.kind), || {
            fs::openat(parent.fd, name, flags, mode)
        })?;
        let begun = match &entry.map {
            None => self.fill(&fd, path, reader)?,
            Some(map) => self.fill_sparse(&fd, entry, map, reader)?,
        };
        self.set_attributes(fd.as_fd(), entry, origin)?;
        fs::futimens(&fd, &times(entry.mtime)).map_err(Error::making(path, "set times"))?;
        if let Some(writeback) = &mut self.writeback {
            writeback.complete(fd, begun, entry.size);
        }
        Ok(())
    }

    /// Says up to where the file is on its way to the disk.
    fn fill<I: Input>(&mut self, fd: &OwnedFd, path: &[u8], reader: &mut Reader<I>) -> Result<u64> {
        let (mut begun, mut end) = (0, 0);
        loop {
            let bytes = reader.content()?;
            if bytes.is_empty() {
                return Ok(begun);
            }
            self.budget.write(bytes.len())?;
            let written = sys::io::write(fd, bytes).map_err(Error::making(path, "write"))?;
            reader.consume(written);
            end += written as u64;
            if let Some(writeback) = &mut self.writeback {
                writeback.advance(fd, &mut begun, end);
            }
        }
    }

    fn fill_sparse<I: Input>(
        &mut self,
        fd: &OwnedFd,
        entry: &Entry,
        map: &[Segment],
        reader: &mut Reader<I>,
    ) -> Result<u64> {
        let mut begun = 0;
        fs::ftruncate(fd, entry.size).map_err(Error::making(&entry.path, "set the size"))?;
        for segment in map {
            let (mut at, mut left) = (segment.offset, segment.length);
            while left > 0 {
                let bytes = reader.content()?;
                let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.budget.write(count)?;
                let written = sys::io::pwrite(fd, &bytes[..count], at);
                let written = written.map_err(Error::making(&entry.path, "write"))?;
                reader.consume(written);
                (at, left) = (at + written as u64, left - written as u64);
                if let Some(writeback) = &mut self.writeback {
                    writeback.advance(fd, &mut begun, at);
                }
            }
        }
        Ok(begun)
    }

    fn symlink(&mut self, name: &[u8], entry: &Entry) -> Result<()> {
        let path = &entry.path;
        if entry.link.is_empty() || entry.link.len() > 4095 {
            return Err(Error::entry(path, "a symbolic link to nothing, or to more than 4095 bytes"));
        }
        let owner = self.owner;
        let parent = self.descent.parent()?;
        let (fd, gives_group) = (parent.fd, parent.gives_group);
        // Where it leads is its own affair: nothing here follows it but beneath the root.
        anew((&fd, name), path, replaces(self.target, entry.kind), || {
            fs::symlinkat(entry.link.as_slice(), fd, name)
        })?;
        if (entry.uid, entry.gid) != owner || gives_group {
            let fd = fd.try_clone_to_owned().map_err(|error| Error::stream("open", &shown(path), &error))?;
            return self.set_by_name(fd.as_fd(), name, entry, None);
        }
        fs::utimensat(fd, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(Error::making(path, "set times"))
    }

    fn hard_link(&mut self, name: &[u8], entry: &Entry) -> Result<()> {
        let path = &entry.path;
        let to = shown(&entry.link);
        let mut names = components(&entry.link)
            .map_err(|_| Error::entry(path, format!("a hard link to {to}, which is no name in the layer")))?;
        let last = names.pop().ok_or_else(|| Error::entry(path, "a hard link to the root"))?;
        let missing =
            |_| Error::entry(path, format!("a hard link to {to}, which is not in the layer so far"));
        let target = self.descent.find(&names).map_err(missing)?;
        let stat = fs::statat(&target, last, AtFlags::SYMLINK_NOFOLLOW).map_err(missing)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory || is_whiteout(&stat) {
            return Err(Error::entry(path, format!("a hard link to {to}, which is no file")));
        }
        let parent = self.descent.parent()?;
        let present = fs::statat(parent.fd, name, AtFlags::SYMLINK_NOFOLLOW);
        if present.is_ok_and(|present| (present.st_dev, present.st_ino) == (stat.st_dev, stat.st_ino)) {
            return Ok(()); // A link to itself, or made before: removing the name could remove the target.
        }
        // Without AT_SYMLINK_FOLLOW: a symbolic link gets another name, not what it points to.
        anew((&parent.fd, name), path, replaces(self.target, entry.kind), || {
            fs::linkat(&target, last, parent.fd, name, AtFlags::empty())
        })
    }

    fn device(&mut self, name: &[u8], entry: &Entry, kind: FileType) -> Result<()> {
        if entry.device == (0, 0) && kind == FileType::CharacterDevice {
            return Err(Error::entry(&entry.path, "a character device 0:0, overlayfs' mark of a whiteout"));
        }
        match self.devices {
            Devices::Kept => self.node(name, entry, kind),
            Devices::Refused => {
                let (path, (major, minor)) = (shown(&entry.path), entry.device);
                self.warnings.push(|| format!("{path}: the device node {major}:{minor} is left out"));
                Ok(())
            }
        }
    }

    fn node(&mut self, name: &[u8], entry: &Entry, kind: FileType) -> Result<()> {
        let path = &entry.path;
        let mode = Mode::from_raw_mode(entry.mode & 0o777);
        let number = fs::makedev(entry.device.0, entry.device.1);
        let fd = self.descent.parent()?.fd.try_clone_to_owned();
        let fd = fd.map_err(|error| Error::stream("open", &shown(path), &error))?;
        anew((&fd.as_fd(), name), path, replaces(self.target, entry.kind), || {
            fs::mknodat(&fd, name, kind, mode, number)
        })?;
        self.set_by_name(fd.as_fd(), name, entry, Some(Mode::from_raw_mode(entry.mode)))
    }

    /// A name that is gone: what this layer itself has under it stays, whichever comes first in the archive.
    fn whiteout(&mut self, name: &[u8], path: &[u8]) -> Result<()> {
        let fd = self.descent.parent()?.fd;
        if is_opaque(fd) {
            return Ok(()); // Nothing is below that could be hidden.
        }
        match fs::mknodat(fd, name, FileType::CharacterDevice, Mode::empty(), 0) {
            Err(Errno::EXIST) => {}
            other => return other.map_err(Error::making(path, "make whiteout")),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match fs::openat(fd, name, flags, Mode::empty()) {
            Ok(directory) => make_opaque(directory.as_fd(), path),
            Err(Errno::NOTDIR | Errno::LOOP) => Ok(()),
            Err(errno) => Err(Error::making(path, "open directory")(errno)),
        }
    }
}

/// What a new file may take the place of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Replaces {
    /// Whatever stood there: in a layer the last entry of a name counts.
    All,
    /// Files and links, in a tree that is somebody's.
    Links,
    /// Files. What a link leads to would be lost from sight, /bin for instance.
    Files,
}

/// What an entry of a kind may take the place of.
fn replaces(target: Target, kind: Kind) -> Replaces {
    match (target, kind) {
        (Target::Layer, _) => Replaces::All,
        (Target::Tree, Kind::Symlink) => Replaces::Links,
        (Target::Tree, _) => Replaces::Files,
    }
}

/// Makes something under a name: the last entry of a name counts, so what is there goes first.
fn anew<T>(
    (at, name): (&BorrowedFd<'_>, &[u8]),
    path: &[u8],
    replaces: Replaces,
    make: impl Fn() -> sys::Result<T>,
) -> Result<T> {
    match make() {
        Err(Errno::EXIST) => {}
        other => return other.map_err(Error::making(path, "make")),
    }
    if replaces != Replaces::All {
        let stat = fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW).map_err(Error::making(path, "stat"))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return Err(Error::entry(path, "a directory stands there")),
            FileType::Symlink if replaces == Replaces::Files => {
                return Err(Error::entry(path, "a symbolic link stands there"));
            }
            _ => {}
        }
    }
    match fs::unlinkat(at, name, AtFlags::empty()) {
        Ok(()) => {}
        // Of a layer alone: nothing that is somebody's is removed for a file.
        Err(Errno::ISDIR) if replaces == Replaces::All => {
            remove_tree(*at, name).map_err(Error::making(path, "remove directory"))?
        }
        Err(errno) => return Err(Error::making(path, "unlink")(errno)),
    }
    make().map_err(Error::making(path, "make"))
}
