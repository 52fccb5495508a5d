//! What is kept of an instance: one file, replaced as a whole.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::message::{Files, Summary};
use crate::state::{Circumstances, Exit, Phase, State, Then};
use crate::{ImageName, InstanceName, Restart, Settings};

/// The form of the record that this version writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// How long an instance has to stop where nothing else is said, in milliseconds.
const GRACE_MS: u64 = 10_000;

/// What is kept of an instance. Its name is that of its directory, so that one rename(2) renames it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// [`VERSION`] of who wrote it.
    pub version: u32,
    /// The image that it was made from, which need not exist any more.
    pub image: ImageName,
    /// The image's layers, the lowest first. They are kept as long as the instance is.
    pub layers: Vec<String>,
    /// What the image says of a container: command, environment, user …
    pub config: Value,
    /// What its files are.
    pub files: Files,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// What it was made with, and what has been changed since.
    pub settings: Settings,
    /// What becomes of it when it has ended.
    #[serde(default, skip_serializing_if = "Then::stays")]
    pub at_end: Then,
    /// How often it was written: tells the newer of two.
    #[serde(default)]
    pub saved: u64,
    /// What has become of it.
    pub state: State,
}

impl Record {
    /// Whether a power cut may take its state back to the one before. While it runs it may: nothing of it is left then,
    /// and unless its policy starts it again, it is no matter how it is said that it does not run.
    #[must_use]
    pub fn may_be_lost(&self) -> bool {
        let lives =
            matches!(self.state.phase, Phase::Starting { .. } | Phase::Running { .. } | Phase::Paused { .. });
        lives && matches!(self.settings.restart, Restart::No | Restart::OnFailure(_))
    }

    /// How long it has to stop, in milliseconds.
    #[must_use]
    pub fn grace_ms(&self) -> u64 {
        self.settings.grace_ms.unwrap_or(GRACE_MS)
    }

    /// What a decision about it depends on.
    #[must_use]
    pub fn circumstances<'c>(&self, name: &'c InstanceName, now_ms: u64) -> Circumstances<'c> {
        Circumstances { name, restart: self.settings.restart, grace_ms: self.grace_ms(), now_ms }
    }

    /// The line of `ls`. `command` is what it runs, where that is more than its settings say.
    #[must_use]
    pub fn summary(&self, name: &InstanceName, command: Vec<String>) -> Summary {
        let state = &self.state;
        let exit = match &state.phase {
            Phase::Exited { exit } | Phase::Restarting { exit, .. } => Some(exit),
            _ => None,
        };
        Summary {
            name: name.clone(),
            image: self.image.clone(),
            state: String::from(state.word()),
            reason: exit.and_then(|exit| exit.reason.clone()),
            pid: state.alive().map(|(_, pid)| pid),
            code: exit.map(|exit| exit.code),
            reboot: exit.and_then(Exit::reboot),
            created: self.created,
            since: state.since_ms / 1000,
            address: state.address.clone(),
            command,
        }
    }
}
