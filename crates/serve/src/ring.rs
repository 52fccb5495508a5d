//! The last bytes of a stream, by their offsets in it.

use alloc::vec::Vec;

/// How many bytes wait for a reader before the pipe is left alone.
pub const CAPACITY: usize = 65_536;

/// Bytes of a stream from some offset to its end so far.
#[derive(Debug, Default)]
pub struct Ring {
    bytes: Vec<u8>,
    /// Where in `bytes` what is kept begins.
    head: usize,
    /// Its offset in the stream.
    start: u64,
}

impl Ring {
    /// Offset of the oldest byte that is kept.
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// Offset behind the newest byte.
    pub const fn end(&self) -> u64 {
        self.start + self.len() as u64
    }

    /// How many bytes are kept.
    pub const fn len(&self) -> usize {
        self.bytes.len() - self.head
    }

    /// The bytes from `offset` on, which is at least [`Ring::start`].
    pub fn from(&self, offset: u64) -> &[u8] {
        let skip = offset.saturating_sub(self.start) as usize;
        self.bytes.get(self.head + skip..).unwrap_or_default()
    }

    /// Adds bytes at the end.
    pub fn append(&mut self, more: &[u8]) {
        if self.head > 0 && self.bytes.len() + more.len() > self.bytes.capacity() {
            self.bytes.drain(..self.head);
            self.head = 0;
        }
        self.bytes.extend_from_slice(more);
    }

    /// Forgets what is before `offset`.
    pub fn forget(&mut self, offset: u64) {
        let count = offset.saturating_sub(self.start).min(self.len() as u64);
        self.head += count as usize;
        self.start += count;
        if self.head == self.bytes.len() {
            // A command that is silent costs nothing; one that is not keeps its buffer.
            self.bytes.clear();
            self.head = 0;
        }
    }

    /// Gives the memory back.
    pub fn release(&mut self) {
        self.forget(self.end());
        self.bytes = Vec::new();
    }
}
