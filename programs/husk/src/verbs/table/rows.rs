//! Options that several verbs have.

use super::{Kind, Row};
use crate::options::{Name, setting};

/// An option with a value.
pub const fn value(
    long: &'static str,
    short: Option<char>,
    name: &'static str,
    kind: Kind,
    text: &'static str,
) -> Row {
    Row { long, short, value: Some((name, kind)), text }
}

/// An option without one.
pub const fn flag(long: &'static str, short: Option<char>, text: &'static str) -> Row {
    Row { long, short, value: None, text }
}

/// Options of every verb that speaks with the daemon, also before the verb.
pub const CONNECTION: [Row; 3] = [
    value("socket", None, "PATH", Kind::File, "the daemon's socket (or HUSK_SOCKET; default /run/husk.sock)"),
    flag("no-daemon", None, "start no daemon where none listens (or HUSK_NO_DAEMON=1)"),
    flag("verbose", None, "say so when a daemon is started"),
];

/// Every verb has it.
pub const HELP: Row = flag("help", Some('h'), "this help");

/// How lists are printed.
pub const FORMAT: Row = value(
    "format",
    None,
    "table|json",
    Kind::OneOf(&["table", "json"]),
    "for people (default), or for programs",
);
/// What lets go of a command.
pub const DETACH_KEYS: Row = value(
    "detach-keys",
    None,
    "KEYS",
    Kind::Other,
    "keys that let go of it (default ctrl-p,ctrl-q; none: \"\")",
);

const PUBLISH: Row = value(
    "publish",
    Some('p'),
    "[ADDR:]PORT:PORT[/udp]",
    Kind::Other,
    "a port of the host leads to one of it (--net private)",
);
const PROFILE: Row = value(
    "profile",
    None,
    "PROFILE",
    Kind::OneOf(&["default", "unrestricted", "rootless"]),
    "default; unrestricted: all rights, the host's network; rootless: a user namespace",
);
const RESTART: Row = value(
    "restart",
    None,
    "WHEN",
    Kind::OneOf(&["no", "on-failure", "always", "unless-stopped"]),
    "when it is started again: no (default), on-failure[:N], always, unless-stopped",
);
const STOP_SIGNAL: Row = value(
    "stop-signal",
    None,
    "SIGNAL",
    Kind::Other,
    "what asks it to stop (default: the image's, else what its init takes)",
);
const OWN_GRACE: Row =
    value("grace", None, "TIME", Kind::Other, "how long it has to stop: 10s (default), 500ms, 2m");

/// What an instance keeps. What `husk run ROOTFS` has too is written there, and is the same.
pub const SETTINGS: [Row; 26] = [
    setting(Name::Memory),
    setting(Name::Cpus),
    setting(Name::Pids),
    setting(Name::Cpuset),
    setting(Name::IoWeight),
    setting(Name::ReadOnly),
    setting(Name::Bind),
    setting(Name::Tmpfs),
    setting(Name::Env),
    setting(Name::EnvFile),
    setting(Name::User),
    value("workdir", Some('w'), "DIR", Kind::Other, "working directory (default: the image's)"),
    value("hostname", None, "NAME", Kind::Other, "host name (default: its own name)"),
    value(
        "net",
        None,
        "host|none|private",
        Kind::OneOf(&["host", "none", "private"]),
        "the host's network (default), nothing but lo, or its own behind NAT",
    ),
    PUBLISH,
    flag("init", None, "minit is process 1, reaps and forwards signals"),
    setting(Name::CapAdd),
    setting(Name::CapDrop),
    setting(Name::Seccomp),
    PROFILE,
    setting(Name::Device),
    setting(Name::Rlimit),
    flag("tty", Some('t'), "its process 1 has a terminal"),
    RESTART,
    STOP_SIGNAL,
    OWN_GRACE,
];

/// `set`
pub const UNSET: Row = value(
    "unset",
    None,
    "SETTING",
    Kind::OneOf(&[
        "command",
        "memory",
        "cpus",
        "pids",
        "cpuset",
        "io-weight",
        "read-only",
        "bind",
        "tmpfs",
        "env",
        "user",
        "workdir",
        "hostname",
        "net",
        "publish",
        "init",
        "cap-add",
        "cap-drop",
        "seccomp",
        "profile",
        "device",
        "rlimit",
        "tty",
        "restart",
        "stop-signal",
        "grace",
    ]),
    "back to what an instance has that was given none",
);
/// `new`
pub const COPY: Row =
    flag("copy", None, "a directory of its own, in place of changes over the image's layers");
/// What `husk run --rm IMAGE` takes beside what `husk run` has anyway.
pub const ONCE: [Row; 7] = [
    value("name", None, "NAME", Kind::Other, "what it is called (default: run- and 8 hexadecimal digits)"),
    PUBLISH,
    PROFILE,
    // Settings are read by all these names.
    value(
        "restart",
        None,
        "WHEN",
        Kind::Other,
        "is refused: what is removed at its end is not started again",
    ),
    STOP_SIGNAL,
    OWN_GRACE,
    COPY,
];
/// `stop`, `rm`
pub const GRACE: Row =
    value("grace", Some('t'), "TIME", Kind::Other, "how long it has to stop, in place of its own time");
/// `rm`
pub const FORCE: Row = flag("force", Some('f'), "stop it first if it runs");
/// `ls`
pub const QUIET: Row = flag("quiet", Some('q'), "names alone");
/// `ls`
pub const ALL: Row = flag("all", Some('a'), "nothing more: what does not run is listed anyway");
/// `exec`
pub const ENV_FILE: Row = setting(Name::EnvFile);
