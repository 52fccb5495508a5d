//! One exec from its start until nobody asks about it any more.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use cgroup::Group;
use sys::children::Ended;
use sys::clone::Child;
use sys::fd::{AsFd, OwnedFd};
use sys::process::Pid;
use sys::reap::End;
use wire::answer::{Exit, Stream};
use wire::{Exec, ExecId, OnDisconnect, SignalNumber, State};

use crate::Orphans;
use crate::inlet::Inlet;
use crate::journal::Slot;
use crate::key::Key;
use crate::log::Record;
use crate::outlet::{Allowance, Outlet};
use crate::poll::{Poll, Source};
use crate::terminal::END_OF_INPUT;
use crate::timers::{Instant, MILLISECOND, now};
use crate::tree::{Kin, Root};
use crate::watcher::Watcher;

/// What an exec is told apart by in lists.
#[derive(Debug)]
pub struct Label {
    pub cmd: String,
    pub tag: Option<String>,
    pub user: String,
    /// In seconds since 1970.
    pub started_at: u64,
}

/// The part of a request that matters after the start.
#[derive(Debug)]
pub struct Terms {
    pub timeout_ms: u64,
    pub kill_signal: SignalNumber,
    pub grace: u64,
    pub linger: u64,
    pub on_disconnect: OnDisconnect,
    pub replay: u64,
}

impl Terms {
    pub fn of(exec: &Exec) -> Self {
        Self {
            timeout_ms: exec.timeout_ms,
            kill_signal: exec.kill_signal,
            grace: exec.grace_ms * MILLISECOND,
            linger: exec.linger_ms * MILLISECOND,
            on_disconnect: exec.on_disconnect,
            replay: exec.replay_bytes,
        }
    }
}

/// What becomes of an exec's output after its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remains {
    /// It is kept for whoever knows the id, which the caller has chosen.
    Kept,
    /// It is kept for the one client that knows the id.
    Owed,
    /// That client has got all of it: only the record is kept.
    Delivered,
}

/// An exec.
#[derive(Debug)]
pub struct Session {
    pub id: ExecId,
    /// Whether a client knows the id, and so may come back for it.
    pub is_named: bool,
    /// What becomes of its output after its end.
    pub remains: Remains,
    /// Whether a predecessor of this server has started it.
    pub is_orphan: bool,
    pub pid: Pid,
    /// Until it has been reaped.
    pub pidfd: Option<OwnedFd>,
    /// That pidfd afterwards, where its process group is to be killed yet and there is no /proc to find it by.
    pub past: Option<OwnedFd>,
    /// Where it is noted while it runs.
    pub slot: Option<Slot>,
    pub label: Label,
    pub terms: Terms,
    pub mark: u32,
    /// Its cgroup, where it has one.
    pub group: Option<Group>,
    /// How its process has ended, until that is told.
    pub ended: Option<Ended>,
    pub exit: Option<Exit>,
    /// Standard output (or the terminal) and standard error.
    pub outlets: [Outlet; 2],
    pub inlet: Inlet,
    /// Its terminal, where it has one, to be resized.
    pub terminal: Option<OwnedFd>,
    pub allowance: Option<Allowance>,
    pub watchers: Vec<Watcher>,
    /// Who waits for its end.
    pub waiters: Vec<Key>,
    pub started: Instant,
    /// When its time is up.
    pub deadline: Option<Instant>,
    /// When what has been asked to end is killed.
    pub kill_at: Option<Instant>,
    /// Its tree is to be killed in this round: it is not forgotten before.
    pub is_doomed: bool,
    /// When output that outlives the process is followed no longer.
    pub linger_until: Option<Instant>,
    /// When the end of input is typed on its terminal once more.
    pub type_end_at: Option<Instant>,
    pub due: Option<Instant>,
    pub timed_out: bool,
    pub truncated: bool,
    pub killed_by: Option<&'static str>,
    /// Where all of its output is kept.
    pub log: Option<Box<dyn Record>>,
}

/// From what a command writes to the end of input that is typed for it: one that answers it with more costs little.
const TYPING: Instant = 50 * MILLISECOND;

/// Both streams, in the order of [`Session::outlets`].
pub const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

impl Session {
    /// One that begins now, without streams, whose id a client knows.
    pub fn new(id: ExecId, child: Child, label: Label, terms: Terms) -> Self {
        let started = now();
        Self {
            id,
            is_named: true,
            remains: Remains::Kept,
            is_orphan: false,
            pid: child.pid,
            pidfd: Some(child.pidfd),
            past: None,
            slot: None,
            deadline: (terms.timeout_ms > 0).then(|| started + terms.timeout_ms * MILLISECOND),
            label,
            terms,
            mark: 0,
            group: None,
            ended: None,
            exit: None,
            outlets: [Outlet::new(None), Outlet::new(None)],
            inlet: Inlet::new(None, Vec::new()),
            terminal: None,
            allowance: None,
            watchers: Vec::new(),
            waiters: Vec::new(),
            started,
            kill_at: None,
            is_doomed: false,
            linger_until: None,
            type_end_at: None,
            due: None,
            timed_out: false,
            truncated: false,
            killed_by: None,
            log: None,
        }
    }

    pub const fn number(&self) -> u64 {
        self.pid.as_raw_nonzero().get() as u64
    }

    /// How it is listed.
    pub const fn state(&self) -> State {
        match (&self.exit, self.is_orphan) {
            (Some(_), _) => State::Exited,
            (None, true) => State::Orphaned,
            (None, false) => State::Running,
        }
    }

