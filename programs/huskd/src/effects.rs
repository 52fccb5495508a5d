//! The effects of a decision, performed: `instance::state::apply` says what and in which order, here it is done.

use std::io::ErrorKind;
use std::sync::Arc;

use instance::message::{IfRunning, Reason, Refusal};
use instance::state::{Command, Effect, Exit, Freezer, Phase, Shim, State, Then, apply};
use instance::{InstanceName, Network, Record, Settings};
use serde_json::Value;

use crate::client::Peer;
use crate::daemon::{Daemon, now_ms};
use crate::late;
use crate::launch::{self, Wanted};
use crate::refusal::{failed_io, not_kept, refuse};
use crate::seat::Holder;
use crate::shims;

/// What a command is performed with.
#[derive(Default)]
pub struct Orders<'o> {
    /// Who wants it.
    pub by: Option<Peer>,
    /// How a start is to be, this once.
    pub wanted: Wanted,
    /// What is done with the files.
    pub work: Option<&'o mut dyn FnMut() -> Result<(), Refusal>>,
    /// The new name.
    pub name: Option<InstanceName>,
    /// How long it has to stop, in place of its own time.
    pub grace_ms: Option<u64>,
    /// The new settings.
    pub settings: Option<Settings>,
}

/// Performs a command on an instance whose turn is held.
///
/// # Errors
/// Why it is not done.
pub fn perform(
    daemon: &Arc<Daemon>,
    holder: &Holder<'_>,
    command: &Command,
    orders: &mut Orders<'_>,
) -> Result<(), Refusal> {
    let seat = holder.seat();
    let (before, decided) = {
        let record = seat.record();
        let mut with = record.circumstances(seat.name(), now_ms());
        with.grace_ms = orders.grace_ms.unwrap_or(with.grace_ms);
        (record.state.clone(), apply(&record.state, &with, command))
    };
    let (next, effects) = decided?;
    let mut performance = Performance { daemon, holder, before, next, kept: Kept::NotYet, follows: None };
    let mut outcome = Ok(());
    for effect in &effects {
        // What was frozen is thawed, whatever became of the work.
        if outcome.is_err() && *effect != Effect::Thaw {
            continue;
        }
        match performance.perform(effect, command, orders) {
            Ok(()) => {}
            // There is no way back: the state is on disk, and what is left over is found by the next recovery.
            Err(refusal) if performance.kept != Kept::NotYet => {
                daemon.events.warn(seat.name().as_str(), refusal.data);
            }
            Err(refusal) => outcome = outcome.and(Err(refusal)),
        }
    }
    let follows = performance.follows.take();
    seat.waiters.wake();
    outcome?;
    match follows {
        None => Ok(()),
        Some((command, refusal)) => {
            perform(daemon, holder, &command, orders)?;
            refusal.map_or(Ok(()), Err)
        }
    }
}

/// Whether the next state is on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kept {
    NotYet,
    /// It is.
    OnDisk,
    /// It could not be written, but is true all the same.
    InMemory,
}

struct Performance<'p> {
    daemon: &'p Arc<Daemon>,
    holder: &'p Holder<'p>,
    before: State,
    next: State,
    kept: Kept,
    follows: Option<(Command, Option<Refusal>)>,
}

