//! The request that everything else is about.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::fields::Fields;
use crate::json::Kind;
use crate::{ExecId, Id, Refusal, SignalNumber, Variables, Words};

/// A command to run, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Exec {
    /// The program: a path where it has a slash, else looked for in PATH.
    pub cmd: CString,
    /// Its arguments without argv\[0\].
    pub args: Words,
    /// argv\[0\], where it is not the path of the program.
    pub argv0: Option<CString>,
    /// Variables on top of the server's.
    pub env: Variables,
    /// Whether the server's variables are there too.
    pub env_mode: EnvironmentMode,
    /// After how many milliseconds it is ended; 0 is never.
    pub timeout_ms: u64,
    /// What it reads.
    pub stdin: Stdin,
    /// The caller's key.
    pub id: Option<ExecId>,
    /// Whether the client asked for `started`, offsets and `eof`.
    pub events: bool,
    /// Whether any field beyond the base protocol was given.
    pub extended: bool,
    /// Working directory.
    pub cwd: Option<CString>,
    /// Who it runs as.
    pub user: Option<User>,
    /// Supplementary groups.
    pub groups: Option<Vec<Id>>,
    /// Names of ambient capabilities.
    pub ambient: Vec<String>,
    /// Resource limits by name.
    pub rlimits: Vec<ResourceLimit>,
    /// No program that it runs gains rights.
    pub no_new_privs: bool,
    /// umask(2)
    pub umask: Option<u32>,
    /// -20 to 19.
    pub nice: Option<i32>,
    /// -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// Limits of a cgroup of its own.
    pub limits: Limits,
    /// A terminal in place of pipes.
    pub pty: Option<Pty>,
    /// How its output comes.
    pub output: Output,
    /// The client does not follow it.
    pub detach: bool,
    /// A word of the caller's, shown in lists.
    pub tag: Option<String>,
    /// The signal that ends it first.
    pub kill_signal: SignalNumber,
    /// Milliseconds from that signal to SIGKILL.
    pub grace_ms: u64,
    /// What happens when its client goes away.
    pub on_disconnect: OnDisconnect,
    /// For how many milliseconds of silence output is followed after its end.
    pub linger_ms: u64,
    /// After how many bytes of output `on_limit` happens.
    pub max_output: Option<u64>,
    /// See `max_output`.
    pub on_limit: OnLimit,
    /// How many bytes of each stream are kept for who attaches later.
    pub replay_bytes: u64,
}

/// What becomes of the server's own variables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EnvironmentMode {
    /// They are there, below the request's.
    Merge,
    /// Only the request's are there.
    Replace,
}

/// What a command reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stdin {
    /// An end of file.
    Empty,
    /// These bytes, then an end of file.
    Bytes(Vec<u8>),
    /// What `stdin` messages bring.
    Open,
}

/// How output reaches the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// One message a line.
    Lines,
    /// Exact bytes.
    Chunks,
    /// Not at all: the client's own descriptors.
    Descriptors,
    /// Not at all: thrown away.
    Nowhere,
}

/// See `on_disconnect` of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnDisconnect {
    /// It goes on, and can be attached to.
    Keep,
    /// Its tree is ended.
    Kill,
    /// Its group gets SIGHUP.
    Hup,
}

/// See `on_limit` of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnLimit {
    /// Nothing more is read: it blocks when its pipe is full.
    StopReading,
    /// The rest is read and thrown away.
    Truncate,
    /// Its tree is ended.
    Kill,
}

/// The size and kind of a terminal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pty {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub cols: u16,
    /// TERM
    pub term: Option<CString>,
}

/// Who a command runs as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// A number or a name of passwd(5).
    pub user: String,
    /// A number or a name of group(5).
    pub group: Option<String>,
}

/// Limits of a cgroup, in the words that the cgroup library takes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Bytes, or with a unit.
    pub memory: Option<String>,
    /// A number of processors, perhaps with a fraction.
    pub cpus: Option<String>,
    /// Processes.
    pub pids: Option<String>,
}

