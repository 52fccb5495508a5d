//! A pipe to or from the daemon, that never waits without listening to what the daemon says.

use std::io::{Error, Read, Result, Write};

use sys::Errno;
use sys::event::PollFlags;
use sys::fd::BorrowedFd;

use super::super::work::Work;

/// Our end of a pipe whose other end the daemon has.
pub struct Stream<'s> {
    work: &'s mut Work,
    pipe: BorrowedFd<'s>,
}

/// What a pipe that is ready takes without blocking (PIPE_BUF of pipe(7)).
const PIECE: usize = 4096;

impl<'s> Stream<'s> {
    /// Over a pipe.
    pub fn new(work: &'s mut Work, pipe: BorrowedFd<'s>) -> Self {
        Self { work, pipe }
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        loop {
            self.work.until_ready(self.pipe, PollFlags::IN)?;
            match sys::io::read(self.pipe, &mut *into) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                done => return done.map_err(Error::from),
            }
        }
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        loop {
            self.work.until_ready(self.pipe, PollFlags::OUT)?;
            match sys::io::write(self.pipe, &bytes[..bytes.len().min(PIECE)]) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                done => return done.map_err(Error::from),
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