impl Performance<'_> {
    fn perform(
        &mut self,
        effect: &Effect,
        command: &Command,
        orders: &mut Orders<'_>,
    ) -> Result<(), Refusal> {
        let seat = self.holder.seat();
        let name = seat.name();
        let runtime = self.daemon.runtime(name);
        match effect {
            Effect::Keep => {
                if matches!(self.next.phase, Phase::Starting { .. }) {
                    self.next.command.clone_from(&orders.wanted.command);
                }
                self.keep(command, orders.settings.take())
            }
            Effect::StartShim => {
                let record = seat.record().clone();
                self.follows = Some(match launch::start(self.daemon, name, &record, &orders.wanted) {
                    Ok(launched) => {
                        let launch::Launched { shim, pid, address } = launched;
                        (Command::ShimReady { shim, pid, address }, None)
                    }
                    Err(refusal) => {
                        let (code, reason) = (refusal.exit.unwrap_or(125), refusal.data.clone());
                        (Command::ShimFailed { code, reason }, Some(refusal))
                    }
                });
                Ok(())
            }
            Effect::Freeze => shims::set_freezer(&runtime, Freezer::Frozen).map_err(|refusal| {
                // Some of it may stand still by now.
                let _ = shims::set_freezer(&runtime, Freezer::Thawed);
                not_frozen(name, refusal)
            }),
            Effect::Thaw => shims::set_freezer(&runtime, Freezer::Thawed).or_else(|refusal| {
                // Where nothing can be frozen, nothing is.
                if refusal.code == Reason::Unsupported { Ok(()) } else { Err(refusal) }
            }),
            Effect::AskToStop { grace_ms } => {
                self.ask_to_stop(&runtime, *grace_ms);
                Ok(())
            }
            // What is not on disk has to be found once more, but for what is removed with its record.
            Effect::Sweep if self.kept == Kept::InMemory && self.next.phase != Phase::Removing => Ok(()),
            Effect::Sweep => {
                if self.kept == Kept::NotYet {
                    late::save(self.daemon, self.holder)?;
                }
                // The record is not held meanwhile: who makes a network looks at all of them.
                let net = seat.record().settings.net;
                sweep(self.daemon, name, &self.before, net)
            }
            Effect::Work => orders.work.as_mut().map_or(Ok(()), |work| work()),
            Effect::SetTimer { due_ms } => {
                self.daemon.alarms.set(name, *due_ms);
                Ok(())
            }
            Effect::RemoveFiles => self.remove(),
            Effect::Rename => self.rename(orders.name.as_ref()),
            Effect::Tell(word) => {
                self.daemon.events.tell(word, name.as_str(), orders.by, &told(&self.next));
                Ok(())
            }
        }
    }

    /// The next state goes to disk. What has happened is true even where it cannot: the disk may be full.
    fn keep(&mut self, command: &Command, settings: Option<Settings>) -> Result<(), Refusal> {
        let seat = self.holder.seat();
        let mut record = seat.record().clone();
        record.state = self.next.clone();
        record.saved += 1;
        let saved = match settings {
            None if record.may_be_lost() => self.daemon.store.note(seat.name(), &record),
            settings => {
                record.settings = settings.unwrap_or(record.settings);
                self.daemon.store.save(seat.name(), &record)
            }
        };
        let is_event = matches!(
            command,
            Command::ShimReady { .. }
                | Command::ShimFailed { .. }
                | Command::Ended(_)
                | Command::Lost
                | Command::Recover(_)
        );
        // Who makes room has nothing but these.
        let makes_room = matches!(command, Command::Stop { .. } | Command::Rm(_));
        self.kept = match saved {
            Ok(()) => Kept::OnDisk,
            Err(error) if is_event || (makes_room && error.is_for_want_of_room()) => {
                self.daemon.events.warn(seat.name().as_str(), error);
                Kept::InMemory
            }
            Err(error) => return Err(not_kept(seat.name(), &error)),
        };
        seat.is_late(self.kept == Kept::InMemory);
        if self.kept == Kept::InMemory {
            self.daemon.alarms.set(seat.name(), now_ms() + late::RETRY_MS);
        }
        *seat.record() = record;
        Ok(())
    }

    /// A shim that cannot be asked is killed, and what it holds with it: it was to end.
    fn ask_to_stop(&self, runtime: &std::path::Path, grace_ms: u64) {
        let Err(refusal) = shims::ask_to_stop(runtime, grace_ms) else { return };
        let Some((shim, _)) = self.next.alive() else { return };
        self.daemon.events.warn(self.holder.seat().name().as_str(), refusal.data);
        shims::kill(shim);
    }

    fn remove(&self) -> Result<(), Refusal> {
        let seat = self.holder.seat();
        let removed = self.daemon.store.discard(seat.name());
        if !self.daemon.store.directory(seat.name()).exists() {
            self.daemon.forget(seat);
            self.holder.is_gone();
        }
        self.daemon.collect();
        removed.map_err(|error| not_kept(seat.name(), &error))
    }

    fn rename(&self, to: Option<&InstanceName>) -> Result<(), Refusal> {
        let seat = self.holder.seat();
        let Some(to) = to else { return Ok(()) };
        late::save(self.daemon, self.holder)?;
        let claim = self.daemon.claim(to)?;
        // Who gives it a name wants it to be there. This goes to disk first: with its old name it stays as well.
        let record = seat.record().clone();
        if record.at_end != Then::Stay {
            let staying = Record { at_end: Then::Stay, saved: record.saved + 1, ..record };
            let saved = self.daemon.store.save(seat.name(), &staying);
            saved.map_err(|error| not_kept(seat.name(), &error))?;
            *seat.record() = staying;
        }
        self.daemon.store.rename(seat.name(), to).map_err(|error| not_kept(to, &error))?;
        claim.rename(seat);
        self.holder.is_gone();
        Ok(())
    }
}

/// Why an instance cannot be frozen, and what to do about it where the machine is at fault.
fn not_frozen(name: &InstanceName, refusal: Refusal) -> Refusal {
    let lacking = container::group::lacking().filter(|_| refusal.code == Reason::Unsupported);
    match lacking {
        Some(unavailable) => Refusal {
            data: format!("instance {name}: cannot be frozen: {unavailable}"),
            hint: Some(unavailable.hint().into()),
            ..refusal
        },
        None => Refusal { data: format!("instance {name}: {}", refusal.data), ..refusal },
    }
}

