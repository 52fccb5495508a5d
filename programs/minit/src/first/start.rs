//! From settings to a running main command; what goes wrong is put into the words of whoever we are.

use plan::{Launch, Memory, Others, Plan, Report, launch};
use sys::Errno;
use sys::clone::Namespaces;
use sys::fd::{BorrowedFd, OwnedFd};

use crate::failure::{failed, no_process};
use crate::settings::Settings;

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
