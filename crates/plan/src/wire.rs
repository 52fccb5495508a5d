//! The parent/child protocol: fixed records over a SOCK_SEQPACKET pair, whose end is the exec.

use core::mem::MaybeUninit;

use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::io::{IoSlice, IoSliceMut};
use sys::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recv, recvmsg, send, sendmsg,
};
use sys::{Errno, Result};

use crate::Pause;

/// Which call of a step failed: the detail that an errno alone lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs)] // the names are those of the system calls
pub enum Call {
    Open = 1,
    Find,
    Make,
    Chdir,
    Mount,
    OpenTree,
    MoveMount,
    SetAttributes,
    Statfs,
    Stat,
    Link,
    Pivot,
    Unmount,
    Write,
    Channel,
    Groups,
    Group,
    User,
    Control,
    Capset,
    Limit,
    Session,
    Terminal,
    Name,
    Socket,
    Seccomp,
    Signal,
    Close,
    Keyring,
    /// The standard descriptors, before the first step.
    Descriptors,
    /// The program itself is not there.
    Execute,
    /// The program is there; the interpreter that its first line or its ELF header names is not.
    Interpreter,
    /// Something is not what the step relies on: another file system, another device.
    Check,
    /// The caller ended first.
    Caller,
    Priority,
    Join,
    /// A program that is the child's only on its way.
    Become,
    Map,
    Clone,
}

impl Call {
    const ALL: [Self; 39] = [
        Self::Open,
        Self::Find,
        Self::Make,
        Self::Chdir,
        Self::Mount,
        Self::OpenTree,
        Self::MoveMount,
        Self::SetAttributes,
        Self::Statfs,
        Self::Stat,
        Self::Link,
        Self::Pivot,
        Self::Unmount,
        Self::Write,
        Self::Channel,
        Self::Groups,
        Self::Group,
        Self::User,
        Self::Control,
        Self::Capset,
        Self::Limit,
        Self::Session,
        Self::Terminal,
        Self::Name,
        Self::Socket,
        Self::Seccomp,
        Self::Signal,
        Self::Close,
        Self::Keyring,
        Self::Descriptors,
        Self::Execute,
        Self::Interpreter,
        Self::Check,
        Self::Caller,
        Self::Priority,
        Self::Join,
        Self::Become,
        Self::Map,
        Self::Clone,
    ];

    /// The system call that it stands for, as its manual page is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Find => "openat2",
            Self::Make => "mkdirat",
            Self::Chdir => "fchdir",
            Self::Mount => "mount",
            Self::OpenTree => "open_tree",
            Self::MoveMount => "move_mount",
            Self::SetAttributes => "mount_setattr",
            Self::Statfs => "fstatfs",
            Self::Stat => "statx",
            Self::Link => "symlinkat",
            Self::Pivot => "pivot_root",
            Self::Unmount => "umount2",
            Self::Write => "write",
            Self::Channel => "sendmsg",
            Self::Groups => "setgroups",
            Self::Group => "setresgid",
            Self::User => "setresuid",
            Self::Control => "prctl",
            Self::Capset => "capset",
            Self::Limit => "prlimit64",
            Self::Session => "setsid",
            Self::Terminal => "ioctl",
            Self::Name => "sethostname",
            Self::Socket => "socket",
            Self::Seccomp => "seccomp",
            Self::Signal => "rt_sigprocmask",
            Self::Close => "close_range",
            Self::Keyring => "keyctl",
            Self::Descriptors => "dup3",
            Self::Execute | Self::Interpreter => "execve",
            Self::Check => "check",
            Self::Caller => "recv",
            Self::Priority => "setpriority",
            Self::Join => "setns",
            Self::Become => "execveat",
            Self::Map => "mmap",
            Self::Clone => "clone",
        }
    }
}

/// Why a child did not become its program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Index into the plan's steps.
    pub step: u16,
    /// Which call of that step.
    pub call: Call,
    /// What the kernel said.
    pub errno: Errno,
}

/// What a child has to say.
#[derive(Debug)]
pub enum Report {
    /// It waits; [`Channel::proceed`] lets it go on.
    Paused(Pause),
    /// The master of its terminal.
    Terminal(OwnedFd),
    /// It has given up, and ends.
    Failed(Failure),
    /// The channel was closed: it has become its program, or was killed.
    Closed,
}

const PAUSED: u8 = 1;
const FAILED: u8 = 2;
const TERMINAL: u8 = 3;
const PROCEED: [u8; SIZE] = [4; SIZE];
const SIZE: usize = 8;
/// Room for the control message that passes one descriptor (CMSG_SPACE of an int is 24).
const SPACE: usize = 64;

/// One end of the pair; or, where the child had its caller's memory, what it left there.
#[derive(Debug)]
pub struct Channel(Way);

#[derive(Debug)]
enum Way {
    Socket(OwnedFd),
    Note(Option<Failure>),
}

