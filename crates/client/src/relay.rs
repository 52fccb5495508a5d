//! From an exec's streams to our own and back: one poll(2), and nothing that blocks beside it. A reader of ours that
//! stops makes the command stop.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sys::Errno;
use sys::event::{PollFd, PollFlags, poll};
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::signals::{SignalSet, block, descriptor, next};
use sys::standard::{error, input, output};
use wire::Scope;
use wire::answer::Stream;

use crate::client::{Client, Until};
use crate::error::Error;
use crate::event::{Event, Exit};
use crate::keys::MOST_KEYS;
use crate::running::Running;
use crate::screen;

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;
const SIGPIPE: i32 = 13;
const SIGTERM: i32 = 15;
const SIGWINCH: i32 = 28;
/// What is written at once: a pipe that is ready takes so much without blocking (PIPE_BUF of pipe(7)).
const PIECE: usize = 4096;

/// Whether our standard input is passed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// It is not.
    None,
    /// It is, until its end.
    Open,
}

/// How it came that an exec is not followed any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// Its process has ended.
    Exit(Exit),
    /// What was asked for has been shown.
    Reached,
    /// Nobody reads what it writes.
    NoReader,
    /// The keys were pressed that let go of it.
    LetGo,
    /// So many signals came that were to end it that it is left alone; this was the last.
    Insisted(i32),
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
pub struct Signals {
    from: Option<OwnedFd>,
    /// How many SIGINT and SIGTERM are passed on before the next one is taken for us.
    left: Option<u8>,
}

impl Signals {
    /// Takes them, from now on until the end of the program.
    ///
    /// # Errors
    /// [`Error::Lost`]: no descriptor could be made.
    pub fn take() -> Result<Self, Error> {
        let passed = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH];
        let set = passed.into_iter().fold(SignalSet::EMPTY, SignalSet::with);
        // SIGPIPE is held back for good: a write says the same.
        let made = block(set.with(SIGPIPE)).and_then(|_| descriptor(set));
        made.map(|fd| Self { from: Some(fd), left: None })
            .map_err(|why| Error::Lost { during: "signalfd", why: Some(why) })
    }

    /// Leaves them as they are.
    #[must_use]
    pub const fn none() -> Self {
        Self { from: None, left: None }
    }

    /// Passes on so many SIGINT and SIGTERM, of both together; at the next one the exec is followed no longer
    /// ([`End::Insisted`]). Process 1 of a pid namespace ignores those that it has no handlers for.
    #[must_use]
    pub const fn at_most(mut self, count: u8) -> Self {
        self.left = Some(count);
        self
    }
}

/// From keys that were pressed to those that are passed on, and whether they let go of the exec.
pub type Press<'c> = &'c mut dyn FnMut(&[u8]) -> (Vec<u8>, bool);

/// An exec that is followed.
pub struct Relay<'c> {
    /// The connection.
    pub client: &'c mut Client,
    /// Which exec.
    pub running: Running,
    /// Signals that are passed on to it.
    pub signals: Signals,
    /// Whom of it they are for.
    pub scope: Scope,
    /// Whether it gets our standard input.
    pub input: Input,
    /// What is done with keys before it gets them, if something is. A closure, so that who has no use for it does not
    /// have [`crate::Keys`] in its program.
    pub keys: Option<Press<'c>>,
    /// Until when it is followed.
    pub goal: Goal,
    /// Is told what else there is to say, in a line.
    pub notice: &'c mut dyn FnMut(&str),
}

/// Bytes on their way to one of our streams.
struct Pending {
    to: BorrowedFd<'static>,
    /// What that is called.
    called: &'static str,
    bytes: Vec<u8>,
    written: usize,
}

