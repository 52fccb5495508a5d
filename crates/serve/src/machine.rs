//! What the program that embeds the server does for it.

use alloc::string::String;
use alloc::vec::Vec;

use sys::fd::BorrowedFd;
use sys::reap::End;
use wire::answer::Exit;
use wire::json::Object;
use wire::{Resume, Shutdown, SignalNumber};

use crate::start::{NotStarted, Start, Started};

/// What a machine has learnt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    /// An orphan has been reaped.
    Reaped {
        /// What its pid was.
        pid: i32,
        /// How it ended.
        end: End,
    },
    /// Everything is to end: no more clients, no more commands; [`crate::Server::run`] returns when no command
    /// is left and all is sent.
    Stopping,
    /// The time to end in is up: all that runs is killed, and its end told to whoever follows it, before somebody else
    /// kills it and this server with it. As [`News::Stopping`] besides.
    TimeUp,
}

/// Whether orphans are watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watch {
    /// Each is to be told of.
    On,
    /// None needs to be.
    Off,
}

/// What a machine answers to a request: done, or why not, in words for the client.
pub type Done = Result<(), String>;

/// Whether the server goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// It does.
    Serve,
    /// It ends: [`crate::Server::run`] returns.
    Stop,
}

/// The container or machine that the server speaks for: PID 1 for `minit`, the shim for a container.
pub trait Machine {
    /// `shutdown`: begins it, and returns.
    ///
    /// # Errors
    /// Why it cannot be done.
    fn shutdown(&mut self, how: Shutdown) -> Done;

    /// `signal_main`: sends a signal to the main command.
    ///
    /// # Errors
    /// Why it cannot be done.
    fn signal_main(&mut self, signal: SignalNumber) -> Done;

    /// `resume`: what a guest learns after it was restored from a snapshot.
    ///
    /// # Errors
    /// Why it cannot be done.
    fn resume(&mut self, news: &Resume) -> Done;

    /// `freeze` and `thaw` without an id: the main command.
    ///
    /// # Errors
    /// Why it cannot be done.
    fn freeze(&mut self, to: Frozen) -> Done;

    /// `exec`: starts a command as a child of this process; here, unless a machine knows another place. One that does
    /// finds programs, users and directories in that place, and starts with a copy of its memory
    /// (`spawn::Memory::Copied`) that cannot be dumped: what enters a container could be looked into from there
    /// (CVE-2016-9962). The server's own thread may have a slack of timers set meanwhile, which the child is to inherit.
    ///
    /// # Errors
    /// Why it was not started, such as that nothing is while the container is paused.
    fn start(&mut self, start: &Start<'_>) -> Result<Started, NotStarted> {
        start.here()
    }

    /// The adopted main command has ended: its output up to there is in its log, and no client knows yet. What this
    /// writes down is there when the first one hears of it.
    fn main_ended(&mut self, exit: &Exit) {
        let _ = exit;
    }

    /// Members that `stats` has beside the server's own: `uptime_secs`, `main`, `orphans_reaped` …
    fn stats(&mut self, message: &mut Object<'_>);

    /// Whether this is all of a machine, whose figures are then the server's: its memory and its processes are in no
    /// cgroup's files.
    fn is_whole(&self) -> bool {
        false
    }

    /// Whether a process is one that clients may list and signal by its number. A shim sees those of the host too, and
    /// answers for its container's alone.
    fn has(&self, pid: i32) -> bool {
        let _ = pid;
        true
    }

    /// A descriptor that the loop watches for the machine; [`Machine::ready`] is called when it is readable.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// The descriptor is readable, or has hung up. What is new is added to `news`.
    fn ready(&mut self, news: &mut Vec<News>) -> Next {
        let _ = news;
        Next::Serve
    }

    /// Whether somebody wants to hear of each orphan that is reaped: called when the first client subscribes to
    /// events, and when the last one has gone. A server that has found execs of a predecessor wants it until they
    /// have ended.
    fn watch_orphans(&mut self, watch: Watch) {
        let _ = watch;
    }
}

/// What `freeze` and `thaw` come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frozen {
    /// It stands still.
    Yes,
    /// It runs.
    No,
}
