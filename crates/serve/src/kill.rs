//! `kill`: by pidfd, so that a signal never reaches a recycled number.

use alloc::format;
use alloc::string::String;

use sys::Errno;
use sys::fd::AsFd;
use sys::process::Pid;
use sys::strerror::describe;
use wire::{Kill, Quoted, Scope, SignalNumber, Target};

use crate::blind;
use crate::server::{Server, kin};
use crate::tree::{Kin, Root};

const SIGKILL: i32 = 9;
/// Descriptors that a kill has open at once.
const NEEDED: usize = 4;

impl Server {
    /// Signals a process, its group or its tree; why not, in words. It passes though no descriptor is left.
    pub(crate) fn kill(&mut self, kill: &Kill) -> Result<(), String> {
        if kill.scope != Scope::Tree && matches!(kill.target, Target::Exec(_)) {
            return self.signal(kill);
        }
        // A process by its number is opened; the walk down a tree reads a file at a time.
        self.reserve.truncate(self.reserve.len().saturating_sub(NEEDED));
        let result = self.signal(kill);
        self.fill_reserve();
        result
    }

    fn signal(&mut self, kill: &Kill) -> Result<(), String> {
        let kin = kin!(self);
        match &kill.target {
            Target::Pid(pid) => signal_process(*pid, kill.signal, kill.scope, kin)
                .map_err(|errno| format!("kill {pid}: {}", describe(errno))),
            Target::Exec(id) => {
                let found = self.session_of(id).and_then(|found| self.sessions.get_mut(found));
                let Some(session) = found else {
                    return Err(format!("kill: no exec has the id {}", Quoted(id.as_str())));
                };
                let result = match kill.scope {
                    Scope::Leader => session.signal_leader(kill.signal),
                    Scope::Group => session.signal_group(kin, kill.signal),
                    Scope::Tree if kill.signal.get() == SIGKILL && session.kill_group() => Ok(()),
                    Scope::Tree => signal_tree(session.root(kin), kill.signal, kin),
                };
                if result.is_ok() && session.exit.is_none() {
                    session.killed_by.get_or_insert("kill");
                }
                result.map_err(|errno| format!("kill {}: {}", Quoted(id.as_str()), describe(errno)))
            }
        }
    }
}

fn signal_process(pid: i32, signal: SignalNumber, scope: Scope, kin: Kin<'_>) -> sys::Result<()> {
    let pid = Pid::from_raw(pid).ok_or(Errno::SRCH)?;
    let pidfd = spawn::open(pid)?;
    match scope {
        Scope::Leader => sys::signals::send(&pidfd, signal.get()),
        Scope::Group => sys::children::signal_group(&pidfd, pid, signal.get()),
        // It has no mark of ours: 0 is nobody's.
        Scope::Tree => {
            let pidfd = Some(pidfd.as_fd());
            signal_tree(Root { pid, pidfd, mark: 0, orphans: kin.orphans }, signal, kin)
        }
    }
}

fn signal_tree(root: Root<'_>, signal: SignalNumber, kin: Kin<'_>) -> sys::Result<()> {
    let count = match signal.get() {
        SIGKILL => blind::kill(kin, &[root]),
        number => blind::signal(kin, &[root], &|_| number),
    };
    if count == 0 { Err(Errno::SRCH) } else { Ok(()) }
}
