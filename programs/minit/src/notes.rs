//! What is told of while it runs: each program has its own words for it, and only some tell unasked.

use sys::Errno;
use sys::reap::End;

use crate::message::Part::{Error, Number, Text};
use crate::message::{complain, ours};
use crate::settings::{Dialect, Settings};

/// Something worth a line to somebody.
#[derive(Clone, Copy, Debug)]
pub enum Note {
    /// The main command runs, under this pid.
    Spawned(i32),
    /// It was put into a session of its own.
    OwnSession,
    /// A signal has come.
    Received(i32),
    /// It came because the terminal was given away.
    HandOff(i32),
    /// It was passed on as this one.
    Forwarded(i32),
    /// It was not passed on, as was asked for.
    Dropped(i32),
    /// It could not be passed on.
    NotForwarded(i32, Errno),
    /// A child has ended.
    Ended(i32, End),
    /// An orphan was reaped.
    Reaped(i32),
    /// The main command has ended, and we do with this code.
    Goodbye(u8),
    /// Orphans will not come to us.
    NoReaper,
    /// We are not the one for whom orphans fall; the kernel has refused.
    NoSubreaper(Errno),
    /// The api could not be started; it is tried again.
    NoApi(Errno),
    /// The api has ended; it is started again.
    ApiEnded(End),
}

/// Tells it, if whoever we are tells such things.
pub fn tell(settings: &Settings<'_>, note: Note) {
    match settings.dialect {
        Dialect::DumbInit => dumb_init(settings, note),
        Dialect::Tini => crate::tini::tell(settings, note),
        Dialect::Minit | Dialect::Catatonit => minit(note),
    }
}

/// One line: what, a number, what else.
fn debug(before: &str, number: i32, after: &str) {
    complain(&[Text("[dumb-init] "), Text(before), Number(number), Text(after)]);
}

fn dumb_init(settings: &Settings<'_>, note: Note) {
    if settings.verbosity == 0 {
        return;
    }
    match note {
        Note::Spawned(pid) => debug("Child spawned with PID ", pid, ".\n"),
        Note::OwnSession => complain(&[Text("[dumb-init] setsid complete.\n")]),
        Note::Received(signal) => debug("Received signal ", signal, ".\n"),
        Note::HandOff(signal) => debug("Ignoring tty hand-off signal ", signal, ".\n"),
        Note::Forwarded(signal) => debug("Forwarded signal ", signal, " to children.\n"),
        Note::Dropped(signal) => debug("Not forwarding signal ", signal, " to children (ignored).\n"),
        Note::Ended(pid, end) => {
            let (how, number) = match end {
                End::Code(code) => (" exited with exit status ", i32::from(code)),
                End::Signal(signal) => (" was terminated by signal ", signal),
            };
            let who = [Text("[dumb-init] A child with PID "), Number(pid), Text(how)];
            complain(&[who[0], who[1], who[2], Number(number), Text(".\n")]);
        }
        Note::Goodbye(code) => debug("Child exited with status ", i32::from(code), ". Goodbye.\n"),
        _ => {}
    }
}

fn minit(note: Note) {
    match note {
        Note::NotForwarded(signal, errno) => {
            let text = Text(" not passed on: ");
            ours(&[Text("warning: signal "), Number(signal), text, Error(errno)]);
        }
        Note::NoSubreaper(errno) => {
            ours(&[Text("warning: orphans go elsewhere: prctl: "), Error(errno)]);
        }
        Note::NoApi(errno) => {
            ours(&[Text("warning: the api cannot be started yet: "), Error(errno)]);
        }
        Note::ApiEnded(end) => {
            let (how, number) = match end {
                End::Code(code) => ("code ", i32::from(code)),
                End::Signal(signal) => ("signal ", signal),
            };
            let what = Text("warning: the api has ended (");
            ours(&[what, Text(how), Number(number), Text("): started again")]);
        }
        _ => {}
    }
}
