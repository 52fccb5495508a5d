//! What is said on the daemon's socket: one JSON object a line, as in the minit protocol. A request is answered by any
//! number of `progress` (or, for `events`, `event`) and then by one `ok` or one `error`; a connection may carry any
//! number of requests, one after another. Descriptors travel beside a line (unix(7), SCM_RIGHTS).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::state::{Reboot, Then};
use crate::{ImageName, InstanceName, Settings};

/// The longest line, in bytes, with its end.
pub const LONGEST_LINE: usize = 1 << 20;

/// What a client asks for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(missing_docs)] // `name` is the instance, `image` the image; what else there is says itself
pub enum Request {
    /// Whether somebody is there: `ok` {version, pid, root}.
    Ping,
    /// Makes an instance.
    New {
        name: InstanceName,
        image: ImageName,
        #[serde(default)]
        files: Files,
        #[serde(default)]
        settings: Box<Settings>,
        /// What becomes of it when it has ended. One that is removed stays until this connection is closed: who has made it
        /// can ask how it ended.
        #[serde(default, skip_serializing_if = "Then::stays")]
        at_end: Then,
    },
    /// Starts an instance, or resumes it if it is frozen: `ok` {pid, state} with a connection to its shim.
    Run {
        name: InstanceName,
        /// In place of its command, this once.
        #[serde(default)]
        command: Vec<String>,
        #[serde(default)]
        others: Others,
        /// The terminal that it gets, if it gets one, this once.
        #[serde(default)]
        terminal: Option<Size>,
        /// Whether its standard input can be written to.
        #[serde(default)]
        stdin: Stdin,
    },
    /// Stops an instance: `ok` {code} once nothing of it runs.
    Stop {
        name: InstanceName,
        /// In place of its own, in milliseconds.
        #[serde(default)]
        grace_ms: Option<u64>,
    },
    /// Freezes an instance.
    Pause { name: InstanceName },
    /// Lets a frozen instance go on.
    Resume { name: InstanceName },
    /// Removes an instance and its files.
    Rm {
        name: InstanceName,
        #[serde(default)]
        if_running: IfRunning,
        /// How long it has to stop, in place of its own time, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grace_ms: Option<u64>,
    },
    /// Gives an instance that does not run another name.
    Rename { name: InstanceName, to: InstanceName },
    /// Changes settings: the members that are there replace those of the instance's, `null` clears one.
    Set { name: InstanceName, changes: serde_json::Map<String, Value> },
    /// Lists instances: `ok` {instances: [Summary]}, or images: `ok` {images: [ImageSummary]}.
    Ls { what: What },
    /// All that is known of an instance or an image: `ok` {kind, value}.
    Inspect { name: String },
    /// An image from an instance's files.
    Commit {
        name: InstanceName,
        image: ImageName,
        #[serde(default)]
        form: Form,
    },
    /// An image from a directory of the host.
    Seed { directory: String, image: ImageName },
    /// An image from an archive, which is the descriptor beside the line.
    Import { image: ImageName },
    /// An archive, to the descriptor beside the line.
    Export {
        /// An image or an instance.
        name: String,
        #[serde(default)]
        format: Archive,
        #[serde(default)]
        compression: Compression,
    },
    /// Removes an image. Layers that nobody uses any more go with it.
    Rmi { image: ImageName },
    /// Waits for the end of an instance: `ok` {code, signal, oom}.
    Wait { name: InstanceName },
    /// A connection to the shim of a running instance, beside `ok`.
    Connect {
        name: InstanceName,
        /// The first word of the command that is to be executed by it, for the log of who did what.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exec: Option<String>,
    },
    /// The log of an instance, open for reading, beside `ok` {rotated}.
    Logs { name: InstanceName },
    /// A tar stream of a path of an instance, to the descriptor beside the line: `ok` {part}, a `directory` or a `file`.
    CopyOut {
        name: InstanceName,
        path: String,
        #[serde(default, skip_serializing_if = "Holes::are_filled")]
        holes: Holes,
    },
    /// A tar stream from the descriptor beside the line, unpacked in a directory of an instance; or where a copy `of` this
    /// goes by what stands at the path (`husk cp`).
    CopyIn {
        name: InstanceName,
        path: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<Copied>,
    },
    /// From now on, everything that happens: one `event` each, without end.
    Events,
}

/// What an instance's files are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Files {
    /// Changes over the image's layers (overlay).
    #[default]
    Overlay,
    /// A directory of its own.
    Copy,
}

/// What becomes of the holes of files in an archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holes {
    /// They are zeros: for any reader.
    #[default]
    Filled,
    /// They are left out, and a map says where they are (PAX, GNU.sparse 1.0).
    Kept,
}

impl Holes {
    const fn are_filled(&self) -> bool {
        matches!(self, Self::Filled)
    }
}

