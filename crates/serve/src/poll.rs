//! epoll(7), and what its events are about.

use alloc::vec::Vec;

use sys::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use sys::fd::{AsFd, OwnedFd};
use sys::time::Timespec;
use sys::{Errno, Result};

use crate::key::Key;

/// What a descriptor belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    Listener(u32),
    Connection(Key),
    Process(Key),
    Stdout(Key),
    Stderr(Key),
    Stdin(Key),
    Signals,
    Machine,
    Dial,
}

impl Source {
    const fn bits(self) -> u64 {
        let (kind, rest) = match self {
            Self::Listener(number) => (0, number as u64),
            Self::Connection(key) => (1, key.bits()),
            Self::Process(key) => (2, key.bits()),
            Self::Stdout(key) => (3, key.bits()),
            Self::Stderr(key) => (4, key.bits()),
            Self::Stdin(key) => (5, key.bits()),
            Self::Signals => (6, 0),
            Self::Machine => (7, 0),
            Self::Dial => (8, 0),
        };
        kind << 56 | rest
    }

    const fn from_bits(bits: u64) -> Self {
        let key = Key::from_bits(bits);
        match bits >> 56 {
            0 => Self::Listener(bits as u32),
            1 => Self::Connection(key),
            2 => Self::Process(key),
            3 => Self::Stdout(key),
            4 => Self::Stderr(key),
            5 => Self::Stdin(key),
            6 => Self::Signals,
            7 => Self::Machine,
            _ => Self::Dial,
        }
    }
}

/// The one place where the server waits.
pub struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl core::fmt::Debug for Poll {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Poll").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

/// Events taken at once.
const BATCH: usize = 256;

impl Poll {
    pub fn new() -> Result<Self> {
        let nothing = Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        let mut events = Vec::new();
        events.resize(BATCH, nothing);
        Ok(Self { epoll: epoll::create(CreateFlags::CLOEXEC)?, events })
    }

    pub fn add(&self, fd: impl AsFd, source: Source, flags: EventFlags) -> Result<()> {
        epoll::add(&self.epoll, fd, EventData::new_u64(source.bits()), flags)
    }

    pub fn change(&self, fd: impl AsFd, source: Source, flags: EventFlags) -> Result<()> {
        epoll::modify(&self.epoll, fd, EventData::new_u64(source.bits()), flags)
    }

    /// Leaves a descriptor alone altogether: one that has hung up would be reported for ever else.
    pub fn remove(&self, fd: impl AsFd) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Waits; how many events there are.
    pub fn wait(&mut self, sleep: Option<Timespec>) -> Result<usize> {
        match epoll::wait(&self.epoll, &mut self.events[..], sleep.as_ref()) {
            Err(Errno::INTR) => Ok(0),
            count => count,
        }
    }

    /// One of the events of the last wait.
    pub fn event(&self, number: usize) -> (Source, EventFlags) {
        let event = self.events[number];
        (Source::from_bits(event.data.u64()), event.flags)
    }
}
