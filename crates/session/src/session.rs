//! The loop.

use spawn::Exit;
use sys::clone::Child;
use sys::event::{PollFd, PollFlags, poll};
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::process::{Signal, pidfd_send_signal};
use sys::signals::{Received, SignalSet};
use sys::termios::{LocalModes, SpecialCodeIndex, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetwinsize};
use sys::{Errno, Result};

use crate::disposition::{Disposition, disposition};
use crate::relay::{Read, Relay};

const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;
const SIGCHLD: i32 = 17;
const SIGWINCH: i32 = 28;

/// Signals that are left to the program itself: job control, which stops it and not its session, and the
/// ones that a fault of its own raises.
const OWN: [i32; 11] = [4, 5, 6, 7, 8, 11, 18, 20, 21, 22, 31];

/// Blocks every signal that a session forwards and returns the descriptor that they are read from. Before the
/// child is cloned, so that none is lost.
///
/// # Errors
/// Those of signalfd(2).
pub fn block_signals() -> Result<OwnedFd> {
    let all = OWN.into_iter().fold(SignalSet::ALL, SignalSet::without);
    sys::signals::block(all)?;
    sys::signals::descriptor(all)
}

/// What the child of a session is, as far as signals are concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The first process of a pid namespace. The kernel drops signals that it has not prepared for; the
    /// session then does what their default action would have done, and ends it.
    Init,
    /// Any other process.
    Plain,
}

/// How a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// How the child ended.
    pub exit: Exit,
    /// The signal on whose behalf the session ended it, where it did.
    pub ended_for: Option<i32>,
}

impl Ended {
    /// The code to exit with.
    #[must_use]
    pub fn code(self) -> u8 {
        self.ended_for.map_or(self.exit, Exit::Signal).code()
    }
}

/// A child, and what there is to do for it until it ends.
#[derive(Debug)]
pub struct Session<'s> {
    /// The child.
    pub child: &'s Child,
    /// As what signals find it.
    pub kind: Kind,
    /// Where signals are read from: [`block_signals`].
    pub signals: BorrowedFd<'s>,
    /// The master of its terminal, if it has one.
    pub terminal: Option<BorrowedFd<'s>>,
    /// Where the terminal's input comes from.
    pub input: Option<BorrowedFd<'s>>,
    /// Where the terminal's output goes.
    pub output: BorrowedFd<'s>,
}

