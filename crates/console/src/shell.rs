//! The shell of the console.

use std::ffi::{CStr, CString};

use plan::Execute;
use spawn::{Caller, Launch, Memory, Others, Pause, Plan, Step, Stopped};
use sys::clone::{Child, Namespaces};
use sys::exec::Argument;
use sys::fd::{BorrowedFd, OwnedFd};
use sys::fs::{AtFlags, CWD, FileType, statat};

use crate::Error;

/// What a person who logs in on a terminal gets. Nothing of the embedding program's own.
const ENVIRONMENT: [&CStr; 5] = [
    c"TERM=linux",
    c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    c"HOME=/root",
    c"USER=root",
    c"LOGNAME=root",
];

/// Starts the shell as the leader of a session whose controlling terminal `terminal` is.
///
/// # Errors
/// Why there is none.
pub fn start(shell: &CStr, terminal: BorrowedFd<'_>) -> Result<Child, Error> {
    let text = shell.to_string_lossy();
    let name = text.rsplit('/').next().unwrap_or_default();
    // By the dash before its name a shell knows that it is the first one, and reads the profile (login(1)).
    let name = CString::new(format!("-{name}"))
        .map_err(|_| Error::new(format!("shell {text}: its name has a zero in it")))?;
    let variable = CString::new(format!("SHELL={text}"))
        .map_err(|_| Error::new(format!("shell {text}: its name has a zero in it")))?;
    let envp: Vec<Argument<'_>> = ENVIRONMENT
        .into_iter()
        .chain([variable.as_c_str()])
        .map(Argument::new)
        .chain([Argument::END])
        .collect();
    let argv = [Argument::new(&name), Argument::END];
    let home = statat(CWD, c"/root", AtFlags::empty())
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
    let steps = [
        Step::NewSession,
        Step::TakeTerminal,
        Step::Umask(0o022),
        Step::Signals { reset: sys::children::ignored_signals() },
        Step::Chdir { path: if home { c"/root" } else { c"/" } },
        Step::Execute(Execute { file: shell, search: c"", argv: &argv, envp: &envp }),
    ];
    let launch = Launch {
        plan: Plan { steps: &steps },
        namespaces: Namespaces::NONE,
        cgroup: None,
        standard: [Some(terminal); 3],
        // The embedding program may have any number of threads that start others.
        others: Others::Close,
        memory: Memory::Borrowed,
    };
    spawn::start(&launch, &mut NoPauses).map_err(|stopped| match stopped {
        Stopped::Plan(error) => Error::new(match error.code() {
            127 => format!("shell {text}: there is no such program"),
            126 => format!("shell {text}: it cannot be executed"),
            _ => format!("shell {text}: {error}"),
        }),
        Stopped::Caller(never) => match never {},
    })
}

/// The plan has no pauses, and no terminal of a container's.
struct NoPauses;

impl Caller for NoPauses {
    type Error = std::convert::Infallible;

    fn pause(&mut self, _: Pause, _: &Child) -> Result<(), Self::Error> {
        Ok(())
    }

    fn terminal(&mut self, _: OwnedFd) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(shell: &CStr) -> String {
        let null = std::fs::File::open("/dev/null").expect("/dev/null");
        start(shell, sys::fd::AsFd::as_fd(&null)).expect_err("no shell").to_string()
    }

    #[test]
    fn a_shell_that_cannot_be_started_is_named_with_the_reason() {
        assert_eq!(refused(c"/nowhere/sh"), "shell /nowhere/sh: there is no such program");
        assert_eq!(refused(c"/etc/passwd"), "shell /etc/passwd: it cannot be executed");
        assert_eq!(refused(c"/"), "shell /: it cannot be executed");
    }
}
