//! From a plan to a running child; the only crate that starts processes.
//!
//! [`start`] launches the plan, answers its pauses through a [`Caller`], and returns when the child has
//! become its program, or has failed: then the child has been waited for, and the failure is in words.
//! It takes no lock and keeps no state, so that any number of threads may start children side by side.
#![no_std]
extern crate alloc;

mod failure;
#[cfg(feature = "containers")]
mod passage;
#[cfg(feature = "containers")]
mod table;

use sys::Errno;
use sys::clone::Child;
use sys::event::{PollFd, PollFlags, poll};
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use sys::time::Timespec;

use plan::Channel;

pub use failure::Error;
#[cfg(feature = "containers")]
pub use passage::{Passage, cross};
pub use plan::{Launch, Memory, Others, Pause, Plan, Report, Step};

/// Who starts a child: what it does while the child waits.
pub trait Caller {
    /// What a pause's work can come to besides success.
    type Error;

    /// The child has paused for `reason`, and goes on when this returns.
    ///
    /// # Errors
    /// Whatever went wrong; the child is killed then.
    fn pause(&mut self, reason: Pause, child: &Child) -> Result<(), Self::Error>;

    /// The child has opened its terminal; this is the master.
    fn terminal(&mut self, master: OwnedFd);
}

/// Why a start came to nothing.
#[derive(Debug)]
pub enum Stopped<E> {
    /// The plan did not happen.
    Plan(Error),
    /// The caller's own work at a pause failed.
    Caller(E),
}

/// Launches a plan and follows it until the child is its program.
///
/// # Errors
/// [`Stopped`]: the child does not exist any more.
pub fn start<C: Caller>(launch: &Launch<'_>, caller: &mut C) -> Result<Child, Stopped<C::Error>> {
    follow(launch, caller, |_| true).map(|(child, _)| child)
}

/// What a start came to that was not waited for without end.
#[derive(Debug)]
pub enum Late<E> {
    /// It was stopped in time.
    Stopped(Stopped<E>),
    /// It was not in time, or what was made of it was not, and could be killed: nothing of it exists any more. The next may
    /// be held up as well.
    Killed(Error),
    /// The child has not got through its plan, and sleeps in the kernel, perhaps for ever. SIGKILL is pending for it; it
    /// is yet to be waited for.
    Hangs(Child, Error),
}

/// The same as [`start`], for a caller that has others to look after: a child that says nothing for so many milliseconds is
/// given up. A plan enters file systems of others, and one that hangs would hang its caller too. In borrowed memory it does
/// all the same ([`Memory::Borrowed`]).
///
/// # Errors
/// [`Late`].
pub fn start_within<C: Caller>(
    launch: &Launch<'_>,
    caller: &mut C,
    milliseconds: u32,
) -> Result<Child, Late<C::Error>> {
    match follow(launch, caller, |channel| speaks(channel, milliseconds)).map_err(Late::Stopped)? {
        (child, Stage::Program) => Ok(child),
        (child, Stage::Plan) => {
            let _ = pidfd_send_signal(&child.pidfd, Signal::KILL);
            Err(Late::Hangs(child, Error::late(milliseconds)))
        }
    }
}

/// How far a child has come.
enum Stage {
    /// It is on its way.
    Plan,
    /// It is its program.
    Program,
}

/// Launches a plan and follows it as long as `speaks` says that there is, or will be, something to hear.
fn follow<C: Caller>(
    launch: &Launch<'_>,
    caller: &mut C,
    speaks: impl Fn(&Channel) -> bool,
) -> Result<(Child, Stage), Stopped<C::Error>> {
    let started = plan::launch(*launch)
        .map_err(|errno| Stopped::Plan(Error::clone(launch.namespaces, launch.cgroup.is_some(), errno)))?;
    let (child, channel) = (started.child, started.channel);
    let stopped = loop {
        if !speaks(&channel) {
            return Ok((child, Stage::Plan));
        }
        match channel.receive() {
            Ok(Report::Terminal(master)) => caller.terminal(master),
            Ok(Report::Paused(reason)) => match caller.pause(reason, &child) {
                // A child that is gone by now is seen by the next receive.
                Ok(()) => match channel.proceed() {
                    Ok(()) | Err(Errno::PIPE | Errno::CONNRESET) => {}
                    Err(errno) => break Stopped::Plan(Error::channel(errno)),
                },
                Err(error) => break Stopped::Caller(error),
            },
            Ok(Report::Closed) => return Ok((child, Stage::Program)),
            Ok(Report::Failed(failure)) => {
                break Stopped::Plan(Error::step(&launch.plan, failure));
            }
            Err(errno) => break Stopped::Plan(Error::channel(errno)),
        }
    };
    end(&child);
    Err(stopped)
}

/// Whether a child says something within so many milliseconds.
fn speaks(channel: &Channel, patience: u32) -> bool {
    // What is noted in memory is there already.
    channel.socket().map_or(true, |socket| is_ready(socket, patience))
}

/// Whether there is something to be read, or an end to be waited for, within so many milliseconds.
fn is_ready(descriptor: BorrowedFd<'_>, milliseconds: u32) -> bool {
    let until = sys::clock::monotonic() + u64::from(milliseconds) * 1_000_000;
    loop {
        let left = until.saturating_sub(sys::clock::monotonic());
        let time = Timespec { tv_sec: (left / 1_000_000_000) as i64, tv_nsec: (left % 1_000_000_000) as i64 };
        match poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&time)) {
            Err(Errno::INTR) => {}
            // Without poll(2) there is no way but to wait.
            answer => return answer != Ok(0),
        }
    }
}

/// Kills a child and waits for it.
pub fn end(child: &Child) {
    // ESRCH: it has ended by itself.
    let _ = pidfd_send_signal(&child.pidfd, Signal::KILL);
    let _ = wait(child);
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// It left with this code.
    Code(u8),
    /// This signal killed it.
    Signal(i32),
}

impl Exit {
    /// The exit code that a shell would report: 128+n for signal n.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(number) => u8::try_from(128 + number).unwrap_or(u8::MAX),
        }
    }
}

/// __WALL: a child whose end raises no SIGCHLD is waited for only so.
const ALL: WaitIdOptions = WaitIdOptions::from_bits_retain(0x4000_0000);

/// Waits for the end of a child and reaps it (waitid(2), P_PIDFD).
///
/// # Errors
/// ECHILD where it has been waited for already.
pub fn wait(child: &Child) -> sys::Result<Exit> {
    loop {
        match waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED | ALL) {
            Ok(Some(status)) => {
                return Ok(match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Exit::Code(code as u8),
                    (None, Some(number)) => Exit::Signal(number),
                    (None, None) => return Err(Errno::CHILD),
                });
            }
            Ok(None) => return Err(Errno::CHILD),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// A process that is not our child, by its pidfd (pidfd_open(2)).
///
/// # Errors
/// ESRCH where there is none of that number.
pub fn open(pid: Pid) -> sys::Result<OwnedFd> {
    sys::process::pidfd_open(pid, PidfdFlags::empty())
}
