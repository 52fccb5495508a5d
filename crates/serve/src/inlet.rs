//! What a command reads.

use alloc::vec::Vec;

use sys::Errno;
use sys::event::epoll::EventFlags;
use sys::fd::OwnedFd;

use crate::key::Key;
use crate::poll::{Poll, Source};

/// The most that waits for a command that does not read.
const CAPACITY: usize = wire::MAX_LINE;

/// The writing end of a command's standard input.
#[derive(Debug)]
pub struct Inlet {
    pipe: Option<OwnedFd>,
    waiting: Vec<u8>,
    written: usize,
    is_watched: bool,
    /// Is closed when all is written.
    ends: bool,
    /// Who is told when all is written.
    pub owed: Vec<Key>,
}

/// What a write came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrote {
    /// Nothing waits.
    All,
    /// The command has to read first.
    Part,
    /// The command has closed it.
    Gone,
}

impl Inlet {
    pub const fn new(pipe: Option<OwnedFd>, bytes: Vec<u8>) -> Self {
        Self { pipe, waiting: bytes, written: 0, is_watched: false, ends: false, owed: Vec::new() }
    }

    /// Whether it can be written to.
    pub const fn is_open(&self) -> bool {
        self.pipe.is_some() && !self.ends
    }

    /// Whether it was ended, and all of it has been written.
    pub const fn has_ended(&self) -> bool {
        self.ends && self.pipe.is_none()
    }

    /// Puts bytes in line; `false` where there is no room for them.
    pub fn put(&mut self, bytes: &[u8]) -> bool {
        if self.waiting.len() - self.written + bytes.len() > CAPACITY {
            return false;
        }
        self.waiting.extend_from_slice(bytes);
        true
    }

    /// Ends it once all is written.
    pub const fn end(&mut self) {
        self.ends = true;
    }

    /// Writes what the command takes, and watches the pipe for the rest.
    pub fn write(&mut self, poll: &Poll, source: Source) -> Wrote {
        let Some(pipe) = &self.pipe else { return Wrote::Gone };
        while self.written < self.waiting.len() {
            match sys::io::write(pipe, &self.waiting[self.written..]) {
                Ok(count) => self.written += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if !self.is_watched {
                        self.is_watched = poll.add(pipe, source, EventFlags::OUT).is_ok();
                    }
                    return Wrote::Part;
                }
                Err(_) => {
                    self.close();
                    return Wrote::Gone;
                }
            }
        }
        self.waiting = Vec::new();
        self.written = 0;
        if self.is_watched {
            poll.remove(pipe);
            self.is_watched = false;
        }
        if self.ends {
            self.pipe = None;
        }
        Wrote::All
    }

    /// Closes it with whatever waits.
    pub fn close(&mut self) {
        self.pipe = None;
        self.waiting = Vec::new();
        self.written = 0;
        self.is_watched = false;
    }
}
