//! Why the main command was not started, in the words of whoever we are: what, on what, why, and what may help.

use core::ffi::CStr;

use plan::{Call, Failure, Plan, Step};
use sys::Errno;

use crate::catatonit;
use crate::message::Part::{Error, Limit, Number, Text, Value};
use crate::message::{Part, complain, ours};
use crate::settings::{Dialect, Settings};
use crate::tini;

const NONE: Part<'_> = Text("");

/// No process could be made; the exit code.
pub fn no_process(settings: &Settings<'_>, errno: Errno) -> u8 {
    match settings.dialect {
        Dialect::Minit => ours(&[Text("create a process: "), Error(errno)]),
        Dialect::Tini => tini::fatal(&[Text("fork failed: "), Error(errno), Text(""), Text("")]),
        Dialect::DumbInit => complain(&[Text("[dumb-init] Unable to fork. Exiting.\n")]),
        Dialect::Catatonit => catatonit::error(Text("failed to fork child: "), Error(errno)),
    }
    if settings.dialect == Dialect::Minit { 125 } else { 1 }
}

/// A step of the plan failed; the exit code.
pub fn failed(settings: &Settings<'_>, plan: Plan<'_>, failure: Failure) -> u8 {
    let step = plan.steps.get(usize::from(failure.step));
    let Some(Step::Execute(program)) = step else {
        let (option, value, hint) = step.map_or(("start", NONE, ""), |step| origin(settings, step));
        let is_refused = matches!(failure.errno, Errno::PERM | Errno::ACCESS) && !hint.is_empty();
        let (open, rest, close) =
            if is_refused { (": ", hint, "") } else { (" (", failure.call.name(), ")") };
        let why = [Text(": "), Error(failure.errno), Text(open), Text(rest), Text(close)];
        ours(&[Text(option), value, why[0], why[1], why[2], why[3], why[4]]);
        return if settings.dialect == Dialect::Minit { 125 } else { 1 };
    };
    let missing = failure.call == Call::Execute && matches!(failure.errno, Errno::NOENT | Errno::NOTDIR);
    let file = Value(program.file.to_bytes());
    match settings.dialect {
        Dialect::Minit => {
            ours(&[file, Text(": "), Text(reason(failure))]);
            if missing { 127 } else { 126 }
        }
        Dialect::Tini => {
            tini::fatal(&[Text("exec "), file, Text(" failed: "), Error(failure.errno)]);
            match failure.errno {
                Errno::NOENT => 127,
                Errno::ACCESS => 126,
                _ => 1,
            }
        }
        Dialect::DumbInit => {
            complain(&[Text("[dumb-init] "), file, Text(": "), Error(failure.errno), Text("\n")]);
            2
        }
        Dialect::Catatonit => {
            catatonit::error(Text("failed to exec pid1: "), Error(failure.errno));
            1
        }
    }
}

fn reason(failure: Failure) -> &'static str {
    match (failure.call, failure.errno) {
        (Call::Interpreter, _) => "it exists, but the interpreter that it names does not",
        (_, Errno::NOENT | Errno::NOTDIR) => "command not found",
        (_, Errno::NOEXEC) => {
            "not a program that this kernel runs (wrong architecture, or a script without #!)"
        }
        (_, Errno::ACCESS) => "not executable (no permission, a directory, or a noexec mount)",
        (_, Errno::TOOBIG) => "arguments and environment are too long",
        (_, errno) => sys::strerror::describe(errno),
    }
}

/// The option that a step comes from, with what was asked for, and what is missing where the kernel does not permit it.
fn origin<'a>(settings: &Settings<'a>, step: &'a Step<'a>) -> (&'static str, Part<'a>, &'static str) {
    let identity = &settings.identity;
    let user = || match identity.user {
        Some(user) => ("--user ", Value(user.to_bytes())),
        None => ("--group ", Value(identity.group.map_or(b"", CStr::to_bytes))),
    };
    match step {
        Step::WriteProc { value, .. } => {
            ("--oom-score-adj ", Value(value.to_bytes()), "to lower it needs CAP_SYS_RESOURCE")
        }
        Step::Limit(limit) => (
            "--rlimit ",
            Limit(limit),
            "to raise a hard limit needs CAP_SYS_RESOURCE (nofile is fs.nr_open at most)",
        ),
        Step::Nice(nice) => ("--nice ", Number(*nice), "to lower it needs CAP_SYS_NICE"),
        Step::BoundingSet(_) => ("--bounding", NONE, "it needs CAP_SETPCAP"),
        Step::Groups(_) | Step::User { .. } => {
            let groups = identity.groups.filter(|_| matches!(step, Step::Groups(_)));
            let (option, value) = groups.map_or_else(user, |list| ("--groups ", Value(list.to_bytes())));
            (option, value, "it needs CAP_SETUID and CAP_SETGID")
        }
        Step::KeepCapabilities | Step::SetCapabilities { .. } | Step::Ambient(_) => {
            ("--ambient", NONE, "it has to be permitted to minit")
        }
        Step::NoNewPrivileges => ("--no-new-privs", NONE, ""),
        Step::Chdir { path } => ("--chdir ", Value(path.to_bytes()), ""),
        Step::NewSession => ("a new session", NONE, ""),
        Step::NewGroup => ("a new process group", NONE, ""),
        _ => ("start", NONE, ""),
    }
}
