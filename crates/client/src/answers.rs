//! What the server tells of itself, of processes and of execs.

use alloc::string::String;
use alloc::vec::Vec;

use wire::json::Value;

use crate::event::Exit;
use crate::message::{Message, count, member, text};

/// `pong`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pong {
    /// Of the server's program.
    pub version: String,
    /// Seconds since it started.
    pub uptime_secs: u64,
    /// Its pid, as it sees it.
    pub pid: u64,
    /// What it can do beyond the base protocol.
    pub features: Vec<String>,
}

impl Pong {
    pub(crate) fn read(message: &Message) -> Self {
        let value = message.value();
        let features = member(value, "features").and_then(Value::elements);
        let features = features.into_iter().flatten().filter_map(Value::string);
        Self {
            version: text(value, "version").into_owned(),
            uptime_secs: count(value, "uptime_secs"),
            pid: count(value, "pid"),
            features: features.map(Into::into).collect(),
        }
    }
}

/// One process of `list_processes`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Process {
    /// Its number.
    pub pid: u64,
    /// Its parent's.
    pub ppid: u64,
    /// Its arguments with blanks between them, or its name.
    pub command: String,
    /// One letter of proc_pid_stat(5).
    pub state: String,
    /// Resident memory in KiB.
    pub memory_kb: u64,
    /// When it started, in seconds since 1970.
    pub started_at: u64,
}

impl Process {
    pub(crate) fn read(object: Value<'_>) -> Self {
        Self {
            pid: count(object, "pid"),
            ppid: count(object, "ppid"),
            command: text(object, "command").into_owned(),
            state: text(object, "state").into_owned(),
            memory_kb: count(object, "memory_kb"),
            started_at: count(object, "started_at"),
        }
    }
}

/// One exec of `list`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Its key.
    pub id: String,
    /// The pid of its process.
    pub pid: u64,
    /// The caller's word for it.
    pub tag: String,
    /// Its command and arguments, with blanks between them.
    pub cmd: String,
    /// `running`, `exited`, or `orphaned`: it runs, and its streams are lost.
    pub state: String,
    /// When it started, in seconds since 1970.
    pub started_at: u64,
    /// How many bytes it has written to standard output.
    pub stdout: u64,
    /// How many to standard error.
    pub stderr: u64,
    /// As whom it runs; empty where it is the server's user.
    pub user: String,
    /// How it ended, where it has.
    pub exit: Option<Exit>,
}

impl Listed {
    pub(crate) fn read(object: Value<'_>) -> Self {
        let bytes = |stream| member(object, "bytes").map_or(0, |bytes| count(bytes, stream));
        Self {
            id: text(object, "id").into_owned(),
            pid: count(object, "pid"),
            tag: text(object, "tag").into_owned(),
            cmd: text(object, "cmd").into_owned(),
            state: text(object, "state").into_owned(),
            started_at: count(object, "started_at"),
            stdout: bytes("stdout"),
            stderr: bytes("stderr"),
            user: text(object, "user").into_owned(),
            exit: member(object, "exit").map(Exit::read),
        }
    }
}
