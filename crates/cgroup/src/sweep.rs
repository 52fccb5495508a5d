//! Removing what owners left behind that were killed.
use crate::error::{Action, Error};
use crate::files;
use crate::group::Group;
use crate::name::Name;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use sys::fd::BorrowedFd;
use sys::fs::fstat;

/// How long the processes of one group may take to end after they were killed.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Swept {
    /// The groups that were removed.
    pub removed: Vec<String>,
    /// The groups that could not be, with the reason; the next sweep tries again.
    pub left: Vec<Error>,
}

/// Kills and removes the groups below `parent` that `alive` says no to, by their names: see
/// [`Owner::keeps`](crate::Owner::keeps). One system call where there are none at all; otherwise four for the
/// list and what `alive` needs for each.
///
/// Sweeps at the same time do not disturb each other: what one has removed is gone for the other too.
///
/// # Errors
/// [`Error`] of action `Read` when the parent cannot be listed. A group that resists is no error but in
/// `left`.
pub fn sweep(parent: BorrowedFd<'_>, alive: impl Fn(&str) -> bool) -> Result<Swept, Error> {
    let failed = |errno| Error::directory(Action::Read, "", errno);
    let mut swept = Swept::default();
    // A directory has two links and one more for each directory in it; kernfs counts them.
    if fstat(parent).map_err(failed)?.st_nlink <= 2 {
        return Ok(swept);
    }
    for text in files::children(parent).map_err(failed)? {
        let Ok(name) = Name::new(&text) else { continue };
        if alive(&text) {
            continue;
        }
        match clear(parent, &name) {
            Ok(()) => swept.removed.push(text),
            Err(error) if error.errno == sys::Errno::NOENT || error.errno == sys::Errno::NODEV => {}
            Err(error) => swept.left.push(error),
        }
    }
    Ok(swept)
}

/// Kills and removes one group.
fn clear(parent: BorrowedFd<'_>, name: &Name) -> Result<(), Error> {
    let group = Group::open(parent, name)?;
    group.kill()?;
    group.remove(parent, PATIENCE)
}
