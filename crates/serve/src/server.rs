//! The state, and the loop.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use sys::Result;
use sys::event::epoll::EventFlags;
use sys::fd::{AsFd, OwnedFd};
use sys::pages::Pages;
use sys::reap::Reaper;
use sys::signals::SignalSet;
use sys::time::Timespec;
use wire::ExecId;

use crate::adopted::Adopted;
use crate::connection::Connection;
use crate::dial::Dial;
use crate::group::Groups;
use crate::journal::Journal;
use crate::key::{Key, Slab};
use crate::machine::{Machine, News, Next, Watch};
use crate::ordered::{Ordered, Pids, hash};
use crate::poll::{Poll, Source};
use crate::session::Session;
use crate::supervise::LAST_WORDS;
use crate::timers::{Due, Instant, Timers, now};
use crate::{Listener, Orphans, Settings};

/// How much is read at once.
const SCRATCH: usize = 65_536;

const SIGPIPE: i32 = 13;
const SIGCHLD: i32 = 17;

/// What walks down trees need to know, without the rest of the server.
macro_rules! kin {
    ($server:ident) => {
        $crate::tree::Kin {
            leaders: &$server.leaders,
            orphans: $server.settings.orphans,
            main: $server.main.as_ref().and_then(|main| main.pid),
        }
    };
}
pub(crate) use kin;

/// A server and all that it knows.
#[derive(Debug)]
pub struct Server {
    pub(crate) settings: Settings,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) poll: Poll,
    pub(crate) connections: Slab<Connection>,
    /// Connections that have not asked for anything yet, the oldest first.
    pub(crate) fresh: VecDeque<Key>,
    pub(crate) sessions: Slab<Session>,
    /// Hashes of execs' keys, with where the sessions are.
    pub(crate) ids: Ordered,
    /// Commands that have not been reaped, by pid.
    pub(crate) leaders: Pids,
    /// Sessions that are over and kept for who asks later, the oldest first.
    pub(crate) ended: VecDeque<Key>,
    /// Who hears of everything.
    pub(crate) subscribers: Vec<Key>,
    pub(crate) timers: Timers,
    pub(crate) scratch: Pages,
    /// Connections with something to send, or to be looked at after this round.
    pub(crate) dirty: Vec<Key>,
    /// Read by commands that get nothing to read; `None` where there is no null device.
    pub(crate) null: Option<OwnedFd>,
    /// Given up when descriptors are exhausted, for what must go on all the same.
    pub(crate) reserve: Vec<OwnedFd>,
    pub(crate) ignored: SignalSet,
    pub(crate) groups: Option<Groups>,
    pub(crate) uid: u32,
    pub(crate) started: Instant,
    pub(crate) serial: u64,
    pub(crate) reaped: u64,
    pub(crate) journal: Option<Journal>,
    pub(crate) dial: Option<Dial>,
    /// Execs of a predecessor that run, by pid.
    pub(crate) orphaned: Pids,
    /// How many execs of a predecessor there were, where there was one.
    pub(crate) restarted: Option<u64>,
    /// The main command, where there is one.
    pub(crate) main: Option<Adopted>,
    /// What the machine was told.
    pub(crate) watch: Watch,
    /// Sessions whose processes have ended in this round, which nobody has been told.
    pub(crate) ending: Vec<Key>,
    /// Sessions whose trees are to be asked to end in this round, and those whose are to be killed.
    pub(crate) asked: Vec<Key>,
    pub(crate) doomed: Vec<Key>,
    /// How many commands have been started in this round.
    pub(crate) starts: usize,
    /// Clients with a command that is to be started in one of the next.
    pub(crate) deferred: VecDeque<Key>,
    /// Everything is to end.
    pub(crate) is_stopping: bool,
    /// When it ends at the latest.
    pub(crate) end: Option<Instant>,
    orphans: Option<OwnedFd>,
}

impl Server {
    /// Makes a server. SIGPIPE and, for orphans, SIGCHLD are blocked in this thread from here on, and SIGCHLD is not
    /// ignored any more; commands start with nothing blocked.
    ///
    /// # Errors
    /// Those of epoll_create1(2), signalfd(2), mmap(2), rt_sigaction(2) and prctl(2).
    pub fn new(mut settings: Settings, listeners: Vec<Listener>) -> Result<Self> {
        settings.complete();
        let groups = settings.groups.take().map(Groups::new);
        let dial = settings.dial.map(Dial::new);
        let poll = Poll::new()?;
        for (number, listener) in listeners.iter().enumerate() {
            poll.add(&listener.socket, Source::Listener(number as u32), EventFlags::IN)?;
        }
        let orphans = match settings.orphans {
            Orphans::Others | Orphans::Main => {
                sys::signals::block_too(SignalSet::EMPTY.with(SIGPIPE))?;
                None
            }
            Orphans::Ours => {
                // Started with SIGCHLD ignored, it would have its children reaped by the kernel, which frees their
                // numbers while they are still in use here.
                sys::reap::set_reaper(Reaper::Process)?;
                sys::signals::block_too(SignalSet::EMPTY.with(SIGPIPE).with(SIGCHLD))?;
                sys::process::set_child_subreaper(Some(sys::process::getpid()))?;
                let signals = sys::signals::descriptor(SignalSet::EMPTY.with(SIGCHLD))?;
                poll.add(&signals, Source::Signals, EventFlags::IN)?;
                Some(signals)
            }
        };
        let null = null_device();
        let mut server = Self {
            settings,
            listeners,
            poll,
            connections: Slab::new(),
            fresh: VecDeque::new(),
            sessions: Slab::new(),
            ids: Ordered::new(),
            leaders: Pids::new(),
            ended: VecDeque::new(),
            subscribers: Vec::new(),
            timers: Timers::default(),
            scratch: Pages::new(SCRATCH)?,
            dirty: Vec::new(),
            null,
            reserve: Vec::new(),
            ignored: sys::children::ignored_signals(),
            groups,
            uid: sys::process::geteuid().as_raw(),
            started: now(),
            serial: 0,
            reaped: 0,
            journal: None,
            dial,
            orphaned: Pids::new(),
            restarted: None,
            main: None,
            watch: Watch::Off,
            ending: Vec::new(),
            asked: Vec::new(),
            doomed: Vec::new(),
            starts: 0,
            deferred: VecDeque::new(),
            is_stopping: false,
            end: None,
            orphans,
        };
        server.fill_reserve();
        if let Some(file) = server.settings.journal.take() {
            server.recover(file)?;
        }
        Ok(server)
    }

