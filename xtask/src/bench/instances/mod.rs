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
use super::words::Known;
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

const KNOWN: Known = Known {
    bench: "bench instances",
    help: HELP,
    // Those that want a quiet machine first.
    parts: &["starts", "archives", "held", "many"],
    flags: &[],
    rounds: 40,
};

/// Prepares the arena and measures there.
pub fn run(args: &[String]) -> Result<ExitCode> {
    if KNOWN.helped(args) {
        return Ok(ExitCode::SUCCESS);
    }
    KNOWN.parse(args)?;
    stage::perform_instances(&Workspace::read()?, args)
}

/// Measures and prints; runs in the arena.
pub fn measure(args: &[String]) -> Result<ExitCode> {
    let asked = KNOWN.parse(args)?;
    report::place("cargo xtask bench instances");
    report::versions(&[
        ("/usr/bin/crun", "crun"),
        ("/usr/bin/podman", "podman"),
        ("/usr/bin/conmon", "conmon"),
        ("/usr/bin/containerd", "containerd"),
        ("/usr/bin/tar", "tar"),
    ]);
    let mut table = Table::default();
    for part in asked.parts {
        let done = match part {
            "archives" => archives::measure(&mut table, (asked.rounds / 8).max(1)),
            "starts" => starts::measure(&mut table, asked.rounds),
            "held" => held::measure(&mut table),
            _ => many::measure(&mut table, asked.rounds),
        };
        // What cannot be measured must not cost what was.
        if let Err(why) = done {
            table.note_failure(format!("{part}: {why}"));
        }
    }
    Ok(table.conclude())
}
