//! The command line of catatonit 0.2, which podman calls podman-init: options, exit codes and environment.

use sys::start::Invocation;

use crate::dumb_init::{INVALID, UNRECOGNIZED, refuse};
use crate::first::decide::{Leftovers, OnStop, OnSuspend};
use crate::help::{print, print_error};
use crate::message::Part::{Number, Text};
use crate::message::{Part, complain};
use crate::settings::{Answered, Audience, Place, Settings, Subreaper};
use crate::words::{Word, Words};

/// Docker knows an init by the words that tini answers with.
const VERSION: &str = "tini version 0.2.1_catatonit\n";
const REFUSED: Answered = Answered(1);
const USAGE: &str = "usage: catatonit [-ghLPV] [--] <progname> [<arguments>...]\n";
const HELP: &str = "
  -g              pass signals on to the command's process group, not to it alone
  -h              print this
  -L              print the licence
  -P              start nothing; end at SIGINT or SIGTERM
  -V, --version   print the version
";

/// Reads arguments and environment into `settings`.
///
/// # Errors
/// [`Answered`] where nothing is to be started.
pub fn parse<'a>(invocation: &Invocation, settings: &mut Settings<'a>) -> Result<(), Answered> {
    settings.policy.on_stop = OnStop::Forward;
    settings.policy.on_suspend = OnSuspend::Ignore;
    settings.policy.leftovers = Leftovers::Leave;
    settings.audience = Audience::Process;
    settings.place = Place::Group;
    settings.subreaper = Subreaper::IfNotFirst;
    let mut words = Words::new(invocation.arguments);
    while let Some(word) = words.next_option() {
        match word {
            Word::Short(b'g') => settings.audience = Audience::Group,
            Word::Short(b'P') => settings.policy.on_stop = OnStop::Leave,
            Word::Short(b'h') => {
                print_error(USAGE);
                print_error(HELP);
                return Err(Answered(0));
            }
            Word::Short(b'L') => {
                print("minit: Apache-2.0 OR MIT\n");
                return Err(Answered(0));
            }
            Word::Short(b'V') => return Err(version()),
            // It may be cut short.
            Word::Long(name, None) if b"version".starts_with(name) => return Err(version()),
            word => {
                match word {
                    Word::Short(letter) => refuse(settings, INVALID, &[letter], "'\n"),
                    Word::Long(name, _) => refuse(settings, UNRECOGNIZED, name, "'\n"),
                };
                print_error(USAGE);
                return Err(REFUSED);
            }
        }
    }
    if settings.policy.on_stop != OnStop::Leave {
        settings.command = words.command();
        if settings.command.is_empty() {
            error(Text("missing program name"), Text(""));
            print_error(USAGE);
            return Err(REFUSED);
        }
    }
    if invocation.variable("CATATONIT_DEBUG").is_some() {
        settings.verbosity = 1;
    }
    Ok(())
}

fn version() -> Answered {
    print(VERSION);
    Answered(0)
}

/// Says why it ends, or does not start.
pub fn error(what: Part<'_>, why: Part<'_>) {
    let own = sys::process::getpid().as_raw_pid();
    complain(&[Text("ERROR (catatonit:"), Number(own), Text("): "), what, why, Text("\n")]);
}