/// One resource limit of getrlimit(2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResourceLimit {
    /// Its name in lower case, without RLIMIT_.
    pub name: String,
    /// Soft limit; `None` is unlimited.
    pub soft: Option<u64>,
    /// Hard limit; `None` is unlimited.
    pub hard: Option<u64>,
}

/// Milliseconds from TERM to KILL unless a request says otherwise.
const GRACE_MS: u64 = 2000;
/// Milliseconds before an exec is ended, unless a request says otherwise.
const TIMEOUT_MS: u64 = 30_000;
const LINGER_MS: u64 = 100;
const REPLAY_BYTES: u64 = 65_536;
const MAX_REPLAY: u64 = 1 << 20;
/// A year: what is longer is a mistake, and would overflow sums of times.
pub const MAX_MS: u64 = 366 * 86_400_000;

const BASE: [&str; 6] = ["type", "cmd", "args", "env", "timeout_ms", "stdin_data"];

type Parsed<T> = Result<T, Refusal>;

/// Reads the fields of an `exec`.
pub fn parse(fields: &Fields<'_>) -> Parsed<Box<Exec>> {
    let cmd = fields.required("cmd", fields.c_string("cmd")?)?;
    if cmd.is_empty() {
        return Err(fields.refuse("cmd", "is empty"));
    }
    let env = fields.members_of_env()?;
    let millis = |name, default| Ok(fields.count(name, 0..=MAX_MS)?.unwrap_or(default));
    Ok(Box::new(Exec {
        cmd,
        args: words(fields, "args")?,
        argv0: fields.c_string("argv0")?,
        env,
        env_mode: fields.word("env_mode", MODES)?.unwrap_or(EnvironmentMode::Merge),
        timeout_ms: millis("timeout_ms", TIMEOUT_MS)?,
        stdin: stdin(fields)?,
        id: fields.exec_id("id")?,
        events: fields.truth("events")?.unwrap_or(false),
        extended: fields.has_beyond(&BASE),
        cwd: fields.c_string("cwd")?,
        user: user(fields)?,
        groups: groups(fields)?,
        ambient: strings(fields, "ambient", 64)?,
        rlimits: rlimits(fields)?,
        no_new_privs: fields.truth("no_new_privs")?.unwrap_or(false),
        umask: umask(fields)?,
        nice: fields.integer("nice", -20..=19)?.map(|nice| nice as i32),
        oom_score_adj: fields.integer("oom_score_adj", -1000..=1000)?.map(|score| score as i32),
        limits: limits(fields)?,
        pty: pty(fields)?,
        output: fields.word("output", OUTPUTS)?.unwrap_or(Output::Lines),
        detach: fields.truth("detach")?.unwrap_or(false),
        tag: fields.short("tag", 256)?,
        kill_signal: fields.signal("kill_signal")?.unwrap_or(SignalNumber::TERM),
        grace_ms: millis("grace_ms", GRACE_MS)?,
        on_disconnect: fields.word("on_disconnect", DISCONNECTS)?.unwrap_or(OnDisconnect::Keep),
        linger_ms: millis("linger_ms", LINGER_MS)?,
        max_output: fields.count("max_output", 0..=u64::MAX)?,
        on_limit: fields.word("on_limit", ON_LIMIT)?.unwrap_or(OnLimit::StopReading),
        replay_bytes: fields.count("replay_bytes", 0..=MAX_REPLAY)?.unwrap_or(REPLAY_BYTES),
    }))
}

const MODES: &[(&str, EnvironmentMode)] =
    &[("merge", EnvironmentMode::Merge), ("replace", EnvironmentMode::Replace)];
