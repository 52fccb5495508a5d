//! The order of a tree: each directory before what is in it, names by their bytes.

use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};

use super::{Packing, Tree};
use crate::error::{Error, Result, shown};

/// Of the way down, this many directories are open at most.
const OPEN_MAX: usize = 200;
/// PATH_MAX without its NUL: what is deeper could not be unpacked again.
const PATH_MAX: usize = 4095;

struct Level {
    /// None: closed, and opened again by its path when the walk comes back.
    fd: Option<OwnedFd>,
    device: u64,
    /// What is still to do, last first.
    names: Vec<Vec<u8>>,
    /// How long the path is up to here, with a slash at its end.
    length: usize,
}

impl Packing<'_> {
    /// All names begin with `prefix`, which is empty or ends with a slash.
    pub(super) fn walk(&mut self, root: BorrowedFd<'_>, prefix: &[u8]) -> Result<()> {
        let fd = root.try_clone_to_owned().map_err(|error| Error::stream("open", "the directory", &error))?;
        let stat = fs::fstat(&fd).map_err(Error::system("stat", "the directory"))?;
        let mut path = prefix.to_vec();
        self.directory(fd.as_fd(), &stat, if prefix.is_empty() { b"./" } else { prefix })?;
        let mut levels = vec![self.level(fd, &stat, &path)?];
        while let Some(level) = levels.last_mut() {
            path.truncate(level.length);
            let Some(name) = level.names.pop() else {
                levels.pop();
                continue;
            };
            self.held.release(&name);
            if level.fd.is_none() {
                level.fd = Some(reopen(root, path.strip_prefix(prefix).unwrap_or(&path))?);
            }
            let Some(parent) = &level.fd else { continue };
            path.extend_from_slice(&name);
            if path.len() > PATH_MAX {
                return Err(Error::entry(&path, format!("its name has more than {PATH_MAX} bytes")));
            }
            let Some(stat) = self.look(parent.as_fd(), &name, &path)? else { continue };
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                self.leaf(parent.as_fd(), &name, &stat, &path)?;
                continue;
            }
            path.push(b'/');
            let device = level.device;
            if let Some(level) = self.enter(parent.as_fd(), &name, (&stat, device), &path)? {
                levels.push(level);
                if let Some(far) = levels.len().checked_sub(OPEN_MAX).and_then(|far| levels.get_mut(far)) {
                    far.fd = None;
                }
            }
        }
        Ok(())
    }

    /// What the name stands for; nothing if it is gone by now, as happens in a tree that is in use.
    fn look(&mut self, parent: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<Option<Stat>> {
        if name.starts_with(b".wh.") {
            let why =
                "an archive of a layer takes a name that begins with `.wh.` for something else; rename it";
            return Err(Error::entry(path, why));
        }
        match fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => {
                self.gone(path);
                Ok(None)
            }
            Err(errno) => Err(Error::making(path, "stat")(errno)),
        }
    }

    pub(super) fn gone(&mut self, path: &[u8]) {
        self.warnings.push(|| format!("{}: gone before it could be read", shown(path)));
    }

    /// Writes a directory, and opens it if what is in it is wanted.
    fn enter(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        (stat, device): (&Stat, u64),
        path: &[u8],
    ) -> Result<Option<Level>> {
        if self.request.left_out.contains(&(stat.st_dev, stat.st_ino)) {
            return Ok(None);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        match fs::openat2(parent, name, flags, Mode::empty(), resolve) {
            // A mount point; or another file system without a mount, such as a btrfs subvolume.
            Err(Errno::XDEV) => self.mount_point(stat, path).map(|()| None),
            Ok(_) if self.request.tree == Tree::Whole && stat.st_dev != device => {
                self.mount_point(stat, path).map(|()| None)
            }
            Ok(fd) => {
                self.directory(fd.as_fd(), stat, path)?;
                self.level(fd, stat, path).map(Some)
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                self.gone(path);
                Ok(None)
            }
            Err(errno) => Err(Error::making(path, "open directory")(errno)),
        }
    }

    fn level(&mut self, fd: OwnedFd, stat: &Stat, path: &[u8]) -> Result<Level> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&fd).map_err(Error::making(path, "list"))? {
            let entry = entry.map_err(Error::making(path, "list"))?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                self.held.take(name, path)?;
                names.push(name.to_vec());
            }
        }
        names.sort_unstable_by(|one, other| other.cmp(one));
        Ok(Level { fd: Some(fd), device: stat.st_dev, names, length: path.len() })
    }
}

fn reopen(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let name = if path.is_empty() { b"." } else { path };
    fs::openat2(root, name, flags, Mode::empty(), resolve).map_err(Error::making(path, "open directory"))
}
