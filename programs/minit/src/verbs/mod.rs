//! The verbs: what minit asks a minit that runs already, as `minit exec`, `minit ps` and so on. They are clients like
//! any other, in a process of their own that has a heap.

mod exec;
mod options;
mod ping;
mod plain;
mod table;

use alloc::boxed::Box;

use husk_client::Error;
use sys::start::Invocation;

use crate::help::print;
use crate::message::Part::{Text, Value};
use crate::message::ours;
use crate::settings::{Dialect, dialect};
use options::Options;
use plain::Plain;

/// A verb.
#[derive(Clone, Copy, Debug)]
pub struct Verb {
    name: &'static str,
    /// What follows its name.
    usage: &'static str,
    act: Act,
}

/// What a verb does.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// One request, whose members are options and words.
    Ask(&'static Plain),
    /// More than that.
    Run(fn(&mut Options<'_>) -> Outcome),
}

/// The exit code, or why there is none.
type Outcome = Result<u8, Failure>;

/// Why a verb is not done.
#[derive(Debug)]
enum Failure {
    /// It has been said, or there is nothing to say.
    Answered(u8),
    /// The server, or the way to it.
    Client(Box<Error>),
}

impl From<Error> for Failure {
    #[inline(never)]
    fn from(error: Error) -> Self {
        Self::Client(Box::new(error))
    }
}

const VERBS: [Verb; 17] = [
    Verb { name: "ping", usage: "[--wait TIME]", act: Act::Run(ping::ping) },
    Verb { name: "exec", usage: exec::USAGE, act: Act::Run(exec::exec) },
    Verb { name: "attach", usage: exec::ATTACH_USAGE, act: Act::Run(exec::attach) },
    Verb { name: "logs", usage: "[-f] ID", act: Act::Run(exec::logs) },
    Verb { name: "wait", usage: "[--timeout TIME] ID…", act: Act::Ask(&plain::WAIT) },
    Verb { name: "kill", usage: plain::KILL_USAGE, act: Act::Ask(&plain::KILL) },
    Verb { name: "list", usage: plain::LIST_USAGE, act: Act::Ask(&plain::LIST) },
    Verb { name: "ps", usage: "", act: Act::Ask(&plain::PROCESSES) },
    Verb { name: "stats", usage: "", act: Act::Ask(&plain::STATS) },
    Verb { name: "events", usage: "", act: Act::Ask(&plain::EVENTS) },
    Verb { name: "freeze", usage: "[ID]", act: Act::Ask(&plain::FREEZE) },
    Verb { name: "thaw", usage: "[ID]", act: Act::Ask(&plain::THAW) },
    Verb { name: "ack", usage: "ID…", act: Act::Ask(&plain::ACK) },
    Verb { name: "resize", usage: "ID ROWS COLUMNS", act: Act::Ask(&plain::RESIZE) },
    Verb { name: "signal", usage: "SIGNAL", act: Act::Ask(&plain::SIGNAL) },
    Verb { name: "shutdown", usage: plain::SHUTDOWN_USAGE, act: Act::Ask(&plain::SHUTDOWN) },
    Verb { name: "resume", usage: "[--hostname NAME] [--machine-id ID]", act: Act::Ask(&plain::RESUME) },
];

/// The verb that was asked for, if the first argument is one. Who wants to run a command of that name says
/// `minit -- NAME`.
#[must_use]
pub fn asked(invocation: &Invocation) -> Option<Verb> {
    let [name, verb, ..] = invocation.arguments else { return None };
    let (name, verb) = (name.text()?, verb.text()?);
    let is_ours = dialect(name) == Dialect::Minit;
    VERBS.into_iter().find(|known| is_ours && known.name.as_bytes() == verb.to_bytes())
}

impl Verb {
    /// Does it; the exit code.
    #[must_use]
    pub fn run(self, invocation: &Invocation) -> u8 {
        let mut options = Options::new(self, invocation);
        let outcome = match self.act {
            Act::Ask(plain) => plain.run(&mut options),
            Act::Run(run) => run(&mut options),
        };
        match outcome {
            Ok(code) | Err(Failure::Answered(code)) => code,
            Err(Failure::Client(error)) => {
                let code = error.code();
                let text = alloc::string::ToString::to_string(&error);
                // The server names the request itself where the request is wrong.
                let names = text.strip_prefix(self.name).is_some_and(|rest| rest.starts_with(": "));
                let who = if names { "" } else { self.name };
                let colon = if names { "" } else { ": " };
                ours(&[Text(who), Text(colon), Value(text.as_bytes())]);
                code
            }
        }
    }

    /// Prints how it is used.
    fn explain(self) {
        for part in
            ["minit ", self.name, " [--socket PATH|--vsock CID:PORT|--firecracker PATH:PORT] ", self.usage]
        {
            print(part);
        }
        print("\n");
    }
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;

    use super::*;
    use sys::exec::Argument;

    fn verb(arguments: &[&'static core::ffi::CStr]) -> Option<&'static str> {
        let words: std::vec::Vec<_> = arguments.iter().map(|word| Argument::new(word)).collect();
        let arguments = Box::leak(Box::new([words, std::vec![Argument::END]].concat()));
        asked(&Invocation { arguments, environment: &[] }).map(|verb| verb.name)
    }

    #[test]
    fn a_verb_is_the_first_argument_of_minit_and_of_no_other_name() {
        assert_eq!(verb(&[c"/sbin/minit", c"exec", c"true"]), Some("exec"));
        assert_eq!(verb(&[c"minit", c"--", c"exec"]), None);
        assert_eq!(verb(&[c"minit", c"nginx"]), None);
        assert_eq!(verb(&[c"tini", c"exec"]), None);
        assert_eq!(verb(&[c"minit"]), None);
        assert_eq!(verb(&[]), None);
    }
}
