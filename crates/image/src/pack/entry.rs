//! One file or directory as an entry.

use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{self, FileType, Mode, OFlags, ResolveFlags, Stat};

use super::{Holes, Packing, Tree};
use crate::OPAQUE;
use crate::error::{Error, Result, shown};
use crate::holes::holes;
use crate::tar::{Entry, Kind, Segment, Time};
use crate::unpack::{Devices, is_whiteout, keeps_xattr};

/// Marks of overlayfs that say: what this directory or file has in it is elsewhere.
const REDIRECTS: [&[u8]; 2] = [b"trusted.overlay.redirect", b"trusted.overlay.metacopy"];

impl Packing<'_> {
    /// A directory that is open; `path` ends with a slash.
    pub(super) fn directory(&mut self, fd: BorrowedFd<'_>, stat: &Stat, path: &[u8]) -> Result<()> {
        let names = xattr_names(fd, path)?;
        let xattrs = self.xattrs(fd, &names, path)?;
        self.writer.header(&Entry { xattrs, ..entry(Kind::Directory, path, stat) })?;
        if self.request.tree == Tree::Layer && names.iter().any(|name| name == OPAQUE.as_bytes()) {
            let value = xattr(fd, OPAQUE.as_bytes(), path)?;
            if value.as_deref() == Some(b"y") {
                let path = if path == b"./" { b"" } else { path };
                self.writer.header(&mark(&[path, b".wh..wh..opq"].concat()))?;
            }
        }
        Ok(())
    }

    /// A directory that something else is mounted on.
    pub(super) fn mount_point(&mut self, stat: &Stat, path: &[u8]) -> Result<()> {
        self.writer.header(&entry(Kind::Directory, path, stat))
    }

    /// Anything but a directory.
    pub(super) fn leaf(&mut self, at: BorrowedFd<'_>, name: &[u8], stat: &Stat, path: &[u8]) -> Result<()> {
        let kind = FileType::from_raw_mode(stat.st_mode);
        if is_whiteout(stat) {
            // Marks are often one inode with many names: no hard links.
            return match self.request.tree {
                Tree::Layer => {
                    let parent = &path[..path.len() - name.len()];
                    self.writer.header(&mark(&[parent, b".wh.", name].concat()))
                }
                Tree::Whole => {
                    self.warnings.push(|| format!("{}: a mark of overlayfs is left out", shown(path)));
                    Ok(())
                }
            };
        }
        if kind == FileType::Socket {
            self.warnings.push(|| format!("{}: a socket is left out", shown(path)));
            return Ok(());
        }
        if matches!(kind, FileType::CharacterDevice | FileType::BlockDevice)
            && self.request.devices == Devices::Refused
        {
            self.warnings.push(|| format!("{}: the device node is left out", shown(path)));
            return Ok(());
        }
        let key = (stat.st_dev, stat.st_ino);
        if stat.st_nlink > 1
            && let Some(link) = self.first_name(key)
        {
            return self.writer.header(&Entry { link, ..entry(Kind::HardLink, path, stat) });
        }
        let is_written = match kind {
            FileType::RegularFile => self.file(at, name, stat, path)?,
            FileType::Symlink => self.symlink(at, name, stat, path)?,
            FileType::Fifo => self.writer.header(&entry(Kind::Fifo, path, stat)).map(|()| true)?,
            FileType::CharacterDevice => self.device(Kind::CharDevice, stat, path)?,
            FileType::BlockDevice => self.device(Kind::BlockDevice, stat, path)?,
            _ => return Err(Error::entry(path, "a file of an unknown type")),
        };
        if stat.st_nlink > 1 && is_written {
            self.held.take(path, path)?;
            self.links.insert(key, (path.to_vec(), stat.st_nlink - 1));
        }
        Ok(())
    }

    /// The name under which a file was written already. After the last of its names nobody asks for it again, unless it
    /// gets more of them meanwhile: then it is written as another file.
    fn first_name(&mut self, key: (u64, u64)) -> Option<Vec<u8>> {
        let (_, left) = self.links.get_mut(&key)?;
        *left -= 1;
        if *left > 0 {
            return self.links.get(&key).map(|(first, _)| first.clone());
        }
        let (first, _) = self.links.remove(&key)?;
        self.held.release(&first);
        Some(first)
    }

    fn device(&mut self, kind: Kind, stat: &Stat, path: &[u8]) -> Result<bool> {
        let device = (fs::major(stat.st_rdev), fs::minor(stat.st_rdev));
        self.writer.header(&Entry { device, ..entry(kind, path, stat) })?;
        Ok(true)
    }

    fn symlink(&mut self, at: BorrowedFd<'_>, name: &[u8], stat: &Stat, path: &[u8]) -> Result<bool> {
        let link = match fs::readlinkat(at, name, Vec::new()) {
            Err(Errno::NOENT | Errno::INVAL) => {
                self.gone(path);
                return Ok(false);
            }
            other => other.map_err(Error::making(path, "read the link"))?.into_bytes(),
        };
        self.writer.header(&Entry { link, ..entry(Kind::Symlink, path, stat) })?;
        Ok(true)
    }

    fn file(&mut self, at: BorrowedFd<'_>, name: &[u8], stat: &Stat, path: &[u8]) -> Result<bool> {
        // Not to wait for a pipe that has taken the name in the meantime, nor to take a terminal.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let fd = match fs::openat2(at, name, flags, Mode::empty(), resolve) {
            Err(Errno::XDEV) => {
                self.warnings.push(|| format!("{}: a file that is mounted there is left out", shown(path)));
                return Ok(false);
            }
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => {
                self.gone(path);
                return Ok(false);
            }
            other => other.map_err(Error::making(path, "open"))?,
        };
        let now = fs::fstat(&fd).map_err(Error::making(path, "stat"))?;
        if (now.st_dev, now.st_ino, now.st_mode) != (stat.st_dev, stat.st_ino, stat.st_mode) {
            self.gone(path);
            return Ok(false);
        }
        let names = xattr_names(fd.as_fd(), path)?;
        let xattrs = self.xattrs(fd.as_fd(), &names, path)?;
        let map = match self.request.holes {
            Holes::Kept => holes(fd.as_fd(), &now).map_err(Error::making(path, "find the holes"))?,
            Holes::Filled => None,
        };
        let entry = Entry { xattrs, map, ..entry(Kind::File, path, &now) };
        self.writer.header(&entry)?;
        match &entry.map {
            None => self.content(&fd, Segment { offset: 0, length: entry.size }, path)?,
            Some(map) => map.iter().try_for_each(|segment| self.content(&fd, *segment, path))?,
        }
        Ok(true)
    }

    /// The bytes of a segment. A file that is shorter by now is filled up: its size is in the archive already.
    fn content(&mut self, fd: &OwnedFd, segment: Segment, path: &[u8]) -> Result<()> {
        let Segment { mut offset, mut length } = segment;
        while length > 0 {
            let most =
                usize::try_from(length).map_or(self.buffer.len(), |length| length.min(self.buffer.len()));
            let mut count = match sys::io::pread(fd, &mut self.buffer[..most], offset) {
                Err(Errno::INTR) => continue,
                other => other.map_err(Error::making(path, "read"))?,
            };
            if count == 0 {
                self.warnings.push(|| format!("{}: it became shorter while it was read", shown(path)));
                self.buffer.fill(0);
                count = most;
            }
            self.writer.content(&self.buffer[..count])?;
            (offset, length) = (offset + count as u64, length - count as u64);
        }
        Ok(())
    }

    fn xattrs(
        &mut self,
        fd: BorrowedFd<'_>,
        names: &[Vec<u8>],
        path: &[u8],
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut found = Vec::new();
        for name in names {
            if self.request.tree == Tree::Layer && REDIRECTS.contains(&name.as_slice()) {
                let why = "overlayfs keeps a part of it elsewhere (it was moved): a layer cannot say that; \
                           make the image of the whole tree";
                return Err(Error::entry(path, why));
            }
            if keeps_xattr(name) {
                found.extend(xattr(fd, name, path)?.map(|value| (name.clone(), value)));
            }
        }
        found.sort();
        Ok(found)
    }
}

