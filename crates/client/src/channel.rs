//! The socket: bytes out, lines and frames in. It never waits for room without taking what comes meanwhile: a
//! server that waits for us while we wait for it would wait for ever.

use alloc::vec;
use alloc::vec::Vec;
use core::mem::MaybeUninit;

use sys::event::{PollFd, PollFlags, Timespec, poll};
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::io::IoSlice;
use sys::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, send, sendmsg};
use sys::{Errno, Result};
use wire::{Frame, FrameKind};

use crate::client::Until;

/// What is read at once.
const PIECE: usize = 65_536;
/// Room for the header and three descriptors (cmsg(3)).
const SPACE: usize = 32;

/// A frame that has come.
#[derive(Debug)]
pub struct Incoming {
    pub kind: FrameKind,
    pub exec: u32,
    pub offset: u64,
    pub bytes: Vec<u8>,
}

/// A connected socket and what has been read from it.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
    buffer: Vec<u8>,
    /// What of `buffer` has come and was not taken.
    start: usize,
    end: usize,
    ended: bool,
}

impl Channel {
    pub const fn new(socket: OwnedFd) -> Self {
        Self { socket, buffer: Vec::new(), start: 0, end: 0, ended: false }
    }

    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether nothing more will come.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Sends all of it, descriptors beside the first byte.
    pub fn send(&mut self, mut bytes: &[u8], mut passed: &[BorrowedFd<'_>], until: Until) -> Result<()> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        while !bytes.is_empty() {
            let sent = if passed.is_empty() {
                send(&self.socket, bytes, flags)
            } else {
                let mut space = [MaybeUninit::uninit(); SPACE];
                let mut beside = SendAncillaryBuffer::new(&mut space);
                if !beside.push(SendAncillaryMessage::ScmRights(passed)) {
                    return Err(Errno::TOOBIG);
                }
                sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut beside, flags)
            };
            match sent {
                Ok(count) => {
                    bytes = &bytes[count..];
                    passed = &[];
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.await_room(until)?,
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Waits until something can be sent, and reads what comes meanwhile.
    pub fn await_room(&mut self, until: Until) -> Result<()> {
        loop {
            let wanted = if self.ended { PollFlags::OUT } else { PollFlags::IN | PollFlags::OUT };
            let ready = self.poll(wanted, until)?;
            if ready.contains(PollFlags::IN) {
                self.read()?;
            }
            if ready.intersects(PollFlags::OUT | PollFlags::ERR | PollFlags::HUP) {
                return Ok(());
            }
        }
    }

    /// Reads once, waiting until there is something; `false` where the time is over or nothing more comes.
    pub fn fill(&mut self, until: Until) -> Result<bool> {
        loop {
            if self.ended {
                return Ok(false);
            }
            if self.read()? {
                return Ok(true);
            }
            if !self.ended {
                match self.poll(PollFlags::IN, until) {
                    Err(Errno::TIMEDOUT) => return Ok(false),
                    other => other?,
                };
            }
        }
    }

    fn poll(&self, wanted: PollFlags, until: Until) -> Result<PollFlags> {
        loop {
            let mut fds = [PollFd::new(&self.socket, wanted)];
            let left = until.left().map(|ns| Timespec {
                tv_sec: (ns / 1_000_000_000).cast_signed(),
                tv_nsec: (ns % 1_000_000_000).cast_signed(),
            });
            match poll(&mut fds, left.as_ref()) {
                Ok(0) => return Err(Errno::TIMEDOUT),
                Ok(_) => return Ok(fds[0].revents()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Reads what is there; whether there was something.
    fn read(&mut self) -> Result<bool> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.buffer.len() - self.end < PIECE / 2 && self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.buffer.len() - self.end < PIECE / 2 {
            let mut larger = vec![0; (self.buffer.len() * 2).max(PIECE)];
            larger[..self.end].copy_from_slice(&self.buffer[..self.end]);
            self.buffer = larger;
        }
        match recv(&self.socket, &mut self.buffer[self.end..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => self.ended = true,
            Ok((count, _)) => {
                self.end += count;
                return Ok(true);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            // It has gone with requests unread. What it said before that is in the buffer.
            Err(Errno::CONNRESET) => self.ended = true,
            Err(errno) => return Err(errno),
        }
        Ok(false)
    }

    /// The next line without its newline; `None` where nothing comes any more.
    pub fn line(&mut self, until: Until) -> Result<Option<Vec<u8>>> {
        loop {
            let there = &self.buffer[self.start..self.end];
            if let Some(length) = there.iter().position(|byte| *byte == b'\n') {
                let line = there[..length].to_vec();
                self.start += length + 1;
                return Ok(Some(line));
            }
            if there.len() > wire::MAX_LINE {
                return Err(Errno::MSGSIZE);
            }
            if !self.fill(until)? {
                return if self.ended { Ok(None) } else { Err(Errno::TIMEDOUT) };
            }
        }
    }

    /// The next whole frame that is there.
    ///
    /// # Errors
    /// EPROTO where it is none.
    pub fn frame(&mut self) -> Result<Option<Incoming>> {
        let there = &self.buffer[self.start..self.end];
        let Some((frame, rest)) = Frame::parse_answer(there).map_err(|_| Errno::PROTO)? else {
            return Ok(None);
        };
        let taken = there.len() - rest.len();
        let bytes = frame.bytes.to_vec();
        let incoming = Incoming { kind: frame.kind, exec: frame.exec, offset: frame.offset, bytes };
        self.start += taken;
        Ok(Some(incoming))
    }
}
