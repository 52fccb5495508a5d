//! From an exec's streams to our own and back: one poll(2), and nothing that blocks beside it. A reader of ours that
//! stops makes the command stop.

use alloc::string::ToString;
use alloc::vec::Vec;

use husk_client::{Client, Error, Event, Running, Scope, Stream, Until};
use sys::Errno;
use sys::event::{PollFd, PollFlags, poll};
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::signals::{SignalSet, block, descriptor, next};
use sys::standard::{error, input, output};

use super::{Failure, Outcome, screen};
use crate::message::Part::Text;
use crate::message::complain;

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;
const SIGPIPE: i32 = 13;
const SIGTERM: i32 = 15;
const SIGWINCH: i32 = 28;
/// What a shell says of a program that its reader has left alone: 128 and SIGPIPE.
const NO_READER: u8 = 141;
/// What is written at once: a pipe that is ready takes so much without blocking (PIPE_BUF of pipe(7)).
const PIECE: usize = 4096;

/// Whether our standard input is passed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    None,
    Open,
}

/// Until when an exec is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Goal {
    /// Until its process ends.
    Exit,
    /// Until its streams have come to these offsets, or its end.
    Offsets([u64; 2]),
}

/// Signals that are passed on to the command instead of ending us: with a terminal in raw mode that would be a
/// terminal left so.
#[derive(Debug)]
pub struct Signals(Option<OwnedFd>);

impl Signals {
    /// Takes them.
    pub fn take() -> Result<Self, Failure> {
        let passed = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH];
        let set = passed.into_iter().fold(SignalSet::EMPTY, SignalSet::with);
        // SIGPIPE is held back for good: a write says the same.
        let made = block(set.with(SIGPIPE)).and_then(|_| descriptor(set));
        made.map(|fd| Self(Some(fd))).map_err(|why| Error::Lost { during: "signalfd", why: Some(why) }.into())
    }

    /// Leaves them as they are.
    pub const fn none() -> Self {
        Self(None)
    }
}

/// An exec that is followed.
pub struct Relay<'c> {
    pub client: &'c mut Client,
    pub running: Running,
    pub signals: Signals,
    pub input: Input,
    pub goal: Goal,
}

/// Bytes on their way to one of our streams.
struct Pending {
    to: BorrowedFd<'static>,
    bytes: Vec<u8>,
    written: usize,
}

impl Relay<'_> {
    /// Follows it to its end; its exit code.
    pub fn run(mut self) -> Outcome {
        let mut pending: Option<Pending> = None;
        let mut at = [0u64; 2];
        loop {
            // What has come is written before more is fetched.
            while pending.is_none() && !self.has_reached(at) {
                let Some(event) = self.running.fetched(self.client)? else { break };
                match event {
                    Event::Stdout { bytes, offset } => {
                        at[0] = offset + bytes.len() as u64;
                        pending = Some(Pending { to: output(), bytes, written: 0 });
                    }
                    Event::Stderr { bytes, offset } => {
                        at[1] = offset + bytes.len() as u64;
                        pending = Some(Pending { to: error(), bytes, written: 0 });
                    }
                    Event::Gap { stream, from, to } => {
                        let number = usize::from(stream == Stream::Stderr);
                        at[number] = to;
                        let missing = (to - from).to_string();
                        complain(&[Text("minit: "), Text(&missing), Text(" bytes are not kept any more\n")]);
                    }
                    Event::Timeout { text, .. } => complain(&[Text("minit: "), Text(&text), Text("\n")]),
                    Event::InputRefused { .. } => self.input = Input::None,
                    Event::Exit(exit) => return Ok(exit.code),
                    Event::Eof { .. } | Event::InputTaken => {}
                }
            }
            if pending.is_none() && (self.has_reached(at) || self.running.is_over(self.client)) {
                return Ok(0);
            }
            if pending.is_some() || !self.client.receive(Until::in_ms(0))? {
                self.wait(&mut pending)?;
            }
        }
    }

    fn has_reached(&self, at: [u64; 2]) -> bool {
        matches!(self.goal, Goal::Offsets([out, err]) if at[0] >= out && at[1] >= err)
    }

    /// Waits until something can be done, and does it.
    fn wait(&mut self, pending: &mut Option<Pending>) -> Result<(), Failure> {
        let reads = self.input == Input::Open && self.running.room(self.client) >= PIECE;
        let nothing = PollFlags::empty();
        // Entries that are not wanted ask for nothing; who has hung up is told all the same, so they are left out.
        let writes = pending.as_ref().map(|pending| pending.to);
        let signals = self.signals.0.as_ref().map(AsFd::as_fd);
        let socket = if pending.is_some() { None } else { Some(self.client.socket()) };
        let wanted = [
            (socket, PollFlags::IN),
            (signals, PollFlags::IN),
            (reads.then(input), PollFlags::IN),
            (writes, PollFlags::OUT),
        ];
        let mut fds = [const { None }; 4];
        let mut asked: Vec<PollFd<'_>> = Vec::with_capacity(4);
        for (place, (fd, flags)) in fds.iter_mut().zip(wanted) {
            if let Some(fd) = fd {
                *place = Some(asked.len());
                asked.push(PollFd::from_borrowed_fd(fd, flags));
            }
        }
        match poll(&mut asked, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(why) => return Err(Error::Lost { during: "poll", why: Some(why) }.into()),
        }
        let [_, from_signals, from_input, to_output] =
            fds.map(|place| place.and_then(|place| asked.get(place)).map_or(nothing, PollFd::revents));
        drop(asked);
        if !from_signals.is_empty() {
            self.pass_signals()?;
        }
        if !to_output.is_empty() {
            write(pending)?;
        }
        if !from_input.is_empty() {
            self.pass_input()?;
        }
        Ok(())
    }

    fn pass_signals(&mut self) -> Result<(), Failure> {
        while let Some(Ok(Some(signal))) = self.signals.0.as_ref().map(next) {
            let done = match (signal.number, screen::size()) {
                (SIGWINCH, Some((rows, cols))) => self.running.resize(self.client, rows, cols),
                (SIGWINCH, None) => Ok(()),
                (number, _) => self.running.kill(self.client, &number.to_string(), Scope::Group),
            };
            // It has ended, or has no terminal: its exit says what there is to say.
            if let Err(error) = done
                && !matches!(error, Error::Refused { .. })
            {
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn pass_input(&mut self) -> Result<(), Failure> {
        let mut bytes = [0u8; PIECE];
        match sys::io::read(input(), &mut bytes[..]) {
            Ok(count) if count > 0 => {
                self.running.write(self.client, bytes.get(..count).unwrap_or_default())?;
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            // EIO: the terminal has hung up.
            _ => {
                self.input = Input::None;
                match self.running.close_input(self.client) {
                    Ok(()) | Err(Error::Refused { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

fn write(pending: &mut Option<Pending>) -> Result<(), Failure> {
    let Some(part) = pending else { return Ok(()) };
    let end = part.bytes.len().min(part.written + PIECE);
    match sys::io::write(part.to, part.bytes.get(part.written..end).unwrap_or_default()) {
        Ok(count) => part.written += count,
        Err(Errno::INTR | Errno::AGAIN) => {}
        Err(Errno::PIPE) => return Err(Failure::Answered(NO_READER)),
        Err(why) => return Err(Error::Lost { during: "write", why: Some(why) }.into()),
    }
    if part.written == part.bytes.len() {
        *pending = None;
    }
    Ok(())
}
