//! What is made in a place: devices, links, and the covers of masked and read-only paths.

use core::ffi::CStr;

use sys::Errno;
use sys::fd::{AsFd, BorrowedFd};
use sys::fs::{
    AtFlags, CWD, Dev, FileType, Mode, fstatfs, major, minor, mkdirat, mknodat, statat, symlinkat,
};
use sys::mount::{
    MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags, mount, mount_bind, mount_bind_recursive,
    move_mount, open_tree,
};
use sys::mounts::{Attributes, Depth, set_attributes};
use sys::process::fchdir;

use crate::fault::{Fault, Outcome, at};
use crate::mounts::{attach, detach, kind_of, new_tmpfs};
use crate::perform::Performer;
use crate::resolve::open;
use crate::{Call, FileSystem, Kind, Links};

const NULL: &CStr = c"/dev/null";

impl Performer<'_> {
    /// The check matters: what follows relies on names in there being the kernel's.
    pub fn enter(&mut self, target: &CStr, expect: FileSystem) -> Outcome<()> {
        let place = at(Call::Find, open(self.root()?, target, Links::Refused))?;
        let magic = match expect {
            FileSystem::Proc => 0x9fa0,
            FileSystem::Sysfs => 0x6265_6572,
            FileSystem::Tmpfs => 0x0102_1994,
        };
        if at(Call::Statfs, fstatfs(&place))?.f_type as u64 != magic {
            return Err(Fault { call: Call::Check, errno: Errno::NODEV });
        }
        at(Call::Chdir, fchdir(&place))?;
        if let Some(before) = self.place.replace(place) {
            self.spend(before);
        }
        Ok(())
    }

    pub fn bind_device(name: &CStr, source: &CStr, expect: Option<(u32, u32)>) -> Outcome<()> {
        make_file(name)?;
        at(Call::Mount, mount_bind(source, name))?;
        let Some(number) = expect else { return Ok(()) };
        let stat = at(Call::Stat, statat(CWD, name, AtFlags::SYMLINK_NOFOLLOW))?;
        let found = (major(stat.st_rdev), minor(stat.st_rdev));
        if FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice || found != number {
            // A host whose /dev/null is a plain file would share it between all containers.
            return Err(Fault { call: Call::Check, errno: Errno::NODEV });
        }
        Ok(())
    }

    pub fn make_directory(name: &CStr, mode: u32) -> Outcome<()> {
        match mkdirat(CWD, name, Mode::from_raw_mode(mode)) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(Fault { call: Call::Make, errno }),
        }
    }

    pub fn make_link(name: &CStr, to: &CStr) -> Outcome<()> {
        at(Call::Link, symlinkat(to, CWD, name))
    }

    pub fn mask(name: &CStr, guess: Kind) -> Outcome<()> {
        let cover = |kind: Kind| match kind {
            Kind::File => mount_bind(NULL, name),
            Kind::Directory => {
                mount(c"tmpfs", name, c"tmpfs", MountFlags::RDONLY, Some(c"size=0k,mode=0555"))
            }
        };
        let other = if guess == Kind::File { Kind::Directory } else { Kind::File };
        match cover(guess) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::NOTDIR) => at(Call::Mount, cover(other)),
            Err(errno) => Err(Fault { call: Call::Mount, errno }),
        }
    }

    pub fn split(name: &CStr) -> Outcome<()> {
        match mount_bind_recursive(name, name) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(Fault { call: Call::Mount, errno }),
        }
    }

    pub fn seal(&self) -> Outcome<()> {
        let place = self.place.as_ref().ok_or(Fault { call: Call::Check, errno: Errno::BADF })?;
        let (ro, none) = (Attributes::READ_ONLY, Attributes::NONE);
        at(Call::SetAttributes, set_attributes(place.as_fd(), Depth::Tree, ro, none, None))?;
        at(Call::SetAttributes, set_attributes(place.as_fd(), Depth::One, none, ro, None))
    }

    pub fn protect(name: &CStr) -> Outcome<()> {
        let how =
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
        let tree = match open_tree(CWD, name, how) {
            Ok(tree) => tree,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(Fault { call: Call::OpenTree, errno }),
        };
        make_read_only(tree.as_fd())?;
        let how = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        at(Call::MoveMount, move_mount(&tree, c"", CWD, name, how))
    }

    pub fn mask_below(&self, path: &CStr) -> Outcome<()> {
        let Some(place) = self.open_if_there(path)? else { return Ok(()) };
        let cover = match kind_of(place.as_fd())? {
            Kind::Directory => new_tmpfs(MountAttrFlags::MOUNT_ATTR_RDONLY)?,
            Kind::File => {
                let how = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
                at(Call::OpenTree, open_tree(CWD, NULL, how))?
            }
        };
        attach(cover.as_fd(), place.as_fd())
    }

    pub fn protect_below(&self, path: &CStr) -> Outcome<()> {
        let Some(place) = self.open_if_there(path)? else { return Ok(()) };
        let tree = detach(place.as_fd(), Depth::Tree)?;
        let result = set_attributes(tree.as_fd(), Depth::Tree, Attributes::READ_ONLY, Attributes::NONE, None);
        at(Call::SetAttributes, result)?;
        attach(tree.as_fd(), place.as_fd())
    }

    fn open_if_there(&self, path: &CStr) -> Outcome<Option<sys::fd::OwnedFd>> {
        match open(self.root()?, path, Links::Within) {
            Ok(place) => Ok(Some(place)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(Fault { call: Call::Find, errno }),
        }
    }
}

fn make_read_only(tree: BorrowedFd<'_>) -> Outcome<()> {
    let result = set_attributes(tree, Depth::Tree, Attributes::READ_ONLY, Attributes::NONE, None);
    at(Call::SetAttributes, result)
}

/// An empty file, to be covered.
fn make_file(name: &CStr) -> Outcome<()> {
    let none = Dev::default();
    at(Call::Make, mknodat(CWD, name, FileType::RegularFile, Mode::from_raw_mode(0o444), none))
}
