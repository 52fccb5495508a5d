//! The main command: one that the embedding program has started, and that the server ends with.

use alloc::string::String;
use alloc::vec::Vec;

use cgroup::Group;
use sys::clone::Child;
use sys::event::epoll::EventFlags;
use sys::fd::OwnedFd;
use sys::io::{fcntl_dupfd_cloexec, ioctl_fionbio};
use sys::process::Pid;
use sys::{Errno, Result};
use wire::{ExecId, OnDisconnect, SignalNumber};

use crate::inlet::Inlet;
use crate::key::Key;
use crate::log::Log;
use crate::machine::Machine;
use crate::outlet::Outlet;
use crate::poll::Source;
use crate::server::Server;
use crate::session::{Label, Session, Terms};
use crate::supervise::LAST_WORDS;
use crate::timers::{Due, MILLISECOND, now};

/// A command that runs already, such as process 1 of a container.
#[derive(Debug)]
pub struct Main {
    /// What it is called by clients.
    pub id: ExecId,
    /// Its process: a child of this one.
    pub child: Child,
    /// What it reads and writes.
    pub streams: Streams,
    /// What lists show it by.
    pub cmd: String,
    /// The user that it runs as, for lists.
    pub user: String,
    /// In seconds since 1970.
    pub started_at: u64,
    /// How many bytes of each stream are kept for who attaches later.
    pub replay_bytes: u64,
    /// What lists show as the signal that ends it, and a machine may send.
    pub kill_signal: SignalNumber,
    /// Its cgroup, to be killed, frozen and counted by. It is not removed here: that is for who has made it.
    pub group: Option<Group>,
    /// Where all that it writes is kept. It is not stopped by a client that reads slowly then: that one misses
    /// something, and is told so (`gap`).
    pub log: Option<Log>,
}

/// Our ends of a command's streams.
#[derive(Debug)]
pub enum Streams {
    /// Of its pipes: what is written to it, what it writes.
    Pipes {
        /// Standard input; it stays open until a client closes it.
        stdin: Option<OwnedFd>,
        /// Standard output.
        stdout: OwnedFd,
        /// Standard error.
        stderr: OwnedFd,
    },
    /// The master of its terminal.
    Terminal(OwnedFd),
}

/// The main command of a server.
#[derive(Debug)]
pub(crate) struct Adopted {
    pub found: Key,
    /// Until it has been reaped.
    pub pid: Option<Pid>,
    /// What follows its end. By reference, so that a program that adopts none does not have the code.
    pub end: fn(&mut Server, Key, &mut dyn Machine),
}

/// The same, as a session has them.
struct Ends {
    stdin: Option<OwnedFd>,
    outlets: [Outlet; 2],
    terminal: Option<OwnedFd>,
}

impl Streams {
    fn into_ends(self) -> Result<Ends> {
        match self {
            Self::Pipes { stdin, stdout, stderr } => {
                for pipe in [&stdout, &stderr].into_iter().chain(&stdin) {
                    ioctl_fionbio(pipe, true)?;
                }
                let outlets = [stdout, stderr].map(|pipe| Outlet::new(Some(pipe)));
                Ok(Ends { stdin, outlets, terminal: None })
            }
            Self::Terminal(master) => {
                ioctl_fionbio(&master, true)?;
                let [output, input] = [fcntl_dupfd_cloexec(&master, 3)?, fcntl_dupfd_cloexec(&master, 3)?];
                let outlets = [Outlet::terminal(output), Outlet::new(None)];
                Ok(Ends { stdin: Some(input), outlets, terminal: Some(master) })
            }
        }
    }
}

impl Server {
    /// Takes over the main command: clients find it by its id like any other exec. It has no timeout and is not ended
    /// by a client's going away; its record is kept as long as the server. When it has ended, [`Machine::main_ended`]
    /// is called, what else runs is killed, and [`Server::run`] returns when all is told.
    ///
    /// To the first process of a pid namespace come, from outside, the signals that it has handlers for, SIGKILL and
    /// SIGSTOP, and no others (pid_namespaces(7)): a `kill` with another one succeeds and does nothing to it, though in
    /// the scopes `group` and `tree` to others. SIGKILL of it ends all of its namespace.
    ///
    /// # Errors
    /// EEXIST where there is a main command or an exec of this id; those of fcntl(2), ioctl(2) and epoll_ctl(2).
    pub fn adopt(&mut self, main: Main) -> Result<()> {
        if self.main.is_some() || self.session_of(&main.id).is_some() {
            return Err(Errno::EXIST);
        }
        let Ends { stdin, mut outlets, terminal } = main.streams.into_ends()?;
        let log = main.log.map(Into::into);
        if log.is_some() {
            outlets = outlets.map(|outlet| outlet.unheld(main.replay_bytes));
        }
        let label = Label { cmd: main.cmd, tag: None, user: main.user, started_at: main.started_at };
        let terms = Terms {
            timeout_ms: 0,
            kill_signal: main.kill_signal,
            grace: 2000 * MILLISECOND,
            linger: 100 * MILLISECOND,
            on_disconnect: OnDisconnect::Keep,
            replay: main.replay_bytes,
        };
        let mut session = Session::new(main.id, main.child, label, terms);
        (session.outlets, session.terminal, session.log) = (outlets, terminal, log);
        session.inlet = Inlet::new(stdin, Vec::new());
        session.group = main.group;
        let pid = session.pid;
        let found = self.enter(session);
        self.main = Some(Adopted { found, pid: Some(pid), end: Self::main_has_ended });
        let Some(session) = self.sessions.get_mut(found) else { return Ok(()) };
        if let Some(pidfd) = &session.pidfd {
            self.poll.add(pidfd, Source::Process(found), EventFlags::IN)?;
        }
        session.settle(found, &self.poll);
        Ok(())
    }

    /// The main command's process has ended, and its output has been read; everything is to end.
    fn main_has_ended(&mut self, found: Key, machine: &mut dyn Machine) {
        if let Some(main) = &mut self.main {
            main.pid = None;
        }
        let Some(session) = self.sessions.get_mut(found) else { return };
        if let Some(log) = &mut session.log {
            log.end_lines();
        }
        if let Some(exit) = &session.exit {
            machine.main_ended(exit);
        }
        self.end_all();
    }

    /// Kills all that runs, and serves on until that is told to whoever follows it.
    pub(crate) fn end_all(&mut self) {
        self.stop();
        self.timers.set(Due::End, &mut self.end, Some(now() + LAST_WORDS));
        let others = self.sessions.iter().filter(|(_, session)| session.exit.is_none());
        let others: Vec<Key> = others.map(|(other, _)| other).collect();
        for other in others {
            if let Some(session) = self.sessions.get_mut(other) {
                session.killed_by.get_or_insert("shutdown");
            }
            self.doom(other);
        }
    }
}
