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
use super::words::Known;
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

const KNOWN: Known = Known {
    bench: "bench minit",
    help: HELP,
    // Those that want a quiet machine first.
    parts: &["start", "size", "idle", "zombies", "signals", "exec", "output", "live"],
    flags: &["--long"],
    rounds: 100,
};

/// Prepares the arena and measures there.
pub fn run(args: &[String]) -> Result<ExitCode> {
    if KNOWN.helped(args) {
        return Ok(ExitCode::SUCCESS);
    }
    KNOWN.parse(args)?;
    stage::perform_minit(&Workspace::read()?, args)
}

/// Measures and prints; runs in the arena.
pub fn measure(args: &[String]) -> Result<ExitCode> {
    let asked = KNOWN.parse(args)?;
    let idle = if asked.flags.is_empty() { Duration::from_secs(60) } else { idle::LONG };
    super::report::place("cargo xtask bench minit");
    let mut table = Table::default();
    for part in asked.parts {
        let done = match part {
            "start" => start::measure(&mut table, asked.rounds),
            "size" => idle::sizes(&mut table),
            "idle" => idle::measure(&mut table, idle),
            "zombies" => reaping::zombies(&mut table),
            "signals" => reaping::signals(&mut table),
            "exec" => exec::measure(&mut table, asked.rounds),
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
