//! What a daemon that has just started makes of an instance: the state on disk is the truth, and the kernel is made to
//! agree with it. A verb that was interrupted comes to the state before it, or to the one after it.

use crate::Restart;
use crate::state::{Circumstances, Effect, Found, Freezer, Phase, State, Wish, ended, lost};

/// From the state on disk and what was found to the state that it is in.
pub fn recover(state: &State, with: &Circumstances<'_>, found: &Found) -> (State, Vec<Effect>) {
    match found {
        Found::Alive { shim, pid, freezer, address } => {
            let (phase, then) = match (&state.phase, freezer) {
                // Frozen for a commit, or by a pause that did not get to the disk.
                (Phase::Running { .. }, Freezer::Frozen) => {
                    (Phase::Running { shim: *shim, pid: *pid }, vec![Effect::Thaw])
                }
                (Phase::Paused { .. }, Freezer::Thawed) => {
                    (Phase::Paused { shim: *shim, pid: *pid }, vec![Effect::Freeze])
                }
                (Phase::Paused { .. }, Freezer::Frozen) => {
                    (Phase::Paused { shim: *shim, pid: *pid }, Vec::new())
                }
                // Whether it has been asked is not known; once more does no harm.
                (Phase::Stopping { then, .. }, _) => (
                    Phase::Stopping { shim: *shim, pid: *pid, then: *then },
                    vec![Effect::Thaw, Effect::AskToStop { grace_ms: with.grace_ms }],
                ),
                _ => (Phase::Running { shim: *shim, pid: *pid }, Vec::new()),
            };
            let mut effects = vec![Effect::Keep];
            effects.extend(then);
            // A start is the beginning of a new phase; everything else has lasted.
            let since_ms = match state.phase {
                Phase::Starting { .. } => with.now_ms,
                _ => state.since_ms,
            };
            (State { phase, since_ms, address: address.clone(), ..state.clone() }, effects)
        }
        Found::Ended(exit) if is_underway(state) => ended(state, with, exit),
        Found::Nothing if matches!(state.phase, Phase::Starting { .. }) => interrupted(state, with),
        Found::Nothing if is_underway(state) => lost(state, with),
        Found::Ended(_) | Found::Nothing => settled(state, with),
    }
}

/// Whether a shim belongs to the state.
fn is_underway(state: &State) -> bool {
    matches!(state.phase, Phase::Starting { .. }) || state.alive().is_some()
}

/// A start of which nothing is left: it has not happened.
fn interrupted(state: &State, with: &Circumstances<'_>) -> (State, Vec<Effect>) {
    let before = state.exit().cloned();
    let phase = before.map_or(Phase::Created, |exit| Phase::Exited { exit });
    let (next, effects) = settled(&State { phase, address: None, ..state.clone() }, with);
    let keep = !effects.contains(&Effect::Keep);
    (next, keep.then_some(Effect::Keep).into_iter().chain(effects).collect())
}

/// Nothing of it runs, and nothing should be left of it.
fn settled(state: &State, with: &Circumstances<'_>) -> (State, Vec<Effect>) {
    match &state.phase {
        Phase::Removing => (state.clone(), vec![Effect::Sweep, Effect::RemoveFiles, Effect::Tell("removed")]),
        Phase::Restarting { due_ms, .. } => {
            (state.clone(), vec![Effect::Sweep, Effect::SetTimer { due_ms: *due_ms }])
        }
        Phase::Exited { exit } if wants_to_run(state, with.restart) => {
            let due_ms = with.now_ms;
            let phase = Phase::Restarting { exit: exit.clone(), due_ms };
            let next = State { phase, since_ms: with.now_ms, restarts: 0, ..state.clone() };
            (next, vec![Effect::Keep, Effect::Sweep, Effect::SetTimer { due_ms }])
        }
        _ => (state.clone(), vec![Effect::Sweep]),
    }
}

/// Whether the policy starts an instance that has run before, when the daemon starts.
fn wants_to_run(state: &State, policy: Restart) -> bool {
    match policy {
        Restart::Always => true,
        Restart::UnlessStopped => state.wish == Wish::Run,
        Restart::No | Restart::OnFailure(_) => false,
    }
}
