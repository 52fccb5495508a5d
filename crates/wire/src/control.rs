//! Requests about what runs already.

use alloc::string::String;
use alloc::vec::Vec;

use crate::exec::MAX_MS;
use crate::fields::{Fields, ID_RULE};
use crate::{ExecId, Refusal, SignalNumber};

type Parsed<T> = Result<T, Refusal>;

/// `kill`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kill {
    /// What gets the signal.
    pub target: Target,
    /// Which.
    pub signal: SignalNumber,
    /// How far it reaches.
    pub scope: Scope,
}

/// A process, or an exec.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// By number, above 1.
    Pid(i32),
    /// By key.
    Exec(ExecId),
}

/// How far a signal reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// The process alone.
    Leader,
    /// Its process group.
    Group,
    /// All that descends from it.
    Tree,
}

impl Kill {
    pub(crate) fn parse(fields: &Fields<'_>) -> Parsed<Self> {
        let target = match (fields.integer("pid", i64::MIN..=i64::MAX)?, fields.exec_id("id")?) {
            (Some(pid), None) => Target::Pid(pid_above_one(fields, pid)?),
            (None, Some(id)) => Target::Exec(id),
            (Some(_), Some(_)) => return Err(fields.refuse("id", "does not go with \"pid\"")),
            (None, None) => return Err(fields.refuse("pid", "is missing (or \"id\")")),
        };
        // A value of the right type that is no signal is no fault of the request's shape.
        let well_typed =
            fields.get("signal").is_some_and(|value| value.string().is_some() || value.digits().is_some());
        let signal = match fields.signal("signal") {
            Err(refusal) if well_typed => return Err(refusal.of_kill()),
            signal => signal?.unwrap_or(SignalNumber::TERM),
        };
        let default = match target {
            Target::Pid(_) => Scope::Leader,
            Target::Exec(_) => Scope::Group,
        };
        Ok(Self { target, signal, scope: fields.word("scope", SCOPES)?.unwrap_or(default) })
    }
}

const SCOPES: &[(&str, Scope)] = &[("leader", Scope::Leader), ("group", Scope::Group), ("tree", Scope::Tree)];

/// 0 and negative numbers mean groups to kill(2), -1 everybody, and 1 is who serves.
fn pid_above_one(fields: &Fields<'_>, pid: i64) -> Parsed<i32> {
    match i32::try_from(pid) {
        Ok(pid) if pid > 1 => Ok(pid),
        _ => Err(fields.refuse("pid", format_args!("must be from 2 to {}, not {pid}", i32::MAX)).of_kill()),
    }
}

/// `attach`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attach {
    /// To which exec.
    pub id: ExecId,
    /// From which byte of standard output on; the oldest kept where not given.
    pub from_stdout: Option<u64>,
    /// From which byte of standard error on.
    pub from_stderr: Option<u64>,
    /// Whether what is yet to come is sent too.
    pub follow: bool,
    /// As which messages.
    pub output: crate::Output,
}

impl Attach {
    pub(crate) fn parse(fields: &Fields<'_>) -> Parsed<Self> {
        let outputs = [("lines", crate::Output::Lines), ("chunks", crate::Output::Chunks)];
        Ok(Self {
            id: fields.required("id", fields.exec_id("id")?)?,
            from_stdout: fields.count("from_stdout", 0..=u64::MAX)?,
            from_stderr: fields.count("from_stderr", 0..=u64::MAX)?,
            follow: fields.truth("follow")?.unwrap_or(true),
            output: fields.word("output", &outputs)?.unwrap_or(crate::Output::Chunks),
        })
    }
}

/// `resize`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resize {
    /// Whose terminal.
    pub id: ExecId,
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub cols: u16,
    /// Whether the program is made to draw its screen again although the size is the same.
    pub redraw: bool,
}

impl Resize {
    pub(crate) fn parse(fields: &Fields<'_>) -> Parsed<Self> {
        let size = |name| Ok(fields.required(name, fields.count(name, 1..=65_535)?)? as u16);
        Ok(Self {
            id: fields.required("id", fields.exec_id("id")?)?,
            rows: size("rows")?,
            cols: size("cols")?,
            redraw: fields.truth("redraw")?.unwrap_or(false),
        })
    }
}