impl Session<'_> {
    /// Follows the child to its end, and reaps it.
    ///
    /// # Errors
    /// Those of poll(2) and waitid(2).
    pub fn run(&self) -> Result<Ended> {
        let ended_for = match self.terminal {
            Some(terminal) => self.relay(terminal)?,
            None => self.watch()?,
        };
        Ok(Ended { exit: spawn::wait(self.child)?, ended_for })
    }

    /// Without a terminal: the child has our descriptors, and there is nothing to copy.
    fn watch(&self) -> Result<Option<i32>> {
        let mut ended_for = None;
        loop {
            let mut polled = [
                PollFd::new(&self.child.pidfd, PollFlags::IN),
                PollFd::from_borrowed_fd(self.signals, PollFlags::IN),
            ];
            wait_for(&mut polled)?;
            if !polled[0].revents().is_empty() {
                return Ok(ended_for);
            }
            ended_for = self.take_signals()?.or(ended_for);
        }
    }

    fn relay(&self, terminal: BorrowedFd<'_>) -> Result<Option<i32>> {
        sys::io::ioctl_fionbio(terminal, true)?;
        self.copy_size(terminal);
        let (mut typed, mut shown) = (Relay::new(), Relay::new());
        let mut ended_for = None;
        let mut input = self.input;
        loop {
            let when = |wanted: bool, flags: PollFlags| if wanted { flags } else { PollFlags::empty() };
            let master =
                when(shown.wants_input(), PollFlags::IN) | when(typed.wants_output(), PollFlags::OUT);
            let source = input.filter(|_| typed.wants_input());
            let mut polled = [
                PollFd::new(&self.child.pidfd, PollFlags::IN),
                PollFd::from_borrowed_fd(self.signals, PollFlags::IN),
                // A descriptor that nothing is wanted of is left out, or its hang-up would wake us for ever:
                // the child's stands in for it.
                PollFd::from_borrowed_fd(
                    if master.is_empty() { self.child.pidfd.as_fd() } else { terminal },
                    master,
                ),
                PollFd::from_borrowed_fd(
                    source.unwrap_or(self.child.pidfd.as_fd()),
                    when(source.is_some(), PollFlags::IN),
                ),
                PollFd::from_borrowed_fd(
                    if shown.wants_output() { self.output } else { self.child.pidfd.as_fd() },
                    when(shown.wants_output(), PollFlags::OUT),
                ),
            ];
            wait_for(&mut polled)?;
            let ready = polled.each_ref().map(PollFd::revents);
            if !ready[0].is_empty() {
                break;
            }
            if !ready[1].is_empty() {
                ended_for = self.take_signals()?.or(ended_for);
            }
            if shown.wants_output() && !ready[4].is_empty() {
                shown.write(self.output);
            }
            if typed.wants_output() && ready[2].intersects(PollFlags::OUT | PollFlags::ERR | PollFlags::HUP) {
                ended_for = self.interrupt(terminal, typed.pending()).or(ended_for);
                typed.write(terminal);
            }
            if shown.wants_input() && ready[2].intersects(PollFlags::IN | PollFlags::ERR | PollFlags::HUP) {
                let _ = shown.read(terminal);
            }
            let source = source.filter(|_| !ready[3].is_empty());
            if source.is_some_and(|source| typed.read(source) == Read::End) {
                input = None;
                // Who reads from the terminal sees an end too. In the middle of a line the first such
                // character only hands the line over.
                let in_line = typed.last().is_some_and(|byte| byte != b'\n');
                typed.put(end_of_file(terminal), if in_line { 2 } else { 1 });
            }
        }
        self.drain(terminal, &mut shown);
        Ok(ended_for)
    }

    /// After the child's end: what it wrote is still in the terminal.
    fn drain(&self, terminal: BorrowedFd<'_>, shown: &mut Relay) {
        loop {
            while shown.wants_output() {
                shown.write(self.output);
            }
            if shown.read(terminal) != Read::Some {
                return;
            }
        }
    }

    fn copy_size(&self, terminal: BorrowedFd<'_>) {
        let sources = [self.input, Some(self.output)];
        // A session without a terminal of ours keeps the kernel's default size.
        if let Some(size) = sources.into_iter().flatten().find_map(|fd| tcgetwinsize(fd).ok()) {
            let _ = tcsetwinsize(terminal, size);
        }
    }

    fn take_signals(&self) -> Result<Option<i32>> {
        let mut ended_for = None;
        while let Some(received) = sys::signals::next(self.signals)? {
            ended_for = self.take(received).or(ended_for);
        }
        Ok(ended_for)
    }

    fn take(&self, received: Received) -> Option<i32> {
        match (received.number, self.terminal) {
            // Our child's end is seen by its pidfd.
            (SIGCHLD, _) => None,
            (SIGWINCH, Some(terminal)) => {
                self.copy_size(terminal);
                None
            }
            (number, _) => self.forward(number),
        }
    }

    /// Passes a signal on. Returns its number where the child was ended on its behalf.
    fn forward(&self, number: i32) -> Option<i32> {
        if self.kind == Kind::Init && ends_by_default(number) && self.is_default(number) {
            return self.kill(number);
        }
        // A signal without a name of its own is a real-time one, 32 to 64.
        // ESRCH: the child has ended, which the next poll sees.
        let _ = match Signal::from_named_raw(number) {
            Some(signal) => pidfd_send_signal(&self.child.pidfd, signal),
            None => sys::signals::send(&self.child.pidfd, number),
        };
        None
    }

    fn is_default(&self, number: i32) -> bool {
        // In doubt the signal is sent; at worst the kernel drops it.
        disposition(self.child.pid, number) == Ok(Disposition::Default)
    }

    fn kill(&self, number: i32) -> Option<i32> {
        let _ = pidfd_send_signal(&self.child.pidfd, Signal::KILL);
        Some(number)
    }

    /// A key that means a signal (^C, ^\) reaches the terminal's foreground group by way of the kernel, which
    /// drops it for a first process that has not prepared for it.
    fn interrupt(&self, terminal: BorrowedFd<'_>, typed: &[u8]) -> Option<i32> {
        if self.kind != Kind::Init || !typed.iter().any(|byte| *byte < 32 || *byte == 127) {
            return None;
        }
        let modes = tcgetattr(terminal).ok()?;
        if !modes.local_modes.contains(LocalModes::ISIG) {
            return None;
        }
        let keys = [(SpecialCodeIndex::VINTR, SIGINT), (SpecialCodeIndex::VQUIT, SIGQUIT)];
        let (_, number) = keys.into_iter().find(|(key, _)| typed.contains(&modes.special_codes[*key]))?;
        let foreground = tcgetpgrp(terminal).ok()? == self.child.pid;
        (foreground && self.is_default(number)).then(|| self.kill(number)).flatten()
    }
}

/// Whether the default action of a signal ends the process (signal(7)): all but the job control signals and
/// CHLD, URG, WINCH.
const fn ends_by_default(number: i32) -> bool {
    !matches!(number, 17..=23 | 28)
}

/// The character that means end of file on this terminal; ^D unless it was changed.
fn end_of_file(terminal: BorrowedFd<'_>) -> u8 {
    tcgetattr(terminal).map_or(4, |modes| modes.special_codes[SpecialCodeIndex::VEOF])
}

fn wait_for(polled: &mut [PollFd<'_>]) -> Result<()> {
    loop {
        match poll(polled, None) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}
