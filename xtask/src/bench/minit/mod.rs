//! `cargo xtask bench minit`: minit beside the inits of others, and beside the bare calls of the kernel.
//!
//! It runs in the arena of the bench of `husk run`, for the sake of the peers' packages. Whatever has a peer is
//! measured beside it in the same run, in mixed order.

mod bed;
mod exec;
mod idle;
mod live;
mod output;
mod reaping;
mod start;

use std::process::ExitCode;
use std::time::Duration;

use super::stage;
use super::table::Table;
use crate::Result;
use crate::workspace::Workspace;

const HELP: &str = "\
cargo xtask bench minit [NAME…]   as root

  start    INIT -- true over bare true: wall time, page faults, peak memory
  size     the program's file, with everything and built without its api
  idle     memory and wake-ups while nothing happens
  zombies  processor time of process 1 for each of 20,000 zombies
  signals  from a signal's sender to the answer of the workload
  exec     round trips, 50 clients at once, and the exit of a command whose pipe is held
  live     10,000 commands at once
  output   megabytes a second, every byte compared
  (none)   all of them

  --rounds N         rounds of start (100); exec has 20 times as many
  --long             counts wake-ups for 10 minutes instead of one
";

/// The parts, in the order in which they run: those that want a quiet machine first.
const PARTS: &[&str] = &["start", "size", "idle", "zombies", "signals", "exec", "output", "live"];

#[derive(Debug, PartialEq, Eq)]
struct Request {
    parts: Vec<String>,
    rounds: usize,
    idle: Duration,
}

/// Prepares the arena and measures there.
pub fn run(args: &[String]) -> Result<ExitCode> {
    if args.first().is_some_and(|word| word == "help") {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    Request::parse(args)?;
    stage::perform_minit(&Workspace::read()?, args)
}

/// Measures and prints; runs in the arena.
pub fn measure(args: &[String]) -> Result<ExitCode> {
    let request = Request::parse(args)?;
    super::report::place("cargo xtask bench minit");
    let mut table = Table::default();
    for part in PARTS.iter().filter(|part| request.wants(part)) {
        let done = match *part {
            "start" => start::measure(&mut table, request.rounds),
            "size" => idle::sizes(&mut table),
            "idle" => idle::measure(&mut table, request.idle),
            "zombies" => reaping::zombies(&mut table),
            "signals" => reaping::signals(&mut table),
            "exec" => exec::measure(&mut table, request.rounds),
            "output" => output::measure(&mut table),
            _ => live::measure(&mut table),
        };
        // What cannot be measured must not cost what was.
        if let Err(why) = done {
            table.note_failure(format!("{part}: {why}"));
        }
    }
    Ok(table.conclude())
}

impl Request {
    fn parse(args: &[String]) -> Result<Request> {
        let mut request = Request { parts: Vec::new(), rounds: 100, idle: Duration::from_secs(60) };
        let mut words = args.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                "--rounds" => request.rounds = super::number_of_runs("--rounds", words.next())?,
                "--long" => request.idle = idle::LONG,
                part if PARTS.contains(&part) => request.parts.push(part.to_owned()),
                _ => return Err(format!("bench minit {word}: not known; see cargo xtask bench minit help")),
            }
        }
        Ok(request)
    }

    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Request::parse(&words)
    }

    #[test]
    fn no_words_ask_for_every_part() {
        let request = parse("").unwrap();
        assert!(PARTS.iter().all(|part| request.wants(part)));
        let request = parse("exec --rounds 5 --long").unwrap();
        assert!(request.wants("exec") && !request.wants("live"));
        assert_eq!((request.rounds, request.idle), (5, idle::LONG));
    }

    #[test]
    fn what_is_not_known_is_named_in_the_error() {
        for (line, named) in [("exce", "bench minit exce"), ("--rounds 0", "--rounds 0")] {
            assert!(parse(line).unwrap_err().contains(named), "{line}");
        }
    }
}
