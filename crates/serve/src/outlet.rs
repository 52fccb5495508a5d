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
    /// It is read whether or not its watchers have read: then how many bytes are kept for them.
    unheld: Option<u64>,
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
        Self { pipe, is_watched: false, is_terminal: false, unheld: None, ring, floor: 0, barrier: None }
    }

    /// One that no watcher holds up. So many bytes are kept, or more, for those who are late.
    pub fn unheld(self, keep: u64) -> Self {
        Self { unheld: Some(keep.max(CAPACITY as u64)), ..self }
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
        match self.unheld {
            Some(_) => CAPACITY,
            None => CAPACITY.saturating_sub((self.ring.end() - self.floor) as usize),
        }
    }

    /// Reads once, as much as there is room for.
    pub fn read(&mut self, poll: &Poll, scratch: &mut [u8], allowance: Option<&mut Allowance>) -> Read {
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
                self.close(poll);
                return Read::End;
            }
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::INTR) => return Read::Nothing,
            // EIO: the last one has closed a terminal.
            Err(_) => {
                self.close(poll);
                return Read::End;
            }
        };
        let kept = match &allowance {
            Some(allowance) => usize::try_from(allowance.left).map_or(count, |left| left.min(count)),
            None => count,
        };
        self.ring.append(&scratch[..kept]);
        if let Some(keep) = self.unheld {
            self.ring.forget(self.ring.end().saturating_sub(keep));
        }
        match allowance {
            Some(allowance) => {
                allowance.left -= kept as u64;
                if kept < count { Read::Limit } else { Read::Some }
            }
            None => Read::Some,
        }
    }

    /// The process has ended, and its output has been read as far as there is room: what is in the pipe yet is the
    /// last of it.
    pub fn set_barrier(&mut self) {
        let waiting = match &self.pipe {
            // What the kernel still holds for a terminal it tells only by being read.
            Some(_) if self.is_terminal && self.room() == 0 => return,
            Some(pipe) if !self.is_terminal => sys::io::ioctl_fionread(pipe).unwrap_or(0),
            _ => 0,
        };
        self.barrier = Some(self.ring.end() + waiting);
    }

    /// Whether all that the process itself wrote has been read.
    pub fn has_reached_barrier(&self) -> bool {
        self.is_closed() || self.barrier.is_some_and(|barrier| self.ring.end() >= barrier)
    }

    /// Whether it is not read because nobody takes what there is: its silence says nothing then.
    pub fn is_held(&self) -> bool {
        self.pipe.is_some() && self.room() == 0
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

    /// Follows it no longer. A terminal is open under other descriptors too, for input and for its size: as long as
    /// it is, closing this one alone would leave its end to be reported for ever (epoll(7)).
    pub fn close(&mut self, poll: &Poll) {
        if let Some(pipe) = self.pipe.take()
            && self.is_watched
            && self.is_terminal
        {
            poll.remove(pipe);
        }
        self.is_watched = false;
    }
}
