//! Work of the daemon that takes its time: how far it is is shown, and Ctrl-C ends it with nothing left.

use std::io;
use std::time::{Duration, Instant};

use container::Failure;
use instance::message::{Answer, Reason, Request};
use serde_json::{Map, Value};
use sys::Errno;
use sys::event::{PollFd, PollFlags, Timespec, poll};
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::signals::{SignalSet, block_too, descriptor, next};
use sys::strerror::describe;

use super::meter::{Ends, Meter};
use super::refused;
use super::said::Said;
use crate::daemon::{self, Connection, Read, ended};

/// What a shell says of a program that Ctrl-C has ended: 128 and SIGINT.
pub const INTERRUPTED: u8 = 130;
/// How long the daemon has to say that it is undone.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the daemon has to say why it has closed a pipe.
const MOMENT: Duration = Duration::from_secs(1);

/// Work that the daemon does for us.
pub struct Work {
    connection: Connection,
    request: Request,
    /// The signals that interrupt it.
    signals: OwnedFd,
    meter: Meter,
    /// How it ended, where it has.
    answer: Option<Answer>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Wanted,
    Interrupted,
}

impl Work {
    /// Asks for it. `beside` are the descriptors that go with the request.
    pub fn begin(
        said: &Said,
        request: Request,
        beside: &[BorrowedFd<'_>],
        ends: Ends,
    ) -> Result<Self, Failure> {
        let connection = daemon::open(said)?;
        let failed = |errno| Failure::ours(format!("signalfd: {}", describe(errno)));
        let set = SignalSet::EMPTY.with(2).with(15);
        block_too(set).map_err(failed)?;
        let signals = descriptor(set).map_err(failed)?;
        let words: Vec<_> = said.words.iter().map(|word| word.to_string_lossy()).collect();
        let what = super::words::plain(&format!("{} {}", said.verb.name, words.join(" ")));
        connection.send(&request, beside)?;
        let meter = Meter::new(what, ends);
        Ok(Self { connection, request, signals, meter, answer: None, state: State::Wanted })
    }

    /// Waits for its end.
    pub fn end(mut self) -> Result<Map<String, Value>, Failure> {
        let mut until = None;
        while self.answer.is_none() {
            if self.state == State::Interrupted && until.is_none() {
                self.meter.clear();
                self.connection.give_up();
                until = Some(Instant::now() + PATIENCE);
            }
            let left = until.map(|until: Instant| until.saturating_duration_since(Instant::now()));
            let before = self.state;
            match self.wait(None, left)? {
                Woken::Late => break,
                // Somebody presses it again: it is not waited for any longer.
                Woken::Some if before == State::Interrupted && self.was_interrupted() => break,
                Woken::Some | Woken::Ready => {}
            }
        }
        self.conclude()
    }

    fn conclude(mut self) -> Result<Map<String, Value>, Failure> {
        let what = "interrupted";
        match (self.answer.take(), self.state) {
            (Some(Answer::Ok(answer)), _) => {
                self.meter.finish();
                super::warn(&answer);
                Ok(answer)
            }
            (Some(Answer::Error(refusal)), State::Interrupted) if refusal.code == Reason::Interrupted => {
                self.meter.clear();
                Err(Failure::ours(format!("{what}: nothing was left")).with_code(INTERRUPTED))
            }
            (Some(Answer::Error(refusal)), _) => {
                self.meter.clear();
                Err(refused(&mut self.connection, &self.request, refusal))
            }
            (_, State::Interrupted) => {
                let left = "huskd leaves nothing of it, and has not said so yet";
                Err(Failure::ours(format!("{what}: {left}")).with_code(INTERRUPTED))
            }
            (_, State::Wanted) => Err(ended()),
        }
    }

    /// Takes what the daemon says until `fd` is ready for `flags`.
    ///
    /// # Errors
    /// Where it was interrupted, or the daemon has answered that it cannot be done: [`Work::end`] says what then.
    pub fn until_ready(&mut self, fd: BorrowedFd<'_>, flags: PollFlags) -> io::Result<()> {
        loop {
            let woken = self
                .wait(Some((fd, flags)), None)
                .map_err(|failure| io::Error::other(failure.to_string()))?;
            if self.state == State::Interrupted || matches!(self.answer, Some(Answer::Error(_))) {
                return Err(io::Error::other("given up"));
            }
            if woken == Woken::Ready {
                return Ok(());
            }
        }
    }

    /// Whether it was given up, by us or by the daemon.
    pub fn is_given_up(&self) -> bool {
        self.state == State::Interrupted || matches!(self.answer, Some(Answer::Error(_)))
    }

    /// Whether it is given up within a moment: the daemon closes its end of a pipe before it says why.
    pub fn is_given_up_soon(&mut self) -> bool {
        let until = Instant::now() + MOMENT;
        while self.answer.is_none() && self.state == State::Wanted {
            let left = until.saturating_duration_since(Instant::now());
            match self.wait(None, Some(left)) {
                Ok(Woken::Some | Woken::Ready) => {}
                // That it has gone is said at the end.
                Ok(Woken::Late) | Err(_) => break,
            }
        }
        self.is_given_up()
    }

    /// It is not wanted any more, for a reason of our own.
    pub fn give_up(self) {
        self.meter.clear();
        self.connection.give_up();
    }

    fn was_interrupted(&self) -> bool {
        matches!(next(&self.signals), Ok(Some(_)))
    }

    /// Waits once, and takes what has come.
    fn wait(
        &mut self,
        other: Option<(BorrowedFd<'_>, PollFlags)>,
        left: Option<Duration>,
    ) -> Result<Woken, Failure> {
        let mut fds = vec![PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN)];
        // An answer is the last that comes.
        let reads = self.answer.is_none();
        if reads {
            fds.push(PollFd::from_borrowed_fd(self.connection.socket(), PollFlags::IN));
        }
        if let Some((fd, flags)) = other {
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        }
        let left = left.map(|left| Timespec {
            tv_sec: left.as_secs().cast_signed(),
            tv_nsec: left.subsec_nanos().into(),
        });
        match poll(&mut fds, left.as_ref()) {
            Ok(0) => return Ok(Woken::Late),
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Woken::Some),
            Err(errno) => return Err(Failure::ours(format!("poll: {}", describe(errno)))),
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let is_signalled = ready.next() == Some(true);
        let has_come = reads && ready.next() == Some(true);
        let is_ready = ready.next() == Some(true);
        drop(fds);
        if is_signalled && self.state == State::Wanted {
            self.state = State::Interrupted;
            while self.was_interrupted() {}
        }
        if has_come {
            self.take()?;
        }
        Ok(if is_ready { Woken::Ready } else { Woken::Some })
    }

    fn take(&mut self) -> Result<(), Failure> {
        if self.connection.read()? == Read::End && self.answer.is_none() {
            return match self.state {
                State::Interrupted => {
                    // It has taken our going away for what it is.
                    Err(Failure::ours("interrupted: nothing was left").with_code(INTERRUPTED))
                }
                State::Wanted => Err(ended()),
            };
        }
        while let Some(answer) = self.connection.fetched()? {
            match answer {
                Answer::Progress(progress) => self.meter.update(&progress),
                Answer::Event(_) => {}
                end => self.answer = Some(end),
            }
        }
        Ok(())
    }
}

/// Why waiting is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Woken {
    /// The time was up.
    Late,
    /// The other descriptor is ready.
    Ready,
    /// Something else has happened.
    Some,
}
