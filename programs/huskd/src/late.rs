//! States that are true and could not be written: the disk was full when an instance ended or was stopped. How it ended is
//! in its shim's `exit.json` meanwhile, which stays where it is, and the record is written when there is room again.

use instance::message::Refusal;
use instance::state::Phase;

use crate::daemon::Daemon;
use crate::effects::sweep;
use crate::refusal::not_kept;
use crate::seat::Holder;

/// How long it takes until the next attempt, in milliseconds.
pub const RETRY_MS: u64 = 5_000;

/// Writes what could not be written of an instance, if there is such a thing, and removes what its last run has left.
///
/// # Errors
/// It cannot be written now either; nothing has changed then.
pub fn save(daemon: &Daemon, holder: &Holder<'_>) -> Result<(), Refusal> {
    let seat = holder.seat();
    if !seat.has_late_record() {
        return Ok(());
    }
    let mut record = seat.record().clone();
    record.saved += 1;
    daemon.store.save(seat.name(), &record).map_err(|error| not_kept(seat.name(), &error))?;
    let (state, net) = (record.state.clone(), record.settings.net);
    *seat.record() = record;
    seat.is_late(false);
    match state.phase {
        Phase::Exited { .. } => sweep(daemon, seat.name(), &state, net),
        Phase::Restarting { due_ms, .. } => {
            sweep(daemon, seat.name(), &state, net)?;
            daemon.alarms.set(seat.name(), due_ms);
            Ok(())
        }
        _ => Ok(()),
    }
}
