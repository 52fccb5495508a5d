//! The verbs: what minit asks a minit that runs already, as `minit exec`, `minit ps` and so on. They are clients like
//! any other, in a process of their own that has a heap.

mod exec;
mod list;
mod options;
mod ping;
mod plain;
mod table;

use alloc::boxed::Box;

use husk_client::Error;
use sys::start::Invocation;

use crate::help::{HELP, explain, print};
use crate::message::Part::{Text, Value};
use crate::message::{ours, say};
use crate::settings::{Dialect, dialect};
use list::VERBS;
use options::{Options, Row};
use plain::Plain;

/// A verb.
#[derive(Clone, Copy, Debug)]
pub struct Verb {
    name: &'static str,
    /// What follows its name; a line on what it does; and perhaps others on its options.
    text: &'static str,
    /// Its own options.
    rows: &'static [Row],
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

/// The verb that was asked for, if the first argument is one. Who wants to run a command of that name says
/// `minit -- NAME`.
#[must_use]
pub fn asked(invocation: &Invocation) -> Option<&'static Verb> {
    let [name, verb, ..] = invocation.arguments else { return None };
    let (name, verb) = (name.text()?, verb.text()?);
    let is_ours = dialect(name) == Dialect::Minit;
    VERBS.iter().find(|known| is_ours && known.name.as_bytes() == verb.to_bytes())
}

impl Verb {
    /// Does it, and ends.
    pub fn run(&'static self, invocation: &Invocation) -> ! {
        let mut options = Options::new(self, invocation);
        let outcome = match self.act {
            Act::Ask(plain) => plain.run(&mut options),
            Act::Run(run) => run(&mut options),
        };
        let code = match &outcome {
            Ok(code) | Err(Failure::Answered(code)) => *code,
            Err(Failure::Client(error)) => {
                let text = alloc::string::ToString::to_string(error);
                // The server names the request itself where the request is wrong.
                let names = text.strip_prefix(self.name).is_some_and(|rest| rest.starts_with(": "));
                let who = if names { "" } else { self.name };
                let colon = if names { "" } else { ": " };
                ours(&[Text(who), Text(colon), Value(text.as_bytes())]);
                error.code()
            }
        };
        // Nothing is taken apart before that: only the kernel would be the wiser.
        sys::clone::leave(code)
    }

    /// Prints how it is used.
    fn explain(&self) {
        const SHARED: &str = " [--socket PATH|--vsock CID:PORT|--firecracker PATH:PORT] ";
        say(&[Text("minit "), Text(self.name), Text(SHARED)]);
        explain(self.text);
        print("\n");
    }
}

/// `help`
fn help(options: &mut Options<'_>) -> Outcome {
    options.rest(0, 0)?;
    explain(HELP);
    list();
    Ok(0)
}

/// Prints a line for each.
pub fn list() {
    print("\nVerbs (minit VERB --help)\n");
    for verb in &VERBS {
        print(verb.text.split('\n').nth(1).unwrap_or_default());
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

    #[test]
    fn every_option_of_a_verb_is_explained_and_every_verb_has_a_line() {
        for verb in &VERBS {
            for (name, letter, _) in verb.rows {
                let has = |option: &str| {
                    verb.text.split(|c: char| c != '-' && !c.is_alphanumeric()).any(|word| word == option)
                };
                assert!(has(&std::format!("--{name}")), "{}: --{name}", verb.name);
                assert!(
                    *letter == 0 || has(&std::format!("-{}", char::from(*letter))),
                    "{}: {name}",
                    verb.name
                );
            }
            assert!(verb.text.lines().nth(1).is_some_and(|line| !line.is_empty()), "{}", verb.name);
        }
    }
}
