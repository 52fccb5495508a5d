//! A client of the daemon: lines of JSON, and descriptors beside them.

use std::io::{IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Client {
    pub socket: UnixStream,
    buffer: Vec<u8>,
    pub passed: Vec<OwnedFd>,
    /// How often it was told how far something is.
    pub progress: usize,
}

impl Client {
    pub fn connect(path: &Path) -> std::io::Result<Self> {
        let socket = UnixStream::connect(path)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, buffer: Vec::new(), passed: Vec::new(), progress: 0 })
    }

    /// Asks, and waits for the answer; `None` where the connection ends before there is one.
    pub fn try_ask(&mut self, request: &Value, passed: Option<BorrowedFd<'_>>) -> Option<Value> {
        self.send(request, passed).ok()?;
        loop {
            let message = self.next()?;
            match message["type"].as_str() {
                Some("progress") => self.progress += 1,
                _ => return Some(message),
            }
        }
    }

    pub fn ask(&mut self, request: &Value) -> Value {
        self.try_ask(request, None).unwrap_or_else(|| panic!("no answer to {request}"))
    }

    /// Asks for something that is done.
    pub fn done(&mut self, request: &Value) -> Value {
        let answer = self.ask(request);
        assert_eq!(answer["type"], "ok", "{request}: {answer}");
        answer
    }

    pub fn send(&mut self, request: &Value, passed: Option<BorrowedFd<'_>>) -> std::io::Result<()> {
        let line = format!("{request}\n");
        let Some(fd) = passed else { return self.socket.write_all(line.as_bytes()) };
        let mut space = [MaybeUninit::uninit(); 64];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        beside.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(&fd)));
        sendmsg(&self.socket, &[IoSlice::new(line.as_bytes())], &mut beside, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next message; `None` at the end.
    pub fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=at).collect();
                return Some(serde_json::from_slice(&line).expect("a line of JSON"));
            }
            let (mut piece, mut space) = ([0; 65536], [MaybeUninit::uninit(); 64]);
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            let parts = &mut [IoSliceMut::new(&mut piece)];
            let received = recvmsg(self.socket.as_fd(), parts, &mut beside, RecvFlags::CMSG_CLOEXEC).ok()?;
            for message in beside.drain() {
                if let RecvAncillaryMessage::ScmRights(fds) = message {
                    self.passed.extend(fds);
                }
            }
            if received.bytes == 0 {
                return None;
            }
            self.buffer.extend_from_slice(&piece[..received.bytes]);
        }
    }
}

/// A request about an instance.
pub fn of(verb: &str, name: &str) -> Value {
    json!({"type": verb, "name": name})
}

/// The reason of a refusal.
pub fn reason(answer: &Value) -> &str {
    assert_eq!(answer["type"], "error", "{answer}");
    let text = answer["data"].as_str().expect("words");
    assert!(!text.is_empty() && !text.contains('\n') && !text.contains("failed to"), "{text}");
    answer["code"].as_str().expect("a reason")
}
