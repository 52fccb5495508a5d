//! Archives from readers and to writers of the standard library.

use std::io::{ErrorKind, Read, Write};

use super::{Blocks, Input};
use crate::error::{Error, Result};

/// What is read at once.
const PIECE: usize = 128 << 10;

/// An archive from a reader.
#[derive(Debug)]
pub struct Incoming<R> {
    reader: R,
    buffer: Vec<u8>,
    at: usize,
    end: usize,
}

impl<R: Read> Incoming<R> {
    /// From where the reader stands.
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: vec![0; PIECE], at: 0, end: 0 }
    }
}

impl<R: Read> Input for Incoming<R> {
    fn fill(&mut self) -> Result<&[u8]> {
        while self.at == self.end {
            match self.reader.read(&mut self.buffer) {
                Ok(0) => return Ok(&[]),
                Ok(count) => (self.at, self.end) = (0, count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::stream("read", "the archive", &error)),
            }
        }
        Ok(&self.buffer[self.at..self.end])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

/// An archive to a writer, in pieces of the size in which it is made: a writer of small pieces is better buffered.
#[derive(Debug)]
pub struct Outgoing<W>(pub W);

impl<W: Write> Blocks for Outgoing<W> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(|error| Error::stream("write", "the archive", &error))
    }
}
