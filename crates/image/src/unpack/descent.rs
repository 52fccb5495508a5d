//! The directories of a layer that are open while it is made.
//!
//! Archives name one directory after the other, so the way down to the last one is kept open: most entries
//! need no lookup. Every step is one name in one directory and follows no link. Only where the layer itself
//! has a symbolic link on the way is it followed, as tar and other image tools do, beneath the layer's root
//! (openat2(2), RESOLVE_IN_ROOT: `..` and absolute targets end there).
//!
//! What is made in a directory changes the directory's time; it is put back when the directory is left.

use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps};

use super::marks::{is_whiteout, make_opaque};
use crate::error::{Error, Result, shown};
use crate::tar::Time;

/// Of the way down, this many directories are open at most; the limit of a process is 1,024 by default.
const OPEN_MAX: usize = 200;
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The way from the layer's root to the directory in use.
pub(super) struct Descent {
    root: OwnedFd,
    root_time: Time,
    levels: Vec<Level>,
    /// Permission bits that a new file does not get (umask(2), default ACLs).
    lost: u32,
}

struct Level {
    name: Vec<u8>,
    /// None: closed since it is far above the one in use; its time has been put back.
    fd: Option<OwnedFd>,
    time: Time,
    /// New files in it get its group, and new directories its set-group-id bit.
    gives_group: bool,
    /// A symbolic link led here: another name for a directory that may be open as well.
    is_alias: bool,
}

/// A directory that something is to be made in.
pub(super) struct Parent<'a> {
    pub(super) fd: BorrowedFd<'a>,
    /// New files in it do not get the caller's group.
    pub(super) gives_group: bool,
}

impl Descent {
    /// Begins at the empty directory that becomes the layer's root.
    pub(super) fn new(root: OwnedFd, lost: u32) -> Self {
        Self { root, root_time: Time::default(), levels: Vec::new(), lost }
    }

    /// The bits of a mode that creating a file with it does not set.
    pub(super) fn lost(&self) -> u32 {
        self.lost
    }

    /// Goes to the directory with these names, and makes what is missing of it (0755, owned by root, 1970).
    /// `path` is the entry for whose sake, for errors.
    pub(super) fn enter(&mut self, names: &[&[u8]], path: &[u8]) -> Result<()> {
        if self.levels.iter().any(|level| level.is_alias) {
            // The same directory may be on the way twice, and either be changed by the other's name.
            self.leave(0)?;
        }
        let same = self.levels.iter().zip(names).take_while(|(level, name)| level.name == **name).count();
        self.leave(same)?;
        for name in &names[same..] {
            let level = self.open_or_make(name, path)?;
            self.push(level)?;
        }
        Ok(())
    }

