//! husk: runs a process in a container of its own.
// Tests have the harness's own entry, from which nothing of the program is reached.
#![cfg_attr(not(test), no_main)]
#![cfg_attr(test, allow(dead_code))]

mod arguments;
mod daemon;
mod help;
mod options;
mod plan_verb;
mod run;
mod state;
mod verbs;

use std::io::Write as _;

use arguments::Command;
use container::Failure;

#[cfg(not(test))]
sys::entry!(start);

/// The program: from the command line to an exit code.
fn start() -> u8 {
    if let Err(errno) = sys::entry::open_standard_descriptors() {
        return report(&Failure::ours(format!("/dev/null: {}", sys::strerror::describe(errno))));
    }
    if std::env::args_os().nth(1).is_some_and(|word| word == daemon::STAGE) {
        return daemon::become_daemon().map_or_else(|failure| report(&failure), |never| match never {});
    }
    match arguments::parse().and_then(perform) {
        Ok(code) => code,
        Err(failure) => report(&failure),
    }
}

fn perform(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Run(run) => run::run(&run),
        Command::Plan(bundle) => {
            plan_verb::print(&bundle).and_then(|text| show(&text)).map_err(|failure| failure.of_verb("plan"))
        }
        Command::Verb(said) => verbs::perform(&said).map_err(|failure| failure.of_verb(said.verb.name)),
        Command::Help(topic) => show(&help::text(topic)),
        Command::Version => show(&format!("husk {}\n", env!("CARGO_PKG_VERSION"))),
    }
}

/// Prints what was asked for. A reader that has gone away is no failure of ours.
pub(crate) fn show(text: &str) -> Result<u8, Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(0),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
        Err(error) => Err(Failure::io("standard output", &error)),
    }
}

/// Says something beside what was asked for, in a line on standard error.
pub(crate) fn tell(text: &str) {
    // Standard error may be closed.
    let _ = std::io::stderr().write_all(format!("husk: {text}\n").as_bytes());
}

/// The one place where failures are printed: one line, in one write, so that it is not torn apart by what
/// else writes to the terminal.
fn report(failure: &Failure) -> u8 {
    let _ = std::io::stderr().write_all(format!("husk: {failure}\n").as_bytes());
    failure.code()
}
