//! What happens to an exec.

use alloc::string::String;
use alloc::vec::Vec;

use wire::answer::Stream;
use wire::json::Value;

use crate::message::{count, member, text};

/// What has happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It has written to standard output, or its terminal.
    Stdout {
        /// Exactly these bytes.
        bytes: Vec<u8>,
        /// Offset of the first one in the stream.
        offset: u64,
    },
    /// It has written to standard error.
    Stderr {
        /// Exactly these bytes.
        bytes: Vec<u8>,
        /// Offset of the first one in the stream.
        offset: u64,
    },
    /// Bytes that were asked for and are not kept any more.
    Gap {
        /// Of which stream.
        stream: Stream,
        /// Offset of the first one.
        from: u64,
        /// Offset behind the last one.
        to: u64,
    },
    /// A stream has ended.
    Eof {
        /// Which.
        stream: Stream,
        /// How many bytes it had.
        offset: u64,
    },
    /// It has read some of its input: there is room for more.
    InputTaken,
    /// It does not read what was sent it.
    InputRefused {
        /// Why, in the server's words.
        text: String,
    },
    /// Its time was up: it is being ended.
    Timeout {
        /// The server's words.
        text: String,
        /// After how many milliseconds.
        elapsed_ms: u64,
    },
    /// Its process has ended. All that the process itself wrote came before; what others wrote to its streams
    /// may follow.
    Exit(Exit),
}

/// How a process ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Exit {
    /// 0 to 255; 128+n for signal n.
    pub code: u8,
    /// The signal that ended it.
    pub signal: Option<u8>,
    /// Milliseconds from its start.
    pub elapsed_ms: u64,
    /// What its pid was.
    pub pid: u64,
    /// Whether its time was up.
    pub timed_out: bool,
    /// Whether the kernel ended it for want of memory.
    pub oom: bool,
    /// Whether output was thrown away (`on_limit`).
    pub truncated: bool,
    /// Why the server ended it, where it did: `timeout`, `kill`, `max_output`, `disconnect`, `shutdown`.
    pub killed_by: Option<String>,
    /// What it used.
    pub usage: Usage,
    /// How many processes of its tree were alive then.
    pub left: u64,
    /// What is not known of its end, and why.
    pub error: Option<String>,
}

/// What a process used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Milliseconds in user mode.
    pub utime_ms: u64,
    /// Milliseconds in the kernel.
    pub stime_ms: u64,
    /// The largest resident set, in KiB.
    pub maxrss_kb: u64,
}

impl Exit {
    /// Reads the members of `exit`.
    pub(crate) fn read(object: Value<'_>) -> Self {
        let truth = |name| member(object, name).and_then(Value::truth) == Some(true);
        let mut exit = Self {
            code: count(object, "code").min(255) as u8,
            signal: member(object, "signal").and_then(Value::count).map(|signal| signal.min(255) as u8),
            elapsed_ms: count(object, "elapsed_ms"),
            pid: count(object, "pid"),
            timed_out: truth("timed_out"),
            oom: truth("oom"),
            truncated: truth("truncated"),
            killed_by: member(object, "killed_by").and_then(Value::string).map(Into::into),
            usage: Usage::default(),
            left: count(object, "left"),
            error: member(object, "error").and_then(Value::string).map(Into::into),
        };
        if let Some(usage) = member(object, "rusage") {
            exit.usage = Usage {
                utime_ms: count(usage, "utime_ms"),
                stime_ms: count(usage, "stime_ms"),
                maxrss_kb: count(usage, "maxrss_kb"),
            };
        }
        exit
    }
}

impl Event {
    /// The event that a message about an exec tells; `None` where it tells none.
    pub(crate) fn read(kind: &str, object: Value<'_>) -> Option<Self> {
        let stream = || if text(object, "stream") == "stderr" { Stream::Stderr } else { Stream::Stdout };
        Some(match kind {
            "eof" => Self::Eof { stream: stream(), offset: count(object, "off") },
            "gap" => Self::Gap { stream: stream(), from: count(object, "from"), to: count(object, "to") },
            "timeout" => Self::Timeout {
                text: text(object, "data").into_owned(),
                elapsed_ms: count(object, "elapsed_ms"),
            },
            "exit" => Self::Exit(Exit::read(object)),
            _ => return None,
        })
    }
}
