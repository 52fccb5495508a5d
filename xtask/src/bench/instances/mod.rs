//! `cargo xtask bench instances`: instances beside what unpacks archives, starts containers and holds them elsewhere.
//!
//! It runs in the arena of the bench of `husk run`, with huskd's root on a disk; what has a peer is measured beside it
//! in the same run, in mixed order.

mod archives;
mod bed;
mod held;
mod many;
mod starts;

use std::process::ExitCode;

use super::table::Table;
use super::{report, stage};
use crate::Result;
use crate::workspace::Workspace;

const HELP: &str = "\
cargo xtask bench instances [NAME…]   as root

  archives  the first import of a Debian, plain, gzip and zstd, beside tar xf; `husk new` from it
  starts    from `husk run -d` to the first instruction of process 1, beside crun and podman
  held      memory of what holds a container that is idle, beside conmon and containerd's shim
  many      500 that run: ls, exec, and what huskd takes while nothing happens
  (none)    all of them

  --rounds N         rounds of starts (40); archives has an eighth of it
";

/// The parts, in the order in which they run: those that want a quiet machine first.
const PARTS: &[&str] = &["starts", "archives", "held", "many"];

#[derive(Debug, PartialEq, Eq)]
struct Request {
    parts: Vec<String>,
    rounds: usize,
}

/// Prepares the arena and measures there.
pub fn run(args: &[String]) -> Result<ExitCode> {
    if args.first().is_some_and(|word| word == "help") {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    Request::parse(args)?;
    stage::perform_instances(&Workspace::read()?, args)
}

/// Measures and prints; runs in the arena.
pub fn measure(args: &[String]) -> Result<ExitCode> {
    let request = Request::parse(args)?;
    report::place("cargo xtask bench instances");
    report::versions(&[
        ("/usr/bin/crun", "crun"),
        ("/usr/bin/podman", "podman"),
        ("/usr/bin/conmon", "conmon"),
        ("/usr/bin/containerd", "containerd"),
        ("/usr/bin/tar", "tar"),
    ]);
    let mut table = Table::default();
    for part in PARTS.iter().filter(|part| request.wants(part)) {
        let done = match *part {
            "archives" => archives::measure(&mut table, (request.rounds / 8).max(1)),
            "starts" => starts::measure(&mut table, request.rounds),
            "held" => held::measure(&mut table),
            _ => many::measure(&mut table, request.rounds),
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
        let mut request = Request { parts: Vec::new(), rounds: 40 };
        let mut words = args.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                "--rounds" => request.rounds = super::number_of_runs("--rounds", words.next())?,
                part if PARTS.contains(&part) => request.parts.push(part.to_owned()),
                _ => {
                    return Err(format!(
                        "bench instances {word}: not known; see cargo xtask bench instances help"
                    ));
                }
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
        let request = parse("many --rounds 5").unwrap();
        assert!(request.wants("many") && !request.wants("starts"));
        assert_eq!(request.rounds, 5);
    }

    #[test]
    fn what_is_not_known_is_named_in_the_error() {
        for (line, named) in [("mnay", "bench instances mnay"), ("--rounds 0", "--rounds 0")] {
            assert!(parse(line).unwrap_err().contains(named), "{line}");
        }
    }
}
