//! The daemon's socket: a request a line out, answers a line in, descriptors beside either.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use container::Failure;
use instance::message::{Answer, LONGEST_LINE, Request};
use sys::Errno;
use sys::event::{PollFd, PollFlags, Timespec, poll};
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::io::{IoSlice, IoSliceMut};
use sys::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use sys::strerror::describe;

/// Room for the header and a few descriptors (cmsg(3)).
const SPACE: usize = 64;
const PIECE: usize = 16_384;

/// A connection to the daemon.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
    /// What has come of lines that are not whole, or were not taken.
    buffer: Vec<u8>,
    beside: VecDeque<OwnedFd>,
    has_ended: bool,
}

/// What reading once came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// Something has come.
    Some,
    /// Nothing comes any more.
    End,
}

impl Connection {
    /// Over a connected socket.
    pub const fn new(socket: OwnedFd) -> Self {
        Self { socket, buffer: Vec::new(), beside: VecDeque::new(), has_ended: false }
    }

    /// The socket, to be polled together with others.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Sends a request, with descriptors beside it.
    pub fn send(&self, request: &Request, beside: &[BorrowedFd<'_>]) -> Result<(), Failure> {
        let mut line =
            serde_json::to_vec(request).map_err(|error| Failure::ours(format!("request: {error}")))?;
        line.push(b'\n');
        if line.len() > LONGEST_LINE {
            return Err(Failure::ours(format!("the request is longer than {LONGEST_LINE} bytes")));
        }
        let (mut rest, mut beside) = (line.as_slice(), beside);
        while !rest.is_empty() {
            let mut space = [MaybeUninit::uninit(); SPACE];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !beside.is_empty() && !control.push(SendAncillaryMessage::ScmRights(beside)) {
                return Err(failed(Errno::TOOBIG));
            }
            match sendmsg(&self.socket, &[IoSlice::new(rest)], &mut control, SendFlags::NOSIGNAL) {
                Ok(count) => {
                    rest = &rest[count..];
                    beside = &[];
                }
                Err(Errno::INTR) => {}
                // It may have said why before it closed.
                Err(Errno::PIPE | Errno::CONNRESET) => return Ok(()),
                Err(errno) => return Err(failed(errno)),
            }
        }
        Ok(())
    }

    /// Whether the daemon has gone.
    pub const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The next answer, waiting for it.
    pub fn next(&mut self) -> Result<Answer, Failure> {
        loop {
            if let Some(answer) = self.fetched()? {
                return Ok(answer);
            }
            if self.read()? == Read::End {
                return Err(ended());
            }
        }
    }

    /// The next answer, if it comes within this time, and the daemon lives so long.
    pub fn next_within(&mut self, time: Duration) -> Option<Answer> {
        let until = Instant::now() + time;
        loop {
            if let Some(answer) = self.fetched().ok()? {
                return Some(answer);
            }
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
            match poll(&mut fds, Some(&left)) {
                Err(Errno::INTR) => {}
                Ok(count) if count > 0 => {
                    if self.read().ok()? == Read::End {
                        return None;
                    }
                }
                _ => return None,
            }
        }
    }

    /// The next answer, if it has come.
    pub fn fetched(&mut self) -> Result<Option<Answer>, Failure> {
        let Some(length) = self.buffer.iter().position(|byte| *byte == b'\n') else {
            return match self.buffer.len() > LONGEST_LINE {
                true => Err(Failure::ours(format!("huskd: an answer is longer than {LONGEST_LINE} bytes"))),
                false => Ok(None),
            };
        };
        let line: Vec<u8> = self.buffer.drain(..=length).collect();
        serde_json::from_slice(&line).map(Some).map_err(|error| {
            let text = String::from_utf8_lossy(&line[..length.min(200)]).into_owned();
            Failure::ours(format!("huskd: unexpected answer {text:?}: {error}"))
                .hint(Some("husk and huskd are of different versions"))
        })
    }

    /// Reads once, waiting for something.
    pub fn read(&mut self) -> Result<Read, Failure> {
        let mut bytes = [0; PIECE];
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut pieces = [IoSliceMut::new(&mut bytes)];
        let count = loop {
            match recvmsg(&self.socket, &mut pieces, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Ok(message) => break message.bytes,
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => break 0,
                Err(errno) => return Err(failed(errno)),
            }
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.beside.extend(descriptors);
            }
        }
        self.buffer.extend_from_slice(&bytes[..count]);
        self.has_ended |= count == 0;
        Ok(if count == 0 { Read::End } else { Read::Some })
    }

    /// Says that no more is asked for, and that what was is not wanted any more.
    pub fn give_up(&self) {
        // Where the daemon has gone there is nobody to be told.
        let _ = sys::net::shutdown(&self.socket, sys::net::Shutdown::Write);
    }

    /// A descriptor that came beside an answer.
    pub fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.beside.pop_front()
    }
}

fn failed(errno: Errno) -> Failure {
    Failure::ours(format!("huskd: {}", describe(errno)))
}

/// What is said where the daemon has gone.
pub fn ended() -> Failure {
    let log = super::log().map_or_else(|| "its log".into(), |log| log.display().to_string());
    Failure::ours("huskd: it has closed the connection before it answered")
        .hint(Some(format!("it may have ended: {log}, or journalctl -u huskd where systemd has started it")))
}
