//! From the command to the first instruction of process 1, which is when a container runs: that instruction reads the
//! clock.

use std::process::Command;

use super::bed::{Daemon, SMALL};
use crate::bench::figures::{Ratio, Spread};
use crate::bench::order;
use crate::bench::rounds::run_metered;
use crate::bench::table::{Goal, Table, short};
use crate::{Result, run};

/// What the peers' containers write the time to.
const STAMP: &str = "/bench/rootfs/stamp";

/// Who starts one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// An instance that was made before.
    Husk,
    Crun,
    /// crun without a system call filter; everyone else has one.
    Unfiltered,
    Podman,
}

const ALL: [Who; 4] = [Who::Husk, Who::Crun, Who::Unfiltered, Who::Podman];

impl Who {
    const fn name(self) -> &'static str {
        match self {
            Who::Husk => "husk run -d",
            Who::Crun => "crun run",
            Who::Unfiltered => "crun run, no filter",
            Who::Podman => "podman run -d",
        }
    }

    /// Starts it once; nanoseconds.
    fn start(self, daemon: &Daemon, number: usize) -> Result<u64> {
        let id = format!("stamp-{number}");
        let crun = |bundle: &str| {
            let words = ["/usr/bin/crun", "--root", "/run/crun", "run", "--bundle", bundle, &id];
            timed(STAMP, words.map(str::to_owned).to_vec())
        };
        match self {
            Who::Husk => {
                let file = Daemon::changed("stamp", "stamp");
                let taken = timed(&file.to_string_lossy(), Daemon::words(&["run", "-d", "stamp"]))?;
                // Until its shim has gone too.
                daemon.husk(&["wait", "stamp"])?;
                Ok(taken)
            }
            Who::Crun => crun("/bench/bundle-stamp-seccomp"),
            Who::Unfiltered => crun("/bench/bundle-stamp"),
            Who::Podman => {
                let mut words = vec!["/usr/bin/podman".to_owned()];
                words.extend(podman_run(&id).into_iter().chain([SMALL, "/bin/stamp"]).map(str::to_owned));
                let taken = timed(STAMP, words)?;
                run::output(podman(&["rm", "--force", "--time", "0", &id]))?;
                Ok(taken)
            }
        }
    }
}

/// The options of podman, which keeps everything of its own below /run.
const PODMAN: [&str; 12] = [
    "--root",
    "/run/podman/store",
    "--runroot",
    "/run/podman/run",
    "--cgroup-manager",
    "cgroupfs",
    "--runtime",
    "/usr/bin/crun",
    "--events-backend",
    "none",
    "--storage-driver",
    "overlay",
];

/// A command of podman.
pub fn podman(words: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/podman");
    command.args(PODMAN).args(words);
    command
}

/// The words of podman's `run` up to the root file system. Without a cgroup, which would cost it more
/// time: it wants controllers, and the arena may have none.
pub fn podman_run(name: &str) -> Vec<&str> {
    let run = ["run", "--detach", "--network", "host", "--cgroups", "disabled", "--name", name, "--rootfs"];
    PODMAN.into_iter().chain(run).collect()
}

/// Adds the lines about starts.
pub fn measure(table: &mut Table, rounds: usize) -> Result<()> {
    let daemon = Daemon::with_small()?;
    daemon.husk(&["new", "stamp", "small", "--", "/bin/stamp"])?;
    let mut times = [const { Vec::new() }; ALL.len()];
    let mut is_there = [true; ALL.len()];
    // A round that is not counted: it warms the caches, and says who does not run.
    for (place, who) in ALL.iter().enumerate() {
        if let Err(why) = who.start(&daemon, place) {
            table.note_failure(format!("starts: {}: {why}", who.name()));
            is_there[place] = false;
        }
    }
    for round in 1..=rounds {
        for place in order::of_round(round, ALL.len()) {
            if is_there[place] {
                order::settle();
                times[place].push(ALL[place].start(&daemon, round * ALL.len() + place)?);
            }
        }
    }
    println!(
        "\n| until the first instruction of process 1 | min ms | median ms | max ms |\n|---|---|---|---|"
    );
    for (who, own) in ALL.iter().zip(&times) {
        if let Some(spread) = Spread::of(own.iter().copied()) {
            let [min, median, max] = [spread.min, spread.median, spread.max].map(|ns| short(ns as f64 / 1e6));
            println!("| {} | {min} | {median} | {max} |", who.name());
        }
    }
    println!("\n{rounds} interleaved rounds; all but one with Docker's filter, all on the host's network");
    for (place, goal) in [(1, 1.5), (2, 1.5), (3, 0.5)] {
        let (Some(ratio), Some(peer)) =
            (Ratio::of(&times[0], &times[place]), Spread::of(times[place].iter().copied()))
        else {
            continue;
        };
        let said = format!("{} ms", short(peer.median as f64 / 1e6));
        let what = format!("run to first instruction / {}", ALL[place].name());
        table.add(&what, &said, ratio.of_pairs, "", Goal::AtMost(goal));
    }
    Ok(())
}

fn timed(file: &str, words: Vec<String>) -> Result<u64> {
    let mut metered = vec!["-f".to_owned(), file.to_owned()];
    metered.extend(words);
    run_metered(&metered).map(|cost| cost.wall_ns)
}
