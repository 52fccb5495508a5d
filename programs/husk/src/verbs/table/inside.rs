//! Processes and files in containers.

use super::rows::{DETACH_KEYS, ENV_FILE, FORMAT, flag, value};
use super::{Group, Kind, MANY, Tail, Verb};

/// Verbs, in the order in which help shows them.
pub const VERBS: [Verb; 6] = [
    Verb {
        name: "exec",
        group: Group::Inside,
        words: "NAME CMD…",
        kinds: &[Kind::Instance, Kind::Other],
        text: "run one more command in an instance that runs",
        about: "Runs a command in an instance that runs, shows what it writes, and ends with its exit code.",
        options: &[&[
            flag("interactive", Some('i'), "pass standard input on"),
            flag("tty", Some('t'), "on a terminal"),
            flag("detach", Some('d'), "do not follow it; prints its id"),
            value("env", Some('e'), "NAME[=VALUE]", Kind::Other, "a variable; without =VALUE, husk's own"),
            ENV_FILE,
            value("user", Some('u'), "USER[:GROUP]", Kind::Other, "who it runs as, by name or number"),
            value("workdir", Some('w'), "DIR", Kind::Other, "working directory"),
            DETACH_KEYS,
        ]],
        count: (2, MANY),
        tail: Tail::AfterFirst,
    },
    Verb {
        name: "attach",
        group: Group::Inside,
        words: "NAME",
        kinds: &[Kind::Instance],
        text: "to the streams of an instance's process 1",
        about: "Shows what process 1 of an instance has written and writes, passes keys and signals on to it, and ends \
                with its exit code.",
        options: &[&[flag("no-stdin", None, "watch only: pass nothing on"), DETACH_KEYS]],
        count: (1, 1),
        tail: Tail::Words,
    },
    Verb {
        name: "logs",
        group: Group::Inside,
        words: "NAME",
        kinds: &[Kind::Instance],
        text: "what an instance has written",
        about: "Prints what process 1 of an instance has written, also long after its end: standard output to standard \
                output, the rest to standard error.",
        options: &[&[
            flag("follow", Some('f'), "and what it writes, until it ends"),
            value("tail", Some('n'), "N", Kind::Other, "only the last N lines"),
            value(
                "since",
                None,
                "TIME",
                Kind::Other,
                "only what is not older: 10m, 2026-01-31T12:00:00Z, seconds since 1970",
            ),
            flag("timestamps", Some('t'), "each line with its time"),
        ]],
        count: (1, 1),
        tail: Tail::Words,
    },
    Verb {
        name: "cp",
        group: Group::Inside,
        words: "SRC DST",
        kinds: &[Kind::Place],
        text: "copy files into or out of an instance (NAME:PATH)",
        about: "Copies a file or a directory out of an instance (NAME:PATH DST) or into it (SRC NAME:PATH). Where DST is \
                a directory the copy goes into it. - is a tar archive on standard output or input.",
        options: &[],
        count: (2, 2),
        tail: Tail::Words,
    },
    Verb {
        name: "stats",
        group: Group::Inside,
        words: "[NAME…]",
        kinds: &[Kind::Instance],
        text: "what instances use of this machine",
        about: "Shows processor time, memory, disk and processes of the instances that run: every second on a \
                terminal until q is pressed, once elsewhere.",
        options: &[&[flag("no-stream", None, "once"), FORMAT]],
        count: (0, MANY),
        tail: Tail::Words,
    },
    Verb {
        name: "top",
        group: Group::Inside,
        words: "[NAME…]",
        kinds: &[Kind::Instance],
        text: "the processes of instances, the busiest first",
        about: "Shows the processes of the instances that run, the busiest first: every second on a terminal until q is \
                pressed, once elsewhere.",
        options: &[&[value("count", Some('n'), "N", Kind::Other, "so many times, then end")]],
        count: (0, MANY),
        tail: Tail::Words,
    },
];