    /// Serves until the machine says that it is enough. It blocks in one wait, and wakes up for nothing.
    ///
    /// # Errors
    /// Those of epoll_wait(2), which a server cannot go on without.
    pub fn run(&mut self, machine: &mut dyn Machine) -> Result<()> {
        if let Some(descriptor) = machine.descriptor() {
            self.poll.add(descriptor, Source::Machine, EventFlags::IN)?;
        }
        self.dial();
        loop {
            self.settle_watch(machine);
            let sleep =
                if self.deferred.is_empty() { self.timers.sleep() } else { Some(Timespec::default()) };
            let count = self.poll.wait(sleep)?;
            for number in 0..count {
                let (source, flags) = self.poll.event(number);
                if self.take(source, flags, machine) == Next::Stop {
                    return Ok(());
                }
            }
            // Before the time is up for any of them.
            self.settle_ends(machine);
            let now = now();
            while let Some(due) = self.timers.expired(now) {
                match due {
                    Due::Connection(key) => self.connection_is_due(key),
                    Due::Session(key) => self.session_is_due(key, now),
                    Due::Dial => self.dial(),
                    Due::End => return Ok(()),
                }
            }
            self.settle_ends(machine);
            // Before anybody is told that orphans are watched.
            self.settle_watch(machine);
            self.flush(machine);
            self.start_deferred(machine);
            self.settle_watch(machine);
            self.flush(machine);
            // Clients that go, that of a command which just began too, may take trees along, and what becomes of these
            // may be told to others.
            while self.end_trees() {
                self.flush(machine);
            }
            if self.is_stopping && self.deferred.is_empty() && self.is_finished() {
                return Ok(());
            }
        }
    }

    fn take(&mut self, source: Source, flags: EventFlags, machine: &mut dyn Machine) -> Next {
        match source {
            Source::Listener(number) => self.accept(number as usize, machine),
            Source::Connection(key) => self.connection_is_ready(key, flags, machine),
            Source::Process(key) => self.process_is_ready(key),
            Source::Stdout(key) => self.output_is_ready(key, 0, flags),
            Source::Stderr(key) => self.output_is_ready(key, 1, flags),
            Source::Stdin(key) => self.input_is_ready(key),
            Source::Signals => self.reap_children(),
            Source::Machine => return self.hear(machine),
            Source::Dial => self.dial_is_ready(),
        }
        Next::Serve
    }

    /// What the machine has to say.
    fn hear(&mut self, machine: &mut dyn Machine) -> Next {
        let mut news = Vec::new();
        let next = machine.ready(&mut news);
        for news in news {
            match news {
                News::Reaped { pid, end } => self.orphan_was_reaped(pid, end),
                News::Stopping => self.stop(),
                News::TimeUp => self.end_all(),
            }
        }
        next
    }

    /// Begins to end: nobody new comes in, and nothing new is started.
    pub(crate) fn stop(&mut self) {
        self.is_stopping = true;
        self.listeners.clear();
        if self.leaders.is_empty() {
            self.timers.set(Due::End, &mut self.end, Some(now() + LAST_WORDS));
        }
    }

    /// The session of an exec.
    pub(crate) fn session_of(&self, id: &ExecId) -> Option<Key> {
        let is_its = |key: &Key| self.sessions.get(*key).is_some_and(|session| session.id == *id);
        self.ids.of(hash(id)).map(Key::from_bits).find(is_its)
    }

    /// Whether this is the main command's session.
    pub(crate) fn is_main(&self, found: Key) -> bool {
        self.main.as_ref().is_some_and(|main| main.found == found)
    }

    /// Whether no command is left, and nobody is owed anything.
    fn is_finished(&self) -> bool {
        self.leaders.is_empty()
            && self.connections.iter().all(|(_, client)| client.is_flushed())
            && self
                .sessions
                .iter()
                .all(|(_, session)| session.watchers.iter().all(|watcher| watcher.is_done()))
    }

    /// Children that have ended: commands, and orphans that have become ours.
    fn reap_children(&mut self) {
        let Some(signals) = &self.orphans else { return };
        // However many have ended, one SIGCHLD is pending at most.
        if !matches!(sys::signals::next(signals.as_fd()), Ok(Some(_))) {
            // A descriptor that is ready and cannot be read would be ready for ever.
            let _ = sys::signals::take(SignalSet::EMPTY.with(SIGCHLD));
        }
        while let Ok(Some((pid, ended))) = sys::children::any_ended() {
            match self.leaders.get(pid) {
                Some(found) => self.process_has_ended(found, ended),
                None => self.orphan_was_reaped(pid, ended.how),
            }
        }
        if let Some(groups) = &mut self.groups {
            groups.remove_last();
        }
    }
}

fn null_device() -> Option<OwnedFd> {
    use sys::fs::{CWD, Mode, OFlags, openat};
    openat(CWD, c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty()).ok()
}
