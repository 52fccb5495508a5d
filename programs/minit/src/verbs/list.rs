//! All verbs: what follows the name, what they do and what their options mean, as `minit --help` and `minit VERB --help`
//! show it. docs/man/minit.1 says it at length.

use super::options::{Row, Value};
use super::{Act, Verb, exec, ping, plain};

const NEEDED: Value = Value::Needed;
const NONE: Value = Value::None;

/// The verbs, in the order of the help.
pub static VERBS: [Verb; 18] = [
    Verb {
        name: "ping",
        text: "[--wait TIME]\n  ping       0 where a minit answers, else 1; --wait tries for so long",
        rows: &[("wait", 0, NEEDED)],
        act: Act::Run(ping::ping),
    },
    Verb {
        name: "exec",
        text: "[OPTIONS] [--] CMD [ARG…]\n  exec       runs a command in there, with its output, signals and code\n\
  \x20 -i, --interactive\tpasses standard input on\n\
  \x20 -t, --tty\ta terminal of its own\n\
  \x20 -d, --detach\tprints its id and leaves it\n\
  \x20 -e, --env NAME[=VALUE]\ta variable; without =, this one's\n\
  \x20 -w, --workdir DIR\n\
  \x20 -u, --user USER[:GROUP]\n\
  \x20 --timeout TIME\tends it then (never)\n\
  \x20 --id ID\tit outlives this client\n\
  \x20 --tag TAG\tfor list\n\
  \x20 --memory SIZE, --cpus N, --pids N, --no-new-privs",
        rows: &EXEC,
        act: Act::Run(exec::exec),
    },
    Verb {
        name: "attach",
        text: "[-i] [--from-stdout N] [--from-stderr N] ID\n  attach     follows a command, from byte N on\n  -i, --interactive\tpasses standard input on",
        rows: &[("interactive", b'i', NONE), ("from-stdout", 0, NEEDED), ("from-stderr", 0, NEEDED)],
        act: Act::Run(exec::attach),
    },
    Verb {
        name: "logs",
        text: "[-f] ID\n  logs       the kept output of a command; -f, --follow goes on",
        rows: &[("follow", b'f', NONE)],
        act: Act::Run(exec::logs),
    },
    Verb {
        name: "wait",
        text: "[--timeout TIME] ID…\n  wait       waits for commands; ends with the last one's code",
        rows: &[("timeout", 0, NEEDED)],
        act: Act::Ask(&plain::WAIT),
    },
    Verb {
        name: "kill",
        text: "[-s SIGNAL] [--scope leader|group|tree] ID…|--pid PID\n  kill       signals a command (-s, --signal TERM; its group)",
        rows: &[("signal", b's', NEEDED), ("scope", 0, NEEDED), ("pid", 0, NEEDED)],
        act: Act::Ask(&plain::KILL),
    },
    Verb {
        name: "list",
        text: "[--tag TAG] [--state running|exited|orphaned]\n  list       commands, ended ones too",
        rows: &[("tag", 0, NEEDED), ("state", 0, NEEDED)],
        act: Act::Ask(&plain::LIST),
    },
    Verb { name: "ps", text: "\n  ps         all processes", rows: &[], act: Act::Ask(&plain::PROCESSES) },
    Verb { name: "stats", text: "\n  stats      figures, as JSON", rows: &[], act: Act::Ask(&plain::STATS) },
    Verb {
        name: "events",
        text: "\n  events     what happens, as lines of JSON",
        rows: &[],
        act: Act::Ask(&plain::EVENTS),
    },
    Verb {
        name: "freeze",
        text: "[ID]\n  freeze     stops a command, or the main one",
        rows: &[],
        act: Act::Ask(&plain::FREEZE),
    },
    Verb { name: "thaw", text: "[ID]\n  thaw       lets it go on", rows: &[], act: Act::Ask(&plain::THAW) },
    Verb {
        name: "ack",
        text: "ID…\n  ack        forgets commands that have ended",
        rows: &[],
        act: Act::Ask(&plain::ACK),
    },
    Verb {
        name: "resize",
        text: "ID ROWS COLUMNS\n  resize     sizes a terminal",
        rows: &[],
        act: Act::Ask(&plain::RESIZE),
    },
    Verb {
        name: "signal",
        text: "SIGNAL\n  signal     signals the main command",
        rows: &[],
        act: Act::Ask(&plain::SIGNAL),
    },
    Verb {
        name: "shutdown",
        text: "[--mode exit|poweroff|reboot] [--grace TIME] [--code CODE]\n  shutdown   ends everything, with CODE",
        rows: &[("mode", 0, NEEDED), ("grace", 0, NEEDED), ("code", 0, NEEDED)],
        act: Act::Ask(&plain::SHUTDOWN),
    },
    Verb {
        name: "resume",
        text: "[--hostname NAME] [--machine-id ID]\n  resume     gives a restored machine this clock and a fresh seed",
        rows: &[("hostname", 0, NEEDED), ("machine-id", 0, NEEDED)],
        act: Act::Ask(&plain::RESUME),
    },
    Verb {
        name: "help",
        text: "\n  help       what minit --help prints",
        rows: &[],
        act: Act::Run(super::help),
    },
];

const EXEC: [Row; 13] = [
    ("env", b'e', NEEDED),
    ("workdir", b'w', NEEDED),
    ("user", b'u', NEEDED),
    ("tty", b't', NONE),
    ("interactive", b'i', NONE),
    ("detach", b'd', NONE),
    ("timeout", 0, NEEDED),
    ("id", 0, NEEDED),
    ("tag", 0, NEEDED),
    ("memory", 0, NEEDED),
    ("cpus", 0, NEEDED),
    ("pids", 0, NEEDED),
    ("no-new-privs", 0, NONE),
];