    /// The directory that was entered.
    pub(super) fn parent(&mut self) -> Result<Parent<'_>> {
        if self.levels.last().is_some_and(|level| level.fd.is_none()) {
            self.reopen()?;
        }
        Ok(match self.levels.last() {
            None => Parent { fd: self.root.as_fd(), gives_group: self.gives_group()? },
            Some(Level { fd: Some(fd), gives_group, .. }) => {
                Parent { fd: fd.as_fd(), gives_group: *gives_group }
            }
            Some(Level { fd: None, .. }) => return Err(Error::Archive("a directory is closed".to_owned())),
        })
    }

    /// Goes one step down, into a directory that is there.
    pub(super) fn descend(&mut self, name: &[u8]) -> Result<()> {
        let fd = fs::openat(self.parent()?.fd, name, DIRECTORY, Mode::empty());
        let level = level(name, fd.map_err(Error::making(name, "open directory"))?)?;
        self.push(level)
    }

    /// The time that the directory in use will have; and whether files made in it get its group.
    pub(super) fn set(&mut self, time: Time, mode: u32) {
        match self.levels.last_mut() {
            None => self.root_time = time,
            Some(level) => (level.time, level.gives_group) = (time, mode & 0o2000 != 0),
        }
    }

    /// A directory by its names, for the target of a hard link; no link is followed out of the root.
    pub(super) fn find(&self, names: &[&[u8]]) -> sys::Result<OwnedFd> {
        if names.is_empty() {
            return self.root.try_clone().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO));
        }
        beneath(self.root.as_fd(), &names.join(&b'/'))
    }

    /// Leaves all directories: every time is put back.
    pub(super) fn finish(mut self) -> Result<OwnedFd> {
        self.leave(0)?;
        put_back(self.root.as_fd(), self.root_time, b"./")?;
        Ok(self.root)
    }

    fn gives_group(&self) -> Result<bool> {
        let stat = fs::fstat(&self.root).map_err(Error::making(b"./", "stat"))?;
        Ok(stat.st_mode & 0o2000 != 0)
    }

    fn leave(&mut self, keep: usize) -> Result<()> {
        while self.levels.len() > keep {
            if let Some(Level { fd: Some(fd), time, name, .. }) = self.levels.pop() {
                put_back(fd.as_fd(), time, &name)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, level: Level) -> Result<()> {
        self.levels.push(level);
        if let Some(far) = self.levels.len().checked_sub(OPEN_MAX)
            && let Some(level) = self.levels.get_mut(far)
            && let Some(fd) = level.fd.take()
        {
            put_back(fd.as_fd(), level.time, &level.name)?;
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<()> {
        let names: Vec<&[u8]> = self.levels.iter().map(|level| level.name.as_slice()).collect();
        let path = names.join(&b'/');
        let fd = beneath(self.root.as_fd(), &path).map_err(Error::making(&path, "open directory"))?;
        if let Some(last) = self.levels.last_mut() {
            *last = level(&last.name, fd)?;
        }
        Ok(())
    }

    fn open_or_make(&mut self, name: &[u8], path: &[u8]) -> Result<Level> {
        let parent = self.parent()?;
        match fs::openat(parent.fd, name, DIRECTORY, Mode::empty()) {
            Ok(fd) => level(name, fd),
            Err(Errno::NOENT) => self.make(name, path),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                let stat = fs::statat(parent.fd, name, AtFlags::SYMLINK_NOFOLLOW);
                let stat = stat.map_err(Error::making(path, "stat"))?;
                if is_whiteout(&stat) {
                    fs::unlinkat(parent.fd, name, AtFlags::empty()).map_err(Error::making(path, "unlink"))?;
                    let level = self.make(name, path)?;
                    // The name was said to be gone from below, and is there anew.
                    level.fd.as_ref().map_or(Ok(()), |fd| make_opaque(fd.as_fd(), path))?;
                    return Ok(level);
                }
                if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
                    return Err(Error::entry(path, format!("{} on its way is no directory", shown(name))));
                }
                self.follow(name, path)
            }
            Err(errno) => Err(Error::making(path, "open directory")(errno)),
        }
    }

    fn make(&mut self, name: &[u8], path: &[u8]) -> Result<Level> {
        let lost = self.lost;
        let parent = self.parent()?;
        fs::mkdirat(parent.fd, name, Mode::from_raw_mode(0o755))
            .map_err(Error::making(path, "make directory"))?;
        let fd = fs::openat(parent.fd, name, DIRECTORY, Mode::empty())
            .map_err(Error::making(path, "open directory"))?;
        if parent.gives_group {
            fs::fchown(&fd, Some(fs::Uid::ROOT), Some(fs::Gid::ROOT))
                .map_err(Error::making(path, "chown"))?;
        }
        if parent.gives_group || lost & 0o755 != 0 {
            fs::fchmod(&fd, Mode::from_raw_mode(0o755)).map_err(Error::making(path, "chmod"))?;
        }
        let name = name.to_vec();
        Ok(Level { name, fd: Some(fd), time: Time::default(), gives_group: false, is_alias: false })
    }

    fn follow(&mut self, name: &[u8], path: &[u8]) -> Result<Level> {
        let names = self.levels.iter().map(|level| level.name.as_slice()).chain([name]);
        let link = names.collect::<Vec<_>>().join(&b'/');
        // Times first: what is found may be open here under its other name.
        self.leave(0)?;
        let fd = beneath(self.root.as_fd(), &link).map_err(|errno| {
            let why = sys::strerror::describe(errno);
            Error::entry(path, format!("the symbolic link {} on its way leads nowhere: {why}", shown(&link)))
        })?;
        let mut level = level(name, fd)?;
        level.is_alias = true;
        // The way to here, closed: it is opened again should anything need it.
        let parts: Vec<Vec<u8>> = link.split(|&byte| byte == b'/').map(<[u8]>::to_vec).collect();
        for part in &parts[..parts.len() - 1] {
            let time = Time::default();
            self.levels.push(Level {
                name: part.clone(),
                fd: None,
                time,
                gives_group: false,
                is_alias: false,
            });
        }
        Ok(level)
    }
}

/// Opens a directory beneath the root, through symbolic links that stay there.
fn beneath(root: BorrowedFd<'_>, path: &[u8]) -> sys::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
}

fn level(name: &[u8], fd: OwnedFd) -> Result<Level> {
    let stat = fs::fstat(&fd).map_err(Error::making(name, "stat"))?;
    let time =
        Time { seconds: stat.st_mtime, nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or_default() };
    let gives_group = stat.st_mode & 0o2000 != 0;
    Ok(Level { name: name.to_vec(), fd: Some(fd), time, gives_group, is_alias: false })
}

fn put_back(fd: BorrowedFd<'_>, time: Time, path: &[u8]) -> Result<()> {
    fs::futimens(fd, &times(time)).map_err(Error::making(path, "set times"))
}

/// Both times alike: when an archive was read is no property of a layer.
pub(super) fn times(time: Time) -> Timestamps {
    let time = Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}
