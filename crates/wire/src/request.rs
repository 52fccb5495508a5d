//! From a line to a request.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use crate::control::{Attach, Filter, Kill, Resize, Resume, Shutdown, Wait};
use crate::fields::Fields;
use crate::json::Value;
use crate::quoted::shortened;
use crate::{Exec, ExecId, Quoted, Refusal, SignalNumber};

/// What a client asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the names are the protocol's types
pub enum Request {
    Ping,
    Exec(Box<Exec>),
    Kill(Kill),
    ListProcesses,
    Attach(Attach),
    Detach(ExecId),
    /// Bytes for an exec's standard input.
    Stdin {
        id: ExecId,
        bytes: Vec<u8>,
    },
    StdinClose(ExecId),
    Resize(Resize),
    Wait(Wait),
    /// The records of these execs are not needed any more.
    Ack(Vec<ExecId>),
    List(Filter),
    Stats,
    Events,
    Freeze(Option<ExecId>),
    Thaw(Option<ExecId>),
    SignalMain(SignalNumber),
    Shutdown(Shutdown),
    Resume(Box<Resume>),
    /// Whether frames follow.
    Hello {
        frames: bool,
    },
}

/// Every type, in the order of the protocol.
const TYPES: [&str; 20] = [
    "ping",
    "exec",
    "kill",
    "list_processes",
    "attach",
    "detach",
    "stdin",
    "stdin_close",
    "wait",
    "ack",
    "list",
    "stats",
    "events",
    "freeze",
    "thaw",
    "signal_main",
    "resize",
    "shutdown",
    "resume",
    "hello",
];

impl Request {
    /// Reads one line, with or without its newline.
    ///
    /// # Errors
    /// A [`Refusal`] that names the field and what is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, Refusal> {
        if line.len() > crate::MAX_LINE {
            return Err(Refusal::too_long());
        }
        let text = core::str::from_utf8(line).map_err(|error| {
            Refusal::new(format!("the request is not UTF-8 at byte {}", error.valid_up_to()))
        })?;
        let value = Value::parse(text).map_err(Refusal::syntax)?;
        let mut fields = Fields::new(Cow::Borrowed("the request"), value)?;
        let kind = fields.string("type");
        let known = kind.as_ref().and_then(|kind| TYPES.iter().find(|known| **known == *kind));
        if let Some(known) = known {
            fields.rename(known);
            let request = Self::typed(known, &fields);
            return fields.outcome(request);
        }
        if let Some(kind) = fields.required("type", kind) {
            let (shown, known) = (Quoted(shortened(&kind, 64)), TYPES.join(", "));
            fields.refuse("type", format_args!("is unknown: {shown}; known are {known}"));
        }
        fields.outcome(None)
    }

    /// The request of a type; `None` where a field that it cannot be without is missing or wrong.
    fn typed(kind: &str, fields: &Fields<'_>) -> Option<Self> {
        let id = || fields.required("id", fields.exec_id("id"));
        Some(match kind {
            "ping" => Self::Ping,
            "exec" => Self::Exec(crate::exec::parse(fields)?),
            "kill" => Self::Kill(Kill::parse(fields)?),
            "list_processes" => Self::ListProcesses,
            "attach" => Self::Attach(Attach::parse(fields)?),
            "detach" => Self::Detach(id()?),
            "stdin" => Self::Stdin { id: id()?, bytes: bytes(fields)? },
            "stdin_close" => Self::StdinClose(id()?),
            "resize" => Self::Resize(Resize::parse(fields)?),
            "wait" => Self::Wait(Wait::parse(fields)?),
            "ack" => Self::Ack(Wait::parse(fields)?.ids),
            "list" => Self::List(Filter::parse(fields)),
            "stats" => Self::Stats,
            "events" => Self::Events,
            "freeze" => Self::Freeze(fields.exec_id("id")),
            "thaw" => Self::Thaw(fields.exec_id("id")),
            "signal_main" => Self::SignalMain(fields.required("signal", fields.signal("signal"))?),
            "shutdown" => Self::Shutdown(Shutdown::parse(fields)),
            "resume" => Self::Resume(Box::new(Resume::parse(fields))),
            _ => Self::Hello { frames: fields.is_true("frames") },
        })
    }
}

/// `data`, or `data_b64` for what is no text.
fn bytes(fields: &Fields<'_>) -> Option<Vec<u8>> {
    match (fields.string("data"), fields.base64("data_b64")) {
        (Some(text), None) => return Some(text.into_owned().into_bytes()),
        (None, Some(bytes)) => return Some(bytes),
        (Some(_), Some(_)) => fields.object_to("data_b64", "does not go with \"data\""),
        (None, None) => fields.object_to("data", "is missing (or \"data_b64\")"),
    }
    None
}
