//! A connection, and whom a message is for.

use alloc::borrow::ToOwned;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use sys::Errno;
use sys::clock::monotonic;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use wire::{Frame, FrameKind};

use crate::address::Address;
use crate::channel::{Channel, Incoming};
use crate::error::Error;
use crate::event::Event;
use crate::message::{Message, text};
use crate::running::Watched;

/// How long something is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// As long as it takes.
    Ever,
    /// Until this time of the clock CLOCK_MONOTONIC, in nanoseconds.
    Time(u64),
}

impl Until {
    /// In so many milliseconds.
    #[must_use]
    pub fn in_ms(ms: u64) -> Self {
        Self::Time(monotonic().saturating_add(ms.saturating_mul(1_000_000)))
    }

    /// Nanoseconds that are left.
    pub(crate) fn left(self) -> Option<u64> {
        match self {
            Self::Ever => None,
            Self::Time(time) => Some(time.saturating_sub(monotonic())),
        }
    }

    /// Whether it is over.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.left() == Some(0)
    }
}

/// A connection to a server.
#[derive(Debug)]
pub struct Client {
    channel: Channel,
    /// How long an answer is waited for, in milliseconds.
    patience: Option<u64>,
    pub(crate) watched: Vec<Watched>,
    /// Events of a subscription that nobody has fetched.
    pub(crate) notices: VecDeque<Message>,
    /// An error that is about no request, if that was the last word: why the server closes, if it does.
    complaint: Option<Error>,
    /// Whether there may be errors on their way about input for an exec that had ended.
    strays: bool,
}

/// What was in the buffer.
enum Taken {
    Nothing,
    Some,
    Answer(Message),
}

/// What a message is an answer to.
pub(crate) struct Question<'q> {
    pub during: &'static str,
    /// The type of the answer.
    pub kind: &'static str,
    /// The exec that it is about.
    pub id: Option<&'q str>,
    pub refusal: Refusal,
}

/// Which errors are an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// One that names the exec that was asked about, or none.
    Any,
    /// One that names it: no field of the request can be wrong.
    Named,
}

impl<'q> Question<'q> {
    pub const fn new(during: &'static str, kind: &'static str, id: Option<&'q str>) -> Self {
        Self { during, kind, id, refusal: Refusal::Any }
    }
}

impl Client {
    /// Connects, and waits for answers as long as they take.
    ///
    /// # Errors
    /// [`Error::Connect`]; [`Error::Refused`] where the server does not serve this user or machine.
    pub fn connect(address: Address<'_>) -> Result<Self, Error> {
        Self::connect_within(address, None)
    }

    /// Connects, and waits for this and each later answer no longer than `ms` milliseconds. Events of execs, and the
    /// answer to `wait`, take the time that they take.
    ///
    /// # Errors
    /// As [`Client::connect`]; [`Error::Late`].
    pub fn connect_within(address: Address<'_>, ms: impl Into<Option<u64>>) -> Result<Self, Error> {
        let ms = ms.into();
        let until = ms.map_or(Until::Ever, Until::in_ms);
        match address.open(until) {
            Ok(channel) => Self::greet(channel, ms),
            Err(why) => Err(Error::Connect { to: address.describe(), why }),
        }
    }

