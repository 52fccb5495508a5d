//! The cgroup of a container: made before it, gone after it.

use std::mem::ManuallyDrop;
use std::time::Duration;

use cgroup::{Delegated, Group, Hierarchy, Limits, Name, NotDelegated, Owner, Parent, Unavailable};
use oci::{CgroupView, Privilege};
use sys::fd::{AsFd, BorrowedFd};

use crate::Failure;

/// How long the end of a killed container's last process is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where containers' groups can be made.
pub enum Place {
    /// Below this group.
    Below(Parent),
    /// Nowhere, for this reason.
    Nowhere(Failure),
}

/// Looks for a place, without changing anything but `husk` itself.
pub fn find(privilege: Privilege) -> Place {
    // `husk` is a valid name.
    let Ok(name) = Name::new("husk") else { return Place::Nowhere(Failure::ours("cgroup husk")) };
    let found = match privilege {
        Privilege::Full(_) => match Parent::existing(&name) {
            Some(parent) => Ok(parent),
            None => Hierarchy::find()
                .map_err(|unavailable| no_hierarchy(&unavailable))
                .and_then(|hierarchy| Parent::open(hierarchy, &name).map_err(Failure::from)),
        },
        Privilege::Rootless(_) => match Delegated::find() {
            Ok(delegated) => delegated.into_parent(&name).map_err(Failure::from),
            Err(error) => Err(not_delegated(&error)),
        },
    };
    found.map_or_else(Place::Nowhere, Place::Below)
}

fn no_hierarchy(unavailable: &Unavailable) -> Failure {
    Failure::ours(format!("limits need cgroup v2: {unavailable}")).hint(Some(unavailable.hint()))
}

fn not_delegated(error: &NotDelegated) -> Failure {
    Failure::ours(format!("limits need a cgroup of your own: {error}")).hint(Some(error.hint()))
}

impl Place {
    /// What the container may see of cgroups.
    pub const fn view(&self) -> CgroupView {
        match self {
            Self::Below(_) => CgroupView::Own,
            Self::Nowhere(_) => CgroupView::Hidden,
        }
    }
}

/// A container's group. It is removed by [`Place::leave`], or by the next start if we are killed first.
pub struct Home {
    // Descriptors that are left to the end of the program to close.
    parent: ManuallyDrop<Parent>,
    group: ManuallyDrop<Group>,
}

/// Makes the group of container `id`. Without limits a container can do without one.
pub fn make(place: Place, id: &str, limits: &Limits) -> Result<Option<Home>, Failure> {
    let parent = match place {
        Place::Below(parent) => parent,
        Place::Nowhere(_) if *limits == Limits::default() => return Ok(None),
        Place::Nowhere(failure) => return Err(failure),
    };
    let name = Owner::caller(id).format().map_err(|error| Failure::ours(error.to_string()))?;
    let group = parent.create_without_swap(&name, limits.clone())?;
    Ok(Some(Home { parent: ManuallyDrop::new(parent), group: ManuallyDrop::new(group) }))
}

impl Home {
    /// The directory that the container is born into.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.group.as_fd()
    }

    /// Removes groups whose owner was killed before it could.
    pub fn sweep(&self) {
        // Only ours is there: the usual case costs one call.
        if self.parent.children() == Ok(1) {
            return;
        }
        // What cannot be removed now is tried again by the next start.
        let _ = cgroup::sweep(self.parent.as_fd(), Owner::keeps);
    }

    /// How often the kernel has killed in the group for want of memory.
    pub fn kills(&self) -> u64 {
        self.group.events().ok().and_then(|events| events.oom_kill).unwrap_or(0)
    }

    /// Removes the group. Nothing runs in it any more: the pid namespace has gone before.
    pub fn leave(self) -> Result<(), Failure> {
        let Self { parent, group } = self;
        group.remove(parent.as_fd(), PATIENCE).map_err(Failure::from)
    }
}
