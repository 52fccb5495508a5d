//! Requests about what runs already.

use alloc::string::String;
use alloc::vec::Vec;

use crate::exec::MAX_MS;
use crate::fields::{Fields, ID_RULE};
use crate::{ExecId, SignalNumber};

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
    pub(crate) fn parse(fields: &Fields<'_>) -> Option<Self> {
        let (pid, id) = (fields.integer("pid", i64::MIN..=i64::MAX), fields.exec_id("id"));
        let target = match (pid, id) {
            (Some(pid), None) => Target::Pid(pid_above_one(fields, pid)?),
            (None, Some(id)) => Target::Exec(id),
            (Some(_), Some(_)) => {
                fields.object_to("id", "does not go with \"pid\"");
                return None;
            }
            (None, None) => {
                fields.object_to("pid", "is missing (or \"id\")");
                return None;
            }
        };
        // A value of the right type that is no signal is no fault of the request's shape.
        let well_typed =
            fields.get("signal").is_some_and(|value| value.string().is_some() || value.digits().is_some());
        let was_right = !fields.is_refused();
        let signal = fields.signal("signal");
        if signal.is_none() && well_typed && was_right {
            fields.answer_as_kill();
        }
        let signal = signal.unwrap_or(SignalNumber::TERM);
        let default = match target {
            Target::Pid(_) => Scope::Leader,
            Target::Exec(_) => Scope::Group,
        };
        Some(Self { target, signal, scope: fields.word("scope", SCOPES).unwrap_or(default) })
    }
}

const SCOPES: &[(&str, Scope)] = &[("leader", Scope::Leader), ("group", Scope::Group), ("tree", Scope::Tree)];

/// 0 and negative numbers mean groups to kill(2), -1 everybody, and 1 is who serves.
fn pid_above_one(fields: &Fields<'_>, pid: i64) -> Option<i32> {
    let above = i32::try_from(pid).ok().filter(|pid| *pid > 1);
    if above.is_none() {
        fields.refuse("pid", format_args!("must be from 2 to {}, not {pid}", i32::MAX));
        fields.answer_as_kill();
    }
    above
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
    pub(crate) fn parse(fields: &Fields<'_>) -> Option<Self> {
        let outputs = [("lines", crate::Output::Lines), ("chunks", crate::Output::Chunks)];
        Some(Self {
            id: fields.required("id", fields.exec_id("id"))?,
            from_stdout: fields.count("from_stdout", 0..=u64::MAX),
            from_stderr: fields.count("from_stderr", 0..=u64::MAX),
            follow: fields.truth("follow").unwrap_or(true),
            output: fields.word("output", &outputs).unwrap_or(crate::Output::Chunks),
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
    pub(crate) fn parse(fields: &Fields<'_>) -> Option<Self> {
        let size = |name| fields.required(name, fields.count(name, 1..=65_535)).map(|size| size as u16);
        Some(Self {
            id: fields.required("id", fields.exec_id("id"))?,
            rows: size("rows")?,
            cols: size("cols")?,
            redraw: fields.is_true("redraw"),
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

    pub(crate) fn parse(fields: &Fields<'_>) -> Option<Self> {
        let mut ids = Vec::from_iter(fields.exec_id("id"));
        for (index, value) in fields.elements("ids", "an array of strings").into_iter().flatten().enumerate()
        {
            if index == Self::MAX {
                fields.object_to("ids", "has more than 1024 elements");
                return None;
            }
            match value.string().and_then(|text| ExecId::new(&text)) {
                Some(id) => ids.push(id),
                None => {
                    fields.refuse("ids", format_args!("[{index}] {ID_RULE}"));
                    return None;
                }
            }
        }
        if ids.is_empty() {
            fields.object_to("id", "is missing (or \"ids\")");
        }
        Some(Self { ids, timeout_ms: fields.count("timeout_ms", 0..=MAX_MS) })
    }
}

/// Which execs `list` shows: those that fit every part given.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// The exec of this key.
    pub id: Option<ExecId>,
    /// Those with this tag.
    pub tag: Option<String>,
    /// Those that are in this state.
    pub state: Option<State>,
}

/// What has become of an exec.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It runs.
    Running,
    /// It has ended.
    Exited,
    /// It runs, and the server that started it has ended: its streams are lost.
    Orphaned,
}

impl State {
    const ALL: [(&str, Self); 3] =
        [("running", Self::Running), ("exited", Self::Exited), ("orphaned", Self::Orphaned)];

    /// Its word in the protocol.
    #[must_use]
    pub const fn word(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

impl Filter {
    pub(crate) fn parse(fields: &Fields<'_>) -> Self {
        let filter = fields.object("filter", |filter| Self {
            id: filter.exec_id("id"),
            tag: filter.short("tag", 256),
            state: filter.word("state", &State::ALL),
        });
        filter.unwrap_or_default()
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
    pub(crate) fn parse(fields: &Fields<'_>) -> Self {
        let modes = [("exit", Mode::Exit), ("poweroff", Mode::Poweroff), ("reboot", Mode::Reboot)];
        Self {
            mode: fields.word("mode", &modes).unwrap_or(Mode::Exit),
            grace_ms: fields.count("grace_ms", 0..=MAX_MS),
            code: fields.count("code", 0..=255).map(|code| code as u8),
        }
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
    pub(crate) fn parse(fields: &Fields<'_>) -> Self {
        let machine_id = fields.short("machine_id", 32);
        let is_id = |id: &String| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if machine_id.as_ref().is_some_and(|id| !is_id(id)) {
            fields.object_to("machine_id", "must be 32 hexadecimal digits");
        }
        let hostname = fields.short("hostname", 64);
        if hostname.as_ref().is_some_and(|name| name.is_empty() || name.chars().any(char::is_control)) {
            fields.object_to("hostname", "must have 1 to 64 bytes and no control characters");
        }
        let unix_ns = fields.count("unix_ns", 0..=i64::MAX as u64);
        Self { unix_ns, seed: fields.base64("seed_b64"), hostname, machine_id }
    }
}
