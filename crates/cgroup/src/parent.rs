//! The group below which containers get theirs.
use crate::controllers::Controllers;
use crate::delegation::vacate;
use crate::error::{Action, Error};
use crate::files;
use crate::group::Group;
use crate::hierarchy::{Hierarchy, open_below_root};
use crate::limits::Limits;
use crate::name::Name;
use alloc::format;
use alloc::string::{String, ToString};
use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{AtFlags, Mode, OFlags, fstat, mkdirat, openat, unlinkat};

/// A group that holds other groups and no process, `husk` below the root or below what was delegated.
#[derive(Debug)]
pub struct Parent {
    dir: OwnedFd,
    path: String,
    /// `None`: it is opened when it is needed, by `..`.
    above: Option<OwnedFd>,
    above_path: String,
}

impl AsFd for Parent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl Parent {
    /// Opens `name` below the root, or makes it: one system call where it is there, three where not.
    ///
    /// # Errors
    /// [`Error`] of action `Create` or `Open`.
    pub fn open(hierarchy: Hierarchy, name: &Name) -> Result<Parent, Error> {
        Parent::below(hierarchy.into_root(), "", name)
    }

    /// Opens `name` below the root where it is there already: two system calls, one less than by way of the root.
    pub fn existing(name: &Name) -> Option<Parent> {
        let dir = open_below_root(name)?;
        Some(Parent { dir, path: name.to_string(), above: None, above_path: String::new() })
    }

    /// Opens or makes `name` below a group.
    pub(crate) fn below(above: OwnedFd, above_path: &str, name: &Name) -> Result<Parent, Error> {
        let path = format!("{above_path}/{name}").trim_start_matches('/').to_string();
        let failed = |action| {
            let path = path.clone();
            move |errno| Error::directory(action, &path, errno)
        };
        let dir = match files::open_directory(above.as_fd(), name.as_str()) {
            Err(Errno::NOENT) => {
                match mkdirat(&above, name.as_str(), Mode::from_raw_mode(0o755)) {
                    // Another start was faster.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(failed(Action::Create)(errno)),
                }
                files::open_directory(above.as_fd(), name.as_str())
            }
            found => found,
        };
        let dir = dir.map_err(failed(Action::Open))?;
        Ok(Parent { dir, path, above: Some(above), above_path: above_path.to_string() })
    }

    /// A group of this one, which holds groups itself and no process.
    ///
    /// # Errors
    /// [`Error`] of action `Open`; ENOENT when there is none of this name.
    pub fn child(&self, name: &Name) -> Result<Parent, Error> {
        let path = format!("{}/{name}", self.path).trim_start_matches('/').to_string();
        let dir = files::open_directory(self.as_fd(), name.as_str())
            .map_err(|errno| Error::directory(Action::Open, &path, errno))?;
        Ok(Parent { dir, path, above: None, above_path: self.path.clone() })
    }

    /// The path below the root of the hierarchy, for messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How many groups there are directly below: one system call, since a directory of the hierarchy has a link
    /// for each (kernfs).
    ///
    /// # Errors
    /// The kernel's.
    pub fn children(&self) -> sys::Result<usize> {
        let links = fstat(&self.dir)?.st_nlink;
        Ok(usize::try_from(links).unwrap_or(usize::MAX).saturating_sub(2))
    }

    /// Makes a group with limits. Controllers are enabled only when a limit's file turns out to be missing,
    /// so that all starts but the first after boot write their limits at once. Nothing is left after an
    /// error.
    ///
    /// # Errors
    /// [`Error`] of the group, of a limit, or of the controllers that the limits need.
    pub fn create(&self, name: &Name, limits: &Limits) -> Result<Group, Error> {
        let group = Group::create(self.as_fd(), name)?;
        let limited = match group.apply(limits) {
            Err(error) if error.errno == Errno::NOENT && !error.missing.is_empty() => {
                self.enable(limits.required_controllers()).and_then(|()| group.apply(limits))
            }
            other => other,
        };
        match limited {
            Ok(()) => Ok(group),
            Err(error) => {
                // Nothing ran in it yet. Should this fail, the error of the limit is still the one to tell.
                let _ = unlinkat(self.as_fd(), name.as_str(), AtFlags::REMOVEDIR);
                Err(error)
            }
        }
    }

    /// The same, and what is limited in memory gets no swap: a limit on memory would else be one on memory that is
    /// not swapped. A kernel without swap accounting has no file for that, and nothing that it could limit.
    ///
    /// # Errors
    /// As [`Parent::create`].
    pub fn create_without_swap(&self, name: &Name, limits: Limits) -> Result<Group, Error> {
        let mut limits = limits.without_swap();
        match self.create(name, &limits) {
            Err(error) if error.errno == Errno::NOENT && error.file == "memory.swap.max" => {
                limits.memory_swap_max = None;
                self.create(name, &limits)
            }
            other => other,
        }
    }

    /// Enables those of these controllers that there are.
    ///
    /// # Errors
    /// As [`Parent::enable`], but for controllers that are not there.
    pub fn enable_available(&self, wanted: Controllers) -> Result<(), Error> {
        match self.enable(wanted) {
            Err(error) if !error.missing.is_empty() => self.enable(wanted.without(error.missing)),
            other => other,
        }
    }

    /// Enables controllers for the groups below: in the group above first, then here; none that is enabled is
    /// written again, and none is ever disabled.
    ///
    /// # Errors
    /// [`Error`] with `missing` for controllers that are not there to enable; EBUSY when the group above has
    /// processes of its own that cannot make room.
    pub fn enable(&self, wanted: Controllers) -> Result<(), Error> {
        match &self.above {
            Some(above) => enable(above.as_fd(), &self.above_path, wanted)?,
            None => {
                let above = openat(
                    &self.dir,
                    "..",
                    OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                    Mode::empty(),
                )
                .map_err(|errno| Error::directory(Action::Open, "/", errno))?;
                enable(above.as_fd(), &self.above_path, wanted)?;
            }
        }
        enable(self.as_fd(), &self.path, wanted)
    }
}

/// Enables for the children of one group what is not enabled yet.
fn enable(dir: BorrowedFd<'_>, path: &str, wanted: Controllers) -> Result<(), Error> {
    let list = |file: &str| match files::read(dir, file) {
        Ok(text) => Ok(Controllers::parse(&text)),
        Err(errno) => Err(Error::file(Action::Read, shown(path), file, "", errno)),
    };
    let file = "cgroup.subtree_control";
    let absent = wanted.without(list(file)?);
    if absent.is_empty() {
        return Ok(());
    }
    let change = absent.names().map(|name| format!("+{name}")).collect::<alloc::vec::Vec<_>>().join(" ");
    let missing = absent.without(list("cgroup.controllers")?);
    let failed = |errno| Error::file(Action::Write, shown(path), file, &change, errno);
    if !missing.is_empty() {
        return Err(failed(Errno::NOENT).missing(missing));
    }
    vacate(dir, shown(path), &change)?;
    files::write(dir, file, &change).map_err(failed)
}

/// A path as a message shows it: the root has no name of its own.
fn shown(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}
