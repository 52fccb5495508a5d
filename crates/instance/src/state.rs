//! What state an instance can be in, and what everything that is asked of it or happens to it comes to.
//!
//! [`apply`] is the whole of it, and changes nothing: from a state and a command it makes the next state, and the
//! effects that lead there, in the order in which they have to happen. Where one of them is [`Effect::Keep`], the next
//! state is on disk from there on. Whoever performs them may be killed between any two: the next one applies
//! [`Command::Recover`] to what it finds on disk, and comes either to the state before or to the one after.

use serde::{Deserialize, Serialize};

use crate::message::{IfRunning, Reason, Refusal};
use crate::restart::{Next, next};
use crate::{InstanceName, Restart};

/// What is known of an instance beside what it was made with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct State {
    /// Where in its life it is.
    pub phase: Phase,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// How many times in a row it was started again by itself.
    #[serde(default)]
    pub restarts: u32,
    /// What somebody wanted last.
    #[serde(default)]
    pub wish: Wish,
    /// Its address in the private network, while it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// What somebody wanted last of an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// That it runs.
    #[default]
    Run,
    /// That it is stopped.
    Stop,
}

/// Where in its life an instance is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
#[allow(missing_docs)] // `shim` holds it, `pid` is its first process
pub enum Phase {
    /// It has never been started.
    Created,
    /// Its shim is being started. `before` is how its last run ended.
    Starting { cause: Cause, before: Option<Exit> },
    /// It runs.
    Running { shim: Shim, pid: i32 },
    /// It is frozen.
    Paused { shim: Shim, pid: i32 },
    /// It has been asked to end.
    Stopping { shim: Shim, pid: i32, then: Then },
    /// It has ended.
    Exited { exit: Exit },
    /// It has ended, and is started again when it is time, in milliseconds since 1970.
    Restarting { exit: Exit, due_ms: u64 },
    /// Its files are being removed.
    Removing,
}

/// Who starts an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Somebody.
    Person,
    /// Its restart policy.
    Policy,
}

/// What becomes of an instance once it has stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It stays.
    Stay,
    /// It is removed.
    Remove,
}

/// A shim, told apart from a later process of the same number by its start time in clock ticks (proc_pid_stat(5)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shim {
    /// Its number.
    pub pid: i32,
    /// Field 22 of its /proc/PID/stat.
    pub start: u64,
}

/// How an instance ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code, or 128+n for signal n.
    pub code: u8,
    /// The signal that killed its first process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Whether the kernel has killed in it for want of memory.
    #[serde(default)]
    pub oom: bool,
    /// When, in milliseconds since 1970.
    #[serde(default)]
    pub at_ms: u64,
    /// Why, where it was not its first process that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is asked of an instance, or has happened to it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the verbs are those of `message::Request`
pub enum Command {
    Run,
    Stop {
        grace_ms: Option<u64>,
    },
    Pause,
    Resume,
    Rm(IfRunning),
    Rename,
    /// Its settings are changed.
    Set,
    /// Its files are read as a whole: commit, export.
    Read,
    /// Files are copied into it or out of it.
    Copy,
    /// The shim has said that the first process runs.
    ShimReady {
        shim: Shim,
        pid: i32,
        address: Option<String>,
    },
    /// The shim has said why it does not, or could not be started: with an exit code for a restart policy.
    ShimFailed {
        code: u8,
        reason: String,
    },
    /// The shim has ended, and has left how the first process did.
    Ended(Exit),
    /// The shim has ended without a word.
    Lost,
    /// It is time to start it again: what was to come at this time has come.
    RestartDue {
        due_ms: u64,
    },
    /// A daemon has started, and this is what it found.
    Recover(Found),
}

/// What a daemon finds of an instance when it starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// A shim that answers, and whether its cgroup is frozen.
    Alive {
        /// The shim.
        shim: Shim,
        /// The first process.
        pid: i32,
        /// Whether it is frozen.
        freezer: Freezer,
        /// Its address in the private network, if it has one.
        address: Option<String>,
    },
    /// No shim, but how the first process ended.
    Ended(Exit),
    /// Nothing.
    Nothing,
}

