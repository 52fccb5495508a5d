//! A client: the lines that come from it, and what goes out to it.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem::MaybeUninit;

use sys::Errno;
use sys::event::epoll::EventFlags;
use sys::fd::OwnedFd;
use sys::io::IoSliceMut;
use sys::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send};
use wire::{Exec, ExecId, Frame, FrameKind, Refusal};

use crate::key::Key;
use crate::timers::Instant;

/// Output of commands is put in line up to here; then their pipes are left alone.
const OUTPUT_LIMIT: usize = 65_536;
/// Answers to requests are put in line up to here; then requests are left alone.
const ANSWER_LIMIT: usize = OUTPUT_LIMIT + 131_072;

/// Room for the header and three descriptors beside a request (cmsg(3)).
const SPACE: usize = 32;

/// How messages are packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    Lines,
    Frames,
}

/// What is known of a client's intentions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// It has asked for nothing yet.
    New,
    /// It uses the base protocol: one request.
    Base,
    /// It has used something beyond, and may go on.
    Extended,
}

/// A frame that has come.
#[derive(Debug)]
pub struct Incoming {
    pub kind: FrameKind,
    pub exec: u32,
    pub offset: u64,
    pub bytes: Vec<u8>,
}

/// One client.
#[derive(Debug)]
pub struct Connection {
    pub fd: OwnedFd,
    input: Vec<u8>,
    /// How many bytes of `input` are known to have no newline.
    searched: usize,
    out: Vec<u8>,
    sent: usize,
    pub framing: Framing,
    pub manner: Manner,
    /// No more requests will come.
    pub ended: bool,
    /// Is to be closed when all is sent.
    pub closing: bool,
    /// Is gone.
    pub broken: bool,
    pub interest: EventFlags,
    pub dirty: bool,
    pub due: Option<Instant>,
    /// A command that is to be started when it is its turn. No further requests are taken before.
    pub deferred: Option<Box<Exec>>,
    /// Output of some session waits for room here.
    pub is_held_up: bool,
    /// Sessions whose output goes here.
    pub watching: Vec<Key>,
    /// Execs whose end is waited for, with the deadline and whether an answer is owed then.
    pub waiting: Vec<(ExecId, Option<Instant>)>,
    /// Descriptors that came beside a request.
    pub passed: Vec<OwnedFd>,
    /// Gets events of all sessions.
    pub subscribed: bool,
    /// Number of the next exec on this connection.
    pub execs: u32,
}

