//! What the daemon has: the store, the images, the instances in memory, and who listens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use instance::message::{Reason, Refusal};
use instance::{InstanceName, Record, Store};

use crate::arguments::Arguments;
use crate::events::Events;
use crate::private::Private;
use crate::refusal::{exists, no_instance, refuse};
use crate::seat::Seat;
use crate::watch::Alarms;

/// The daemon. Locks are taken in this order, and none is held while something that takes long is done: an instance's
/// turn, the layers that are kept (in `images`), the list of instances, an instance's record.
pub struct Daemon {
    /// How it was started.
    pub arguments: Arguments,
    /// Records of instances.
    pub store: Store,
    /// Images.
    pub images: image::Store,
    /// Private networks.
    pub private: Private,
    /// Those who listen.
    pub events: Events,
    /// What wakes it up.
    pub alarms: Alarms,
    names: Mutex<Names>,
    console: OnceLock<console::Handle>,
    /// Some record could not be read, and nobody knows which layers it needs.
    pub unreadable: OnceLock<()>,
}

/// Who has which name.
#[derive(Default)]
struct Names {
    seats: BTreeMap<InstanceName, Arc<Seat>>,
    /// Names that somebody is about to give: nobody else gets them meanwhile, and there is no instance of theirs yet.
    claimed: BTreeSet<InstanceName>,
}

/// A name that is about to be an instance's. It is free again where nothing comes of it.
pub struct Claim<'d> {
    daemon: &'d Daemon,
    name: InstanceName,
}

impl Claim<'_> {
    /// There is an instance of this name from here on; `before` is done with it while nobody else can see it.
    pub fn add(self, record: Record, before: impl FnOnce(&Arc<Seat>)) {
        let seat = Arc::new(Seat::new(self.name.clone(), record));
        before(&seat);
        self.daemon.locked().seats.insert(self.name.clone(), seat);
    }

    /// An instance has this name from here on, and no more the one that it had: nobody sees it under both or neither.
    pub fn rename(self, seat: &Seat) {
        let renamed = Arc::new(Seat::new(self.name.clone(), seat.record().clone()));
        let mut names = self.daemon.locked();
        names.seats.remove(seat.name());
        names.seats.insert(self.name.clone(), renamed);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.daemon.locked().claimed.remove(&self.name);
    }
}

impl Daemon {
    /// One that knows of no instance yet.
    pub fn new(arguments: Arguments, store: Store, images: image::Store, alarms: Alarms) -> Self {
        let private = Private::new(arguments.network.clone());
        Self {
            arguments,
            store,
            images,
            private,
            events: Events::default(),
            alarms,
            names: Mutex::default(),
            console: OnceLock::new(),
            unreadable: OnceLock::new(),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An instance.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn seat(&self, name: &InstanceName) -> Result<Arc<Seat>, Refusal> {
        self.locked().seats.get(name).cloned().ok_or_else(|| no_instance(name))
    }

    /// All of them, by name.
    pub fn seats(&self) -> Vec<Arc<Seat>> {
        self.locked().seats.values().cloned().collect()
    }

    /// Has an instance that the last daemon has left.
    pub fn find(&self, name: InstanceName, record: Record) {
        let seat = Arc::new(Seat::found(name.clone(), record));
        self.locked().seats.insert(name, seat);
    }

    /// Takes a name before anything is made that is to have it.
    ///
    /// # Errors
    /// There is an instance of this name, or somebody else is about to make one.
    pub fn claim(&self, name: &InstanceName) -> Result<Claim<'_>, Refusal> {
        let mut names = self.locked();
        if names.seats.contains_key(name) {
            return Err(exists(name));
        }
        if !names.claimed.insert(name.clone()) {
            return Err(refuse(
                Reason::Busy,
                format!("instance {name}: somebody is about to give it this name"),
            ));
        }
        Ok(Claim { daemon: self, name: name.clone() })
    }

    /// Has an instance no more.
    pub fn forget(&self, seat: &Seat) {
        let seats = &mut self.locked().seats;
        if seats.get(seat.name()).is_some_and(|found| std::ptr::eq(&raw const **found, seat)) {
            seats.remove(seat.name());
        }
    }

    /// There is a control console, and this is the way to it.
    pub fn has_console(&self, handle: console::Handle) {
        // There is one for each daemon.
        let _ = self.console.set(handle);
    }

    /// The console is left, if it is up: somebody wants to see an instance.
    pub fn leave_console(&self) {
        if let Some(handle) = self.console.get() {
            handle.leave();
        }
    }

    /// The directory of an instance's shim.
    pub fn runtime(&self, name: &InstanceName) -> std::path::PathBuf {
        self.arguments.runtime.join(name.as_str())
    }

    /// Removes the layers that neither an image nor an instance has.
    pub fn collect(&self) {
        // Whatever layers they need, they keep them.
        if self.unreadable.get().is_some() {
            return;
        }
        let in_use = || {
            let mut in_use = BTreeSet::new();
            for seat in self.seats() {
                in_use.extend(seat.record().layers.iter().filter_map(|id| image::LayerId::parse(id).ok()));
            }
            in_use
        };
        if let Err(error) = self.images.collect(in_use) {
            self.events.warn("layers", error);
        }
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    sys::clock::since_1970() / 1_000_000
}