impl Relay<'_> {
    /// Follows it to its end.
    ///
    /// # Errors
    /// Those of the connection, and of our own streams.
    pub fn run(mut self) -> Result<End, Error> {
        let mut pending: Option<Pending> = None;
        let mut at = [0u64; 2];
        loop {
            // What has come is written before more is fetched.
            while pending.is_none() && !self.has_reached(at) {
                let Some(event) = self.running.fetched(self.client)? else { break };
                match event {
                    Event::Stdout { bytes, offset } => {
                        at[0] = offset + bytes.len() as u64;
                        pending =
                            Some(Pending { to: output(), called: "standard output", bytes, written: 0 });
                    }
                    Event::Stderr { bytes, offset } => {
                        at[1] = offset + bytes.len() as u64;
                        pending = Some(Pending { to: error(), called: "standard error", bytes, written: 0 });
                    }
                    Event::Gap { stream, from, to } => {
                        let number = usize::from(stream == Stream::Stderr);
                        at[number] = to;
                        let mut missing: String = to.saturating_sub(from).to_string();
                        missing.push_str(" bytes are not kept any more");
                        (self.notice)(&missing);
                    }
                    Event::Timeout { text, .. } => (self.notice)(&text),
                    Event::InputRefused { .. } => self.input = Input::None,
                    Event::Exit(exit) => return Ok(End::Exit(exit)),
                    Event::Eof { .. } | Event::InputTaken => {}
                }
            }
            if pending.is_none() && (self.has_reached(at) || self.running.is_over(self.client)) {
                return Ok(End::Reached);
            }
            if (pending.is_some() || !self.client.receive(Until::in_ms(0))?)
                && let Some(end) = self.wait(&mut pending)?
            {
                return Ok(end);
            }
        }
    }

    fn has_reached(&self, at: [u64; 2]) -> bool {
        matches!(self.goal, Goal::Offsets([out, err]) if at[0] >= out && at[1] >= err)
    }

    /// Waits until something can be done, and does it.
    fn wait(&mut self, pending: &mut Option<Pending>) -> Result<Option<End>, Error> {
        let reads = self.input == Input::Open && self.running.room(self.client) >= PIECE + MOST_KEYS;
        let nothing = PollFlags::empty();
        // Entries that are not wanted ask for nothing; who has hung up is told all the same, so they are left out.
        let writes = pending.as_ref().map(|pending| pending.to);
        let signals = self.signals.from.as_ref().map(AsFd::as_fd);
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
            Err(why) => return Err(Error::Lost { during: "poll", why: Some(why) }),
        }
        let [_, from_signals, from_input, to_output] =
            fds.map(|place| place.and_then(|place| asked.get(place)).map_or(nothing, PollFd::revents));
        drop(asked);
        if !from_signals.is_empty()
            && let Some(end) = self.pass_signals()?
        {
            return Ok(Some(end));
        }
        if !to_output.is_empty() && write(pending)? == Written::NoReader {
            return Ok(Some(End::NoReader));
        }
        if !from_input.is_empty() {
            return self.pass_input();
        }
        Ok(None)
    }

    fn pass_signals(&mut self) -> Result<Option<End>, Error> {
        while let Some(Ok(Some(signal))) = self.signals.from.as_ref().map(next) {
            if let (SIGINT | SIGTERM, Some(left)) = (signal.number, &mut self.signals.left) {
                let Some(fewer) = left.checked_sub(1) else { return Ok(Some(End::Insisted(signal.number))) };
                *left = fewer;
            }
            let done = match (signal.number, screen::size()) {
                (SIGWINCH, Some((rows, cols))) => self.running.resize(self.client, rows, cols),
                (SIGWINCH, None) => Ok(()),
                (number, _) => self.running.kill(self.client, &number.to_string(), self.scope),
            };
            // It has ended, or has no terminal: its exit says what there is to say.
            if let Err(error) = done
                && !matches!(error, Error::Refused { .. })
            {
                return Err(error);
            }
        }
        Ok(None)
    }

    fn pass_input(&mut self) -> Result<Option<End>, Error> {
        let mut bytes = [0u8; PIECE];
        match sys::io::read(input(), &mut bytes[..]) {
            Ok(count) if count > 0 => {
                let bytes = bytes.get(..count).unwrap_or_default();
                let Some(press) = &mut self.keys else {
                    return self.running.write(self.client, bytes).map(|_| None);
                };
                let (bytes, let_go) = press(bytes);
                self.running.write(self.client, &bytes)?;
                return Ok(let_go.then_some(End::LetGo));
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            // EIO: the terminal has hung up.
            _ => {
                self.input = Input::None;
                match self.running.close_input(self.client) {
                    Ok(()) | Err(Error::Refused { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(None)
    }
}

/// Whether somebody reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Some,
    NoReader,
}

fn write(pending: &mut Option<Pending>) -> Result<Written, Error> {
    let Some(part) = pending else { return Ok(Written::Some) };
    let end = part.bytes.len().min(part.written + PIECE);
    match sys::io::write(part.to, part.bytes.get(part.written..end).unwrap_or_default()) {
        Ok(count) => part.written += count,
        Err(Errno::INTR | Errno::AGAIN) => {}
        Err(Errno::PIPE) => return Ok(Written::NoReader),
        Err(why) => return Err(Error::Lost { during: part.called, why: Some(why) }),
    }
    if part.written == part.bytes.len() {
        *pending = None;
    }
    Ok(Written::Some)
}
