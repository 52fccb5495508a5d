//! huskd: keeps instances.
//!
//! One thread waits for everything (`watch`), each client has one of its own while it is connected (`connection`), and
//! each end of a shim while it is dealt with. What happens to an instance is decided by `instance::state` and done by
//! `effects`, one thing at a time for each instance (`seat`).

mod arguments;
mod client;
mod connection;
mod daemon;
mod effects;
mod events;
mod hold;
mod initns;
mod journal;
mod lacking;
mod late;
mod launch;
mod listen;
mod options;
mod pace;

mod private;
mod recover;
mod refusal;
mod requests;
mod runtime;
mod screen;
mod seat;
mod serve;
mod shims;
mod verbs;
mod wake;
mod watch;

use std::io::Write as _;
use std::process::ExitCode;

use arguments::Asked;

fn main() -> ExitCode {
    let own = std::env::current_exe().unwrap_or_default();
    let beside = own.parent().unwrap_or(std::path::Path::new("/usr/bin"));
    match arguments::parse(std::env::args_os().skip(1), beside) {
        Ok(Asked::Help) => show(&options::help()),
        Ok(Asked::Version) => show(&format!("huskd {}\n", env!("CARGO_PKG_VERSION"))),
        Ok(Asked::Serve(arguments)) => match serve::serve(*arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(refusal) => report(&refusal.data, refusal.hint.as_deref()),
        },
        Err(error) => report(&error, Some("huskd --help")),
    }
}

fn show(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn report(text: &str, hint: Option<&str>) -> ExitCode {
    let hint = hint.map_or(String::new(), |hint| format!(" (hint: {hint})"));
    journal::tell(format!("{text}{hint}"));
    ExitCode::from(125)
}
