//! The root and what is mounted below it.
//!
//! Two ways of mounting are used. A new file system goes on a directory by fchdir(2) to the descriptor that
//! openat2(2) gave, and mount(2) on `.`: two calls, and no path is resolved twice. Parts of the host's tree
//! are taken as a detached copy (open_tree(2)), get their attributes there, unseen, and are then put on the
//! target's descriptor (move_mount(2)).

use core::ffi::CStr;

use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, openat, openat2, statat};
use sys::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
    mount, mount_change, move_mount, open_tree, unmount,
};
use sys::mounts::{Attributes, Depth, Propagation, set_attributes};
use sys::process::{fchdir, pivot_root};

use crate::fault::{Fault, Outcome, at};
use crate::perform::Performer;
use crate::resolve::{PathBuffer, open_host_directory, open_or_make};
use crate::{Bind, Call, Kind, Links, Mount};

impl Performer<'_> {
    pub fn propagate(kind: Propagation) -> Outcome<()> {
        at(Call::Mount, mount_change(c"/", propagation_flags(kind) | MountPropagationFlags::REC))
    }

    pub fn propagate_root(kind: Propagation) -> Outcome<()> {
        at(Call::Mount, mount_change(c"/", propagation_flags(kind)))
    }

    /// pivot_root(2) wants the new root to be a mount point: a bind of it on itself is one.
    pub fn bind_root(&mut self, path: &CStr, set: Attributes) -> Outcome<()> {
        let directory = open_host_directory(path)?;
        let tree = detach(directory.as_fd(), Depth::Tree)?;
        attach(tree.as_fd(), directory.as_fd())?;
        set_all(tree.as_fd(), Depth::Tree, set)?;
        self.spend(directory);
        self.root = Some(tree);
        Ok(())
    }

    /// The tmpfs is put over `/`. The child's paths go on starting below it, so that nothing is hidden by
    /// it, and its descriptor is the only way in.
    pub fn mount_scratch(&mut self) -> Outcome<()> {
        let tmpfs = new_tmpfs(MountAttrFlags::MOUNT_ATTR_NOSUID)?;
        let root = open_host_directory(c"/")?;
        attach(tmpfs.as_fd(), root.as_fd())?;
        self.scratch = Some(tmpfs);
        Ok(())
    }

    pub fn scratch(&self) -> Outcome<BorrowedFd<'_>> {
        self.scratch.as_ref().map(AsFd::as_fd).ok_or(Fault { call: Call::Check, errno: Errno::BADF })
    }

    pub fn empty_root(&mut self, set: Attributes) -> Outcome<()> {
        let scratch = self.scratch()?;
        let directory = make_layer(scratch, b'r', 0)?;
        let tree = detach(directory.as_fd(), Depth::One)?;
        attach(tree.as_fd(), directory.as_fd())?;
        set_all(tree.as_fd(), Depth::One, set)?;
        self.root = Some(tree);
        Ok(())
    }

    pub fn overlay_root(&mut self, lower: &CStr, options: &CStr, set: Attributes) -> Outcome<()> {
        let overlay = self.mount_overlay(lower, 0, options, set)?;
        self.root = Some(overlay);
        Ok(())
    }

    pub fn overlay(&self, layer: &crate::Overlay<'_>) -> Outcome<()> {
        let overlay = self.mount_overlay(layer.lower, layer.number, layer.options, layer.set)?;
        let target = open_or_make(self.root()?, layer.target, Links::Within, Kind::Directory)?;
        attach(overlay.as_fd(), target.as_fd())
    }

    /// Mounts an overlay in the scratch. The layers are named relative to it, so that no path of the host
    /// gets into an option string, where a comma or a colon would have a meaning.
    fn mount_overlay(&self, lower: &CStr, number: u8, options: &CStr, set: Attributes) -> Outcome<OwnedFd> {
        let scratch = self.scratch()?;
        let source = open_host_directory(lower)?;
        let shown = at(Call::Stat, statat(&source, c"", AtFlags::EMPTY_PATH))?;
        let tree = detach(source.as_fd(), Depth::One)?;
        let below = make_layer(scratch, b'l', number)?;
        attach(tree.as_fd(), below.as_fd())?;
        // The merged root shows the owner and mode of the upper one.
        let upper = make_layer(scratch, b'u', number)?;
        let (uid, gid) = (sys::fs::Uid::from_raw(shown.st_uid), sys::fs::Gid::from_raw(shown.st_gid));
        at(
            Call::Make,
            sys::fs::chmodat(&upper, c".", Mode::from_raw_mode(shown.st_mode & 0o7777), AtFlags::empty()),
        )?;
        match sys::fs::chownat(&upper, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH) {
            // In a user namespace an owner that is not mapped cannot be given; it shows as the overflow user
            // in the lower layer, and as root in the merged one.
            Ok(()) | Err(Errno::INVAL | Errno::PERM | Errno::OVERFLOW) => {}
            Err(errno) => return Err(Fault { call: Call::Make, errno }),
        }
        make_layer(scratch, b'w', number)?;
        make_layer(scratch, b'm', number)?;
        let mut data = PathBuffer::new();
        for (word, kind) in [("lowerdir=", b'l'), (",upperdir=", b'u'), (",workdir=", b'w')] {
            at(Call::Mount, data.push(word.as_bytes()))?;
            at(Call::Mount, data.push(&layer_name(kind, number)[..3]))?;
        }
        at(Call::Mount, data.push(options.to_bytes()))?;
        let name = layer_name(b'm', number);
        let place = CStr::from_bytes_until_nul(&name).unwrap_or(c"");
        at(Call::Chdir, fchdir(scratch))?;
        at(Call::Mount, mount(c"overlay", place, c"overlay", flags(set), Some(data.as_c_str())))?;
        let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        at(Call::Open, openat(scratch, place, directory, Mode::empty()))
    }

    pub fn mount(&self, new: &Mount<'_>) -> Outcome<()> {
        let target = open_or_make(self.root()?, new.target, new.links, Kind::Directory)?;
        if new.links == Links::Within {
            refuse_proc(target.as_fd(), new.target)?;
        }
        at(Call::Chdir, fchdir(&target))?;
        match mount_at(c".", new) {
            // mount(2) refuses a file system on the root of another mount of it: the cgroup hierarchy where
            // all of the host's /sys is bound.
            Err(Fault { call: Call::Mount, errno: Errno::BUSY }) => {
                attach(new_file_system(new)?.as_fd(), target.as_fd())?;
            }
            result => result?,
        }
        self.spend(target);
        Ok(())
    }

    pub fn mount_in_place(new: &Mount<'_>) -> Outcome<()> {
        mount_at(new.target, new)
    }

    pub fn bind(&self, bind: &Bind<'_>) -> Outcome<()> {
        let mut how = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        if bind.depth == Depth::Tree {
            how |= OpenTreeFlags::AT_RECURSIVE;
        }
        let tree = at(Call::OpenTree, open_tree(CWD, bind.source, how))?;
        let kind = kind_of(tree.as_fd())?;
        // The access time mode is a field: setting it means clearing it too.
        let mode = if bind.clear.contains(Attributes::ATIME) { Attributes::ATIME } else { Attributes::NONE };
        if !bind.set.with(mode).is_empty() || bind.propagation.is_some() {
            set_attributes_of(tree.as_fd(), bind.depth, bind.set, mode, bind.propagation)?;
        }
        let cleared = bind.clear.without(mode);
        if !cleared.is_empty() {
            // Not below: what the host has mounted read-only stays so.
            set_attributes_of(tree.as_fd(), Depth::One, Attributes::NONE, cleared, None)?;
        }
        let target = open_or_make(self.root()?, bind.target, Links::Within, kind)?;
        refuse_proc(target.as_fd(), bind.target)?;
        attach(tree.as_fd(), target.as_fd())
    }

    pub fn open_program(&mut self, path: &CStr) -> Outcome<()> {
        let how = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = at(Call::OpenTree, open_tree(CWD, path, how))?;
        set_all(tree.as_fd(), Depth::One, Attributes::READ_ONLY)?;
        self.program = Some(tree);
        Ok(())
    }

    pub fn set_root(&self, set: Attributes) -> Outcome<()> {
        set_all(self.root()?, Depth::One, set)
    }

    /// The old root is put on top of the new one, where `.` reaches it once more, and is detached there
    /// (pivot_root(2), "pivot_root(".", ".")"). What had been mounted on the old root itself (the scratch, or
    /// something of the host's) lies above it and goes first: as long as anything is there, `/..` leads into it.
    pub fn pivot(&mut self) -> Outcome<()> {
        const LAYERS: u8 = 16;
        at(Call::Chdir, fchdir(self.root()?))?;
        at(Call::Pivot, pivot_root(c".", c"."))?;
        let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        for _ in 0..LAYERS {
            at(Call::Unmount, unmount(c".", UnmountFlags::DETACH))?;
            match openat2(CWD, c"..", how, Mode::empty(), ResolveFlags::NO_XDEV) {
                Ok(above) => {
                    self.spend(above);
                    return Ok(());
                }
                Err(Errno::XDEV) => {}
                Err(errno) => return Err(Fault { call: Call::Find, errno }),
            }
        }
        Err(Fault { call: Call::Check, errno: Errno::BUSY })
    }
}

