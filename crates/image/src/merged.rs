//! The layers of an image as one tree, without a place in any mount namespace.
//!
//! The mount is detached (fsmount(2)) and exists as long as its descriptor: whatever happens to this process,
//! no mount is left.

use sys::Errno;
use sys::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use sys::fs::{self, Mode, OFlags};
use sys::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};

use crate::digest::LayerId;
use crate::error::{Error, Result};
use crate::store::Store;

/// The longest value that fsconfig(2) takes, with its NUL.
const VALUE_MAX: usize = 256;

/// What lies over the layers: the changes of an instance.
#[derive(Clone, Copy)]
pub struct Changes<'a> {
    /// overlayfs' upperdir.
    pub upper: BorrowedFd<'a>,
    /// overlayfs' workdir, an empty directory on the same file system.
    pub work: BorrowedFd<'a>,
}

/// Layers, and changes over them, as one tree.
#[derive(Debug)]
pub struct MergedTree {
    root: OwnedFd,
    /// With the last descriptor of it the mount is taken apart, even while files of it are open; and where it is, no
    /// path beneath a root can have `..` in it (openat2(2) says EAGAIN, each time).
    _mount: OwnedFd,
}

impl MergedTree {
    /// Layers alone, bottom first; read-only.
    ///
    /// # Errors
    /// Those of fsconfig(2): ESTALE or EINVAL where overlayfs does not take them; more layers than Linux before
    /// 6.5 takes here.
    pub fn new(store: &Store, layers: &[LayerId]) -> Result<Self> {
        Self::mount(&store.stack(layers), store, Top::Nothing)
    }

    /// Layers below the changes of an instance that does not run; read-only all the same.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_upper(store: &Store, layers: &[LayerId], upper: BorrowedFd<'_>) -> Result<Self> {
        Self::mount(&store.stack(layers), store, Top::Frozen(upper))
    }

    /// Layers below the changes of an instance that does not run: what is written becomes a change.
    ///
    /// # Errors
    /// As [`new`](Self::new); EBUSY where a container has the same changes in use.
    pub fn writable(store: &Store, layers: &[LayerId], changes: Changes<'_>) -> Result<Self> {
        Self::mount(&store.stack(layers), store, Top::Changes(changes))
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    fn mount(stack: &[LayerId], store: &Store, top: Top<'_>) -> Result<Self> {
        let mut held = Vec::new();
        for id in stack {
            held.push(store.open_layer(id)?);
        }
        let mut lower: Vec<BorrowedFd<'_>> = held.iter().map(AsFd::as_fd).collect();
        if let Top::Frozen(upper) = top {
            lower.insert(0, upper);
        }
        // overlayfs without an upper directory wants two layers at least.
        if lower.len() == 1 && !matches!(top, Top::Changes(_)) {
            lower.push(store.empty());
        }
        let context = configure(&lower, top).map_err(|errno| refused(lower.len(), errno))?;
        let (flags, attributes) = match top {
            Top::Changes(_) => (FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()),
            _ => (FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY),
        };
        // Nothing in an image is a device here, and nothing is executed.
        let attributes = attributes | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let mount = fsmount(context.as_fd(), flags, attributes);
        let mount = mount.map_err(Error::system("mount", "the layers"))?;
        // The mount's own descriptor is a path only; names are read through an ordinary one.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = fs::openat(&mount, ".", flags, Mode::empty());
        let root = root.map_err(Error::system("open", "the layers"))?;
        Ok(Self { root, _mount: mount })
    }
}

/// What is over the layers.
#[derive(Clone, Copy)]
enum Top<'a> {
    Nothing,
    Frozen(BorrowedFd<'a>),
    Changes(Changes<'a>),
}

/// How overlayfs is told of its layers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One by one, since Linux 6.5.
    Each,
    /// All in one value, with colons.
    Together,
}

/// A context of overlayfs with these layers, top first.
fn configure(lower: &[BorrowedFd<'_>], top: Top<'_>) -> sys::Result<OwnedFd> {
    // Linux before 6.5 takes any word for overlayfs, and says only at the end that it means nothing.
    match configure_in(Form::Each, lower, top) {
        Err(Errno::INVAL) => configure_in(Form::Together, lower, top),
        done => done,
    }
}

/// The layers are named by descriptor: a path may be longer than a value may be, and its colons and commas mean
/// something.
fn configure_in(form: Form, lower: &[BorrowedFd<'_>], top: Top<'_>) -> sys::Result<OwnedFd> {
    let name = |fd: BorrowedFd<'_>| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let fd = context.as_fd();
    match form {
        Form::Each => {
            lower.iter().try_for_each(|layer| fsconfig_set_string(fd, "lowerdir+", name(*layer)))?
        }
        Form::Together => {
            let all = lower.iter().map(|layer| name(*layer)).collect::<Vec<_>>().join(":");
            if all.len() >= VALUE_MAX {
                return Err(Errno::TOOBIG);
            }
            fsconfig_set_string(fd, "lowerdir", all)?;
        }
    }
    match top {
        Top::Changes(Changes { upper, work }) => {
            fsconfig_set_string(fd, "upperdir", name(upper))?;
            fsconfig_set_string(fd, "workdir", name(work))?;
            // Changes that a layer can say, whatever the kernel's defaults: directories are moved by copying.
            fsconfig_set_string(fd, "redirect_dir", "off")?;
            fsconfig_set_string(fd, "metacopy", "off")?;
        }
        Top::Nothing | Top::Frozen(_) => fsconfig_set_flag(fd, "ro")?,
    }
    fsconfig_create(fd)?;
    Ok(context)
}

fn refused(count: usize, errno: Errno) -> Error {
    let on = format!("{count} layers as an overlay");
    match errno {
        Errno::TOOBIG => Error::Archive(format!("mount {on}: Linux before 6.5 takes about a dozen here")),
        errno => Error::system("mount", on)(errno),
    }
}
