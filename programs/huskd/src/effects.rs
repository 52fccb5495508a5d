//! The effects of a decision, performed: `instance::state::apply` says what and in which order, here it is done.

use std::io::ErrorKind;
use std::sync::Arc;

use instance::message::{IfRunning, Reason, Refusal};
use instance::state::{Command, Effect, Freezer, Phase, Shim, State, Then, apply};
use instance::{InstanceName, Network, Settings};
use serde_json::Value;

use crate::client::Peer;
use crate::daemon::{Daemon, now_ms};
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
            Effect::Freeze => shims::set_freezer(&runtime, Freezer::Frozen).inspect_err(|_| {
                // Some of it may stand still by now.
                let _ = shims::set_freezer(&runtime, Freezer::Thawed);
            }),
            Effect::Thaw => shims::set_freezer(&runtime, Freezer::Thawed).or_else(|refusal| {
                // Where nothing can be frozen, nothing is.
                if refusal.code == Reason::Unsupported { Ok(()) } else { Err(refusal) }
            }),
            Effect::AskToStop { grace_ms } => {
                self.ask_to_stop(&runtime, *grace_ms);
                Ok(())
            }
            // What is not on disk has to be found once more.
            Effect::Sweep if self.kept == Kept::InMemory => Ok(()),
            Effect::Sweep => {
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
        self.kept = match saved {
            Ok(()) => Kept::OnDisk,
            Err(error) if is_event => {
                self.daemon.events.warn(seat.name().as_str(), error);
                Kept::InMemory
            }
            Err(error) => return Err(not_kept(seat.name(), &error)),
        };
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
        let claim = self.daemon.claim(to)?;
        self.daemon.store.rename(seat.name(), to).map_err(|error| not_kept(to, &error))?;
        claim.rename(seat);
        self.holder.is_gone();
        Ok(())
    }
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
    let command = shims::read_exit(&daemon.runtime(name)).map_or(Command::Lost, Command::Ended);
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

/// It is time to start an instance again.
pub fn restart(daemon: &Arc<Daemon>, name: &InstanceName, due_ms: u64) {
    let Some(seat) = daemon.seat(name).ok() else { return };
    let Some(turn) = seat.take_at_last() else { return };
    if let Err(refusal) = perform(daemon, &turn, &Command::RestartDue { due_ms }, &mut Orders::default()) {
        daemon.events.warn(name.as_str(), refusal.data);
    }
}