/// Whether something is frozen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freezer {
    /// It is.
    Frozen,
    /// It is not.
    Thawed,
}

/// What has to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// The next state goes to disk, and is the state from here on.
    Keep,
    /// A shim is started. [`Command::ShimReady`] or [`Command::ShimFailed`] follows.
    StartShim,
    /// The cgroup is frozen, and has been when this is over.
    Freeze,
    /// The opposite.
    Thaw,
    /// The shim is asked to end everything; it kills what is left after so many milliseconds.
    AskToStop {
        /// How long.
        grace_ms: u64,
    },
    /// What a shim that has ended may have left is removed: processes, cgroup, network, runtime directory.
    Sweep,
    /// The files are read; between [`Effect::Freeze`] and [`Effect::Thaw`] where it runs.
    Work,
    /// [`Command::RestartDue`] with this time is to come then, in milliseconds since 1970.
    SetTimer {
        /// When.
        due_ms: u64,
    },
    /// The instance disappears at once, and its files then.
    RemoveFiles,
    /// The instance gets its new name.
    Rename,
    /// Whoever listens is told: an event of `message::Event`.
    Tell(&'static str),
}

/// What a decision depends on beside the state.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'c> {
    /// Its name, for messages.
    pub name: &'c InstanceName,
    /// Its restart policy.
    pub restart: Restart,
    /// How long it has to stop, in milliseconds.
    pub grace_ms: u64,
    /// The time, in milliseconds since 1970.
    pub now_ms: u64,
}

/// The code of an instance whose shim was lost: what SIGKILL comes to.
const LOST: u8 = 137;

impl State {
    /// That of a new instance.
    #[must_use]
    pub const fn new(now_ms: u64) -> Self {
        Self { phase: Phase::Created, since_ms: now_ms, restarts: 0, wish: Wish::Run, address: None }
    }

    /// The state as one word, as `ls` shows it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self.phase {
            Phase::Created => "created",
            Phase::Starting { .. } => "starting",
            Phase::Running { .. } => "running",
            Phase::Paused { .. } => "paused",
            Phase::Stopping { .. } => "stopping",
            Phase::Exited { .. } => "exited",
            Phase::Restarting { .. } => "restarting",
            Phase::Removing => "removing",
        }
    }

    /// Its shim and its first process, while there are any.
    #[must_use]
    pub const fn alive(&self) -> Option<(Shim, i32)> {
        match self.phase {
            Phase::Running { shim, pid }
            | Phase::Paused { shim, pid }
            | Phase::Stopping { shim, pid, .. } => Some((shim, pid)),
            _ => None,
        }
    }

    /// How its last run ended, where that is known and none has begun since.
    #[must_use]
    pub const fn exit(&self) -> Option<&Exit> {
        match &self.phase {
            Phase::Exited { exit } | Phase::Restarting { exit, .. } => Some(exit),
            Phase::Starting { before, .. } => before.as_ref(),
            _ => None,
        }
    }

    /// The same state in another phase, since now.
    fn to(&self, phase: Phase, with: &Circumstances<'_>) -> Self {
        Self { phase, since_ms: with.now_ms, ..self.clone() }
    }
}

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
        (Phase::Created | Phase::Exited { .. }, _) | (Phase::Restarting { .. }, IfRunning::Stop) => {
            Ok(removing(state, with))
        }
        (
            Phase::Running { shim, pid } | Phase::Paused { shim, pid } | Phase::Stopping { shim, pid, .. },
            IfRunning::Stop,
        ) => {
            let phase = Phase::Stopping { shim: *shim, pid: *pid, then: Then::Remove };
            let ask = Effect::AskToStop { grace_ms: with.grace_ms };
            Ok((State { wish: Wish::Stop, ..state.to(phase, with) }, stopping(state, ask)))
        }
        (Phase::Removing, _) => Err(refuse(state, with, "is being removed")),
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
    let decided = if by_hand { Next::Stay } else { next(with.restart, exit.code, lived_ms, state.restarts) };
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
    (State { restarts, address: None, ..state.to(phase, with) }, effects)
}
