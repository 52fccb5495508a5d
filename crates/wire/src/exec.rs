//! The request that everything else is about.

use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::fields::Fields;
use crate::json::{Kind, Value};
use crate::quoted::shortened;
use crate::{ExecId, Id, Quoted, SignalNumber, Variables, Words};

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

/// Reads the fields of an `exec`; what is wrong with them is kept there.
pub fn parse(fields: &Fields<'_>) -> Option<Box<Exec>> {
    let cmd = fields.required("cmd", fields.c_string("cmd"))?;
    if cmd.is_empty() {
        fields.object_to("cmd", "is empty");
    }
    let env = Variables::parse(fields);
    let millis = |name, default| fields.count(name, 0..=MAX_MS).unwrap_or(default);
    Some(Box::new(Exec {
        cmd,
        args: words(fields, "args"),
        argv0: fields.c_string("argv0"),
        env,
        env_mode: fields.word("env_mode", MODES).unwrap_or(EnvironmentMode::Merge),
        timeout_ms: millis("timeout_ms", TIMEOUT_MS),
        stdin: stdin(fields),
        id: fields.exec_id("id"),
        events: fields.is_true("events"),
        extended: fields.has_beyond(&BASE),
        cwd: fields.c_string("cwd"),
        user: user(fields),
        groups: groups(fields),
        ambient: strings(fields, "ambient", 64),
        rlimits: rlimits(fields),
        no_new_privs: fields.is_true("no_new_privs"),
        umask: umask(fields),
        nice: fields.integer("nice", -20..=19).map(|nice| nice as i32),
        oom_score_adj: fields.integer("oom_score_adj", -1000..=1000).map(|score| score as i32),
        limits: fields.object("limits", limits).unwrap_or_default(),
        pty: fields.object("pty", pty),
        output: fields.word("output", OUTPUTS).unwrap_or(Output::Lines),
        detach: fields.is_true("detach"),
        tag: fields.short("tag", 256),
        kill_signal: fields.signal("kill_signal").unwrap_or(SignalNumber::TERM),
        grace_ms: millis("grace_ms", GRACE_MS),
        on_disconnect: fields.word("on_disconnect", DISCONNECTS).unwrap_or(OnDisconnect::Keep),
        linger_ms: millis("linger_ms", LINGER_MS),
        max_output: fields.count("max_output", 0..=u64::MAX),
        on_limit: fields.word("on_limit", ON_LIMIT).unwrap_or(OnLimit::StopReading),
        replay_bytes: fields.count("replay_bytes", 0..=MAX_REPLAY).unwrap_or(REPLAY_BYTES),
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

/// The strings of an array, handed to `take` one by one until one is refused.
fn each_string(fields: &Fields<'_>, name: &str, take: &mut dyn FnMut(usize, &str) -> bool) {
    let Some(elements) = fields.elements(name, "an array of strings") else { return };
    for (index, value) in elements.enumerate() {
        let Some(text) = value.string() else {
            let why = value.kind().words();
            return fields.refuse(name, format_args!("must hold strings, but [{index}] is {why}"));
        };
        if !take(index, &text) {
            return;
        }
    }
}

/// An array of strings for the kernel.
fn words(fields: &Fields<'_>, name: &str) -> Words {
    let mut words = Words::new();
    each_string(fields, name, &mut |index, text| {
        let pushed = words.push(&[text.as_bytes()]);
        if pushed.is_err() {
            fields.refuse(name, format_args!("has a NUL character in [{index}]"));
        }
        pushed.is_ok()
    });
    words
}

/// A short array of short strings.
fn strings(fields: &Fields<'_>, name: &str, limit: usize) -> Vec<String> {
    let mut strings = Vec::new();
    each_string(fields, name, &mut |index, text| {
        if index == limit {
            fields.refuse(name, format_args!("has more than {limit} elements"));
            return false;
        }
        strings.push(text.to_string());
        true
    });
    strings
}

fn stdin(fields: &Fields<'_>) -> Stdin {
    let bytes = fields.string("stdin_data").map(|text| text.into_owned().into_bytes());
    let open = fields.word("stdin", &[("none", false), ("open", true)]).unwrap_or(false);
    match (bytes, open) {
        (Some(bytes), open) => {
            if open {
                fields.object_to("stdin_data", "does not go with \"stdin\": \"open\"");
            }
            Stdin::Bytes(bytes)
        }
        (None, true) => Stdin::Open,
        (None, false) => Stdin::Empty,
    }
}

/// `1000`, `"1000"`, `"1000:100"`, `"name"`, `"name:group"`.
fn user(fields: &Fields<'_>) -> Option<User> {
    if fields.get("user")?.kind() == Kind::Number {
        return fields.count("user", ID_RANGE).map(|id| User { user: id.to_string(), group: None });
    }
    let text = fields.short("user", 128)?;
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text.as_str(), None),
    };
    for part in [Some(user), group].into_iter().flatten() {
        let number = part.bytes().all(|byte| byte.is_ascii_digit());
        if part.is_empty() || part.contains(['\n', '\0']) {
            fields.object_to("user", "must be a name or a number, perhaps with :group");
        } else if number && part.parse().ok().and_then(Id::new).is_none() {
            fields.refuse("user", format_args!("{ID_RULE}, not {part}"));
        }
    }
    Some(User { user: user.to_string(), group: group.map(ToString::to_string) })
}

const ID_RANGE: core::ops::RangeInclusive<u64> = 0..=4_294_967_294;
const ID_RULE: &str = "must be an id from 0 to 4294967294";
/// NGROUPS_MAX of the kernel.
const MAX_GROUPS: usize = 65_536;

fn groups(fields: &Fields<'_>) -> Option<Vec<Id>> {
    let mut groups = Vec::new();
    for (index, value) in fields.elements("groups", "an array of ids")?.enumerate() {
        if index == MAX_GROUPS {
            fields.refuse("groups", format_args!("has more than {MAX_GROUPS} elements"));
            break;
        }
        let Some(id) = value.count().and_then(Id::new) else {
            fields.refuse("groups", format_args!("[{index}] {ID_RULE}"));
            break;
        };
        groups.push(id);
    }
    Some(groups)
}

fn rlimits(fields: &Fields<'_>) -> Vec<ResourceLimit> {
    let mut limits = Vec::new();
    for (name, value) in fields.members("rlimits", "an object").into_iter().flatten() {
        let shown = shortened(&name, 32);
        let (soft, hard) = match value.members() {
            None => (one_limit(value), one_limit(value)),
            Some(members) => members.fold((None, None), |(soft, hard), (part, value)| match &*part {
                "soft" => (one_limit(value), hard),
                "hard" => (soft, one_limit(value)),
                _ => (soft, hard),
            }),
        };
        let (Some(soft), Some(hard)) = (soft, hard) else {
            let shown = Quoted(shown);
            const RULE: &str = "must be a number, \"unlimited\", or {\"soft\": …, \"hard\": …}";
            fields.refuse("rlimits", format_args!("{shown} {RULE}"));
            break;
        };
        if limits.len() == 32 {
            fields.object_to("rlimits", "has more than 32 members");
            break;
        }
        let name = shown.to_ascii_lowercase();
        let name = name.strip_prefix("rlimit_").unwrap_or(&name).to_string();
        limits.push(ResourceLimit { name, soft, hard });
    }
    limits
}

/// A number, or `unlimited`; `None` where it is neither.
fn one_limit(value: Value<'_>) -> Option<Option<u64>> {
    match value.count() {
        Some(limit) => Some(Some(limit)),
        None => (value.string()? == "unlimited").then_some(None),
    }
}

/// A number, or octal digits in a string as umask(1) takes them.
fn umask(fields: &Fields<'_>) -> Option<u32> {
    let Some(digits) = fields.get("umask")?.string() else {
        return fields.count("umask", 0..=0o777).map(|mask| mask as u32);
    };
    let mask = u32::from_str_radix(&digits, 8).ok().filter(|mask| *mask <= 0o777);
    if mask.is_none() {
        fields.object_to("umask", "must be octal digits from \"0\" to \"777\"");
    }
    mask
}

fn limits(limits: &Fields<'_>) -> Limits {
    let limit = |name| {
        let value = limits.get(name)?;
        let text = value.string();
        match (value.digits(), &text) {
            (Some(digits), _) => Some(digits.to_string()),
            (None, Some(text)) => Some(shortened(text, 64).to_string()),
            _ => {
                limits.object_to(name, "must be a number, or a string with a unit");
                None
            }
        }
    };
    Limits { memory: limit("memory"), cpus: limit("cpus"), pids: limit("pids") }
}

fn pty(pty: &Fields<'_>) -> Pty {
    let size = |name, default| pty.count(name, 1..=65_535).map_or(default, |size| size as u16);
    Pty { rows: size("rows", 24), cols: size("cols", 80), term: pty.c_string("term") }
}
