//! From settings to a running main command; what goes wrong is put into the words of whoever we are.

use plan::{Call, Failure, Launch, Memory, Others, Plan, Report, Step, launch};
use sys::Errno;
use sys::clone::Namespaces;
use sys::fd::{BorrowedFd, OwnedFd};

use crate::catatonit;
use crate::message::Part::{Bytes, Error, Text};
use crate::message::complain;
use crate::settings::{Dialect, Settings};
use crate::tini;

/// The main command.
#[derive(Debug)]
pub struct Main {
    /// Its pid.
    pub pid: i32,
    /// Its pidfd.
    pub pidfd: OwnedFd,
}

/// Starts it; or complains, and says the exit code.
///
/// # Errors
/// The exit code: that of whoever we are.
pub fn start(settings: &Settings<'_>, plan: Plan<'_>, cgroup: Option<BorrowedFd<'_>>) -> Result<Main, u8> {
    let launched = launch(Launch {
        plan,
        namespaces: Namespaces::NONE,
        cgroup,
        standard: [None; 3],
        others: Others::Keep,
        // Where a step does not go with that, plan falls back on a copy.
        memory: Memory::Borrowed,
    });
    let launched = launched.map_err(|errno| no_process(settings, errno))?;
    let main = Main { pid: launched.child.pid.as_raw_pid(), pidfd: launched.child.pidfd };
    let failure = match launched.channel.receive() {
        // Closed: it runs. An error of the channel tells nothing about the child, which is watched anyway.
        Ok(Report::Failed(failure)) => failure,
        _ => return Ok(main),
    };
    // It leaves by itself; until then it would be taken for an orphan.
    let all = sys::process::WaitIdOptions::from_bits_retain(0x4000_0000); // __WALL: it raises no SIGCHLD
    let options = sys::process::WaitIdOptions::EXITED | all;
    let id = sys::process::WaitId::PidFd(sys::fd::AsFd::as_fd(&main.pidfd));
    while matches!(sys::process::waitid(id.clone(), options), Err(Errno::INTR)) {}
    Err(failed(settings, plan, failure))
}

fn no_process(settings: &Settings<'_>, errno: Errno) -> u8 {
    match settings.dialect {
        Dialect::Minit => complain(&[Text("minit: create a process: "), Error(errno), Text("\n")]),
        Dialect::Tini => tini::fatal(&[Text("fork failed: "), Error(errno), Text(""), Text("")]),
        Dialect::DumbInit => complain(&[Text("[dumb-init] Unable to fork. Exiting.\n")]),
        Dialect::Catatonit => catatonit::error(Text("failed to fork child: "), Error(errno)),
    }
    if settings.dialect == Dialect::Minit { 125 } else { 1 }
}

fn failed(settings: &Settings<'_>, plan: Plan<'_>, failure: Failure) -> u8 {
    let step = plan.steps.get(usize::from(failure.step));
    let Some(Step::Execute(program)) = step else {
        let what = step.map_or("start", name);
        let (why, call) = (Error(failure.errno), Text(failure.call.name()));
        complain(&[Text("minit: "), Text(what), Text(": "), why, Text(" ("), call, Text(")\n")]);
        return if settings.dialect == Dialect::Minit { 125 } else { 1 };
    };
    let missing = failure.call == Call::Execute && matches!(failure.errno, Errno::NOENT | Errno::NOTDIR);
    let file = Bytes(program.file.to_bytes());
    match settings.dialect {
        Dialect::Minit => {
            complain(&[Text("minit: "), file, Text(": "), Text(reason(failure)), Text("\n")]);
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

/// The option that a step comes from.
const fn name(step: &Step<'_>) -> &'static str {
    match step {
        Step::WriteProc { .. } => "--oom-score-adj",
        Step::Limit(_) => "--rlimit",
        Step::Nice(_) => "--nice",
        Step::BoundingSet(_) => "--bounding",
        Step::Groups(_) => "--groups",
        Step::User { .. } => "--user, --group",
        Step::KeepCapabilities | Step::SetCapabilities { .. } | Step::Ambient(_) => "--ambient",
        Step::NoNewPrivileges => "--no-new-privs",
        Step::Chdir { .. } => "--chdir",
        Step::NewSession => "a new session",
        Step::NewGroup => "a new process group",
        _ => "start",
    }
}