/// A link of the image may lead a target onto the container's procfs, where a mount would make files that
/// are trusted say what it likes (CVE-2019-16884). What a plan itself has below /proc was decided before.
fn refuse_proc(target: BorrowedFd<'_>, path: &CStr) -> Outcome<()> {
    const PROC_SUPER_MAGIC: u64 = 0x9fa0;
    let meant = path.to_bytes().starts_with(b"proc");
    if !meant && at(Call::Statfs, sys::fs::fstatfs(target))?.f_type as u64 == PROC_SUPER_MAGIC {
        return Err(Fault { call: Call::Check, errno: Errno::PERM });
    }
    Ok(())
}

fn mount_at(place: &CStr, new: &Mount<'_>) -> Outcome<()> {
    let options = (!new.options.is_empty()).then_some(new.options);
    at(Call::Mount, mount(new.source, place, new.kind, flags(new.set), options))
}

/// The same file system, detached, by fsopen(2).
fn new_file_system(new: &Mount<'_>) -> Outcome<OwnedFd> {
    let context = at(Call::Mount, fsopen(new.kind, FsOpenFlags::FSOPEN_CLOEXEC))?;
    at(Call::Mount, fsconfig_set_string(&context, c"source", new.source))?;
    for option in new.options.to_bytes().split(|byte| *byte == b',').filter(|option| !option.is_empty()) {
        let at_sign = option.iter().position(|byte| *byte == b'=');
        let (mut key, mut value) = (PathBuffer::new(), PathBuffer::new());
        at(Call::Mount, key.push(&option[..at_sign.unwrap_or(option.len())]))?;
        let result = match at_sign {
            Some(end) => {
                at(Call::Mount, value.push(&option[end + 1..]))?;
                fsconfig_set_string(&context, key.as_c_str(), value.as_c_str())
            }
            None => fsconfig_set_flag(&context, key.as_c_str()),
        };
        at(Call::Mount, result)?;
    }
    at(Call::Mount, fsconfig_create(&context))?;
    let attributes = MountAttrFlags::from_bits_retain(new.set.bits());
    at(Call::Mount, fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes))
}

