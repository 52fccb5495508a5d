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
        text: "[--wait TIME]\nping       0 where a minit answers, else 1; --wait tries for so long",
        rows: &[("wait", 0, NEEDED)],
        act: Act::Run(ping::ping),
    },
    Verb {
        name: "exec",
        text: "[OPTIONS] [--] CMD [ARG…]\nexec       runs a command in there, with its output, signals and code\n\
  -i, --interactive\tpasses standard input on\n\
  -t, --tty\ta terminal of its own\n\
  -d, --detach\tprints its id and leaves it\n\
  -e, --env NAME[=VALUE]\ta variable; without =, this one's\n\
  -w, --workdir DIR\n\
  -u, --user USER[:GROUP]\n\
  --timeout TIME\tends it then (never)\n\
  --id ID\tit outlives this client\n\
  --tag TAG\tfor list\n\
  --memory SIZE, --cpus N, --pids N, --no-new-privs",
        rows: &EXEC,
        act: Act::Run(exec::exec),
    },
    Verb {
        name: "attach",
        text: "[-i] [--from-stdout N] [--from-stderr N] ID\nattach     follows a command, from byte N on\n  -i, --interactive\tpasses standard input on",
        rows: &[("interactive", b'i', NONE), ("from-stdout", 0, NEEDED), ("from-stderr", 0, NEEDED)],
        act: Act::Run(exec::attach),
    },
    Verb {
        name: "logs",
        text: "[-f] ID\nlogs       the kept output of a command; -f, --follow goes on",
        rows: &[("follow", b'f', NONE)],
        act: Act::Run(exec::logs),
    },
    Verb {
        name: "wait",
        text: "[--timeout TIME] ID…\nwait       waits for commands; ends with the last one's code",
        rows: &[("timeout", 0, NEEDED)],
        act: Act::Ask(&plain::WAIT),
    },
    Verb {
        name: "kill",
        text: "[-s SIGNAL] [--scope leader|group|tree] ID…|--pid PID\nkill       signals a command (-s, --signal TERM; its group)",
        rows: &[("signal", b's', NEEDED), ("scope", 0, NEEDED), ("pid", 0, NEEDED)],
        act: Act::Ask(&plain::KILL),
    },
    Verb {
        name: "list",
        text: "[--tag TAG] [--state running|exited|orphaned]\nlist       commands, ended ones too",
        rows: &[("tag", 0, NEEDED), ("state", 0, NEEDED)],
        act: Act::Ask(&plain::LIST),
    },
    Verb { name: "ps", text: "\nps         all processes", rows: &[], act: Act::Ask(&plain::PROCESSES) },
    Verb { name: "stats", text: "\nstats      figures, as JSON", rows: &[], act: Act::Ask(&plain::STATS) },
    Verb {
        name: "events",
        text: "\nevents     what happens, as lines of JSON",
        rows: &[],
        act: Act::Ask(&plain::EVENTS),
    },
    Verb {
        name: "freeze",
        text: "[ID]\nfreeze     stops a command, or the main one",
        rows: &[],
        act: Act::Ask(&plain::FREEZE),
    },
    Verb { name: "thaw", text: "[ID]\nthaw       lets it go on", rows: &[], act: Act::Ask(&plain::THAW) },
    Verb {
        name: "ack",
        text: "ID…\nack        forgets commands that have ended",
        rows: &[],
        act: Act::Ask(&plain::ACK),
    },
    Verb {
        name: "resize",
        text: "ID ROWS COLUMNS\nresize     sizes a terminal",
        rows: &[],
        act: Act::Ask(&plain::RESIZE),
    },
    Verb {
        name: "signal",
        text: "SIGNAL\nsignal     signals the main command",
        rows: &[],
        act: Act::Ask(&plain::SIGNAL),
    },
    Verb {
        name: "shutdown",
        text: "[--mode exit|poweroff|reboot] [--grace TIME] [--code CODE]\nshutdown   ends everything, with CODE",
        rows: &[("mode", 0, NEEDED), ("grace", 0, NEEDED), ("code", 0, NEEDED)],
        act: Act::Ask(&plain::SHUTDOWN),
    },
    Verb {
        name: "resume",
        text: "[--hostname NAME] [--machine-id ID]\nresume     gives a restored machine this clock and a fresh seed",
        rows: &[("hostname", 0, NEEDED), ("machine-id", 0, NEEDED)],
        act: Act::Ask(&plain::RESUME),
    },
    Verb {
        name: "help",
        text: "\nhelp       what minit --help prints",
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
