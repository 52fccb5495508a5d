//! The state, and the loop.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use alloc::vec::Vec;

use sys::Result;
use sys::event::epoll::EventFlags;
use sys::fd::{AsFd, OwnedFd};
use sys::signals::SignalSet;
use wire::ExecId;

use crate::connection::Connection;
use crate::group::Groups;
use crate::key::{Key, Slab};
use crate::machine::{Machine, Next};
use crate::poll::{Poll, Source};
use crate::session::Session;
use crate::timers::{Due, Instant, Timers, now};
use crate::{Listener, Orphans, Settings};

/// How much is read at once.
const SCRATCH: usize = 65_536;

const SIGPIPE: i32 = 13;
const SIGCHLD: i32 = 17;

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
    pub(crate) ids: BTreeMap<ExecId, Key>,
    /// Commands that have not been reaped, by pid.
    pub(crate) leaders: BTreeMap<i32, Key>,
    /// Sessions that are over and kept for who asks later, the oldest first.
    pub(crate) ended: VecDeque<Key>,
    /// Who waits for the end of which exec.
    pub(crate) waiting: BTreeMap<ExecId, Vec<Key>>,
    /// Who hears of everything.
    pub(crate) subscribers: Vec<Key>,
    pub(crate) timers: Timers,
    pub(crate) scratch: Vec<u8>,
    /// Connections with something to send, or to be looked at after this round.
    pub(crate) dirty: Vec<Key>,
    /// Read by commands that get nothing to read; `None` where there is no null device.
    pub(crate) null: Option<OwnedFd>,
    /// Given up when descriptors are exhausted, to be able to refuse a client.
    pub(crate) spare: Option<OwnedFd>,
    pub(crate) ignored: SignalSet,
    pub(crate) groups: Option<Groups>,
    pub(crate) uid: u32,
    pub(crate) started: Instant,
    pub(crate) serial: u64,
    pub(crate) reaped: u64,
    orphans: Option<OwnedFd>,
}

impl Server {
    /// Makes a server. SIGPIPE and, for orphans, SIGCHLD are blocked in this thread from here on; commands
    /// start with nothing blocked.
    ///
    /// # Errors
    /// Those of epoll_create1(2), signalfd(2) and prctl(2).
    pub fn new(mut settings: Settings, listeners: Vec<Listener>) -> Result<Self> {
        settings.complete();
        let groups = settings.groups.take().map(Groups::new);
        let poll = Poll::new()?;
        for (number, listener) in listeners.iter().enumerate() {
            poll.add(&listener.socket, Source::Listener(number as u32), EventFlags::IN)?;
        }
        let before = sys::signals::block(SignalSet::EMPTY)?;
        let orphans = match settings.orphans {
            Orphans::Others => {
                sys::signals::block(before.with(SIGPIPE))?;
                None
            }
            Orphans::Ours => {
                sys::signals::block(before.with(SIGPIPE).with(SIGCHLD))?;
                sys::process::set_child_subreaper(Some(sys::process::getpid()))?;
                let signals = sys::signals::descriptor(SignalSet::EMPTY.with(SIGCHLD))?;
                poll.add(&signals, Source::Signals, EventFlags::IN)?;
                Some(signals)
            }
        };
        let null = null_device();
        let spare = null.as_ref().and_then(|null| sys::io::fcntl_dupfd_cloexec(null, 3).ok());
        Ok(Self {
            settings,
            listeners,
            poll,
            connections: Slab::new(),
            fresh: VecDeque::new(),
            sessions: Slab::new(),
            ids: BTreeMap::new(),
            leaders: BTreeMap::new(),
            ended: VecDeque::new(),
            waiting: BTreeMap::new(),
            subscribers: Vec::new(),
            timers: Timers::default(),
            scratch: vec![0; SCRATCH],
            dirty: Vec::new(),
            null,
            spare,
            ignored: sys::children::ignored_signals(),
            groups,
            uid: sys::process::geteuid().as_raw(),
            started: now(),
            serial: 0,
            reaped: 0,
            orphans,
        })
    }

    /// Serves until the machine says that it is enough. It blocks in one wait, and wakes up for nothing.
    ///
    /// # Errors
    /// Those of epoll_wait(2), which a server cannot go on without.
    pub fn run(&mut self, machine: &mut dyn Machine) -> Result<()> {
        if let Some(descriptor) = machine.descriptor() {
            self.poll.add(descriptor, Source::Machine, EventFlags::IN)?;
        }
        loop {
            let count = self.poll.wait(self.timers.sleep())?;
            for number in 0..count {
                let (source, flags) = self.poll.event(number);
                if self.take(source, flags, machine) == Next::Stop {
                    return Ok(());
                }
            }
            let now = now();
            while let Some(due) = self.timers.expired(now) {
                match due {
                    Due::Connection(key) => self.connection_is_due(key),
                    Due::Session(key) => self.session_is_due(key, now),
                }
            }
            self.flush(machine);
        }
    }

    fn take(&mut self, source: Source, flags: EventFlags, machine: &mut dyn Machine) -> Next {
        match source {
            Source::Listener(number) => self.accept(number as usize),
            Source::Connection(key) => self.connection_is_ready(key, flags, machine),
            Source::Process(key) => self.process_has_ended(key),
            Source::Stdout(key) => self.output_is_ready(key, 0),
            Source::Stderr(key) => self.output_is_ready(key, 1),
            Source::Stdin(key) => self.input_is_ready(key),
            Source::Signals => self.reap_children(),
            Source::Machine => return machine.ready(),
        }
        Next::Serve
    }

    /// Children that have ended: commands, and orphans that have become ours.
    fn reap_children(&mut self) {
        let Some(signals) = &self.orphans else { return };
        while let Ok(Some(_)) = sys::signals::next(signals.as_fd()) {}
        while let Ok(Some(pid)) = sys::children::any_ended() {
            match self.leaders.get(&pid) {
                Some(found) => self.process_has_ended(*found),
                None if sys::children::reap(pid).is_ok() => self.reaped += 1,
                None => break,
            }
            if self.leaders.contains_key(&pid) {
                // It cannot be reaped: rather than be asked for ever, it is left to its pidfd.
                break;
            }
        }
    }
}

fn null_device() -> Option<OwnedFd> {
    use sys::fs::{CWD, Mode, OFlags, openat};
    openat(CWD, c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty()).ok()
}
