//! The cgroup of a container: made before it, gone after it.

use std::mem::ManuallyDrop;
use std::time::Duration;

use cgroup::{
    Controllers, Delegated, Group, Hierarchy, Limits, Name, NotDelegated, Owner, Parent, Unavailable,
};
use oci::{CgroupView, Privilege};
use sys::fd::{AsFd, BorrowedFd};

use crate::Failure;

/// How long the end of a killed container's last process is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long processes are waited for to stand still: they do within microseconds, or sleep in the kernel.
const STILL: Duration = Duration::from_secs(1);

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

/// Why a privileged container can have no limits here, if it cannot. Nothing is changed.
#[must_use]
pub fn unavailable() -> Option<Failure> {
    Hierarchy::find().err().map(|unavailable| no_hierarchy(&unavailable))
}

/// Why there is no cgroup v2 here, if there is none, and what to do about it. Nothing is changed.
#[must_use]
pub fn lacking() -> Option<Unavailable> {
    Hierarchy::find().err()
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

/// The groups of an instance, `husk/NAME`: the limits are its, and hold for all that runs in the container. Below it
/// is `main`, in which the container is born, so that commands that enter it can have groups beside that.
#[derive(Debug)]
pub struct Family {
    parent: Parent,
    whole: Group,
    main: Group,
}

/// Makes the groups of an instance. What a shim that was killed has left of it is ended first.
///
/// # Errors
/// Where a limit is asked for and there is no place for groups, or the kernel refuses one.
pub fn found(place: Place, instance: &str, limits: &Limits) -> Result<Option<Family>, Failure> {
    let parent = match place {
        Place::Below(parent) => parent,
        Place::Nowhere(_) if *limits == Limits::default() => return Ok(None),
        Place::Nowhere(failure) => return Err(failure),
    };
    let name = name_of(instance)?;
    // So that what it uses is counted where it is not limited, too.
    let counted = ["memory", "pids", "cpu", "io"];
    let counted = counted.into_iter().map(Controllers::named).fold(Controllers::NONE, Controllers::with);
    parent.enable_available(counted)?;
    let whole = match parent.create_without_swap(&name, limits.clone()) {
        Err(error) if error.errno == sys::Errno::EXIST => {
            remove(&parent, &name)?;
            parent.create_without_swap(&name, limits.clone())?
        }
        other => other?,
    };
    let made = parent.child(&name).and_then(|below| {
        // What is in it may want to share out what it has: the init of an image.
        below.enable_available(counted)?;
        let main = Name::new("main").map(|name| Group::create(below.as_fd(), &name));
        // `main` is a valid name.
        main.unwrap_or_else(|_| Group::open(below.as_fd(), &name))
    });
    match made {
        Ok(main) => Ok(Some(Family { parent, whole, main })),
        Err(error) => {
            let _ = whole.remove(parent.as_fd(), Duration::ZERO);
            Err(error.into())
        }
    }
}

/// Ends what is left in the groups of an instance whose shim was killed, and removes them. Where there are none,
/// nothing is done.
///
/// # Errors
/// Where something in it cannot be ended within ten seconds.
pub fn clear(instance: &str) -> Result<(), Failure> {
    let found = Name::new("husk").ok().and_then(|name| Parent::existing(&name));
    let Some(parent) = found else { return Ok(()) };
    remove(&parent, &name_of(instance)?)
}

fn remove(parent: &Parent, name: &Name) -> Result<(), Failure> {
    let group = match Group::open(parent.as_fd(), name) {
        Ok(group) => group,
        Err(error) if error.errno == sys::Errno::NOENT => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    // A frozen process dies all the same.
    group.kill()?;
    group.remove(parent.as_fd(), PATIENCE).map_err(Failure::from)
}

/// The group of an instance bears its name. One that could be taken for a file of the kernel's, or for a group of
/// `husk run` (which the next one removes), gets a prefix; a plus sign is in no instance's name.
fn name_of(instance: &str) -> Result<Name, Failure> {
    const PREFIX: &str = "instance-";
    let taken = instance.starts_with("run-") || instance.starts_with(PREFIX);
    match Name::new(instance) {
        Ok(name) if !taken => Ok(name),
        _ => Name::new(&format!("{PREFIX}{}", instance.replace('.', "+")))
            .map_err(|error| Failure::ours(error.to_string())),
    }
}

impl Family {
    /// The directory that the container is born into.
    #[must_use]
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.main.as_fd()
    }

    /// The group with the limits, once more.
    ///
    /// # Errors
    /// The kernel's.
    pub fn whole(&self) -> Result<Group, Failure> {
        Group::open(self.parent.as_fd(), self.whole.name()).map_err(Failure::from)
    }

    /// Where the groups of commands go that enter the container.
    ///
    /// # Errors
    /// The kernel's.
    pub fn below(&self) -> Result<Parent, Failure> {
        self.parent.child(self.whole.name()).map_err(Failure::from)
    }

    /// Stops all that runs in the container, and waits until it stands still; where something does not, it is let go
    /// on.
    ///
    /// # Errors
    /// Where it does not stand still in time.
    pub fn freeze(&self) -> Result<(), Failure> {
        self.whole.freeze(STILL).map_err(|error| {
            let _ = self.whole.thaw(Duration::ZERO);
            error.into()
        })
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// Where it is still kept from running after a while, by a group above.
    pub fn thaw(&self) -> Result<(), Failure> {
        self.whole.thaw(STILL).map_err(Failure::from)
    }

    /// Whether it stands still, whoever has stopped it.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.whole.events().is_ok_and(|events| events.frozen)
    }

    /// Kills all that runs in the container.
    ///
    /// # Errors
    /// The kernel's.
    pub fn kill(&self) -> Result<(), Failure> {
        self.whole.kill().map_err(Failure::from)
    }

    /// Removes the groups, with what still runs in them.
    ///
    /// # Errors
    /// Where something in it cannot be ended within ten seconds.
    pub fn leave(self) -> Result<(), Failure> {
        // Descriptors of groups that go do not keep them; `main` and those of commands are removed with it.
        self.whole.kill()?;
        self.whole.remove(self.parent.as_fd(), PATIENCE).map_err(Failure::from)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instance_has_a_group_of_its_own() {
        let name = |instance| name_of(instance).unwrap().as_str().to_owned();
        assert_eq!(name("web-1"), "web-1");
        assert_eq!(name("cpu.max"), "instance-cpu+max");
        assert_eq!(name("run-x-1-2"), "instance-run-x-1-2");
        assert_eq!(name("instance-run-x-1-2"), "instance-instance-run-x-1-2");
        assert_eq!(name("a..b"), "instance-a++b");
        assert!(Owner::keeps(&name("run-x-1-2")));
    }
}
