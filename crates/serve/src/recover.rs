//! Execs of a predecessor: they live on without their streams, and are looked after to their end.

use alloc::string::String;
use alloc::vec::Vec;

use sys::children::Ended;
use sys::clone::Child;
use sys::event::epoll::EventFlags;
use sys::fd::OwnedFd;
use sys::process::Pid;
use sys::reap::{self, End};
use wire::{OnDisconnect, SignalNumber};

use crate::journal::{Journal, Legacy, Note, Slot};
use crate::key::Key;
use crate::ordered::hash;
use crate::poll::Source;
use crate::server::Server;
use crate::session::{Label, Session, Terms};
use crate::timers::{MILLISECOND, now};

/// A tick in nanoseconds.
const TICK: u64 = 1_000_000_000 / sys::clock::TICKS_PER_SECOND;
/// How long somebody above has to tell how a command ended that was not ours to reap.
const PATIENCE: u64 = 1000 * MILLISECOND;
/// What is told where nobody can.
const LOST: &str = "its exit code is not known: the server that had started it had ended before";

impl Server {
    /// Takes up what a predecessor has left.
    pub(crate) fn recover(&mut self, file: OwnedFd) -> sys::Result<()> {
        let (journal, legacy) = Journal::open(file)?;
        let journal = self.journal.insert(journal);
        let Some(Legacy { notes, serial }) = legacy else { return Ok(()) };
        self.serial = serial;
        let mut living: Vec<(Slot, Note, OwnedFd)> = Vec::new();
        for (slot, note) in notes {
            match find(&note) {
                Some(pidfd) => living.push((slot, note, pidfd)),
                None => journal.clear(slot),
            }
        }
        self.restarted = Some(living.len() as u64);
        living.into_iter().for_each(|(slot, note, pidfd)| self.adopt_exec(slot, note, pidfd));
        Ok(())
    }

    fn adopt_exec(&mut self, slot: Slot, note: Note, pidfd: OwnedFd) {
        let Some(pid) = Pid::from_raw(note.pid) else { return };
        let group = self.groups.as_ref().and_then(|groups| groups.find(note.server, note.serial));
        let id = note.id.clone();
        let label = Label { cmd: note.cmd, tag: note.tag, user: String::new(), started_at: note.started_at };
        let terms = Terms {
            timeout_ms: 0,
            kill_signal: SignalNumber::TERM,
            grace: 2000 * MILLISECOND,
            linger: 0,
            on_disconnect: OnDisconnect::Keep,
            replay: 0,
        };
        let mut session = Session::new(note.id, Child { pid, pidfd }, label, terms);
        (session.is_orphan, session.slot, session.mark) = (true, Some(slot), note.mark);
        session.group = group;
        // Times are told on the clock that stands still while the machine sleeps.
        session.started =
            session.started.saturating_sub(sys::clock::since_boot().saturating_sub(note.born[0]));
        let found = self.sessions.insert(session);
        self.ids.insert(hash(&id), found.bits());
        self.orphaned.insert(note.pid, found);
        if let Some(pidfd) = self.sessions.get(found).and_then(|session| session.pidfd.as_ref()) {
            let _ = self.poll.add(pidfd, Source::Process(found), EventFlags::IN);
        }
    }

    /// The process of a predecessor's exec has ended. How, its pidfd tells once it has been reaped (Linux 6.15),
    /// or whoever reaps it.
    pub(crate) fn orphan_has_ended(&mut self, found: Key) {
        let Some(session) = self.sessions.get_mut(found) else { return };
        let Some(pidfd) = &session.pidfd else { return };
        match reap::end_of(pidfd) {
            Ok(Some(end)) => self.end_orphan(found, end, None),
            known => {
                if known == Ok(None) {
                    // The descriptor hangs up when it is reaped, and is readable already.
                    let _ = self.poll.change(pidfd, Source::Process(found), EventFlags::empty());
                } else {
                    self.poll.remove(pidfd);
                }
                if session.deadline.is_none() {
                    session.deadline = Some(now() + PATIENCE);
                    self.schedule(found);
                }
            }
        }
    }

    /// Nobody has told how it ended.
    pub(crate) fn orphan_is_lost(&mut self, found: Key) {
        self.end_orphan(found, End::Code(255), Some(LOST));
    }

    /// Notes the end of a predecessor's exec.
    pub(crate) fn end_orphan(&mut self, found: Key, end: End, error: Option<&'static str>) {
        let Some(session) = self.sessions.get_mut(found) else { return };
        session.note_end(Ended { how: end, user_ms: 0, system_ms: 0, max_rss_kb: 0 }, now());
        if let Some(exit) = &mut session.exit {
            exit.error = error;
        }
        self.orphaned.remove(session.pid.as_raw_pid());
        self.ending.push(found);
    }

    /// A process that was not ours has been reaped by somebody above.
    pub(crate) fn orphan_was_reaped(&mut self, pid: i32, end: End) {
        match self.orphaned.get(pid) {
            Some(found) => self.end_orphan(found, end, None),
            None => self.announce_orphan(pid, end),
        }
    }
}

/// The process of a note, where it is still the same: its start lies between the two times that were noted.
fn find(note: &Note) -> Option<OwnedFd> {
    let pidfd = spawn::open(Pid::from_raw(note.pid)?).ok()?;
    let started = crate::proc::stat(note.pid)?.started;
    let [before, after] = note.born.map(|time| time / TICK);
    (before.saturating_sub(1)..=after + 1).contains(&started).then_some(pidfd)
}
