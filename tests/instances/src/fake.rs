//! A daemon made of a closure: it speaks the language of huskd's socket, and does nothing.

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cli::Scratch;
use instance::message::{Answer, Progress, Reason, Refusal, Request};
use serde_json::Value;
use sys::event::{PollFd, PollFlags, Timespec, poll};
use sys::fd::{AsFd as _, BorrowedFd, OwnedFd};
use sys::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// The daemon; it ends with the test.
pub struct Fake {
    scratch: Scratch,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    /// One that answers as `answer` does.
    ///
    /// # Panics
    /// Where no socket can be made.
    pub fn new(answer: impl Fn(&Request, &mut Peer) + Send + Sync + 'static) -> Self {
        let scratch = Scratch::new();
        let listener = UnixListener::bind(scratch.join("s")).expect("a socket");
        let (answer, asked) = (Arc::new(answer), Arc::new(Mutex::new(Vec::new())));
        let seen = asked.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (answer, seen) = (answer.clone(), seen.clone());
                let mut peer = Peer::new(socket.expect("a connection").into());
                std::thread::spawn(move || {
                    while let Some(request) = peer.request() {
                        seen.lock().expect("the list").push(request.clone());
                        answer(&request, &mut peer);
                    }
                });
            }
        });
        Self { scratch, asked }
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.scratch.join("s")
    }

    /// A directory of the test's.
    pub fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// What it was asked, as JSON without what is as by default.
    ///
    /// # Panics
    /// Where another thread has.
    pub fn asked(&self) -> Vec<Value> {
        let asked = self.asked.lock().expect("the list");
        asked.iter().map(|request| serde_json::to_value(request).expect("JSON")).collect()
    }
}

/// Who asks.
pub struct Peer {
    socket: OwnedFd,
    buffer: Vec<u8>,
    beside: VecDeque<OwnedFd>,
}

impl Peer {
    fn new(socket: OwnedFd) -> Self {
        Self { socket, buffer: Vec::new(), beside: VecDeque::new() }
    }

    fn request(&mut self) -> Option<Request> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("a request"));
            }
            let (mut bytes, mut space) = ([0; 4096], [MaybeUninit::uninit(); 64]);
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let received = recvmsg(
                &self.socket,
                &mut [IoSliceMut::new(&mut bytes)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            );
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    self.beside.extend(descriptors);
                }
            }
            match received.map(|received| received.bytes) {
                Ok(count) if count > 0 => self.buffer.extend_from_slice(&bytes[..count]),
                _ => return None,
            }
        }
    }

    /// The descriptor that came beside the request.
    ///
    /// # Panics
    /// Where there was none.
    pub fn descriptor(&mut self) -> OwnedFd {
        self.beside.pop_front().expect("a descriptor beside the request")
    }

    fn say(&self, answer: &Answer, beside: &[BorrowedFd<'_>]) {
        let mut line = serde_json::to_vec(answer).expect("JSON");
        line.push(b'\n');
        let mut space = [MaybeUninit::uninit(); 64];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(beside.is_empty() || control.push(SendAncillaryMessage::ScmRights(beside)));
        // Who has gone hears nothing.
        let _ = sendmsg(&self.socket, &[IoSlice::new(&line)], &mut control, SendFlags::NOSIGNAL);
    }

    /// It is done, and this is known of it.
    pub fn ok(&self, value: Value) {
        self.say(&Answer::Ok(value.as_object().expect("an object").clone()), &[]);
    }

    /// It is done, and this is beside it.
    pub fn ok_with(&self, value: Value, beside: impl Into<OwnedFd>) {
        self.say(&Answer::Ok(value.as_object().expect("an object").clone()), &[beside.into().as_fd()]);
    }

    /// It is not done.
    pub fn refuse(&self, code: Reason, text: &str) {
        self.say(&Answer::Error(Refusal { data: text.into(), code, hint: None, exit: None }), &[]);
    }

    /// It is not done, for these reasons.
    pub fn refuse_with(&self, refusal: Refusal) {
        self.say(&Answer::Error(refusal), &[]);
    }

    /// It has gone.
    pub fn hang_up(&self) {
        let _ = sys::net::shutdown(&self.socket, sys::net::Shutdown::Both);
    }

    /// It is so far.
    pub fn progress(&self, phase: &str, done: u64, total: Option<u64>) {
        self.say(&Answer::Progress(Progress { phase: phase.into(), done, total }), &[]);
    }

    /// Something has happened.
    pub fn event(&self, value: Value) {
        self.say(&Answer::Event(serde_json::from_value(value).expect("an event")), &[]);
    }

    /// Whether the client has gone within this time.
    pub fn goes_within(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let left = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
        let mut fds = [PollFd::new(&self.socket, PollFlags::RDHUP)];
        poll(&mut fds, Some(&left)).is_ok_and(|count| count > 0) && Instant::now() <= until
    }
}