impl Connection {
    pub const fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            input: Vec::new(),
            searched: 0,
            out: Vec::new(),
            sent: 0,
            framing: Framing::Lines,
            manner: Manner::New,
            ended: false,
            closing: false,
            broken: false,
            interest: EventFlags::empty(),
            dirty: false,
            due: None,
            deferred: None,
            is_held_up: false,
            watching: Vec::new(),
            waiting: Vec::new(),
            passed: Vec::new(),
            subscribed: false,
            execs: 0,
        }
    }

    /// Bytes of requests that are not whole yet.
    pub const fn unfinished(&self) -> usize {
        self.input.len()
    }

    const fn backlog(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Whether more of a command's output may be put in line.
    pub const fn takes_output(&self) -> bool {
        self.backlog() < OUTPUT_LIMIT && !self.broken
    }

    /// Whether more requests may be taken.
    pub const fn takes_requests(&self) -> bool {
        self.deferred.is_none() && self.has_room()
    }

    /// Whether more answers may be put in line.
    const fn has_room(&self) -> bool {
        self.backlog() < ANSWER_LIMIT && !self.closing && !self.broken
    }

    /// Puts one message in line, which `write` writes as a line.
    pub fn message(&mut self, mut write: impl FnMut(&mut Vec<u8>)) {
        self.message_by(&mut write);
    }

    /// The same by reference: one for all messages.
    pub fn message_by(&mut self, write: &mut dyn FnMut(&mut Vec<u8>)) {
        let start = self.out.len();
        match self.framing {
            Framing::Lines => write(&mut self.out),
            Framing::Frames => {
                let mut line = Vec::new();
                write(&mut line);
                let bytes = line.trim_ascii_end();
                Frame { kind: FrameKind::Json, exec: 0, offset: 0, bytes }.write(&mut self.out);
            }
        }
        if self.broken {
            self.out.truncate(start);
        }
    }

    /// Puts as many messages in line as `write` finds, up to the length that it is given; what it says.
    pub fn messages(&mut self, most: usize, write: impl FnOnce(&mut Vec<u8>, usize) -> usize) -> usize {
        let limit = (self.out.len() + most).min(self.sent + OUTPUT_LIMIT);
        write(&mut self.out, limit)
    }

    /// Puts a frame of output in line.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        if !self.broken {
            frame.write(&mut self.out);
        }
    }

    /// Reads once. Whether there may be something to take.
    pub fn read(&mut self, scratch: &mut [u8]) -> bool {
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(scratch)];
        let count = match recvmsg(&self.fd, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Ok(message) => message.bytes,
            Err(Errno::AGAIN | Errno::INTR) => return false,
            Err(_) => {
                self.broken = true;
                return false;
            }
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                // Those of an earlier request that did not want them are closed.
                self.passed.clear();
                self.passed.extend(descriptors);
            }
        }
        if count == 0 {
            self.ended = true;
        }
        self.input.extend_from_slice(&scratch[..count]);
        count > 0
    }

    /// The next whole line without its newline; `Err` where it is longer than any request may be.
    pub fn line(&mut self) -> Result<Option<Vec<u8>>, ()> {
        let found = self.input[self.searched..].iter().position(|byte| *byte == b'\n');
        let Some(end) = found.map(|at| self.searched + at) else {
            self.searched = self.input.len();
            return if self.input.len() >= wire::MAX_LINE { Err(()) } else { Ok(None) };
        };
        if end >= wire::MAX_LINE {
            return Err(());
        }
        self.searched = 0;
        let rest = self.input.split_off(end + 1);
        let mut line = core::mem::replace(&mut self.input, rest);
        line.pop();
        Ok(Some(line))
    }

    /// What is left behind the last newline when no more will come.
    pub fn rest(&mut self) -> Vec<u8> {
        self.searched = 0;
        core::mem::take(&mut self.input)
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// Where the stream cannot be followed any more.
    pub fn take_frame(&mut self) -> Result<Option<Incoming>, Refusal> {
        let Some((frame, rest)) = Frame::parse(&self.input)? else { return Ok(None) };
        let (taken, bytes) = (self.input.len() - rest.len(), frame.bytes.to_vec());
        let incoming = Incoming { kind: frame.kind, exec: frame.exec, offset: frame.offset, bytes };
        self.input.drain(..taken);
        Ok(Some(incoming))
    }

    /// Sends what is in line, as far as the client takes it.
    pub fn flush(&mut self) {
        while self.backlog() > 0 && !self.broken {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match send(&self.fd, &self.out[self.sent..], flags) {
                Ok(count) => self.sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => self.broken = true,
            }
        }
        if self.backlog() == 0 || self.broken {
            self.sent = 0;
            self.out.clear();
            if self.out.capacity() > 4096 && self.watching.is_empty() {
                self.out = Vec::new();
            }
        } else if self.sent > OUTPUT_LIMIT {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Whether nothing waits to be sent.
    pub const fn is_flushed(&self) -> bool {
        self.backlog() == 0
    }

    /// What the loop should watch it for.
    pub fn wanted(&self) -> EventFlags {
        let mut wanted = EventFlags::empty();
        // Also while a start is deferred, which is for a moment: a change costs more than to be told in vain.
        if !self.ended && self.has_room() {
            wanted |= EventFlags::IN;
        }
        if self.backlog() > 0 {
            wanted |= EventFlags::OUT;
        }
        wanted
    }
}