/// What a copy is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Copied {
    /// Anything but a directory: the archive has it alone, under one name.
    File,
    /// A directory: all names of the archive begin with its own.
    Directory,
    /// What is in a directory: the archive has it as `./`, or not at all.
    Contents,
}

/// What becomes of the others when an instance is started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Others {
    /// They run on.
    #[default]
    Keep,
    /// They are stopped first.
    Stop,
    /// They are frozen first.
    Freeze,
}

/// The size of a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Size {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub cols: u16,
}

/// Whether a first process's standard input can be written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stdin {
    /// It is at its end.
    #[default]
    None,
    /// It is open until a client closes it.
    Open,
}

/// What `rm` does with an instance that runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfRunning {
    /// It refuses.
    #[default]
    Refuse,
    /// It stops it first.
    Stop,
}

/// What `ls` lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Instances.
    Instances,
    /// Images.
    Images,
}

/// What an image from an instance is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// The layers of the instance's image, and its changes as one more.
    #[default]
    Changes,
    /// One layer.
    Flat,
}

/// What an archive is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Archive {
    /// A tar of the file system.
    #[default]
    Tar,
    /// An OCI image layout in a tar.
    Oci,
}

/// How an archive is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip(1)
    Gzip,
    /// zstd(1)
    Zstd,
}

/// What a client is told.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Answer {
    /// How far something is.
    Progress(Progress),
    /// Something has happened.
    Event(Event),
    /// It is done.
    Ok(serde_json::Map<String, Value>),
    /// It is not done, and nothing has changed.
    Error(Refusal),
}

/// How far something is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done, as `unpack`, `pack`, `scan`.
    pub phase: String,
    /// Bytes that are done.
    pub done: u64,
    /// Of so many, where that is known.
    pub total: Option<u64>,
}

/// Something that has happened.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// When, in nanoseconds since 1970.
    pub time_ns: u64,
    /// What, as `created`, `started`, `stopping`, `exited`, `stopped` (between two restarts), `paused`, `resumed`,
    /// `removed`, `renamed`, `changed`, `committed`, `imported`, `exec`, `shim_lost`, `restarting`, `gave_up`, `unreachable`,
    /// `reachable`, `warning`.
    pub event: String,
    /// The instance or the image.
    pub name: String,
    /// What else is known: `code`, `by` (uid and pid of who asked), `text` …
    #[serde(flatten)]
    pub more: serde_json::Map<String, Value>,
}

/// Why something is not done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// In words, one line.
    pub data: String,
    /// As one word, for programs.
    pub code: Reason,
    /// What to do about it, where something can be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The exit code of a command that could not be started: 126 or 127.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
}

/// Why something is not done, as one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The request makes no sense.
    Invalid,
    /// There is no such instance or image.
    NotFound,
    /// There is one of that name.
    Exists,
    /// It cannot be done in the state that the instance is in.
    State,
    /// Somebody else is changing the same thing.
    Busy,
    /// Another instance needs it.
    InUse,
    /// This machine cannot do it.
    Unsupported,
    /// The client wanted no more of it, or it had to make way for another command.
    Interrupted,
    /// Something went wrong.
    Failed,
}

/// A line of `ls instances`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// Its name.
    pub name: InstanceName,
    /// The image that it was made from.
    pub image: ImageName,
    /// `created`, `running`, `paused`, `stopping`, `exited`, `restarting`; `unreachable` where its shim does not answer.
    pub state: String,
    /// Why it cannot be reached, or has ended where its first process did not decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its first process, while there is one.
    pub pid: Option<i32>,
    /// How the last run ended.
    pub code: Option<u8>,
    /// What its system has asked for, where it was that which ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot: Option<Reboot>,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it was started, or has ended, in seconds since 1970.
    pub since: u64,
    /// Its address in the private network, while it has one.
    pub address: Option<String>,
    /// What it runs.
    pub command: Vec<String>,
}

/// A line of `ls images`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ImageSummary {
    /// Its name.
    pub name: ImageName,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// Bytes of its files.
    pub size: u64,
    /// How many layers it has.
    pub layers: usize,
    /// Instances that were made from it.
    pub instances: Vec<InstanceName>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_may_leave_out_what_has_a_default() {
        let request: Request = serde_json::from_str(r#"{"type":"run","name":"web"}"#).unwrap();
        let expected = Request::Run {
            name: InstanceName::new("web").unwrap(),
            command: Vec::new(),
            others: Others::Keep,
            terminal: None,
            stdin: Stdin::None,
        };
        assert_eq!(request, expected);
    }

    #[test]
    fn an_answer_survives_the_way() {
        let answer = Answer::Error(Refusal {
            data: "instance web: is not running".into(),
            code: Reason::State,
            hint: None,
            exit: None,
        });
        let line = serde_json::to_string(&answer).unwrap();
        assert_eq!(line, r#"{"type":"error","data":"instance web: is not running","code":"state"}"#);
        assert_eq!(serde_json::from_str::<Answer>(&line).unwrap(), answer);
    }
}
