//! What the daemon has: the store, the images, the instances in memory, and who listens.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use instance::message::Refusal;
use instance::{InstanceName, Store};

use crate::arguments::Arguments;
use crate::events::Events;
use crate::private::Private;
use crate::refusal::{exists, no_instance};
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
    seats: Mutex<BTreeMap<InstanceName, Arc<Seat>>>,
    console: OnceLock<console::Handle>,
    /// Some record could not be read, and nobody knows which layers it needs.
    pub unreadable: OnceLock<()>,
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
            seats: Mutex::default(),
            console: OnceLock::new(),
            unreadable: OnceLock::new(),
        }
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<InstanceName, Arc<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An instance.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn seat(&self, name: &InstanceName) -> Result<Arc<Seat>, Refusal> {
        self.locked().get(name).cloned().ok_or_else(|| no_instance(name))
    }

    /// All of them, by name.
    pub fn seats(&self) -> Vec<Arc<Seat>> {
        self.locked().values().cloned().collect()
    }

    /// Has an instance from here on.
    ///
    /// # Errors
    /// There is one of this name.
    pub fn add(&self, seat: Seat) -> Result<Arc<Seat>, Refusal> {
        match self.locked().entry(seat.name().clone()) {
            Entry::Occupied(_) => Err(exists(seat.name())),
            Entry::Vacant(free) => Ok(free.insert(Arc::new(seat)).clone()),
        }
    }

    /// Has an instance no more.
    pub fn forget(&self, seat: &Seat) {
        let mut seats = self.locked();
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
