//! The command line of dumb-init 1.2: options, texts, exit codes and environment.

use core::ffi::CStr;

use sys::start::Invocation;

use crate::first::decide::{Leftovers, OnStop, OnSuspend};
use crate::help::print_error;
use crate::message::Part::{Bytes, Text, Value};
use crate::message::complain;
use crate::settings::{Answered, Audience, Place, Settings, Subreaper};
use crate::values::number;
use crate::words::{Word, Words};

const VERSION: &str = "dumb-init v1.2.5\n";
const REFUSED: Answered = Answered(1);
/// SIGTSTP, SIGTTIN, SIGTTOU: a group whose parent is in another session is orphaned, and the kernel ignores
/// these there (setpgid(2)); SIGSTOP is what works.
const SUSPENDING: [i32; 3] = [20, 21, 22];
const SIGSTOP: i32 = 19;

// What dumb-init prints is part of its interface: its own tests compare it letter by letter.
const HELP: &str = " [option] command [[arg] ...]

dumb-init is a simple process supervisor that forwards signals to children.
It is designed to run as PID1 in minimal container environments.

Optional arguments:
   -c, --single-child   Run in single-child mode.
                        In this mode, signals are only proxied to the
                        direct child and not any of its descendants.
   -r, --rewrite s:r    Rewrite received signal s to new signal r before proxying.
                        To ignore (not proxy) a signal, rewrite it to 0.
                        This option can be specified multiple times.
   -v, --verbose        Print debugging information to stderr.
   -h, --help           Print this help message and exit.
   -V, --version        Print the current version and exit.

Full help is available online at https://github.com/Yelp/dumb-init
";
const REWRITE_USAGE: &str = "\
Usage: -r option takes <signum>:<signum>, where <signum> is between 1 and 31.
This option can be specified multiple times.
Use --help for full usage.
";

/// Beginnings of what getopt(3) says.
pub const NO_ARGUMENT: &str = ": option requires an argument -- '";
/// A letter that is none.
pub const INVALID: &str = ": invalid option -- '";
/// A long option that is none.
pub const UNRECOGNIZED: &str = ": unrecognized option '--";

const LONG: [(&[u8], u8); 5] =
    [(b"help", b'h'), (b"single-child", b'c'), (b"rewrite", b'r'), (b"verbose", b'v'), (b"version", b'V')];

/// Reads arguments and environment into `settings`.
///
/// # Errors
/// [`Answered`] where nothing is to be started.
pub fn parse<'a>(invocation: &Invocation, settings: &mut Settings<'a>) -> Result<(), Answered> {
    settings.policy.on_stop = OnStop::Forward;
    settings.policy.on_suspend = OnSuspend::Suspend;
    settings.policy.leftovers = Leftovers::TermGroup;
    settings.audience = Audience::Group;
    settings.place = Place::Session;
    settings.subreaper = Subreaper::No;
    let mut words = Words::new(invocation.arguments);
    while let Some(word) = words.next_option() {
        option(settings, word, &mut words)?;
    }
    settings.command = words.command();
    if settings.command.is_empty() {
        let name = Bytes(settings.name.to_bytes());
        let usage = Text(" [option] program [args]\nTry ");
        complain(&[Text("Usage: "), name, usage, name, Text(" --help for full usage.\n")]);
        return Err(REFUSED);
    }
    if invocation.variable("DUMB_INIT_DEBUG") == Some(c"1") {
        settings.verbosity = 1;
    }
    if invocation.variable("DUMB_INIT_SETSID") == Some(c"0") {
        single(settings);
    }
    if settings.place == Place::Session {
        SUSPENDING.iter().for_each(|signal| settings.rewrites.set_if_unset(*signal, SIGSTOP));
    }
    Ok(())
}

fn single(settings: &mut Settings<'_>) {
    settings.place = Place::Same;
    settings.audience = Audience::Process;
}

fn option(settings: &mut Settings<'_>, word: Word<'_>, words: &mut Words<'_>) -> Result<(), Answered> {
    let (letter, joined) = match word {
        Word::Short(letter) => (letter, None),
        Word::Long(name, value) => (long(settings, name, value)?, value),
    };
    match letter {
        b'h' => {
            complain(&[Text(VERSION), Text("Usage: "), Bytes(settings.name.to_bytes())]);
            print_error(HELP);
            return Err(Answered(0));
        }
        b'V' => {
            print_error(VERSION);
            return Err(Answered(0));
        }
        b'v' => settings.verbosity = 1,
        b'c' => single(settings),
        b'r' => {
            let Some(value) = joined.or_else(|| words.value()) else {
                return Err(refuse(settings, NO_ARGUMENT, b"r", "'\n"));
            };
            let Some((from, to)) = rewrite(value.to_bytes()) else {
                print_error(REWRITE_USAGE);
                return Err(REFUSED);
            };
            settings.rewrites.set(from, to);
        }
        other => {
            return Err(refuse(settings, INVALID, &[other], "'\n"));
        }
    }
    Ok(())
}

/// What getopt(3) says of a command line, with the name before it.
pub fn refuse(settings: &Settings<'_>, before: &str, what: &[u8], after: &str) -> Answered {
    complain(&[Bytes(settings.name.to_bytes()), Text(before), Value(what), Text(after)]);
    REFUSED
}

/// The letter of a long option, which may be cut short as long as it is one option's alone.
fn long(settings: &Settings<'_>, name: &[u8], value: Option<&CStr>) -> Result<u8, Answered> {
    let mut fitting = LONG.iter().filter(|(known, _)| known.starts_with(name));
    let exact = LONG.iter().find(|(known, _)| *known == name);
    match (exact.or_else(|| fitting.next()), exact.is_none() && fitting.next().is_some()) {
        (Some((_, letter)), false) if value.is_none() || *letter == b'r' => Ok(*letter),
        (Some((known, _)), false) => {
            Err(refuse(settings, ": option '--", known, "' doesn't allow an argument\n"))
        }
        (Some(_), true) => Err(refuse(settings, ": option '--", name, "' is ambiguous\n")),
        (None, _) => Err(refuse(settings, UNRECOGNIZED, name, "'\n")),
    }
}

/// `FROM:TO`, signals 1 to 31, and 0 as the target.
fn rewrite(text: &[u8]) -> Option<(i32, i32)> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let bounded = |text: Option<&[u8]>| number(text?).filter(|number| *number <= 31);
    let (from, to) = (bounded(text.get(..colon))?, bounded(text.get(colon + 1..))?);
    (from > 0).then_some((from as i32, to as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrites_are_two_numbers_of_ordinary_signals() {
        assert_eq!(rewrite(b"15:2"), Some((15, 2)));
        assert_eq!(rewrite(b"31:0"), Some((31, 0)));
        for text in [&b""[..], b"15", b"15:", b":15", b"0:1", b"1:32", b"15::12", b"15:x", b"TERM:2"] {
            assert_eq!(rewrite(text), None, "{}", text.escape_ascii());
        }
    }
}
