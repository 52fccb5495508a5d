//! What a daemon does first: it finds what the last one has left, running or not.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use instance::InstanceName;
use instance::message::Refusal;
use instance::state::{Command, Found, State};

use crate::daemon::Daemon;
use crate::effects::{Orders, explained, perform, remove_at_end, sweep};
use crate::journal;
use crate::refusal::{failed_io, refuse};
use crate::runtime::Runtime;
use crate::seat::Seat;
use crate::shims;

/// Reads all records, finds their shims, and brings each to a state of its own.
///
/// # Errors
/// That the directories cannot be read.
pub fn recover(daemon: &Arc<Daemon>, place: &Runtime) -> Result<(), Refusal> {
    let records = daemon.store.load_all();
    let records = records.map_err(|error| refuse(instance::message::Reason::Failed, error.to_string()))?;
    let mut unreadable = Vec::new();
    for (name, record) in records {
        match record {
            Ok(record) => {
                daemon.find(name, record);
            }
            // It is left as it is, and its name with it; only a person can say what to do about it.
            Err(error) => {
                journal::write(format!("{name}: left alone: {error}"));
                unreadable.push(name);
            }
        }
    }
    remove_strays(daemon, &unreadable, place)?;
    if let Some(name) = unreadable.first() {
        daemon.events.warn(name.as_str(), "no layer is removed before its record is mended or gone");
        let _ = daemon.unreadable.set(());
    }
    let seats = daemon.seats();
    let is_private = |seat: &&Arc<Seat>| {
        let record = seat.record();
        record.settings.net == instance::Network::Private || record.state.address.is_some()
    };
    let private = seats.iter().filter(is_private).map(|seat| seat.name().clone());
    daemon.private.expect(private.chain(unreadable.iter().cloned()));
    settle_all(daemon, &seats);
    // One that nothing is known of may have what it had.
    let is_alive = |seat: &&Arc<Seat>| seat.is_recovering() || seat.record().state.alive().is_some();
    let alive = seats.iter().filter(is_private).filter(is_alive).map(|seat| seat.name().clone());
    let alive = alive.chain(unreadable).collect();
    // A machine that never had one may lack what it takes to look.
    if seats.iter().any(|seat| is_private(&seat))
        && let Err(refusal) = daemon.private.sweep(alive)
    {
        daemon.events.warn("network", refusal.data);
    }
    daemon.collect();
    Ok(())
}

/// Settles all of them side by side, and returns when all are settled but those that hang: whoever wants something of one
/// of these is told so, and it is settled when it goes on.
fn settle_all(daemon: &Arc<Daemon>, seats: &[Arc<Seat>]) {
    let room = Arc::new(Room::default());
    for seat in seats {
        if !daemon.runtime(seat.name()).exists() {
            // Nobody has to be asked.
            settle(daemon, seat, &mut || {});
            continue;
        }
        let mut place = room.enter();
        let (its, seat_of_it) = (daemon.clone(), seat.clone());
        let thread = std::thread::Builder::new().name("recovery".into());
        if thread.spawn(move || settle(&its, &seat_of_it, &mut || place.leave())).is_err() {
            settle(daemon, seat, &mut || {});
        }
    }
    room.await_rest();
}

fn settle(daemon: &Arc<Daemon>, seat: &Seat, silent: &mut dyn FnMut()) {
    let name = seat.name();
    let turn = seat.first_turn();
    let runtime = daemon.runtime(name);
    let (found, living) = shims::find(&runtime, &mut |unreachable| {
        // Of one that is starting it is not in the record yet, and nobody else may have it.
        let address = std::fs::read_to_string(runtime.join(shims::ADDRESS)).ok();
        if let Some(address) = address {
            seat.record().state.address.get_or_insert(address);
        }
        daemon.events.tell(
            "unreachable",
            name.as_str(),
            None,
            &[("reason", unreachable.why.as_str().into())],
        );
        turn.is_unreachable(unreachable);
        silent();
    });
    let found = match found {
        Found::Ended(exit) => Found::Ended(explained(exit, &seat.record().settings)),
        found => found,
    };
    if let Err(refusal) = perform(daemon, &turn, &Command::Recover(found), &mut Orders::default()) {
        daemon.events.warn(name.as_str(), refusal.data);
    }
    if let Some(living) = living {
        if seat.unreachable().is_some() {
            daemon.events.tell("reachable", name.as_str(), None, &[]);
        }
        journal::write(format!("{name}: runs on, its shim is {}", living.shim.pid));
        if let Err(errno) = daemon.alarms.watch(name, living.shim, living.pidfd) {
            daemon.events.warn(name.as_str(), sys::strerror::describe(errno));
        }
    }
    remove_at_end(daemon, &turn);
}

/// How many are settled at once: each has a thread.
const AT_ONCE: usize = 64;
/// How long those that are being settled may come to nothing before they are left to themselves.
const STANDSTILL: Duration = Duration::from_millis(shims::MOMENT_MS + 1_000);

/// Who is being settled, and does not hang.
#[derive(Default)]
struct Room {
    count: Mutex<usize>,
    changed: Condvar,
}

/// The place of one of them.
struct Place(Option<Arc<Room>>);

impl Room {
    /// Waits for a place. Where nobody leaves for too long there is one more.
    fn enter(self: &Arc<Self>) -> Place {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(count, STANDSTILL, |count| *count >= AT_ONCE);
        *waited.unwrap_or_else(PoisonError::into_inner).0 += 1;
        Place(Some(self.clone()))
    }

    /// Waits until all have left, or nobody has for too long.
    fn await_rest(&self) {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        while *count > 0 {
            let before = *count;
            let waited = self.changed.wait_timeout_while(count, STANDSTILL, |count| *count == before);
            let (now, outcome) = waited.unwrap_or_else(PoisonError::into_inner);
            if outcome.timed_out() {
                return;
            }
            count = now;
        }
    }
}

impl Place {
    fn leave(&mut self) {
        if let Some(room) = self.0.take() {
            *room.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            room.changed.notify_all();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Runtime directories of instances that are not there: their shims hold nothing that anybody could ask for.
fn remove_strays(daemon: &Daemon, unreadable: &[InstanceName], place: &Runtime) -> Result<(), Refusal> {
    let runtime = &daemon.arguments.runtime;
    let entries = match std::fs::read_dir(runtime) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| failed_io(runtime.display(), &error))?,
    };
    for entry in entries {
        let entry = entry.map_err(|error| failed_io(runtime.display(), &error))?;
        let name = entry.file_name().to_str().and_then(|name| InstanceName::new(name).ok());
        let Some(name) = name.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_dir())) else { continue };
        if daemon.seat(&name).is_ok() || unreadable.contains(&name) {
            continue;
        }
        if !place.is_known {
            journal::write(format!("{name}: left alone: nothing says whose {} is", entry.path().display()));
            continue;
        }
        shims::end(&entry.path());
        journal::write(format!("{name}: removed, its files are gone"));
        sweep(daemon, &name, &State::new(0), instance::Network::None)?;
    }
    Ok(())
}