/// A detached copy of what `place` is a descriptor of.
pub fn detach(place: BorrowedFd<'_>, depth: Depth) -> Outcome<OwnedFd> {
    let mut how =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if depth == Depth::Tree {
        how |= OpenTreeFlags::AT_RECURSIVE;
    }
    at(Call::OpenTree, open_tree(place, c"", how))
}

/// Puts a detached mount on the place that `target` is a descriptor of, whatever its path is by now.
pub fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Outcome<()> {
    let how = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    at(Call::MoveMount, move_mount(mount, c"", target, c"", how))
}

/// A detached, empty tmpfs.
pub fn new_tmpfs(attributes: MountAttrFlags) -> Outcome<OwnedFd> {
    let context = at(Call::Mount, fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC))?;
    at(Call::Mount, fsconfig_set_string(&context, c"mode", c"0755"))?;
    at(Call::Mount, fsconfig_create(&context))?;
    at(Call::Mount, fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes))
}

/// Whether a descriptor is of a directory.
pub fn kind_of(place: BorrowedFd<'_>) -> Outcome<Kind> {
    let stat = at(Call::Stat, statat(place, c"", AtFlags::EMPTY_PATH))?;
    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    Ok(if directory { Kind::Directory } else { Kind::File })
}

fn set_all(mount: BorrowedFd<'_>, depth: Depth, set: Attributes) -> Outcome<()> {
    if set.is_empty() {
        return Ok(());
    }
    set_attributes_of(mount, depth, set, Attributes::NONE, None)
}

