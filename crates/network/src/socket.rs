//! Questions to the kernel and its answers over a netlink socket.

use sys::fd::OwnedFd;
use sys::net::{AddressFamily, Protocol, SocketFlags, SocketType, netlink};
use sys::{Errno, Result};

use crate::message::{Message, Messages, Reader};

const ERROR: u16 = 2;
const DONE: u16 = 3;
/// NLM_F_DUMP_INTR: what was listed has changed meanwhile, and the list may lack something.
const INTERRUPTED: u16 = 0x10;
/// The kernel fills no more in one go.
const LONGEST: usize = 32 * 1024;
/// As often is a list asked for that changes while it is read.
const ATTEMPTS: usize = 16;

/// A netlink socket of the network namespace in which it was opened.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
}

impl Socket {
    /// For links: rtnetlink(7).
    pub fn route() -> Result<Self> {
        Self::open(None)
    }

    /// For nf_tables.
    pub fn netfilter() -> Result<Self> {
        Self::open(Some(netlink::NETFILTER))
    }

    /// For sockets: sock_diag(7).
    pub fn diagnosis() -> Result<Self> {
        Self::open(Some(netlink::SOCK_DIAG))
    }

    fn open(protocol: Option<Protocol>) -> Result<Self> {
        // The kernel has answered before write(2) returns: whoever would have to wait has misunderstood it, and
        // must not wait for ever.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = sys::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        Ok(Self { fd })
    }

    /// Sends messages, each with [`crate::message::ACKNOWLEDGE`], and returns the first error in their order.
    pub fn perform(&mut self, messages: &Messages) -> Result<()> {
        self.send(messages)?;
        let mut buffer = [0; LONGEST];
        let mut outcome = None;
        loop {
            let length = match sys::io::read(&self.fd, &mut buffer) {
                Ok(length) => length,
                Err(Errno::AGAIN) => return outcome.unwrap_or(Err(Errno::PROTO)),
                Err(errno) => return Err(errno),
            };
            let answers = Reader(buffer.get(..length).unwrap_or_default());
            for answer in answers.filter(|answer| answer.kind == ERROR) {
                if !matches!(outcome, Some(Err(_))) {
                    outcome = Some(error_in(answer.body));
                }
            }
        }
    }

    /// Sends one question and returns what `take` makes of each message of the answer.
    pub fn list<T>(
        &mut self,
        question: &Messages,
        take: impl Fn(Message<'_>) -> Option<T>,
    ) -> Result<Vec<T>> {
        for _ in 0..ATTEMPTS {
            self.send(question)?;
            let mut found = Vec::new();
            if self.receive(&take, &mut found)? {
                return Ok(found);
            }
        }
        Err(Errno::AGAIN)
    }

    /// Reads an answer to its end. Returns whether it is complete.
    fn receive<T>(&mut self, take: &impl Fn(Message<'_>) -> Option<T>, found: &mut Vec<T>) -> Result<bool> {
        let mut buffer = [0; LONGEST];
        let mut complete = true;
        loop {
            let length = sys::io::read(&self.fd, &mut buffer)?;
            for message in Reader(buffer.get(..length).unwrap_or_default()) {
                complete &= message.flags & INTERRUPTED == 0;
                match message.kind {
                    // A list that breaks off says why in its last message.
                    DONE | ERROR => return error_in(message.body).map(|()| complete),
                    _ => found.extend(take(message)),
                }
            }
        }
    }

    fn send(&self, messages: &Messages) -> Result<()> {
        // An earlier answer that was not read to its end is not this one's.
        let mut rest = [0u8; 1];
        while sys::io::read(&self.fd, &mut rest).is_ok() {}
        let sent = sys::io::write(&self.fd, messages.bytes())?;
        if sent == messages.bytes().len() { Ok(()) } else { Err(Errno::MSGSIZE) }
    }
}

/// The error number at the start of an NLMSG_ERROR or NLMSG_DONE, negative as the kernel has it; 0 is none.
fn error_in(body: &[u8]) -> Result<()> {
    match body.first_chunk().map(|number| i32::from_ne_bytes(*number)) {
        Some(0) => Ok(()),
        Some(number) => Err(Errno::from_raw_os_error(number.wrapping_neg())),
        None => Err(Errno::PROTO),
    }
}
