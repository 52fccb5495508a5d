//! One output of a command: its pipe, and what has come out of it.

use sys::Errno;
use sys::event::epoll::EventFlags;
use sys::fd::OwnedFd;
use wire::OnLimit;

use crate::poll::{Poll, Source};
use crate::ring::{CAPACITY, Ring};

/// What a read came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// Bytes have come.
    Some,
    /// Nothing at the moment, or no room for it.
    Nothing,
    /// The last writer has closed it.
    End,
    /// The limit on output was reached by this.
    Limit,
}

/// A limit on how much a command may write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allowance {
    pub left: u64,
    pub then: OnLimit,
}

/// An output.
#[derive(Debug)]
pub struct Outlet {
    pipe: Option<OwnedFd>,
    is_watched: bool,
    is_terminal: bool,
    pub ring: Ring,
    /// Up to where its watchers have read; the ring need not keep what is before, but for replay.
    pub floor: u64,
    /// What it had when its process ended: up to there it is delivered before `exit`.
    pub barrier: Option<u64>,
}

impl Outlet {
    /// An output that comes from a pipe, or one that never gives anything.
    pub fn new(pipe: Option<OwnedFd>) -> Self {
        let ring = Ring::default();
        Self { pipe, is_watched: false, is_terminal: false, ring, floor: 0, barrier: None }
    }

    /// An output that is a terminal.
    pub fn terminal(master: OwnedFd) -> Self {
        Self { is_terminal: true, ..Self::new(Some(master)) }
    }

    /// Whether nothing comes any more.
    pub const fn is_closed(&self) -> bool {
        self.pipe.is_none()
    }

    const fn room(&self) -> usize {
        CAPACITY.saturating_sub((self.ring.end() - self.floor) as usize)
    }

    /// Reads once, as much as there is room for.
    pub fn read(&mut self, scratch: &mut [u8], allowance: Option<&mut Allowance>) -> Read {
        let Some(pipe) = &self.pipe else { return Read::End };
        let mut limit = self.room().min(scratch.len());
        if let Some(Allowance { left, then: OnLimit::StopReading }) = allowance.as_deref() {
            limit = limit.min(usize::try_from(*left).unwrap_or(usize::MAX));
        }
        if limit == 0 {
            return Read::Nothing;
        }
        let count = match sys::io::read(pipe, &mut scratch[..limit]) {
            Ok(0) => {
                self.pipe = None;
                return Read::End;
            }
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::INTR) => return Read::Nothing,
            // EIO: the last one has closed a terminal.
            Err(_) => {
                self.pipe = None;
                return Read::End;
            }
        };
        let kept = match &allowance {
            Some(allowance) => usize::try_from(allowance.left).map_or(count, |left| left.min(count)),
            None => count,
        };
        self.ring.append(&scratch[..kept]);
        match allowance {
            Some(allowance) => {
                allowance.left -= kept as u64;
                if kept < count { Read::Limit } else { Read::Some }
            }
            None => Read::Some,
        }
    }

    /// The process has ended: what is in the pipe now is its last output.
    pub fn set_barrier(&mut self) {
        if self.is_terminal {
            // What the kernel still holds for a terminal it tells only by being read.
            return;
        }
        let waiting = self.pipe.as_ref().map_or(Ok(0), sys::io::ioctl_fionread).unwrap_or(0);
        self.barrier = Some(self.ring.end() + waiting);
    }

    /// A terminal has been read until there was nothing more.
    pub fn set_terminal_barrier(&mut self) {
        if self.is_terminal && self.room() > 0 {
            self.barrier = Some(self.ring.end());
        }
    }

    /// Whether all that the process itself wrote has been read.
    pub fn has_reached_barrier(&self) -> bool {
        self.is_closed() || self.barrier.is_some_and(|barrier| self.ring.end() >= barrier)
    }

    /// Watches the pipe while there is room, and leaves it alone else.
    pub fn watch(&mut self, poll: &Poll, source: Source, allowance: Option<&Allowance>) {
        let stopped =
            allowance.is_some_and(|allowance| allowance.left == 0 && allowance.then == OnLimit::StopReading);
        let wanted = self.room() > 0 && !stopped;
        let Some(pipe) = &self.pipe else { return };
        if wanted != self.is_watched {
            if wanted {
                self.is_watched = poll.add(pipe, source, EventFlags::IN).is_ok();
            } else {
                poll.remove(pipe);
                self.is_watched = false;
            }
        }
    }

    /// Follows it no longer.
    pub fn close(&mut self) {
        self.pipe = None;
        self.is_watched = false;
    }
}
