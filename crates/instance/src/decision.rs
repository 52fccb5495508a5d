//! What everything that is asked of an instance or happens to it comes to.

use crate::message::{IfRunning, Reason, Refusal};
use crate::restart::{Next, next};
use crate::state::{Cause, Circumstances, Command, Effect, Exit, Phase, Reboot, State, Then, Wish};

/// The code of an instance whose shim was lost: what SIGKILL comes to.
const LOST: u8 = 137;

/// What a command comes to: the next state, and what has to be done, in this order.
pub type Decision = Result<(State, Vec<Effect>), Refusal>;

/// Decides.
///
/// # Errors
/// Why it cannot be done in this state; nothing is to be done then.
pub fn apply(state: &State, with: &Circumstances<'_>, command: &Command) -> Decision {
    match command {
        Command::Run => run(state, with),
        Command::Stop { grace_ms } => stop(state, with, grace_ms.unwrap_or(with.grace_ms)),
        Command::Pause => pause(state, with),
        Command::Resume => resume(state, with),
        Command::Rm(if_running) => remove(state, with, *if_running),
        Command::Rename => match state.phase {
            Phase::Created | Phase::Exited { .. } => Ok((state.clone(), vec![Effect::Rename])),
            _ => Err(refuse(state, with, "can be renamed only while it does not run")),
        },
        Command::Set => match state.phase {
            Phase::Removing => Err(refuse(state, with, "cannot be changed")),
            _ => Ok((state.clone(), vec![Effect::Keep])),
        },
        Command::Read => read(state, with),
        Command::Copy => match state.phase {
            Phase::Starting { .. } | Phase::Removing => {
                Err(refuse(state, with, "has no files to copy just now"))
            }
            _ => Ok((state.clone(), vec![Effect::Work])),
        },
        Command::ShimReady { shim, pid, address } => {
            let mut next = state.to(Phase::Running { shim: *shim, pid: *pid }, with);
            next.address.clone_from(address);
            Ok((next, vec![Effect::Keep, Effect::Tell("started")]))
        }
        Command::ShimFailed { code, reason } => Ok(failed(state, with, *code, reason)),
        Command::Ended(exit) => Ok(ended(state, with, exit)),
        Command::Lost => Ok(lost(state, with)),
        Command::RestartDue { due_ms: come } => Ok(match &state.phase {
            // Another time is that of a restart that somebody was faster than.
            Phase::Restarting { exit, due_ms } if due_ms == come => {
                start(state, with, Cause::Policy, Some(exit))
            }
            _ => (state.clone(), Vec::new()),
        }),
        Command::Recover(found) => Ok(crate::recovery::recover(state, with, found)),
    }
}

/// A refusal for the state that the instance is in.
fn refuse(state: &State, with: &Circumstances<'_>, why: &str) -> Refusal {
    let data = format!("instance {}: {why} (it is {})", with.name, state.word());
    Refusal { data, code: Reason::State, hint: None, exit: None }
}

fn start(
    state: &State,
    with: &Circumstances<'_>,
    cause: Cause,
    before: Option<&Exit>,
) -> (State, Vec<Effect>) {
    let mut next = state.to(Phase::Starting { cause, before: before.cloned() }, with);
    if cause == Cause::Person {
        (next.wish, next.restarts) = (Wish::Run, 0);
    }
    // Nothing of the last run may be there when this one is on disk as starting: recovery would take it for its end.
    (next, vec![Effect::Sweep, Effect::Keep, Effect::StartShim])
}

fn run(state: &State, with: &Circumstances<'_>) -> Decision {
    match &state.phase {
        Phase::Created => Ok(start(state, with, Cause::Person, None)),
        Phase::Exited { exit } | Phase::Restarting { exit, .. } => {
            Ok(start(state, with, Cause::Person, Some(exit)))
        }
        Phase::Paused { .. } => resume(state, with),
        Phase::Running { .. } => {
            let hint = format!("husk attach {}, or husk exec {} COMMAND", with.name, with.name);
            Err(Refusal { hint: Some(hint), ..refuse(state, with, "runs already") })
        }
        Phase::Starting { .. } | Phase::Stopping { .. } | Phase::Removing => {
            Err(refuse(state, with, "cannot be started just now"))
        }
    }
}

fn stop(state: &State, with: &Circumstances<'_>, grace_ms: u64) -> Decision {
    let ask = Effect::AskToStop { grace_ms };
    match &state.phase {
        Phase::Running { shim, pid } | Phase::Paused { shim, pid } => {
            let phase = Phase::Stopping { shim: *shim, pid: *pid, then: Then::Stay };
            Ok((State { wish: Wish::Stop, ..state.to(phase, with) }, stopping(state, ask)))
        }
        Phase::Stopping { .. } => Ok((state.clone(), vec![ask])),
        Phase::Restarting { exit, .. } => {
            let next = state.to(Phase::Exited { exit: exit.clone() }, with);
            Ok((State { wish: Wish::Stop, restarts: 0, ..next }, vec![Effect::Keep, Effect::Tell("stopped")]))
        }
        Phase::Created | Phase::Exited { .. } => Err(refuse(state, with, "does not run")),
        Phase::Starting { .. } | Phase::Removing => Err(refuse(state, with, "cannot be stopped just now")),
    }
}

/// A frozen process takes no signal but SIGKILL before it is thawed.
fn stopping(state: &State, ask: Effect) -> Vec<Effect> {
    match state.phase {
        Phase::Paused { .. } => vec![Effect::Keep, Effect::Tell("stopping"), Effect::Thaw, ask],
        _ => vec![Effect::Keep, Effect::Tell("stopping"), ask],
    }
}