impl Channel {
    /// The child's end where there are no sockets.
    pub(crate) const NOTE: Self = Self(Way::Note(None));

    pub(crate) const fn new(socket: OwnedFd) -> Self {
        Self(Way::Socket(socket))
    }

    pub(crate) const fn noted(failure: Option<Failure>) -> Self {
        Self(Way::Note(failure))
    }

    /// The socket, which is readable when there is a report; EPIPE where the report is there already.
    ///
    /// # Errors
    /// EPIPE.
    pub fn socket(&self) -> Result<BorrowedFd<'_>> {
        match &self.0 {
            Way::Socket(socket) => Ok(socket.as_fd()),
            Way::Note(_) => Err(Errno::PIPE),
        }
    }

    /// The next report; waits for it.
    ///
    /// # Errors
    /// Those of recvmsg(2); EPROTO for a record that no child of ours sends.
    pub fn receive(&self) -> Result<Report> {
        let socket = match &self.0 {
            Way::Socket(socket) => socket,
            Way::Note(failure) => return Ok(failure.map_or(Report::Closed, Report::Failed)),
        };
        let mut record = [0; SIZE];
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let read = loop {
            let mut parts = [IoSliceMut::new(&mut record)];
            match recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Ok(message) => break message.bytes,
                Err(Errno::INTR) => {}
                // A child that ended with an unread answer of ours resets the pair.
                Err(Errno::CONNRESET) => break 0,
                Err(errno) => return Err(errno),
            }
        };
        match (read, record[0]) {
            (0, _) => Ok(Report::Closed),
            (SIZE, PAUSED) => pause(record[1]).map(Report::Paused).ok_or(Errno::PROTO),
            (SIZE, FAILED) => failure(record).map(Report::Failed).ok_or(Errno::PROTO),
            (SIZE, TERMINAL) => ancillary
                .drain()
                .find_map(|message| match message {
                    RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
                    _ => None,
                })
                .map(Report::Terminal)
                .ok_or(Errno::PROTO),
            _ => Err(Errno::PROTO),
        }
    }

    /// Lets a paused child go on.
    ///
    /// # Errors
    /// EPIPE where it has ended.
    pub fn proceed(&self) -> Result<()> {
        self.send(&PROCEED)
    }

    pub(crate) fn pause(&self, reason: Pause) -> Result<()> {
        self.send(&[PAUSED, reason as u8, 0, 0, 0, 0, 0, 0])?;
        let mut answer = [0; SIZE];
        loop {
            match sys::io::read(self.socket()?, &mut answer[..]) {
                Err(Errno::INTR) => {}
                Ok(SIZE) if answer == PROCEED => return Ok(()),
                Ok(_) => return Err(Errno::PIPE),
                Err(errno) => return Err(errno),
            }
        }
    }

    pub(crate) fn fail(&self, failure: Failure) -> Result<()> {
        let [low, high] = failure.step.to_le_bytes();
        let [e0, e1, e2, e3] = failure.errno.raw_os_error().to_le_bytes();
        self.send(&[FAILED, failure.call as u8, low, high, e0, e1, e2, e3])
    }

    pub(crate) fn send_terminal(&self, master: BorrowedFd<'_>) -> Result<()> {
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds = [master];
        if !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
            return Err(Errno::NOBUFS);
        }
        let record = [TERMINAL, 0, 0, 0, 0, 0, 0, 0];
        let parts = [IoSlice::new(&record)];
        sendmsg(self.socket()?, &parts, &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Whether the other end is still open. Not by poll(2), which a small limit on descriptors forbids.
    pub(crate) fn caller_is_there(&self) -> bool {
        let mut record = [0; SIZE];
        let Ok(socket) = self.socket() else { return false };
        match recv(socket, &mut record[..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((read, _)) => read > 0,
            Err(errno) => errno == Errno::AGAIN,
        }
    }

    /// NOSIGNAL: a caller that is gone is an error to report, not a SIGPIPE.
    fn send(&self, record: &[u8; SIZE]) -> Result<()> {
        loop {
            match send(self.socket()?, record, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                result => return result.map(|_| ()),
            }
        }
    }
}

fn pause(number: u8) -> Option<Pause> {
    [Pause::IdMaps, Pause::Namespaces, Pause::Start].into_iter().find(|pause| *pause as u8 == number)
}

fn failure(record: [u8; SIZE]) -> Option<Failure> {
    let [_, call, low, high, e0, e1, e2, e3] = record;
    let errno = i32::from_le_bytes([e0, e1, e2, e3]);
    Some(Failure {
        step: u16::from_le_bytes([low, high]),
        call: Call::ALL.into_iter().find(|known| *known as u8 == call)?,
        errno: if (1..4096).contains(&errno) { Errno::from_raw_os_error(errno) } else { return None },
    })
}