    /// What tells its descendants.
    pub fn root(&self, kin: Kin<'_>) -> Root<'_> {
        // Those of a predecessor's commands fell to somebody above when it ended.
        let orphans = if self.is_orphan { Orphans::Others } else { kin.orphans };
        Root { pid: self.pid, pidfd: self.pidfd.as_ref().map(AsFd::as_fd), mark: self.mark, orphans }
    }

    /// Kills all of it by its cgroup, where it has one: the kernel misses nobody, and takes one write for all.
    pub fn kill_group(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.kill().is_ok())
    }

    /// Whether something of its cgroup is alive, where it has one.
    pub fn is_populated(&self) -> Option<bool> {
        Some(self.group.as_ref()?.events().ok()?.populated)
    }

    /// Whether its process has ended and nothing more will come from its pipes.
    pub fn is_over(&self) -> bool {
        self.exit.is_some()
            && self.outlets.iter().all(Outlet::is_closed)
            && self.kill_at.is_none()
            && !self.is_doomed
    }

    /// Whether an output is followed whose silence would end that.
    pub fn may_fall_silent(&self) -> bool {
        self.outlets.iter().any(|outlet| !outlet.is_closed() && !outlet.is_held())
    }

    /// Signals its process alone.
    pub fn signal_leader(&self, signal: SignalNumber) -> sys::Result<()> {
        let pidfd = self.pidfd.as_ref().ok_or(sys::Errno::SRCH)?;
        sys::signals::send(pidfd, signal.get())
    }

    /// Signals its process group; after the process's own end, what is left of the group.
    pub fn signal_group(&self, kin: Kin<'_>, signal: SignalNumber) -> sys::Result<()> {
        if let Some(pidfd) = &self.pidfd {
            return sys::children::signal_group(pidfd, self.pid, signal.get());
        }
        let group = self.pid.as_raw_pid();
        let mut members = crate::tree::members(kin, &[self.root(kin)]);
        members.retain(|(_, member)| member.group == group);
        members.iter().for_each(|(_, member)| crate::tree::send(member, signal.get()));
        if members.is_empty() { Err(sys::Errno::SRCH) } else { Ok(()) }
    }

    /// Reaps the process if it has ended.
    pub fn reap(&self) -> Option<Ended> {
        match sys::children::ended(self.pidfd.as_ref()?) {
            Ok(ended) => ended,
            // Somebody else has reaped it: its code is lost, its end is not.
            Err(_) => Some(Ended { how: End::Code(255), user_ms: 0, system_ms: 0, max_rss_kb: 0 }),
        }
    }

    /// Its process is no more.
    pub fn note_end(&mut self, ended: Ended, now: Instant) {
        let (code, signal) = match ended.how {
            End::Code(code) => (code, None),
            End::Signal(number) => (128u8.saturating_add(number.unsigned_abs() as u8), Some(number)),
        };
        self.inlet.close();
        self.pidfd = None;
        self.deadline = None;
        self.exit = Some(Exit {
            code,
            elapsed_ms: (now - self.started) / MILLISECOND,
            pid: self.number(),
            signal,
            killed_by: self.killed_by,
            timed_out: self.timed_out,
            oom: self.group.as_ref().is_some_and(|group| {
                signal == Some(9) && group.events().is_ok_and(|events| events.oom_kill > Some(0))
            }),
            truncated: self.truncated,
            usage: [ended.user_ms, ended.system_ms, ended.max_rss_kb],
            left: 0,
            error: None,
        });
    }

    /// Where each output stands towards its readers: forgets what nobody needs, and reads on where there is
    /// room again.
    pub fn settle(&mut self, key: Key, poll: &Poll) {
        let keeps = self.is_named || self.watchers.is_empty();
        for (number, outlet) in self.outlets.iter_mut().enumerate() {
            let slowest = self.watchers.iter().map(|watcher| watcher.at[number]).min();
            outlet.floor = slowest.unwrap_or(outlet.ring.end());
            let replay = if keeps { outlet.ring.end().saturating_sub(self.terms.replay) } else { u64::MAX };
            outlet.ring.forget(outlet.floor.min(replay));
            let source = if number == 0 { Source::Stdout(key) } else { Source::Stderr(key) };
            outlet.watch(poll, source, self.allowance.as_ref());
        }
    }

    /// It has written, after the end of input was typed on its terminal. A program that reads keys by itself, as a
    /// shell does, sets the terminal so before it writes that it waits for some: an end that was typed earlier is none
    /// to it, and it would wait for ever. Whether it is due now.
    pub fn wants_end_again(&mut self) -> bool {
        let wants = self.exit.is_none() && self.terminal.is_some() && self.inlet.has_ended();
        let is_new = wants && self.type_end_at.is_none();
        if is_new {
            self.type_end_at = Some(now() + TYPING);
        }
        is_new
    }

    /// Types the end of input once more. A terminal that takes nothing has enough of them.
    pub fn type_end(&mut self) {
        self.type_end_at = None;
        if let Some(terminal) = self.terminal.as_ref().filter(|_| self.exit.is_none()) {
            let _ = sys::io::write(terminal, &[END_OF_INPUT]);
        }
    }

    /// When something is to be done for it next.
    pub fn next_due(&self) -> Option<Instant> {
        [self.deadline, self.kill_at, self.linger_until, self.type_end_at].into_iter().flatten().min()
    }
}
