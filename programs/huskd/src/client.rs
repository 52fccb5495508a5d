//! One who asks: the connection, line by line, with descriptors beside them.

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::time::Duration;

use instance::message::{Answer, LONGEST_LINE, Progress, Refusal};
use serde_json::{Map, Value};
use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::net::sockopt::{Timeout, set_socket_timeout, socket_peercred};
use sys::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, send, sendmsg,
};

use crate::hold::Hold;

/// What is read at once.
const PIECE: usize = 4096;
/// Room for as many descriptors as the kernel hands over at once (SCM_MAX_FD), with their header: what has no room is
/// closed by the kernel, so less would do; what is taken of them is [`PASSED`].
const SPACE: usize = 1056;
/// How many descriptors a client may have sent ahead of its requests.
const PASSED: usize = 4;
/// How long a client may take to read an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// User.
    pub uid: u32,
    /// Process; 0 where we cannot see it.
    pub pid: i32,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "uid {} pid {}", self.uid, self.pid)
    }
}

/// The connection.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    peer: Peer,
    buffer: Vec<u8>,
    /// How much of `buffer` is known to have no newline.
    searched: usize,
    passed: VecDeque<OwnedFd>,
    hears: Hears,
    /// What stays as long as it does.
    holds: Vec<Hold>,
}

/// What a client is told while it waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hears {
    /// How far something is.
    Progress,
    /// Answers alone.
    Answers,
}

/// What has come.
#[derive(PartialEq, Eq, Debug)]
pub enum Line {
    /// A line, without its newline.
    Whole(Vec<u8>),
    /// One that is longer than it may be.
    TooLong,
    /// Nothing more.
    End,
}

impl Client {
    /// Takes a connection.
    ///
    /// # Errors
    /// Those of getsockopt(2) and setsockopt(2).
    pub fn new(socket: OwnedFd) -> sys::Result<Self> {
        let credentials = socket_peercred(&socket)?;
        let peer = Peer { uid: credentials.uid.as_raw(), pid: credentials.pid.as_raw_pid() };
        // Who does not read must not keep us.
        set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
        Ok(Self {
            socket,
            peer,
            buffer: Vec::new(),
            searched: 0,
            passed: VecDeque::new(),
            hears: Hears::Progress,
            holds: Vec::new(),
        })
    }

    /// It is told so much from here on.
    pub fn hears(&mut self, hears: Hears) {
        self.hears = hears;
    }

    /// An instance stays until this client has gone.
    pub fn keeps(&mut self, hold: Hold) {
        self.holds.push(hold);
    }

    /// Who it is.
    pub const fn peer(&self) -> Peer {
        self.peer
    }

    /// Its first byte, waited for no longer than `ms` milliseconds.
    ///
    /// # Errors
    /// Those of recvmsg(2).
    pub fn first_byte(&mut self, ms: u64) -> sys::Result<Option<u8>> {
        if self.buffer.is_empty()
            && (!crate::wake::is_readable_within(self.socket.as_fd(), ms) || !self.fill()?)
        {
            return Ok(None);
        }
        Ok(self.buffer.first().copied())
    }

    /// The next line.
    ///
    /// # Errors
    /// Those of recvmsg(2).
    pub fn line(&mut self, longest: usize) -> sys::Result<Line> {
        loop {
            let new = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(at) = new.iter().position(|byte| *byte == b'\n') {
                let end = self.searched + at;
                let rest = self.buffer.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.truncate(end);
                self.searched = 0;
                return Ok(if end < longest { Line::Whole(line) } else { Line::TooLong });
            }
            self.searched = self.buffer.len();
            if self.searched >= longest {
                return Ok(Line::TooLong);
            }
            if !self.fill()? {
                return Ok(Line::End);
            }
        }
    }

    /// Reads once; whether there was something.
    fn fill(&mut self) -> sys::Result<bool> {
        let mut piece = [0; PIECE];
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        loop {
            let parts = &mut [IoSliceMut::new(&mut piece)];
            match recvmsg(&self.socket, parts, &mut beside, RecvFlags::CMSG_CLOEXEC) {
                Ok(received) => {
                    for message in beside.drain() {
                        if let RecvAncillaryMessage::ScmRights(passed) = message {
                            // The others are closed here.
                            self.passed.extend(passed.take(PASSED.saturating_sub(self.passed.len())));
                        }
                    }
                    self.buffer.extend_from_slice(&piece[..received.bytes]);
                    return Ok(received.bytes > 0);
                }
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => return Ok(false),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// The descriptor that came beside a request.
    pub fn passed(&mut self) -> Option<OwnedFd> {
        self.passed.pop_front()
    }

    /// Descriptors that nobody asked for are closed.
    pub fn forget_passed(&mut self) {
        self.passed.clear();
    }

    /// Says how far something is, where the client reads: one that does not misses it.
    pub fn progress(&self, progress: Progress) {
        // A unix socket takes a line of this length as a whole or not at all (af_unix.c, unix_stream_sendmsg).
        if self.hears == Hears::Answers {
            return;
        }
        if let Ok(line) = line_of(&Answer::Progress(progress)) {
            let _ = send(&self.socket, &line, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        }
    }

    /// Answers a request, with a descriptor beside it.
    ///
    /// # Errors
    /// Those of sendmsg(2); EAGAIN where the client does not read.
    pub fn answer(&self, answer: &Result<Done, Refusal>) -> sys::Result<()> {
        match answer {
            Ok(done) => {
                let line = line_of(&Answer::Ok(done.told.clone()))?;
                self.send(&line, done.passed.as_ref().map(AsFd::as_fd))
            }
            Err(refusal) => self.send(&line_of(&Answer::Error(refusal.clone()))?, None),
        }
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// As [`Client::answer`].
    pub fn send(&self, mut bytes: &[u8], mut passed: Option<BorrowedFd<'_>>) -> sys::Result<()> {
        while !bytes.is_empty() {
            let sent = match passed {
                None => send(&self.socket, bytes, SendFlags::NOSIGNAL),
                Some(fd) => {
                    let mut space = [MaybeUninit::uninit(); SPACE];
                    let mut beside = SendAncillaryBuffer::new(&mut space);
                    beside.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(&fd)));
                    sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut beside, SendFlags::NOSIGNAL)
                }
            };
            match sent {
                Ok(count) => (bytes, passed) = (&bytes[count..], None),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Whether it has gone.
    pub fn is_gone(&self) -> bool {
        crate::wake::is_closed(self.socket.as_fd())
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A message as a line.
fn line_of(answer: &Answer) -> sys::Result<Vec<u8>> {
    // No map in it has keys that are no text.
    let mut line = serde_json::to_vec(answer).map_err(|_| Errno::INVAL)?;
    line.push(b'\n');
    Ok(line)
}

/// What a request has come to.
#[derive(Debug, Default)]
pub struct Done {
    /// What is said of it.
    pub told: Map<String, Value>,
    /// The descriptor that goes along.
    pub passed: Option<OwnedFd>,
}

impl Done {
    /// It is done, and there is nothing to say.
    pub fn silent() -> Self {
        Self::default()
    }

    /// The same, and this to say.
    #[must_use]
    pub fn say(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.told.insert(name.into(), value.into());
        self
    }

    /// The same, with a descriptor.
    #[must_use]
    pub fn pass(self, fd: OwnedFd) -> Self {
        Self { passed: Some(fd), ..self }
    }
}

/// The longest line of a request.
pub const REQUEST: usize = LONGEST_LINE;