fn pause(state: &State, with: &Circumstances<'_>) -> Decision {
    match state.phase {
        Phase::Running { shim, pid } => {
            let next = state.to(Phase::Paused { shim, pid }, with);
            Ok((next, vec![Effect::Freeze, Effect::Keep, Effect::Tell("paused")]))
        }
        Phase::Paused { .. } => Err(refuse(state, with, "is frozen already")),
        _ => Err(refuse(state, with, "does not run")),
    }
}

fn resume(state: &State, with: &Circumstances<'_>) -> Decision {
    match state.phase {
        Phase::Paused { shim, pid } => {
            let next = state.to(Phase::Running { shim, pid }, with);
            Ok((next, vec![Effect::Thaw, Effect::Keep, Effect::Tell("resumed")]))
        }
        _ => Err(refuse(state, with, "is not frozen")),
    }
}

fn remove(state: &State, with: &Circumstances<'_>, if_running: IfRunning) -> Decision {
    match (&state.phase, if_running) {
        // What could not be removed is tried again.
        (Phase::Created | Phase::Exited { .. } | Phase::Removing, _)
        | (Phase::Restarting { .. }, IfRunning::Stop) => Ok(removing(state, with)),
        (
            Phase::Running { shim, pid } | Phase::Paused { shim, pid } | Phase::Stopping { shim, pid, .. },
            IfRunning::Stop,
        ) => {
            let phase = Phase::Stopping { shim: *shim, pid: *pid, then: Then::Remove };
            let ask = Effect::AskToStop { grace_ms: with.grace_ms };
            Ok((State { wish: Wish::Stop, ..state.to(phase, with) }, stopping(state, ask)))
        }
        (Phase::Starting { .. }, _) => Err(refuse(state, with, "cannot be removed just now")),
        _ => {
            let hint = format!("husk stop {}, or husk rm -f {}", with.name, with.name);
            Err(Refusal { hint: Some(hint), ..refuse(state, with, "is in use") })
        }
    }
}

fn removing(state: &State, with: &Circumstances<'_>) -> (State, Vec<Effect>) {
    let effects = vec![Effect::Keep, Effect::Sweep, Effect::RemoveFiles, Effect::Tell("removed")];
    (state.to(Phase::Removing, with), effects)
}

fn read(state: &State, with: &Circumstances<'_>) -> Decision {
    match state.phase {
        Phase::Created | Phase::Exited { .. } | Phase::Paused { .. } => {
            Ok((state.clone(), vec![Effect::Work]))
        }
        Phase::Running { .. } => Ok((state.clone(), vec![Effect::Freeze, Effect::Work, Effect::Thaw])),
        _ => Err(refuse(state, with, "has no settled files just now")),
    }
}

/// A start came to nothing.
fn failed(state: &State, with: &Circumstances<'_>, code: u8, reason: &str) -> (State, Vec<Effect>) {
    let Phase::Starting { cause, before } = &state.phase else { return (state.clone(), Vec::new()) };
    if *cause == Cause::Policy {
        let reason = Some(reason.to_string());
        return ended(state, with, &Exit { code, signal: None, oom: false, at_ms: with.now_ms, reason });
    }
    let phase = before.clone().map_or(Phase::Created, |exit| Phase::Exited { exit });
    (state.to(phase, with), vec![Effect::Keep, Effect::Sweep])
}

/// Its shim has ended without a word.
pub(crate) fn lost(state: &State, with: &Circumstances<'_>) -> (State, Vec<Effect>) {
    let reason = Some(String::from("its shim was lost"));
    let exit = Exit { code: LOST, signal: Some(9), oom: false, at_ms: with.now_ms, reason };
    let (next, mut effects) = ended(state, with, &exit);
    // Once it is on disk that it has ended.
    if effects.first() == Some(&Effect::Keep) {
        effects.insert(1, Effect::Tell("shim_lost"));
    }
    (next, effects)
}

/// It has ended. How it did is on disk before the traces are removed by which a later daemon would know it.
pub(crate) fn ended(state: &State, with: &Circumstances<'_>, exit: &Exit) -> (State, Vec<Effect>) {
    let by_hand = match state.phase {
        Phase::Stopping { then: Then::Remove, .. } => return removing(state, with),
        Phase::Stopping { then: Then::Stay, .. } => true,
        Phase::Starting { .. } | Phase::Running { .. } | Phase::Paused { .. } => false,
        // It has been seen already.
        _ => return (state.clone(), Vec::new()),
    };
    let lived_ms = exit.at_ms.saturating_sub(state.since_ms);
    let reboot = exit.reboot();
    let decided = match by_hand {
        true => Next::Stay,
        false => next(with.restart, (exit.code, reboot), lived_ms, state.restarts),
    };
    // Off is off, as if somebody had stopped it.
    let wish = if reboot == Some(Reboot::PowerOff) { Wish::Stop } else { state.wish };
    let mut effects = vec![Effect::Keep, Effect::Sweep, Effect::Tell("exited")];
    let (phase, restarts) = match decided {
        Next::Stay => (Phase::Exited { exit: exit.clone() }, 0),
        Next::GiveUp => {
            effects.push(Effect::Tell("gave_up"));
            (Phase::Exited { exit: exit.clone() }, 0)
        }
        Next::Again { delay_ms, restarts } => {
            let due_ms = with.now_ms.saturating_add(delay_ms);
            effects.extend([Effect::SetTimer { due_ms }, Effect::Tell("restarting")]);
            (Phase::Restarting { exit: exit.clone(), due_ms }, restarts)
        }
    };
    (State { restarts, wish, address: None, ..state.to(phase, with) }, effects)
}
