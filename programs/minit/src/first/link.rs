//! What the two roles say to each other: records of 16 bytes over a SOCK_SEQPACKET pair. A record that is not
//! understood is passed over.

use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::machine::Ending;
use sys::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};
use sys::reap::End;
use sys::{Errno, Result};

use crate::first::decide::OnExit;

/// How everything is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order {
    /// What follows when nothing is left.
    pub then: OnExit,
    /// The exit code, where it is not that of the main command.
    pub code: Option<u8>,
    /// How long everything has to end, in milliseconds, where it is not what the command line said.
    pub grace: Option<u64>,
}

/// Whether the first process is to tell of each orphan that it reaps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Orphans {
    /// It tells, and so reaps by itself.
    Told,
    /// Nobody listens.
    Untold,
}

/// One record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    /// From the api: it serves.
    Ready,
    /// From the api: everything is to end.
    Shutdown(Order),
    /// From the api: a signal for the main command's group.
    Signal(i32),
    /// From the api: about orphans.
    Watch(Orphans),
    /// To the api: the main command runs, with this pid.
    Started(i32),
    /// To the api: the main command has ended.
    Ended(End),
    /// To the api: an orphan has ended, and was reaped.
    Reaped(i32, End),
    /// To the api: everything is told to end.
    Stopping,
    /// To the api: everything is killed in a moment; it may do so first, and tell its clients.
    TimeUp,
}

/// Bytes of a record: kind, a number, another of 64 bits.
pub const SIZE: usize = 16;

const NONE: u64 = u64::MAX;

impl Record {
    /// The record as it is sent.
    #[must_use]
    pub fn pack(self) -> [u8; SIZE] {
        let (kind, number, rest) = match self {
            Self::Ready => (1u32, 0u32, 0u64),
            Self::Shutdown(Order { then, code, grace }) => {
                let then = match then {
                    OnExit::Machine(Ending::PowerOff) => 1,
                    OnExit::Machine(Ending::Reboot) => 2,
                    OnExit::Exit | OnExit::Stay | OnExit::Respawn => 0,
                };
                let code = code.map_or(0, |code| 1 << 16 | u32::from(code) << 8);
                (2, then | code, grace.unwrap_or(NONE))
            }
            Self::Signal(number) => (3, number.cast_unsigned(), 0),
            Self::Watch(Orphans::Untold) => (4, 0, 0),
            Self::Watch(Orphans::Told) => (4, 1, 0),
            Self::Started(pid) => (5, pid.cast_unsigned(), 0),
            Self::Ended(end) => (6, 0, end.status().into()),
            Self::Reaped(pid, end) => (7, pid.cast_unsigned(), end.status().into()),
            Self::Stopping => (8, 0, 0),
            Self::TimeUp => (9, 0, 0),
        };
        (u128::from(kind) | u128::from(number) << 32 | u128::from(rest) << 64).to_le_bytes()
    }

    /// What was sent; `None` where it is no record.
    #[must_use]
    pub fn unpack(bytes: [u8; SIZE]) -> Option<Self> {
        let word = u128::from_le_bytes(bytes);
        let (kind, number, rest) = (word as u32, (word >> 32) as u32, (word >> 64) as u64);
        Some(match kind {
            1 => Self::Ready,
            2 => Self::Shutdown(Order {
                then: match number & 0xff {
                    0 => OnExit::Exit,
                    1 => OnExit::Machine(Ending::PowerOff),
                    2 => OnExit::Machine(Ending::Reboot),
                    _ => return None,
                },
                code: (number >> 16 & 1 == 1).then_some((number >> 8) as u8),
                grace: (rest != NONE).then_some(rest),
            }),
            3 => Self::Signal(number.cast_signed()),
            4 => Self::Watch(if number == 1 { Orphans::Told } else { Orphans::Untold }),
            5 => Self::Started(number.cast_signed()),
            6 => Self::Ended(End::from_status(rest as u32)),
            7 => Self::Reaped(number.cast_signed(), End::from_status(rest as u32)),
            8 => Self::Stopping,
            9 => Self::TimeUp,
            _ => return None,
        })
    }
}

/// What has come from the other side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// A record.
    Record(Record),
    /// Nothing at the moment, or nothing that means anything.
    Nothing,
    /// The other side is gone.
    Gone,
}

/// One side.
#[derive(Debug)]
pub struct Link(OwnedFd);

impl Link {
    /// Both sides; neither waits for the other, and both are closed at exec.
    ///
    /// # Errors
    /// Those of socketpair(2).
    pub fn pair() -> Result<(Self, Self)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (one, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self(one), Self(other)))
    }

    /// Says something, unless the other side has not read for a long time.
    ///
    /// # Errors
    /// EAGAIN where nothing more fits; EPIPE where the other side is gone.
    pub fn say(&self, record: Record) -> Result<()> {
        loop {
            match send(&self.0, &record.pack(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                result => return result.map(drop),
            }
        }
    }

    /// The next record.
    pub fn hear(&self) -> Heard {
        let mut bytes = [0u8; SIZE];
        match recv(&self.0, &mut bytes[..], RecvFlags::DONTWAIT) {
            Ok((SIZE, _)) => Record::unpack(bytes).map_or(Heard::Nothing, Heard::Record),
            Ok((0, _)) | Err(Errno::CONNRESET) => Heard::Gone,
            _ => Heard::Nothing,
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDS: [Record; 13] = [
        Record::Ready,
        Record::Shutdown(Order { then: OnExit::Exit, code: None, grace: None }),
        Record::Shutdown(Order { then: OnExit::Machine(Ending::PowerOff), code: Some(0), grace: Some(0) }),
        Record::Shutdown(Order { then: OnExit::Machine(Ending::Reboot), code: Some(255), grace: Some(10) }),
        Record::Signal(64),
        Record::Watch(Orphans::Told),
        Record::Watch(Orphans::Untold),
        Record::Started(7),
        Record::Ended(End::Code(255)),
        Record::Ended(End::Signal(64)),
        Record::Reaped(i32::MAX, End::Signal(9)),
        Record::Stopping,
        Record::TimeUp,
    ];

    #[test]
    fn records_are_what_was_said() {
        let (one, other) = Link::pair().expect("a pair");
        for record in RECORDS {
            assert_eq!(one.say(record), Ok(()));
            assert_eq!(other.hear(), Heard::Record(record));
        }
        assert_eq!(other.hear(), Heard::Nothing);
        drop(one);
        assert_eq!((other.hear(), other.say(Record::Ready)), (Heard::Gone, Err(Errno::PIPE)));
    }

    #[test]
    fn what_is_no_record_is_passed_over() {
        assert_eq!(Record::unpack([0; SIZE]), None);
        assert_eq!(Record::unpack([0xff; SIZE]), None);
        let mut unknown_end = Record::Shutdown(Order { then: OnExit::Exit, code: None, grace: None }).pack();
        unknown_end[4] = 9;
        assert_eq!(Record::unpack(unknown_end), None);
    }
}
