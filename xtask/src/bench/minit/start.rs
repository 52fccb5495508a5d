//! What an init costs over the bare start of what it starts.

use super::bed::{AS_TINI, CORE, MINIT, SAYS, TINI_STATIC, TRUE};
use crate::Result;
use crate::bench::figures::Spread;
use crate::bench::order;
use crate::bench::rounds::{Cost, run_metered};
use crate::bench::table::{Goal, Table, short};

/// Each init with its command; `bare` first, which the others are compared with.
const UNTIL_END: &[(&str, &[&str])] = &[
    ("bare", &[TRUE]),
    ("minit --no-api", &[MINIT, "--no-api", "--", TRUE]),
    ("minit, built without api", &[CORE, "--", TRUE]),
    ("minit as tini", &[AS_TINI, "-s", "--", TRUE]),
    ("tini-static", &[TINI_STATIC, "-s", "--", TRUE]),
    ("tini", &["/usr/bin/tini", "-s", "--", TRUE]),
    ("dumb-init", &["/usr/bin/dumb-init", "--", TRUE]),
    ("catatonit", &["/usr/bin/catatonit", "--", TRUE]),
];

/// Until the workload's first byte: the api is up by its side, and not what is measured.
const UNTIL_BYTE: &[(&str, &[&str])] = &[
    ("bare", &["-1", SAYS]),
    ("minit with its api", &["-1", MINIT, "--socket", "/run/bench/socket", "--on-exit", "exit", "--", SAYS]),
    ("tini-static", &["-1", TINI_STATIC, "-s", "--", SAYS]),
];

/// Adds the lines about starts.
pub fn measure(table: &mut Table, rounds: usize) -> Result<()> {
    let costs = interleave(UNTIL_END, rounds)?;
    show("until the end of `true`", UNTIL_END, &costs);
    let over = |place: usize| milliseconds_over(&costs[place], &costs[0]);
    let faults = |place: usize| faults_of(&costs[place]) - faults_of(&costs[0]);
    let peer = format!("tini-static {} ms, {} faults", short(over(4)), faults(4));
    for (place, name) in [(1, "start, `--no-api`, over bare"), (2, "start, built without api, over bare")] {
        table.add(name, &peer, over(place), "ms", Goal::AtMost(0.25));
        table.add("… page faults over bare", &peer, faults(place), "", Goal::AtMost(20.0));
    }
    let costs = interleave(UNTIL_BYTE, rounds)?;
    show("until the workload's first byte", UNTIL_BYTE, &costs);
    let over = |place: usize| milliseconds_over(&costs[place], &costs[0]);
    let peer = format!("tini-static {} ms", short(over(2)));
    table.add("start until the workload runs, api up, over bare", &peer, over(1), "ms", Goal::AtMost(0.4));
    Ok(())
}

fn interleave(contestants: &[(&str, &[&str])], rounds: usize) -> Result<Vec<Vec<Cost>>> {
    let mut costs = vec![Vec::with_capacity(rounds); contestants.len()];
    // The first rounds warm the caches.
    for round in 0..rounds + 3 {
        for place in order::of_round(round, contestants.len()) {
            order::settle();
            let words: Vec<String> = contestants[place].1.iter().map(|word| (*word).to_owned()).collect();
            let cost = run_metered(&words)?;
            if round >= 3 {
                costs[place].push(cost);
            }
        }
    }
    Ok(costs)
}

fn show(what: &str, contestants: &[(&str, &[&str])], costs: &[Vec<Cost>]) {
    println!(
        "\n| {what} | min ms | median ms | over bare | page faults | peak KiB |\n|---|---|---|---|---|---|"
    );
    for ((name, _), own) in contestants.iter().zip(costs) {
        let walls = Spread::of(own.iter().map(|cost| cost.wall_ns));
        let peak = Spread::of(own.iter().map(|cost| cost.peak_kib));
        let (Some(walls), Some(peak)) = (walls, peak) else { continue };
        let [min, median] = [walls.min, walls.median].map(|ns| short(ns as f64 / 1e6));
        let over = short(milliseconds_over(own, &costs[0]));
        println!("| {name} | {min} | {median} | {over} | {} | {} |", faults_of(own), peak.median);
    }
    println!(
        "\n{} interleaved rounds; a peak below the meter's own, as bare has it, is not seen",
        costs[0].len()
    );
}

/// The median of the differences of each round: both of a pair had the same machine.
fn milliseconds_over(own: &[Cost], bare: &[Cost]) -> f64 {
    let mut over: Vec<f64> =
        own.iter().zip(bare).map(|(own, bare)| (own.wall_ns as f64 - bare.wall_ns as f64) / 1e6).collect();
    over.sort_unstable_by(f64::total_cmp);
    over[over.len() / 2]
}

fn faults_of(costs: &[Cost]) -> f64 {
    Spread::of(costs.iter().map(|cost| cost.faults)).map_or(0.0, |spread| spread.median as f64)
}
