//! What needs a heap and has to be done before the main command is started: a child does it and hands over the result,
//! so that the first process itself parses no file and allocates nothing.

use alloc::string::String;
use core::mem::MaybeUninit;

use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::io::{IoSlice, IoSliceMut};
use sys::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use sys::process::{WaitId, WaitIdOptions, waitid};
use sys::{Errno, Result};

use crate::message::Part::{Error, Text, Value};
use crate::message::ours;
use crate::{Ground, OURS};

/// Room for the control message that passes one descriptor (CMSG_SPACE of an int is 24).
const SPACE: usize = 64;

/// What a child hands over.
#[derive(Debug)]
pub struct Parcel<'b> {
    /// The part of the buffer that was filled.
    pub bytes: &'b [u8],
    /// A descriptor.
    pub descriptor: Option<OwnedFd>,
}

/// Where a child hands over.
#[derive(Debug)]
pub struct Counter(OwnedFd);

impl Counter {
    /// Hands over bytes, and perhaps a descriptor, once.
    ///
    /// # Errors
    /// Those of sendmsg(2); EMSGSIZE where it is too much for a socket's buffer.
    pub fn hand_over(&self, bytes: &[u8], descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
        let mut space = [MaybeUninit::uninit(); SPACE];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let passed = descriptor.map(|descriptor| [descriptor]);
        if let Some(passed) = &passed {
            ancillary.push(SendAncillaryMessage::ScmRights(passed));
        }
        sendmsg(&self.0, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL).map(drop)
    }
}

/// Sends a child out to do `work`, and waits. What goes wrong is said by the child.
///
/// # Errors
/// The exit code of a minit that cannot go on: 125.
pub fn run<'b>(
    ground: &Ground,
    buffer: &'b mut [u8],
    work: impl FnOnce(&Counter) -> core::result::Result<(), String>,
) -> core::result::Result<Parcel<'b>, u8> {
    let complained = |errno| {
        ours(&[Text("create a process: "), Error(errno)]);
        OURS
    };
    let (own, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(complained)?;
    let Some(child) = sys::clone::fork_alone(ground.alone).map_err(complained)? else {
        ground.heap.open(ground.alone);
        let code = match work(&Counter(theirs)) {
            Ok(()) => 0,
            Err(why) => {
                ours(&[Value(why.as_bytes())]);
                OURS
            }
        };
        sys::clone::leave(code)
    };
    drop(theirs);
    let ended = loop {
        match waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED) {
            Err(Errno::INTR) => {}
            ended => break ended,
        }
    };
    match ended {
        Ok(Some(status)) if status.exit_status() == Some(0) => receive(&own, buffer).map_err(complained),
        _ => Err(OURS),
    }
}

fn receive<'b>(socket: &OwnedFd, buffer: &'b mut [u8]) -> Result<Parcel<'b>> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let count = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut ancillary, flags)?.bytes;
    let descriptor = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok(Parcel { bytes: buffer.get(..count).unwrap_or_default(), descriptor })
}
