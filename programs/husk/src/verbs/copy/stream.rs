//! A pipe to or from the daemon, that never waits without listening to what the daemon says.

use std::io::{Error, Read, Result, Write};

use sys::Errno;
use sys::event::PollFlags;
use sys::fd::BorrowedFd;

use super::super::work::Work;

/// Our end of a pipe whose other end the daemon has. It does not block (O_NONBLOCK).
pub struct Stream<'s> {
    work: &'s mut Work,
    pipe: BorrowedFd<'s>,
    is_over: bool,
}

impl<'s> Stream<'s> {
    /// Over a pipe.
    pub fn new(work: &'s mut Work, pipe: BorrowedFd<'s>) -> Self {
        Self { work, pipe, is_over: false }
    }

    /// Whether the daemon has closed its end.
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    fn patiently(
        &mut self,
        flags: PollFlags,
        mut call: impl FnMut(BorrowedFd<'s>) -> sys::Result<usize>,
    ) -> Result<usize> {
        loop {
            self.work.until_ready(self.pipe, flags)?;
            match call(self.pipe) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                done @ (Ok(0) | Err(Errno::PIPE)) => {
                    self.is_over = true;
                    return done.map_err(Error::from);
                }
                done => return done.map_err(Error::from),
            }
        }
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        self.patiently(PollFlags::IN, |pipe| sys::io::read(pipe, &mut *into))
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.patiently(PollFlags::OUT, |pipe| sys::io::write(pipe, bytes))
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
