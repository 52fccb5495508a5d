//! `cargo xtask bench`: what a run of `true` costs beside its peers and beside the physical floor.
//!
//! It runs in an arena (`arena.sh`): mount, pid and cgroup namespaces of its own, a root made of the peers'
//! own packages, and a cgroup v2 hierarchy of its own, so that a machine with any Debian and any cgroup
//! layout gives the same comparison and keeps nothing of it. The first half of this module prepares the
//! arena's files on the machine, the second half (`bench inside`, which is not for people) measures.

mod bundle;
mod contestants;
mod crowd;
mod figures;
mod goals;
mod instances;
mod leftovers;
mod minit;
mod order;
mod peers;
mod report;
mod rounds;
mod stage;
mod table;
mod words;

use std::process::ExitCode;

use crate::Result;
use crate::workspace::Workspace;

const HELP: &str = "\
cargo xtask bench [NAME…]   as root

  run      wall time, CPU time, peak memory and page faults of one `true`, interleaved with the peers
  calls    system calls of one `true`, parent and child together
  many     100 containers, 8 at a time; then: is anything left?
  (none)   all of them

  --runs N           rounds of `run` (60); `many` takes a twelfth of it
  --only A,B         only these contestants: floor, bwrap, crun, crun-seccomp, runc, runc-seccomp,
                     husk (its default, with seccomp), husk-unconfined

  minit …            minit beside the inits of others: cargo xtask bench minit help
  instances …        instances beside tar, crun, podman and others: cargo xtask bench instances help
";

/// What to measure, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The parts; all of them if empty.
    parts: Vec<Part>,
    /// Rounds of `run`.
    runs: usize,
    /// The contestants; all of them if empty.
    only: Vec<String>,
}

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Run,
    Calls,
    Many,
}

/// Runs the bench. The exit code is a failure if a goal of LIMITS.md was not met or not measured.
pub fn run(args: &[String]) -> Result<ExitCode> {
    match args.first().map(String::as_str) {
        Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Some("minit") => minit::run(&args[1..]),
        Some("instances") => instances::run(&args[1..]),
        Some("inside") if args.get(1).is_some_and(|word| word == "minit") => minit::measure(&args[2..]),
        Some("inside") if args.get(1).is_some_and(|word| word == "instances") => {
            instances::measure(&args[2..])
        }
        Some("inside") => Request::parse(&args[1..])?.measure(),
        _ => {
            // Parsed here too: a mistyped option must not cost a download and a build first.
            let chosen = contestants::choose(&Request::parse(args)?.only);
            stage::perform(&Workspace::read()?, &chosen, args)
        }
    }
}

impl Request {
    fn parse(args: &[String]) -> Result<Request> {
        let mut request = Request { parts: Vec::new(), runs: 60, only: Vec::new() };
        let mut words = args.iter().map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                "run" => request.parts.push(Part::Run),
                "calls" => request.parts.push(Part::Calls),
                "many" => request.parts.push(Part::Many),
                "--runs" => request.runs = number_of_runs("--runs", words.next())?,
                "--only" => {
                    let names = words.next().ok_or("bench --only: takes names, such as floor,crun")?;
                    request.only = names.split(',').map(str::to_owned).collect();
                }
                _ => return Err(format!("bench {word}: not known; see cargo xtask bench help")),
            }
        }
        contestants::check_names(&request.only)?;
        Ok(request)
    }

    fn wants(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    /// Measures and prints; runs in the arena.
    fn measure(&self) -> Result<ExitCode> {
        let chosen = contestants::choose(&self.only);
        report::heading(&chosen);
        let mut goals = goals::Goals::default();
        // First, while nobody has left anything behind yet.
        if self.wants(Part::Many) {
            let crowds = crowd::measure(&chosen, (self.runs / 12).max(1))?;
            report::crowds(&crowds);
            goals.judge_crowds(&crowds);
        }
        if self.wants(Part::Run) {
            let measured = rounds::measure(&chosen, self.runs)?;
            report::runs(&measured);
            goals.judge_runs(&measured);
        }
        if self.wants(Part::Calls) {
            let counted = rounds::count_calls(&chosen)?;
            report::calls(&counted);
            goals.judge_calls(&counted);
        }
        Ok(goals.conclude())
    }
}

fn number_of_runs(option: &str, word: Option<&str>) -> Result<usize> {
    let word = word.ok_or_else(|| format!("bench {option}: takes a number"))?;
    match word.parse() {
        Ok(runs) if runs > 0 => Ok(runs),
        _ => Err(format!("bench {option} {word}: not a number above 0")),
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
    fn no_words_ask_for_every_part_of_every_contestant() {
        let request = parse("").unwrap();
        assert!([Part::Run, Part::Calls, Part::Many].iter().all(|part| request.wants(*part)));
        assert_eq!((request.runs, request.only.len()), (60, 0));
    }

    #[test]
    fn parts_and_options_may_be_mixed() {
        let request = parse("calls --runs 5 many --only floor,crun").unwrap();
        assert_eq!(request.parts, [Part::Calls, Part::Many]);
        assert_eq!((request.runs, request.only.join(" ").as_str()), (5, "floor crun"));
        assert!(!request.wants(Part::Run));
    }

    #[test]
    fn what_is_not_known_is_named_in_the_error() {
        for (line, named) in [
            ("rnu", "bench rnu"),
            ("--runs", "--runs"),
            ("--runs 0", "--runs 0"),
            ("--runs x", "--runs x"),
            ("--only", "--only"),
            ("--only crnu", "crnu"),
        ] {
            assert!(parse(line).unwrap_err().contains(named), "{line}");
        }
    }
}