fn set_attributes_of(
    mount: BorrowedFd<'_>,
    depth: Depth,
    set: Attributes,
    clear: Attributes,
    propagation: Option<Propagation>,
) -> Outcome<()> {
    at(Call::SetAttributes, set_attributes(mount, depth, set, clear, propagation))
}

/// `l00`, `u00`, `w00`, `m00` …: the directories of one overlay.
fn layer_name(kind: u8, number: u8) -> [u8; 4] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [kind, DIGITS[usize::from(number >> 4)], DIGITS[usize::from(number & 15)], 0]
}

pub fn make_layer(scratch: BorrowedFd<'_>, kind: u8, number: u8) -> Outcome<OwnedFd> {
    let name = layer_name(kind, number);
    let name = CStr::from_bytes_until_nul(&name).unwrap_or(c"");
    at(Call::Make, sys::fs::mkdirat(scratch, name, Mode::from_raw_mode(0o755)))?;
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    at(Call::Open, openat(scratch, name, directory, Mode::empty()))
}

const fn propagation_flags(kind: Propagation) -> MountPropagationFlags {
    match kind {
        Propagation::Private => MountPropagationFlags::PRIVATE,
        Propagation::Slave => MountPropagationFlags::DOWNSTREAM,
        Propagation::Shared => MountPropagationFlags::SHARED,
        Propagation::Unbindable => MountPropagationFlags::UNBINDABLE,
    }
}

/// The flags of mount(2) for attributes of mount_setattr(2).
pub fn flags(set: Attributes) -> MountFlags {
    [
        (Attributes::READ_ONLY, MountFlags::RDONLY),
        (Attributes::NO_SET_ID, MountFlags::NOSUID),
        (Attributes::NO_DEVICES, MountFlags::NODEV),
        (Attributes::NO_EXEC, MountFlags::NOEXEC),
        (Attributes::NO_ATIME, MountFlags::NOATIME),
        (Attributes::STRICT_ATIME, MountFlags::STRICTATIME),
        (Attributes::NO_DIRECTORY_ATIME, MountFlags::NODIRATIME),
        // MS_NOSYMFOLLOW of mount(2), which rustix has no name for.
        (Attributes::NO_SYMLINKS, MountFlags::from_bits_retain(256)),
    ]
    .into_iter()
    .filter(|(attribute, _)| set.contains(*attribute))
    .fold(MountFlags::empty(), |all, (_, flag)| all | flag)
}