fn entry(kind: Kind, path: &[u8], stat: &Stat) -> Entry {
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or_default();
    Entry {
        path: path.to_vec(),
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: Time { seconds: stat.st_mtime, nanoseconds },
        size: if kind == Kind::File { u64::try_from(stat.st_size).unwrap_or_default() } else { 0 },
        link: Vec::new(),
        device: (0, 0),
        xattrs: Vec::new(),
        map: None,
    }
}

/// A whiteout: an empty file whose name says it all.
fn mark(path: &[u8]) -> Entry {
    Entry {
        path: path.to_vec(),
        kind: Kind::File,
        mode: 0,
        uid: 0,
        gid: 0,
        mtime: Time::default(),
        size: 0,
        link: Vec::new(),
        device: (0, 0),
        xattrs: Vec::new(),
        map: None,
    }
}

fn xattr_names(fd: BorrowedFd<'_>, path: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut list = vec![0; 1024];
    let length = loop {
        match fs::flistxattr(fd, list.as_mut_slice()) {
            Ok(length) => break length,
            Err(Errno::RANGE) if list.len() < 1 << 20 => list.resize(list.len() * 8, 0),
            Err(Errno::OPNOTSUPP) => break 0,
            Err(errno) => return Err(Error::making(path, "list extended attributes")(errno)),
        }
    };
    let names = list[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(<[u8]>::to_vec).collect())
}

/// The value of an extended attribute; none if it is gone by now.
fn xattr(fd: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut value = vec![0; 64 << 10]; // XATTR_SIZE_MAX
    match fs::fgetxattr(fd, name, value.as_mut_slice()) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA) => Ok(None),
        Err(errno) => Err(Error::making(path, "read an extended attribute")(errno)),
    }
}
