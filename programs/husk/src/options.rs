//! The options of `husk run`: one table, from which the command line is understood and its help is written.

use crate::verbs::table::{Kind, Row};

/// Which option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // each is described in the table
pub enum Name {
    Memory,
    Cpus,
    Pids,
    Cpuset,
    IoWeight,
    Ephemeral,
    ReadOnly,
    Bind,
    Tmpfs,
    Env,
    EnvFile,
    User,
    Workdir,
    Hostname,
    Net,
    Init,
    CapAdd,
    CapDrop,
    Seccomp,
    Privileged,
    Device,
    Rlimit,
    Terminal,
    Interactive,
    Detach,
    Id,
    Rm,
    Plan,
    Exclusive,
    FreezeOthers,
    DetachKeys,
    Help,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Which option.
    pub name: Name,
    /// Its long form, without dashes.
    pub long: &'static str,
    /// Its short form.
    pub short: Option<char>,
    /// What its value is called; `None`: it takes none.
    pub value: Option<&'static str>,
    /// What it does.
    pub text: &'static str,
}

const fn row(
    name: Name,
    long: &'static str,
    short: Option<char>,
    value: Option<&'static str>,
    text: &'static str,
) -> Description {
    Description { name, long, short, value, text }
}

/// Every option, in the order in which help shows them.
pub const OPTIONS: [Description; 32] = [
    row(Name::Memory, "memory", Some('m'), Some("SIZE"), "most memory: 512m, 1.5g, bytes (swap is not used)"),
    row(Name::Cpus, "cpus", None, Some("NUMBER"), "most processor time, in processors: 0.5, 2"),
    row(Name::Pids, "pids", None, Some("NUMBER"), "most processes and threads"),
    row(Name::Cpuset, "cpuset", None, Some("LIST"), "processors it may run on: 0-3,5"),
    row(
        Name::IoWeight,
        "io-weight",
        None,
        Some("WEIGHT"),
        "share of the disks, 1 to 10000 (others have 100)",
    ),
    row(Name::Ephemeral, "ephemeral", None, None, "changes to ROOTFS are kept in memory and thrown away"),
    row(Name::ReadOnly, "read-only", None, None, "the root file system cannot be written to"),
    row(
        Name::Bind,
        "bind",
        Some('v'),
        Some("SRC:DST[:OPTS]"),
        "show SRC of the host at DST; ro, nosuid, noexec …",
    ),
    row(Name::Tmpfs, "tmpfs", None, Some("DST[:OPTS]"), "an empty file system in memory at DST; size=64m …"),
    row(
        Name::Env,
        "env",
        Some('e'),
        Some("NAME[=VALUE]"),
        "an environment variable; without =VALUE, husk's own",
    ),
    row(
        Name::EnvFile,
        "env-file",
        None,
        Some("FILE"),
        "environment variables from a file: NAME[=VALUE], one a line",
    ),
    row(Name::User, "user", Some('u'), Some("USER[:GROUP]"), "who the command runs as, by name or number"),
    row(Name::Workdir, "workdir", Some('w'), Some("DIR"), "working directory (default /)"),
    row(Name::Hostname, "hostname", None, Some("NAME"), "host name (default husk- and 8 hexadecimal digits)"),
    row(
        Name::Net,
        "net",
        None,
        Some("host|none"),
        "the host's network (default), or nothing but lo; IMAGE: or private",
    ),
    row(Name::Init, "init", None, None, "minit is process 1, reaps and forwards signals"),
    row(Name::CapAdd, "cap-add", None, Some("CAP"), "a capability more, or ALL"),
    row(Name::CapDrop, "cap-drop", None, Some("CAP"), "a capability less, or ALL"),
    row(
        Name::Seccomp,
        "seccomp",
        None,
        Some("FILE"),
        "system call filter: default, unconfined, or a JSON file",
    ),
    row(Name::Privileged, "privileged", None, None, "all capabilities and devices, no filter, no mask"),
    row(Name::Device, "device", None, Some("SRC[:DST]"), "a device of the host"),
    row(Name::Rlimit, "rlimit", None, Some("NAME=SOFT[:HARD]"), "a resource limit: nofile=1024:4096, core=0"),
    row(Name::Terminal, "tty", Some('t'), None, "a terminal, also when standard input is none"),
    row(
        Name::Interactive,
        "interactive",
        Some('i'),
        None,
        "an instance: pass standard input on (to ROOTFS it always is)",
    ),
    row(Name::Detach, "detach", Some('d'), None, "in the background; prints the id"),
    row(Name::Id, "id", None, Some("ID"), "what the container is called (default: 8 hexadecimal digits)"),
    row(
        Name::Rm,
        "rm",
        None,
        None,
        "IMAGE: remove its instance at the end; ROOTFS with --detach: keep no record of it",
    ),
    row(Name::Plan, "plan", None, None, "print what would be done, and do nothing"),
    row(Name::Exclusive, "exclusive", None, None, "an instance: stop the others first"),
    row(Name::FreezeOthers, "freeze-others", None, None, "an instance: freeze the others first"),
    row(
        Name::DetachKeys,
        "detach-keys",
        None,
        Some("KEYS"),
        "an instance: keys that let go of it (default ctrl-p,ctrl-q; none: '')",
    ),
    row(Name::Help, "help", Some('h'), None, "this help"),
];

impl Row {
    /// The same in the table of verbs.
    pub const fn of(option: &Description) -> Self {
        let value = match option.value {
            Some(name) => Some((name, kind(option.name))),
            None => None,
        };
        Self { long: option.long, short: option.short, value, text: option.text }
    }
}

const fn kind(name: Name) -> Kind {
    match name {
        Name::Bind | Name::Device | Name::EnvFile | Name::Seccomp => Kind::File,
        Name::Net => Kind::OneOf(&["host", "none"]),
        _ => Kind::Other,
    }
}

/// The row of an option that instances keep.
pub const fn setting(name: Name) -> Row {
    let mut index = 0;
    while OPTIONS[index].name as u8 != name as u8 {
        index += 1;
    }
    Row::of(&OPTIONS[index])
}
