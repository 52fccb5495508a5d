//! From an archive to an image, and from an image to an instance; the peer of both is tar.

use std::fs;
use std::time::Instant;

use super::bed::{Daemon, clear};
use crate::bench::figures::{Ratio, Spread};
use crate::bench::order;
use crate::bench::table::{Goal, Table, short};
use crate::{Result, run};

/// The archive, as it is made once; its other forms lie beside it.
const ARCHIVE: &str = "/bench/debian.tar";
const TREE: &str = "/bench/fresh/tree";
/// How the same archive comes: its ending, and the command that makes it.
const FORMS: &[(&str, &str, &[&str])] = &[
    ("plain", "", &["true"]),
    ("gzip", ".gz", &["gzip", "--keep", "--force"]),
    ("zstd", ".zst", &["zstd", "--quiet", "--force"]),
];
/// How many instances are made of it in a round.
const NEW: usize = 8;

/// What unpacking took, in nanoseconds, round by round.
#[derive(Debug, Default)]
struct Times {
    ours: Vec<u64>,
    tar: Vec<u64>,
    /// From tar's start to the end of `sync -f` after it.
    synced: Vec<u64>,
}

/// Adds the lines about archives.
pub fn measure(table: &mut Table, rounds: usize) -> Result<()> {
    let daemon = Daemon::start()?;
    let size = fs::metadata(ARCHIVE).map_err(|why| format!("{ARCHIVE}: {why}"))?.len() / 1_000_000;
    println!("\n| archive of a Debian, {size} MB | min ms | median ms | max ms |\n|---|---|---|---|");
    let mut plain = Times::default();
    for (name, ending, make) in FORMS {
        let archive = format!("{ARCHIVE}{ending}");
        let mut command = run::command(make[0], []);
        command.args(&make[1..]).arg(ARCHIVE);
        run::output(command)?;
        let times = unpack(&daemon, &archive, rounds)?;
        show(&format!("husk import, {name}"), &times.ours);
        show(&format!("tar xf, {name}"), &times.tar);
        show(&format!("tar xf and sync -f, {name}"), &times.synced);
        for (peer, figures) in [("tar xf", &times.tar), ("tar xf and sync -f", &times.synced)] {
            let Some(ratio) = Ratio::of(&times.ours, figures) else { continue };
            let said = format!("{peer} {} ms", milliseconds(figures));
            let what = format!("first import, {name}, synced / {peer}");
            table.add(&what, &said, ratio.of_pairs, "", Goal::AtMost(1.0));
        }
        if plain.tar.is_empty() {
            plain = times;
        }
    }
    new(table, &daemon, &plain, rounds)
}

fn unpack(daemon: &Daemon, archive: &str, rounds: usize) -> Result<Times> {
    let mut times = Times::default();
    // The first round is not counted: it reads the archive into the cache.
    for round in 0..=rounds {
        for who in order::of_round(round, 2) {
            let begun = Instant::now();
            if who == 0 {
                daemon.husk(&["import", archive, "debian"])?;
                times.ours.push(nanoseconds(begun));
                daemon.husk(&["rmi", "debian"])?;
            } else {
                fs::create_dir(TREE).map_err(|why| format!("{TREE}: {why}"))?;
                run::output(run::command("tar", ["-xf", archive, "-C", TREE]))?;
                times.tar.push(nanoseconds(begun));
                sync(TREE)?;
                times.synced.push(nanoseconds(begun));
                clear(TREE)?;
            }
            // Nobody writes what the one before has left.
            sync("/bench/fresh")?;
        }
    }
    for figures in [&mut times.ours, &mut times.tar, &mut times.synced] {
        figures.remove(0);
    }
    Ok(times)
}

fn new(table: &mut Table, daemon: &Daemon, unpacked: &Times, rounds: usize) -> Result<()> {
    daemon.husk(&["import", ARCHIVE, "debian"])?;
    let mut times = Vec::new();
    for number in 0..=rounds * NEW {
        order::settle();
        let cost = daemon.cost(&["new", &format!("n{number}"), "debian"])?;
        if number > 0 {
            times.push(cost.wall_ns);
        }
    }
    show("husk new, synced", &times);
    let ours = Spread::of(times).ok_or("no round was measured")?.median as f64;
    table.add("`new` from it, synced", "", ours / 1e6, "ms", Goal::AtMost(10.0));
    for (peer, figures) in [("tar xf", &unpacked.tar), ("tar xf and sync -f", &unpacked.synced)] {
        let theirs = Spread::of(figures.iter().copied()).ok_or("no round was measured")?.median as f64;
        let said = format!("{peer} {} ms", milliseconds(figures));
        table.add(&format!("… of {peer}"), &said, 100.0 * ours / theirs, "%", Goal::AtMost(1.0));
    }
    Ok(())
}

fn sync(path: &str) -> Result<()> {
    run::output(run::command("sync", ["-f", path])).map(drop)
}

fn nanoseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn milliseconds(figures: &[u64]) -> String {
    Spread::of(figures.iter().copied()).map_or_else(String::new, |spread| short(spread.median as f64 / 1e6))
}

fn show(name: &str, figures: &[u64]) {
    if let Some(spread) = Spread::of(figures.iter().copied()) {
        let [min, median, max] = [spread.min, spread.median, spread.max].map(|ns| short(ns as f64 / 1e6));
        println!("| {name} | {min} | {median} | {max} |");
    }
}
