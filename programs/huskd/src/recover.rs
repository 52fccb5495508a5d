//! What a daemon does first: it finds what the last one has left, running or not.

use std::sync::Arc;

use instance::InstanceName;
use instance::message::Refusal;
use instance::state::{Command, State};

use crate::daemon::Daemon;
use crate::effects::{Orders, perform, sweep};
use crate::journal;
use crate::refusal::{failed_io, refuse};
use crate::seat::Seat;
use crate::shims;

/// Reads all records, finds their shims, and brings each to a state of its own.
///
/// # Errors
/// That the directories cannot be read.
pub fn recover(daemon: &Arc<Daemon>) -> Result<(), Refusal> {
    let records = daemon.store.load_all();
    let records = records.map_err(|error| refuse(instance::message::Reason::Failed, error.to_string()))?;
    let mut unreadable = Vec::new();
    for (name, record) in records {
        match record {
            Ok(record) => {
                daemon.add(Seat::new(name, record))?;
            }
            // It is left as it is, and its name with it; only a person can say what to do about it.
            Err(error) => {
                journal::write(format!("{name}: left alone: {error}"));
                unreadable.push(name);
            }
        }
    }
    remove_strays(daemon, &unreadable)?;
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
    for seat in &seats {
        settle(daemon, seat);
    }
    let is_alive = |seat: &&Arc<Seat>| seat.record().state.alive().is_some();
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

fn settle(daemon: &Arc<Daemon>, seat: &Seat) {
    let name = seat.name();
    let Some(turn) = seat.take_at_last() else { return };
    let (found, living) = shims::find(&daemon.runtime(name));
    if let Err(refusal) = perform(daemon, &turn, &Command::Recover(found), &mut Orders::default()) {
        daemon.events.warn(name.as_str(), refusal.data);
    }
    if let Some(living) = living {
        journal::write(format!("{name}: runs on, its shim is {}", living.shim.pid));
        if let Err(errno) = daemon.alarms.watch(name, living.shim, living.pidfd) {
            daemon.events.warn(name.as_str(), sys::strerror::describe(errno));
        }
    }
}

/// Runtime directories of instances that are not there: their shims hold nothing that anybody could ask for.
fn remove_strays(daemon: &Daemon, unreadable: &[InstanceName]) -> Result<(), Refusal> {
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
        let (_, living) = shims::find(&entry.path());
        if let Some(living) = living {
            shims::kill_held(&living.pidfd);
        }
        journal::write(format!("{name}: removed, its files are gone"));
        sweep(daemon, &name, &State::new(0), instance::Network::None)?;
    }
    Ok(())
}
