//! One direction of a terminal's traffic. A reader that stops makes the writer stop: nothing is read while
//! what was read before is not written, so that memory stays flat and no byte is lost.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use sys::Errno;
use sys::fd::BorrowedFd;

/// How much is written at once. A pipe that is ready for writing takes this much without blocking (PIPE_BUF
/// of pipe(7)), so that the loop never waits inside a write.
const PIECE: usize = 4096;
const CAPACITY: usize = 65_536;

/// Bytes on their way from one descriptor to another.
pub struct Relay {
    bytes: Vec<u8>,
    pending: Range<usize>,
    open: bool,
    last: Option<u8>,
}

/// What a read came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// There are bytes to write.
    Some,
    /// Nothing at the moment.
    Nothing,
    /// The source has ended.
    End,
}

impl Relay {
    pub fn new() -> Self {
        Self { bytes: vec![0; CAPACITY], pending: 0..0, open: true, last: None }
    }

    /// Whether the source should be watched for something to read.
    pub fn wants_input(&self) -> bool {
        self.open && self.pending.is_empty()
    }

    /// Whether the target should be watched for room.
    pub fn wants_output(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Reads once. What was read is [`Relay::pending`].
    pub fn read(&mut self, source: BorrowedFd<'_>) -> Read {
        match sys::io::read(source, &mut self.bytes[..]) {
            Ok(0) => self.end(),
            Ok(length) => {
                self.pending = 0..length;
                self.last = self.bytes[..length].last().copied();
                Read::Some
            }
            Err(Errno::INTR | Errno::AGAIN) => Read::Nothing,
            // EIO: the other side of a terminal has been closed.
            Err(_) => self.end(),
        }
    }

    fn end(&mut self) -> Read {
        self.open = false;
        Read::End
    }

    /// What has been read and not written.
    pub fn pending(&self) -> &[u8] {
        &self.bytes[self.pending.clone()]
    }

    /// Puts `byte` in line, `count` times; only where nothing is pending.
    pub fn put(&mut self, byte: u8, count: usize) {
        self.bytes[..count].fill(byte);
        self.pending = 0..count;
    }

    /// The last byte that was read, if any was.
    pub const fn last(&self) -> Option<u8> {
        self.last
    }

    /// Writes once. A target that is gone swallows everything: the source is still read, so that whoever
    /// writes to it does not block for ever.
    pub fn write(&mut self, target: BorrowedFd<'_>) {
        let end = self.pending.end.min(self.pending.start + PIECE);
        match sys::io::write(target, &self.bytes[self.pending.start..end]) {
            Ok(written) => self.pending.start += written,
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.pending = 0..0,
        }
    }
}
