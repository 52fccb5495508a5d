//! What a zombie costs process 1, and how soon a signal is passed on.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use load::process::{processor_ns, zombies as left};

use super::bed::{AS_TINI, LOAD, MINIT, TINI_STATIC, first};
use crate::bench::table::{Goal, Table, short};
use crate::bench::{figures::Spread, order};
use crate::{Result, run};

const ZOMBIES: usize = 20_000;
const ROUNDS: usize = 5;
/// Signals of a round.
const SIGNALS: &str = "3000";

/// The kernel reaps for the first two where it can (Linux 6.15); the others wait.
const REAPERS: &[(&str, &[&str])] = &[
    ("minit", &[MINIT, "--no-api", "--"]),
    ("minit, with its api", &[MINIT, "--socket", "/run/reaping/socket", "--"]),
    ("minit as tini", &[AS_TINI, "--"]),
    ("tini-static", &[TINI_STATIC, "--"]),
];

/// Adds the lines about zombies.
pub fn zombies(table: &mut Table) -> Result<()> {
    let mut costs = vec![Vec::new(); REAPERS.len()];
    for round in 0..ROUNDS {
        for place in order::of_round(round, REAPERS.len()) {
            costs[place].push(one_reaper(REAPERS[place].1)?);
        }
    }
    println!(
        "\n| {ZOMBIES} zombies, processor time of process 1 | min ns each | median | max |\n|---|---|---|---|"
    );
    let mut medians = Vec::new();
    for ((name, _), costs) in REAPERS.iter().zip(&costs) {
        let Some(spread) = Spread::of(costs.iter().copied()) else { continue };
        println!("| {name} | {} | {} | {} |", spread.min, spread.median, spread.max);
        medians.push(spread.median as f64 / 1000.0);
    }
    let peer = format!("tini-static {} µs", short(medians[3]));
    // Nothing at all would be 0; a wake-up for the end of the main command is not counted as one.
    table.add("a zombie, reaped by the kernel (≥ 6.15)", &peer, medians[0], "µs", Goal::AtMost(0.01));
    table.add("… with the api up", &peer, medians[1], "µs", Goal::AtMost(0.01));
    table.add("a zombie, reaped by waiting", &peer, medians[2], "µs", Goal::AtMost(4.5));
    Ok(())
}

/// Nanoseconds of process 1 for each zombie.
fn one_reaper(init: &[&str]) -> Result<u64> {
    let count = ZOMBIES.to_string();
    let words: Vec<&str> = init.iter().copied().chain([LOAD, "orphans", &count]).collect();
    let mut first = first(&words)?;
    first.line()?;
    thread::sleep(Duration::from_millis(50));
    let before = processor_ns(first.pid)?;
    first.go()?;
    if first.line()? != "done\n" {
        return Err(format!("{}: its workload ended", init[0]));
    }
    let begun = Instant::now();
    while !left(first.pid).is_empty() {
        if begun.elapsed() > Duration::from_secs(10) {
            return Err(format!("{}: zombies stay", init[0]));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok((processor_ns(first.pid)? - before) / ZOMBIES as u64)
}

const FORWARDERS: &[(&str, &[&str])] = &[
    ("bare", &[]),
    ("minit --no-api", &[MINIT, "--no-api", "--"]),
    ("minit, with its api", &[MINIT, "--socket", "/run/signals/socket", "--on-exit", "exit", "--"]),
    ("tini-static", &[TINI_STATIC, "-s", "--"]),
];

/// Adds the line about signals.
pub fn signals(table: &mut Table) -> Result<()> {
    let mut times = vec![Vec::new(); FORWARDERS.len()];
    for round in 0..ROUNDS * 2 {
        for place in order::of_round(round, FORWARDERS.len()) {
            let mut ping = Command::new(LOAD);
            ping.args(["ping", SIGNALS]).args(FORWARDERS[place].1).args([LOAD, "answer"]);
            let printed = run::text(ping)?;
            let numbers: Vec<u64> = printed.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            let [p50, p99] = numbers[..] else { return Err(format!("load ping printed {printed:?}")) };
            times[place].push((p50, p99));
        }
    }
    println!("\n| a signal, from its sender to the answer | p50 µs | p99 µs |\n|---|---|---|");
    let mut medians = Vec::new();
    for ((name, _), times) in FORWARDERS.iter().zip(&times) {
        let median = |of: fn(&(u64, u64)) -> u64| {
            Spread::of(times.iter().map(of)).map_or(0.0, |spread| spread.median as f64 / 1000.0)
        };
        let (p50, p99) = (median(|time| time.0), median(|time| time.1));
        println!("| {name} | {} | {} |", short(p50), short(p99));
        medians.push(p50);
    }
    println!("\nmedians of {} interleaved rounds of {SIGNALS} signals", ROUNDS * 2);
    let peer = format!("tini-static {} µs", short(medians[3]));
    table.add("signal forwarding p50 / tini-static", &peer, medians[1] / medians[3], "", Goal::AtMost(1.1));
    table.add("… with the api up", &peer, medians[2] / medians[3], "", Goal::AtMost(1.1));
    Ok(())
}
