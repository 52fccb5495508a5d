//! What a shim is told: one JSON object, on a descriptor.

use std::path::PathBuf;

use instance::{InstanceName, Settings};
use serde::{Deserialize, Serialize};

use crate::Failure;

/// A container to be held.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The instance.
    pub name: InstanceName,
    /// Its root file system.
    pub root: Root,
    /// How it is to be: command, variables, user and working directory are those of the image where the instance has
    /// none. Ports, the restart policy and the grace period mean nothing to a shim.
    pub settings: Settings,
    /// Where its socket, its pid and its end are noted, absolute; made if it is missing.
    pub runtime: PathBuf,
    /// Where what its main command writes is kept; none: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogFile>,
    /// Files that it sees in place of the image's.
    #[serde(default)]
    pub files: Files,
    /// The size of its terminal at first, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// What its main command reads.
    #[serde(default)]
    pub stdin: Stdin,
    /// How many bytes of its output are kept for who attaches later.
    #[serde(default = "replay_bytes")]
    pub replay_bytes: u64,
    /// The file of minit, where its settings ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minit: Option<PathBuf>,
}

const fn replay_bytes() -> u64 {
    65_536
}

/// What a root file system is made of. Paths are absolute.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Root {
    /// A directory.
    Directory(PathBuf),
    /// An overlay. It is mounted in the container's own mount namespace, and nowhere else.
    Layers {
        /// The top one first.
        lower: Vec<PathBuf>,
        /// Where changes are kept.
        upper: PathBuf,
        /// An empty directory beside it.
        work: PathBuf,
    },
}

/// A log and its older parts, `PATH`, `PATH.1` …
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogFile {
    /// The file, absolute.
    pub path: PathBuf,
    /// Bytes that a file may have.
    pub max_bytes: u64,
    /// How many files are kept.
    pub files: u32,
}

/// Contents of files that belong to where a container runs, not to its image. It may change them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Files {
    /// /etc/resolv.conf
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolv_conf: Option<String>,
    /// /etc/hosts
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<String>,
    /// /etc/hostname
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
}

/// The size of a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub cols: u16,
}

/// What a main command reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stdin {
    /// Nothing: an end of file.
    #[default]
    None,
    /// What clients write.
    Open,
}

/// What a shim says once, in one line: that the container runs, or why it does not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Answer {
    /// It runs.
    Ready {
        /// Its process 1, as the shim's pid namespace counts.
        pid: i32,
    },
    /// It does not, and nothing is left of it.
    Error {
        /// In words.
        data: String,
        /// 127: the command was not found; 126: it cannot be executed; 125: anything else.
        code: u8,
    },
}

/// How a container ended: what a shim writes to `exit.json` of its runtime directory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// The exit code; 128+n where signal n ended it.
    pub code: u8,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Whether the kernel has killed something in it for want of memory.
    pub oom: bool,
    /// In milliseconds since 1970.
    pub finished_at: u64,
    /// What its process 1 was.
    pub pid: i32,
}

impl Answer {
    /// Reads the line; `None` where it is none.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// The line.
    #[must_use]
    pub fn line(&self) -> String {
        // It has no maps with keys that are no text, which is all that could go wrong.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

impl Ended {
    /// As a line of JSON.
    #[must_use]
    pub fn line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

impl Task {
    /// Reads a task.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &[u8]) -> Result<Self, Failure> {
        serde_json::from_slice(text).map_err(|error| Failure::ours(format!("task: {error}")))
    }

    /// The same as text.
    ///
    /// # Errors
    /// Where a path is not UTF-8.
    pub fn write(&self) -> Result<Vec<u8>, Failure> {
        serde_json::to_vec(self).map_err(|error| Failure::ours(format!("task: {error}")))
    }
}