/// How an instance ended, with the limit where it was that which ended it.
pub fn explained(exit: Exit, settings: &Settings) -> Exit {
    if !exit.oom || exit.reason.is_some() {
        return exit;
    }
    let what = match &settings.memory {
        Some(limit) => format!("memory limit {limit} reached"),
        None => String::from("no memory left on the machine"),
    };
    let reason = match exit.signal {
        Some(9) => format!("killed: {what}"),
        // It was another process of its, and the first one went on.
        _ => format!("{what}: the kernel has killed in it"),
    };
    Exit { reason: Some(reason), ..exit }
}

/// What an event says beside its name.
fn told(state: &State) -> Vec<(&'static str, Value)> {
    match &state.phase {
        Phase::Running { pid, .. } | Phase::Paused { pid, .. } => vec![("pid", (*pid).into())],
        Phase::Exited { exit } | Phase::Restarting { exit, .. } => {
            let mut told = vec![("code", exit.code.into())];
            told.extend(exit.signal.map(|signal| ("signal", signal.into())));
            told.extend(exit.oom.then(|| ("oom", true.into())));
            told.extend(exit.reason.clone().map(|reason| ("reason", reason.into())));
            told
        }
        _ => Vec::new(),
    }
}

/// Removes what a run has left. `before` knows the shim, which is killed should it still be there: it does not answer.
pub fn sweep(daemon: &Daemon, name: &InstanceName, before: &State, net: Network) -> Result<(), Refusal> {
    if let Some((shim, _)) = before.alive() {
        shims::kill(shim);
    }
    container::group::clear(name.as_str()).map_err(|failure| refuse(Reason::Failed, failure.to_string()))?;
    // What it had when it was started counts, whatever its settings are by now.
    if net == Network::Private || before.address.is_some() {
        daemon.private.withdraw(name)?;
    }
    let runtime = daemon.runtime(name);
    match std::fs::remove_dir_all(&runtime) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed_io(runtime.display(), &error)),
        _ => Ok(()),
    }
}

/// A shim has ended.
pub fn shim_ended(daemon: &Arc<Daemon>, name: &InstanceName, shim: Shim) {
    let Some(seat) = daemon.seat(name).ok() else { return };
    let Some(turn) = seat.take_at_last() else { return };
    let is_current = seat.record().state.alive().is_some_and(|(current, _)| current == shim);
    if !is_current {
        return;
    }
    let settings = seat.record().settings.clone();
    let command = shims::read_exit(&daemon.runtime(name))
        .map_or(Command::Lost, |exit| Command::Ended(explained(exit, &settings)));
    if let Err(refusal) = perform(daemon, &turn, &command, &mut Orders::default()) {
        daemon.events.warn(name.as_str(), refusal.data);
    }
    remove_at_end(daemon, &turn);
}

/// Removes an instance that does not run, where it was made to be removed then and nobody holds it.
pub fn remove_at_end(daemon: &Arc<Daemon>, turn: &Holder<'_>) {
    let seat = turn.seat();
    let is_over = {
        let record = seat.record();
        record.at_end == Then::Remove
            && matches!(record.state.phase, Phase::Created | Phase::Exited { .. } | Phase::Removing)
    };
    if !is_over || seat.is_held() || seat.is_gone() {
        return;
    }
    if let Err(refusal) = perform(daemon, turn, &Command::Rm(IfRunning::Refuse), &mut Orders::default()) {
        daemon.events.warn(seat.name().as_str(), refusal.data);
    }
}

/// It is time to start an instance again, or to try once more to write its record.
pub fn restart(daemon: &Arc<Daemon>, name: &InstanceName, due_ms: u64) {
    let Some(seat) = daemon.seat(name).ok() else { return };
    let Some(turn) = seat.take_at_last() else { return };
    if late::save(daemon, &turn).is_err() {
        daemon.alarms.set(name, now_ms() + late::RETRY_MS);
        return;
    }
    if let Err(refusal) = perform(daemon, &turn, &Command::RestartDue { due_ms }, &mut Orders::default()) {
        daemon.events.warn(name.as_str(), refusal.data);
        if matches!(seat.record().state.phase, Phase::Restarting { due_ms: still, .. } if still == due_ms) {
            // It is still to be started: there may be room for its record by then.
            daemon.alarms.again(name, due_ms, late::RETRY_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_for_want_of_memory_says_which_limit_it_was() {
        let exit = |signal, oom| Exit { code: 137, signal, oom, at_ms: 0, reason: None };
        let limited = Settings { memory: Some("512m".into()), ..Settings::default() };
        let why = |exit, settings: &Settings| explained(exit, settings).reason;
        assert_eq!(why(exit(Some(9), true), &limited).as_deref(), Some("killed: memory limit 512m reached"));
        let other = "memory limit 512m reached: the kernel has killed in it";
        assert_eq!(why(exit(None, true), &limited).as_deref(), Some(other));
        let whole = "killed: no memory left on the machine";
        assert_eq!(why(exit(Some(9), true), &Settings::default()).as_deref(), Some(whole));
        assert_eq!(why(exit(Some(9), false), &limited), None);
    }
}