const OUTPUTS: &[(&str, Output)] = &[
    ("lines", Output::Lines),
    ("chunks", Output::Chunks),
    ("fds", Output::Descriptors),
    ("none", Output::Nowhere),
];
const DISCONNECTS: &[(&str, OnDisconnect)] =
    &[("keep", OnDisconnect::Keep), ("kill", OnDisconnect::Kill), ("hup", OnDisconnect::Hup)];
const ON_LIMIT: &[(&str, OnLimit)] =
    &[("stop_reading", OnLimit::StopReading), ("truncate", OnLimit::Truncate), ("kill", OnLimit::Kill)];

/// An array of strings for the kernel.
fn words(fields: &Fields<'_>, name: &str) -> Parsed<Words> {
    let mut words = Words::new();
    for (index, value) in fields.elements(name, "an array of strings")?.into_iter().flatten().enumerate() {
        let Some(text) = value.string() else {
            let why = value.kind().words();
            return Err(fields.refuse(name, format_args!("must hold strings, but [{index}] is {why}")));
        };
        words
            .push(&[text.as_bytes()])
            .map_err(|_| fields.refuse(name, format_args!("has a NUL character in [{index}]")))?;
    }
    Ok(words)
}

/// A short array of short strings.
fn strings(fields: &Fields<'_>, name: &str, limit: usize) -> Parsed<Vec<String>> {
    let mut strings = Vec::new();
    for (index, value) in fields.elements(name, "an array of strings")?.into_iter().flatten().enumerate() {
        match value.string() {
            _ if index == limit => {
                return Err(fields.refuse(name, format_args!("has more than {limit} elements")));
            }
            Some(text) => strings.push(text.into_owned()),
            None => {
                let why = value.kind().words();
                return Err(fields.refuse(name, format_args!("must hold strings, but [{index}] is {why}")));
            }
        }
    }
    Ok(strings)
}

fn stdin(fields: &Fields<'_>) -> Parsed<Stdin> {
    let bytes = fields.string("stdin_data")?.map(|text| Cow::into_owned(text).into_bytes());
    let open = fields.word("stdin", &[("none", false), ("open", true)])?.unwrap_or(false);
    match (bytes, open) {
        (Some(_), true) => Err(fields.refuse("stdin_data", "does not go with \"stdin\": \"open\"")),
        (Some(bytes), false) => Ok(Stdin::Bytes(bytes)),
        (None, true) => Ok(Stdin::Open),
        (None, false) => Ok(Stdin::Empty),
    }
}

/// `1000`, `"1000"`, `"1000:100"`, `"name"`, `"name:group"`.
fn user(fields: &Fields<'_>) -> Parsed<Option<User>> {
    let Some(value) = fields.get("user") else { return Ok(None) };
    if value.kind() == Kind::Number {
        let id = fields.count("user", ID_RANGE)?;
        return Ok(id.map(|id| User { user: id.to_string(), group: None }));
    }
    let Some(text) = fields.short("user", 128)? else { return Ok(None) };
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text.as_str(), None),
    };
    for part in [Some(user), group].into_iter().flatten() {
        let number = part.bytes().all(|byte| byte.is_ascii_digit());
        if part.is_empty() || part.contains(['\n', '\0']) {
            return Err(fields.refuse("user", "must be a name or a number, perhaps with :group"));
        }
        if number && part.parse().ok().and_then(Id::new).is_none() {
            return Err(fields.refuse("user", format_args!("{ID_RULE}, not {part}")));
        }
    }
    Ok(Some(User { user: user.to_string(), group: group.map(ToString::to_string) }))
}

const ID_RANGE: core::ops::RangeInclusive<u64> = 0..=4_294_967_294;
const ID_RULE: &str = "must be an id from 0 to 4294967294";
/// NGROUPS_MAX of the kernel.
const MAX_GROUPS: usize = 65_536;

