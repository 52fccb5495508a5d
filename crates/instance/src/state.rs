//! What state an instance can be in, and what everything that is asked of it or happens to it comes to.
//!
//! [`apply`] is the whole of it, and changes nothing: from a state and a command it makes the next state, and the
//! effects that lead there, in the order in which they have to happen. Where one of them is [`Effect::Keep`], the next
//! state is on disk from there on. Whoever performs them may be killed between any two: the next one applies
//! [`Command::Recover`] to what it finds on disk, and comes either to the state before or to the one after.

use serde::{Deserialize, Serialize};

pub use crate::decision::{Decision, apply};
use crate::message::IfRunning;
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
    /// What it was started with in place of its command, that once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It stays.
    #[default]
    Stay,
    /// It is removed.
    Remove,
}

impl Then {
    pub(crate) const fn stays(&self) -> bool {
        matches!(self, Self::Stay)
    }
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

/// What a system has asked of its kernel by reboot(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reboot {
    /// To switch the machine off, or to halt it.
    PowerOff,
    /// To start it again.
    Restart,
}

impl Exit {
    /// What its system has asked for, where that has ended it: in a PID namespace that is not the first, reboot(2) ends
    /// process 1 as SIGINT (off, halt) or SIGHUP (restart) would. Neither of them can do so otherwise: where process 1 has no
    /// handler for a signal but SIGKILL and SIGSTOP it does not get it, wherever it comes from (pid_namespaces(7)).
    #[must_use]
    pub const fn reboot(&self) -> Option<Reboot> {
        match self.signal {
            Some(SIGINT) => Some(Reboot::PowerOff),
            Some(SIGHUP) => Some(Reboot::Restart),
            _ => None,
        }
    }
}

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;

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

impl State {
    /// That of a new instance.
    #[must_use]
    pub const fn new(now_ms: u64) -> Self {
        let phase = Phase::Created;
        Self { phase, since_ms: now_ms, restarts: 0, wish: Wish::Run, address: None, command: Vec::new() }
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
    pub(crate) fn to(&self, phase: Phase, with: &Circumstances<'_>) -> Self {
        Self { phase, since_ms: with.now_ms, ..self.clone() }
    }
}