/// `wait`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wait {
    /// For which execs; one `exit` each.
    pub ids: Vec<ExecId>,
    /// For how long; for ever where not given.
    pub timeout_ms: Option<u64>,
}

impl Wait {
    /// As many execs as one request may wait for.
    const MAX: usize = 1024;

    pub(crate) fn parse(fields: &Fields<'_>) -> Parsed<Self> {
        let mut ids = Vec::from_iter(fields.exec_id("id")?);
        let elements = fields.elements("ids", "an array of strings")?;
        for (index, value) in elements.into_iter().flatten().enumerate() {
            if index == Self::MAX {
                return Err(fields.refuse("ids", "has more than 1024 elements"));
            }
            match value.string().and_then(|text| ExecId::new(&text)) {
                Some(id) => ids.push(id),
                None => return Err(fields.refuse("ids", format_args!("[{index}] {ID_RULE}"))),
            }
        }
        if ids.is_empty() {
            return Err(fields.refuse("id", "is missing (or \"ids\")"));
        }
        Ok(Self { ids, timeout_ms: fields.count("timeout_ms", 0..=MAX_MS)? })
    }
}

/// Which execs `list` shows: those that fit every part given.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// The exec of this key.
    pub id: Option<ExecId>,
    /// Those with this tag.
    pub tag: Option<String>,
    /// `running` or `exited`.
    pub running: Option<bool>,
}

impl Filter {
    pub(crate) fn parse(fields: &Fields<'_>) -> Parsed<Self> {
        let Some(filter) = fields.object("filter")? else { return Ok(Self::default()) };
        Ok(Self {
            id: filter.exec_id("id")?,
            tag: filter.short("tag", 256)?,
            running: filter.word("state", &[("running", true), ("exited", false)])?,
        })
    }
}

/// `shutdown`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shutdown {
    /// What happens after everything has ended.
    pub mode: Mode,
    /// How long everything has to end.
    pub grace_ms: Option<u64>,
    /// The exit code.
    pub code: Option<u8>,
}

/// How the first process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// It leaves; a container ends with it.
    Exit,
    /// The machine is switched off.
    Poweroff,
    /// The machine starts again.
    Reboot,
}

impl Shutdown {
    pub(crate) fn parse(fields: &Fields<'_>) -> Parsed<Self> {
        let modes = [("exit", Mode::Exit), ("poweroff", Mode::Poweroff), ("reboot", Mode::Reboot)];
        Ok(Self {
            mode: fields.word("mode", &modes)?.unwrap_or(Mode::Exit),
            grace_ms: fields.count("grace_ms", 0..=MAX_MS)?,
            code: fields.count("code", 0..=255)?.map(|code| code as u8),
        })
    }
}

/// `resume`: what a guest learns that was restored from a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resume {
    /// Nanoseconds since 1970.
    pub unix_ns: Option<u64>,
    /// Fresh randomness.
    pub seed: Option<Vec<u8>>,
    /// The new name of the machine.
    pub hostname: Option<String>,
    /// Its new id: 32 hexadecimal digits (machine-id(5)).
    pub machine_id: Option<String>,
}

impl Resume {
    pub(crate) fn parse(fields: &Fields<'_>) -> Parsed<Self> {
        let machine_id = fields.short("machine_id", 32)?;
        let is_id = |id: &String| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if machine_id.as_ref().is_some_and(|id| !is_id(id)) {
            return Err(fields.refuse("machine_id", "must be 32 hexadecimal digits"));
        }
        let hostname = fields.short("hostname", 64)?;
        if hostname.as_ref().is_some_and(|name| name.is_empty() || name.chars().any(char::is_control)) {
            return Err(fields.refuse("hostname", "must have 1 to 64 bytes and no control characters"));
        }
        Ok(Self {
            unix_ns: fields.count("unix_ns", 0..=i64::MAX as u64)?,
            seed: fields.base64("seed_b64")?,
            hostname,
            machine_id,
        })
    }
}