    /// Takes a connection that exists: one that a guest has made (`--dial`), or one end of a pair.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn over(socket: OwnedFd) -> Result<Self, Error> {
        let lost = |why| Error::Lost { during: "hello", why: Some(why) };
        sys::io::ioctl_fionbio(&socket, true).map_err(lost)?;
        Self::greet(Channel::new(socket), None)
    }

    /// From lines to frames.
    fn greet(channel: Channel, patience: Option<u64>) -> Result<Self, Error> {
        const HELLO: &[u8] = b"{\"type\":\"hello\",\"frames\":true}\n";
        let (watched, notices) = (Vec::new(), VecDeque::new());
        let mut client = Self { channel, patience, watched, notices, complaint: None, strays: false };
        let until = client.patience();
        // A server that does not want us has said why, and closed: then sending fails, and reading does not.
        let line = match client.channel.send(HELLO, &[], until) {
            Ok(()) | Err(Errno::PIPE | Errno::CONNRESET) => client.channel.line(until),
            Err(why) => Err(why),
        };
        let line = match line {
            Ok(Some(line)) => line,
            Ok(None) => return Err(Error::Lost { during: "hello", why: None }),
            Err(why) => return Err(client.lost("hello", why)),
        };
        let message = Message::new(line).map_err(|what| Error::Unexpected { during: "hello", what })?;
        match &*message.kind() {
            "ok" => {}
            "error" => return Err(refused(&message)),
            _ => return Err(Error::Unexpected { during: "hello", what: message.as_str().to_owned() }),
        }
        Ok(client)
    }

    /// The socket, to be polled for reading together with others.
    #[must_use]
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.channel.socket()
    }

    fn patience(&self) -> Until {
        self.patience.map_or(Until::Ever, Until::in_ms)
    }

    fn lost(&self, during: &'static str, why: Errno) -> Error {
        match (why, self.patience) {
            (Errno::TIMEDOUT, Some(ms)) => Error::Late { during, ms },
            (Errno::PIPE | Errno::CONNRESET, _) => {
                self.complaint.clone().unwrap_or(Error::Lost { during, why: None })
            }
            _ => Error::Lost { during, why: Some(why) },
        }
    }

    /// Sends a frame that nobody answers at once.
    pub(crate) fn send_frame(&mut self, frame: &Frame<'_>, during: &'static str) -> Result<(), Error> {
        let mut out = Vec::new();
        frame.write(&mut out);
        let until = self.patience();
        self.channel.send(&out, &[], until).map_err(|why| self.lost(during, why))
    }

    /// Asks, and waits for the answer; what comes before it is kept for whom it is for.
    pub(crate) fn ask(&mut self, request: &[u8], question: &Question<'_>) -> Result<Message, Error> {
        self.ask_with(request, &[], question, self.patience())
    }

    /// The same, with descriptors beside it, and a time of its own.
    pub(crate) fn ask_with(
        &mut self,
        request: &[u8],
        passed: &[BorrowedFd<'_>],
        question: &Question<'_>,
        until: Until,
    ) -> Result<Message, Error> {
        let strays = self.strays || self.watched.iter().any(|watched| !watched.sent.is_empty());
        if strays && question.refusal == Refusal::Any {
            // Input for an exec that had just ended is answered with an error that does not say of whom it is.
            // Behind the answer to a ping there is none of these.
            let barrier = Question { refusal: Refusal::Named, ..Question::new("ping", "pong", None) };
            self.exchange(b"{\"type\":\"ping\"}", &[], &barrier, until)?;
            self.strays = false;
        }
        let answer = self.exchange(request, passed, question, until)?;
        match (&*answer.kind(), answer.text("error")) {
            ("error", _) => Err(refused(&answer)),
            ("kill_result", Some(text)) => Err(Error::Refused { text: text.into_owned(), code: 125 }),
            _ => Ok(answer),
        }
    }

    fn exchange(
        &mut self,
        request: &[u8],
        passed: &[BorrowedFd<'_>],
        question: &Question<'_>,
        until: Until,
    ) -> Result<Message, Error> {
        let during = question.during;
        if request.len() > wire::MAX_FRAME {
            let mut text = during.to_owned();
            text.push_str(": the request is longer than the limit of 1048576 bytes");
            return Err(Error::Refused { text, code: 125 });
        }
        let mut out = Vec::with_capacity(request.len() + wire::HEADER);
        Frame { kind: FrameKind::Json, exec: 0, offset: 0, bytes: request }.write(&mut out);
        self.channel.send(&out, passed, until).map_err(|why| self.lost(during, why))?;
        loop {
            if let Taken::Answer(answer) = self.take(Some(question))? {
                return Ok(answer);
            }
            self.fill(during, until)?;
        }
    }

    /// Waits for more.
    fn fill(&mut self, during: &'static str, until: Until) -> Result<(), Error> {
        match self.channel.fill(until) {
            Ok(true) => Ok(()),
            Ok(false) if self.channel.has_ended() => Err(self.lost(during, Errno::PIPE)),
            Ok(false) => Err(self.lost(during, Errno::TIMEDOUT)),
            Err(why) => Err(self.lost(during, why)),
        }
    }

    /// Takes what the server has sent, waiting until there is something; `false` where the time is over.
    ///
    /// # Errors
    /// [`Error::Lost`], [`Error::Unexpected`].
    pub fn receive(&mut self, until: Until) -> Result<bool, Error> {
        loop {
            // What came together with an answer is in the buffer already.
            if let Taken::Some = self.take(None)? {
                return Ok(true);
            }
            match self.channel.fill(until) {
                Ok(true) => {}
                Ok(false) if self.channel.has_ended() => return Err(self.lost("receive", Errno::PIPE)),
                Ok(false) => return Ok(false),
                Err(why) => return Err(self.lost("receive", why)),
            }
        }
    }

    /// Hands out what has come, up to the answer to a question.
    fn take(&mut self, question: Option<&Question<'_>>) -> Result<Taken, Error> {
        let during = question.map_or("receive", |question| question.during);
        let mut taken = Taken::Nothing;
        while let Some(frame) = self.channel.frame().map_err(|why| self.lost(during, why))? {
            taken = Taken::Some;
            self.complaint = None;
            if frame.kind != FrameKind::Json {
                self.take_output(frame);
                continue;
            }
            let message = Message::new(frame.bytes).map_err(|what| Error::Unexpected { during, what })?;
            if question.is_some_and(|question| question.is_answered_by(&message, &self.watched)) {
                return Ok(Taken::Answer(message));
            }
            self.take_message(message);
        }
        Ok(taken)
    }

    fn take_output(&mut self, frame: Incoming) {
        let Some(watched) = self.watched.iter_mut().find(|watched| watched.number == frame.exec) else {
            return;
        };
        let Incoming { bytes, offset, .. } = frame;
        match frame.kind {
            FrameKind::Stdout => watched.push(Event::Stdout { bytes, offset }),
            FrameKind::Stderr => watched.push(Event::Stderr { bytes, offset }),
            _ => {}
        }
    }

    fn take_message(&mut self, message: Message) {
        let value = message.value();
        let (kind, id) = (text(value, "type"), text(value, "id"));
        let pid = message.count("pid");
        // `timeout` has a pid and no id.
        let watched = self.watched.iter_mut().rev().find(|watched| {
            if kind == "timeout" { Some(watched.pid) == pid && !watched.exited } else { *watched.id == *id }
        });
        match (&*kind, watched) {
            ("event", _) => self.notices.push_back(message),
            ("ok", Some(watched)) => watched.input_was_taken(),
            ("error", Some(watched)) => {
                // Of several pieces on their way one was refused by name, and the others may come after its end.
                self.strays |= watched.sent.len() > 1;
                watched.input_was_refused(text(value, "data").into_owned());
            }
            ("error", None) => self.complaint = Some(refused(&message)),
            (kind, Some(watched)) => {
                self.strays |= kind == "exit" && !watched.sent.is_empty();
                if let Some(event) = Event::read(kind, value) {
                    watched.push(event);
                }
            }
            _ => {}
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket()
    }
}

impl Question<'_> {
    fn is_answered_by(&self, message: &Message, watched: &[Watched]) -> bool {
        let value = message.value();
        let (kind, id) = (text(value, "type"), text(value, "id"));
        if kind == "error" {
            let is_of_input = text(value, "data").starts_with("stdin: ")
                && watched.iter().any(|watched| *watched.id == *id && !watched.sent.is_empty());
            let is_nameless = id.is_empty() && self.refusal == Refusal::Any;
            return is_nameless || (self.id == Some(&*id) && !is_of_input);
        }
        // Any `started` is ours, since one is asked for at a time; of `exit` and `ok` there may be others'.
        let is_named = kind == "exit" || kind == "ok";
        kind == self.kind && (!is_named || self.id.unwrap_or_default() == id)
    }
}

/// An `error` of the server.
fn refused(message: &Message) -> Error {
    let text: String = message.text("data").unwrap_or_default().into_owned();
    let code = message.count("code").and_then(|code| u8::try_from(code).ok()).unwrap_or(125);
    Error::Refused { text, code }
}
