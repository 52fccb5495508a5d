//! The keyboard of a terminal that something is shown on again and again: `q` ends that, and so do the signals of the other
//! keys, which find the terminal as it was.

use std::time::{Duration, Instant};

use sys::event::{PollFd, PollFlags, Timespec, poll};
use sys::fd::{AsFd as _, OwnedFd};
use sys::job::{Hold, hold};
use sys::process::{Signal, getpid, kill_process};
use sys::signals::{SignalSet, block, descriptor, next};
use sys::standard::input;
use sys::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;
const SIGTERM: i32 = 15;
const SIGTSTP: i32 = 20;

/// A set, and the signals that come from the keyboard or with the end of a terminal.
fn set(others: SignalSet) -> SignalSet {
    others.with(SIGHUP).with(SIGINT).with(SIGQUIT).with(SIGTERM).with(SIGTSTP)
}

/// What ends the showing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The key.
    Key,
    /// A signal of this number.
    Signal(i32),
}

/// The keyboard, without lines and without echo for as long as this lives.
pub struct Keys {
    before: Termios,
    mask: SignalSet,
    signals: OwnedFd,
    /// Whether there is something to be read from it, as far as is known.
    is_open: bool,
}

impl Keys {
    /// Takes standard input; `None` where it is no terminal, or others are in its foreground.
    pub fn take() -> Option<Self> {
        if hold() == Hold::Nothing {
            return None;
        }
        let before = tcgetattr(input()).ok()?;
        let signals = descriptor(set(SignalSet::EMPTY)).ok()?;
        let mask = block(SignalSet::ALL).ok()?;
        block(set(mask)).ok()?;
        let keys = Self { before, mask, signals, is_open: true };
        keys.enter();
        Some(keys)
    }

    fn enter(&self) {
        let mut without = self.before.clone();
        // The keys of signals go on to be theirs.
        without.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        without.special_codes[SpecialCodeIndex::VMIN] = 1;
        without.special_codes[SpecialCodeIndex::VTIME] = 0;
        let _ = tcsetattr(input(), OptionalActions::Now, &without);
    }

    fn leave(&self) {
        // A terminal that has hung up has nothing to restore.
        let _ = tcsetattr(input(), OptionalActions::Now, &self.before);
    }

    /// Does what may take long, as if nobody had taken the keyboard: the keys of signals end the program.
    pub fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        self.leave();
        let _ = block(self.mask);
        let done = work();
        let _ = block(set(self.mask));
        self.enter();
        done
    }

    /// Waits for so long, or until something ends the showing.
    pub fn wait(&mut self, time: Duration) -> Option<End> {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
            if self.is_open {
                fds.push(PollFd::from_borrowed_fd(input(), PollFlags::IN));
            }
            match poll(&mut fds, Some(&left)) {
                Err(sys::Errno::INTR) => continue,
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
            let is_typed = fds.get(1).is_some_and(|keys| !keys.revents().is_empty());
            match next(self.signals.as_fd()) {
                Ok(Some(signal)) if signal.number == SIGTSTP => {
                    self.stop();
                    return None;
                }
                Ok(Some(signal)) => return Some(End::Signal(signal.number)),
                _ if is_typed && self.is_quit() => return Some(End::Key),
                _ => {}
            }
        }
    }

    /// Reads what was typed.
    fn is_quit(&mut self) -> bool {
        let mut typed = [0; 64];
        match sys::io::read(input(), &mut typed) {
            Ok(0) => self.is_open = false,
            Ok(count) => return typed[..count].iter().any(|key| matches!(key, b'q' | b'Q')),
            Err(sys::Errno::INTR | sys::Errno::AGAIN) => {}
            Err(_) => self.is_open = false,
        }
        false
    }

    /// Stands still until a shell lets it go on: where there is none, the kernel takes no notice of the signal (orphaned
    /// process groups, setpgid(2)).
    fn stop(&self) {
        self.aside(|| kill_process(getpid(), Signal::TSTP).unwrap_or_default());
    }

    /// Ends this program as a signal does that nobody waits for. The terminal is as it was.
    pub fn end_by(self, number: i32) -> u8 {
        let mask = self.mask;
        drop(self);
        let signal = match number {
            SIGHUP => Signal::HUP,
            SIGQUIT => Signal::QUIT,
            SIGTERM => Signal::TERM,
            _ => Signal::INT,
        };
        let _ = block(mask).and_then(|_| kill_process(getpid(), signal));
        // It was ignored from the start.
        128 + u8::try_from(number).unwrap_or_default()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.leave();
    }
}