fn groups(fields: &Fields<'_>) -> Parsed<Option<Vec<Id>>> {
    let Some(elements) = fields.elements("groups", "an array of ids")? else { return Ok(None) };
    let mut groups = Vec::new();
    for (index, value) in elements.enumerate() {
        match value.count().and_then(Id::new) {
            _ if index == MAX_GROUPS => {
                return Err(fields.refuse("groups", format_args!("has more than {MAX_GROUPS} elements")));
            }
            Some(id) => groups.push(id),
            None => return Err(fields.refuse("groups", format_args!("[{index}] {ID_RULE}"))),
        }
    }
    Ok(Some(groups))
}

fn rlimits(fields: &Fields<'_>) -> Parsed<Vec<ResourceLimit>> {
    let mut limits = Vec::new();
    let Some(members) = fields.members("rlimits")? else { return Ok(limits) };
    for (name, value) in members {
        let shown: String = name.chars().take(32).collect();
        let wrong = || {
            let why =
                format_args!("{shown:?} must be a number, \"unlimited\", or {{\"soft\": …, \"hard\": …}}")
                    .to_string();
            fields.refuse("rlimits", why)
        };
        let one = |value: crate::json::Value<'_>| match (value.count(), value.string()) {
            (Some(limit), _) => Some(Some(limit)),
            (None, Some(text)) if text == "unlimited" => Some(None),
            _ => None,
        };
        let (soft, hard) = match value.members() {
            None => (one(value), one(value)),
            Some(members) => members.fold((None, None), |(soft, hard), (part, value)| match &*part {
                "soft" => (one(value), hard),
                "hard" => (soft, one(value)),
                _ => (soft, hard),
            }),
        };
        let (Some(soft), Some(hard)) = (soft, hard) else { return Err(wrong()) };
        if limits.len() == 32 {
            return Err(fields.refuse("rlimits", "has more than 32 members"));
        }
        let name = shown.to_ascii_lowercase();
        let name = name.strip_prefix("rlimit_").unwrap_or(&name).to_string();
        limits.push(ResourceLimit { name, soft, hard });
    }
    Ok(limits)
}

/// A number, or octal digits in a string as umask(1) takes them.
fn umask(fields: &Fields<'_>) -> Parsed<Option<u32>> {
    let Some(value) = fields.get("umask") else { return Ok(None) };
    let mask = match value.string() {
        Some(digits) => u32::from_str_radix(&digits, 8).ok().filter(|mask| *mask <= 0o777),
        None => fields.count("umask", 0..=0o777)?.map(|mask| mask as u32),
    };
    mask.map(Some).ok_or_else(|| fields.refuse("umask", "must be octal digits from \"0\" to \"777\""))
}

fn limits(fields: &Fields<'_>) -> Parsed<Limits> {
    let Some(limits) = fields.object("limits")? else { return Ok(Limits::default()) };
    let limit = |name| match limits.get(name) {
        None => Ok(None),
        Some(value) => match (value.digits(), value.string()) {
            (Some(digits), _) => Ok(Some(digits.to_string())),
            (None, Some(text)) => Ok(Some(text.chars().take(64).collect())),
            _ => Err(limits.refuse(name, "must be a number, or a string with a unit")),
        },
    };
    Ok(Limits { memory: limit("memory")?, cpus: limit("cpus")?, pids: limit("pids")? })
}

fn pty(fields: &Fields<'_>) -> Parsed<Option<Pty>> {
    let Some(pty) = fields.object("pty")? else { return Ok(None) };
    let size = |name, default| Ok(pty.count(name, 1..=65_535)?.map_or(default, |size| size as u16));
    Ok(Some(Pty { rows: size("rows", 24)?, cols: size("cols", 80)?, term: pty.c_string("term")? }))
}

impl Fields<'_> {
    fn members_of_env(&self) -> Parsed<Variables> {
        let Some(value) = self.get("env") else { return Ok(Variables::default()) };
        match value.members() {
            Some(members) => Variables::parse("exec", members),
            None => Err(Refusal::kind("exec", "env", "an object of strings", value)),
        }
    }
}
