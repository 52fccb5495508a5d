//! The command line of tini, docker-init too: options, exit codes and environment of tini 0.19.

use sys::start::Invocation;

use crate::dumb_init::{INVALID, NO_ARGUMENT, refuse};
use crate::first::decide::{Leftovers, OnStop, OnSuspend};
use crate::help::{print, print_error};
use crate::message::Part::{Bytes, Error, Number, Text, Value};
use crate::message::{Part, complain, say};
use crate::notes::Note;
use crate::settings::{Answered, Audience, Place, Settings, Subreaper};
use crate::values::{number, signal, signed};
use crate::words::{Word, Words};

/// The version that is asked for by programs (docker reads `tini version N - git.…`).
const VERSION: &str = "tini version 0.19.0 - minit\n";
const REFUSED: Answered = Answered(1);

const HELP: &str = "\
--version  the version
-h  this
-s  adopt orphans although not the first process
-p SIGNAL  get it when the parent ends
-v  tell more (up to three times)
-w  tell of every orphan that is reaped
-g  signal the command's group, not it alone
-e CODE  end with 0 instead
-l  the licence

Environment:
TINI_SUBREAPER  as -s
TINI_KILL_PROCESS_GROUP  as -g
TINI_VERBOSITY  0 to 4 (1)
";

/// Reads arguments and environment into `settings`.
///
/// # Errors
/// [`Answered`] where nothing is to be started.
pub fn parse<'a>(invocation: &Invocation, settings: &mut Settings<'a>) -> Result<(), Answered> {
    settings.policy.on_stop = OnStop::Forward;
    settings.policy.on_suspend = OnSuspend::Forward;
    settings.policy.leftovers = Leftovers::Leave;
    settings.audience = Audience::Process;
    settings.place = Place::Group;
    settings.verbosity = 1;
    settings.subreaper = Subreaper::No;
    if invocation.arguments.len() == 3 && invocation.arguments[1].text() == Some(c"--version") {
        print(VERSION);
        return Err(Answered(0));
    }
    let mut words = Words::new(invocation.arguments);
    while let Some(word) = words.next_option() {
        option(settings, word, &mut words)?;
    }
    settings.command = words.command();
    if settings.command.is_empty() {
        return Err(usage(settings));
    }
    if invocation.variable("TINI_SUBREAPER").is_some() {
        settings.subreaper = Subreaper::Yes;
    }
    if invocation.variable("TINI_KILL_PROCESS_GROUP").is_some() {
        settings.audience = Audience::Group;
    }
    if let Some(value) = invocation.variable("TINI_VERBOSITY") {
        settings.verbosity = signed(value.to_bytes()).unwrap_or(0);
    }
    Ok(())
}

fn option(settings: &mut Settings<'_>, word: Word<'_>, words: &mut Words<'_>) -> Result<(), Answered> {
    let Word::Short(letter) = word else {
        refuse(settings, INVALID, b"-", "'\n");
        return Err(usage(settings));
    };
    match letter {
        b'h' => {
            say(&heading(settings));
            print(HELP);
            return Err(Answered(0));
        }
        b'l' => {
            print("minit: Apache-2.0 OR MIT\n");
            return Err(Answered(0));
        }
        b's' => settings.subreaper = Subreaper::Yes,
        b'v' => settings.verbosity += 1,
        b'w' => settings.warn_of_reaped = true,
        b'g' => settings.audience = Audience::Group,
        b'p' | b'e' => {
            let Some(value) = words.value() else {
                refuse(settings, NO_ARGUMENT, &[letter], "'\n");
                return Err(usage(settings));
            };
            let bytes = value.to_bytes();
            let taken = match letter {
                b'p' => signal_of_tini(bytes).map(|number| settings.parent_death = Some(number)),
                _ => number(bytes)
                    .and_then(|code| u8::try_from(code).ok())
                    .map(|code| settings.remapped.add(code)),
            };
            if taken.is_none() {
                let what = if letter == b'p' { "p: " } else { "e: " };
                fatal(&[Text("Not a valid option for -"), Text(what), Value(bytes), Text("")]);
                return Err(REFUSED);
            }
        }
        other => {
            refuse(settings, INVALID, &[other], "'\n");
            return Err(usage(settings));
        }
    }
    Ok(())
}

/// Says why it ends, or does not start.
pub fn fatal(parts: &[Part<'_>; 4]) {
    let [first, second, third, fourth] = *parts;
    let own = sys::process::getpid().as_raw_pid();
    complain(&[Text("[FATAL tini ("), Number(own), Text(")] "), first, second, third, fourth, Text("\n")]);
}

/// Tells what tini tells of, as far as it was asked to.
pub fn tell(settings: &Settings<'_>, note: Note) {
    let own = Number(sys::process::getpid().as_raw_pid());
    let warn = |text: &str, number: i32| {
        complain(&[Text("[WARN  tini ("), own, Text(")] "), Text(text), Number(number), Text("\n")]);
    };
    let tell = |level: &str, text: &str, number: i32| {
        say(&[Text(level), own, Text(")] "), Text(text), Number(number), Text("\n")]);
    };
    match note {
        Note::NoReaper if settings.verbosity > 0 => complain(&[
            Text("[WARN  tini ("),
            own,
            Text(
                ")] not process 1 and no subreaper: orphans go elsewhere, zombie reaping won't work \
                 (-s or TINI_SUBREAPER makes it one)\n",
            ),
        ]),
        Note::Reaped(pid) if settings.warn_of_reaped && settings.verbosity > 0 => {
            warn("Reaped zombie process with pid=", pid);
        }
        Note::NotForwarded(signal, _) if settings.verbosity > 0 => {
            warn("not permitted to pass on signal ", signal)
        }
        Note::NoSubreaper(errno) => {
            complain(&[Text("[FATAL tini ("), own, Text(")] no subreaper: "), Error(errno), Text("\n")]);
        }
        Note::Spawned(pid) if settings.verbosity > 1 => tell("[INFO  tini (", "command runs with pid ", pid),
        Note::Goodbye(code) if settings.verbosity > 1 => {
            tell("[INFO  tini (", "ends with code ", i32::from(code));
        }
        Note::Received(signal) if settings.verbosity > 2 => tell("[DEBUG tini (", "signal ", signal),
        Note::Ended(pid, _) if settings.verbosity > 2 => tell("[DEBUG tini (", "ended: pid ", pid),
        _ => {}
    }
}

/// Its names for signals are written in one way, and there are none for SIGSTKFLT, SIGIO, SIGPWR and those above 31.
fn signal_of_tini(name: &[u8]) -> Option<i32> {
    let is_one = name.starts_with(b"SIG") && !name.iter().any(u8::is_ascii_lowercase);
    signal(name).filter(|number| is_one && *number < 32 && ![16, 29, 30].contains(number))
}

fn usage(settings: &Settings<'_>) -> Answered {
    complain(&heading(settings));
    print_error(HELP);
    REFUSED
}

fn heading<'a>(settings: &Settings<'a>) -> [Part<'a>; 3] {
    let name = settings.name.to_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    [
        Text("tini (tini version 0.19.0)\nUsage: "),
        Bytes(name),
        Text(" [OPTIONS] PROGRAM -- [ARGS] | --version\n\n"),
    ]
}
