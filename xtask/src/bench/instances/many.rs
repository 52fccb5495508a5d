//! Five hundred instances that run.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use load::process::{figure, processor_ns};

use super::bed::{Daemon, await_that, processes};
use crate::bench::figures::{Ratio, Spread};
use crate::bench::rounds::run_metered;
use crate::bench::table::{Goal, Table, short};
use crate::bench::{order, report};
use crate::{Result, run};

const COUNT: usize = 500;
/// For which huskd is watched while nothing happens.
const IDLE: Duration = Duration::from_secs(10);

/// What a process has taken.
#[derive(Debug)]
struct Taken {
    descriptors: usize,
    threads: u64,
    resident: u64,
    processor_ns: u64,
    wakes: u64,
}

impl Taken {
    fn by(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/fd");
        let descriptors = fs::read_dir(&path).map_err(|why| format!("{path}: {why}"))?.count();
        let mut taken = Self {
            descriptors,
            threads: figure(pid, "status", "Threads")?,
            resident: figure(pid, "status", "VmRSS")?,
            processor_ns: 0,
            wakes: 0,
        };
        let path = format!("/proc/{pid}/task");
        for task in fs::read_dir(&path).map_err(|why| format!("{path}: {why}"))?.flatten() {
            // A thread has the same files as a process, under its own number.
            let Some(thread) = task.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            taken.processor_ns += processor_ns(thread)?;
            taken.wakes += figure(thread, "status", "voluntary_ctxt_switches")?;
        }
        Ok(taken)
    }
}

/// Adds the lines about many.
pub fn measure(table: &mut Table, rounds: usize) -> Result<()> {
    let daemon = Daemon::with_small()?;
    let before = Taken::by(daemon.pid())?;
    let begun = Instant::now();
    for number in 0..COUNT {
        let name = format!("rest-{number}");
        daemon.husk(&["new", &name, "small", "--", "/bin/rest"])?;
        daemon.husk(&["run", "-d", &name])?;
    }
    let started = begun.elapsed();
    if processes("husk-shim").len() != COUNT {
        return Err(format!("{} shims, not {COUNT}", processes("husk-shim").len()));
    }
    list(table, &daemon, rounds)?;
    // An answer is over when its connection is.
    thread::sleep(Duration::from_secs(1));
    let first = Taken::by(daemon.pid())?;
    thread::sleep(IDLE);
    let last = Taken::by(daemon.pid())?;
    let milliseconds = (last.processor_ns - first.processor_ns) as f64 / 1e6;
    let seconds = IDLE.as_secs();
    let what = format!("huskd with {COUNT} that run, processor time in {seconds} s");
    table.add(&what, "", milliseconds, "ms", Goal::AtMost(0.0));
    table.add("… wake-ups", "", (last.wakes - first.wakes) as f64, "", Goal::AtMost(0.0));
    execs(table, &daemon, rounds)?;
    let begun = Instant::now();
    for number in 0..COUNT {
        let name = format!("rest-{number}");
        // It does not heed TERM, as process 1 need not.
        daemon.husk(&["stop", "--grace", "0s", &name])?;
        daemon.husk(&["rm", &name])?;
    }
    let removed = begun.elapsed();
    await_that("the shims end", || Ok(processes("husk-shim").is_empty()))?;
    let after = Taken::by(daemon.pid())?;
    println!("\n{COUNT} made and started in {started:.2?}, removed in {removed:.2?}, one after another");
    println!("\n| huskd | descriptors | threads | RSS kB |\n|---|---|---|---|");
    for (when, taken) in [("before", &before), ("while they run", &last), ("after", &after)] {
        println!("| {when} | {} | {} | {} |", taken.descriptors, taken.threads, taken.resident);
    }
    let grown = after.descriptors as f64 - before.descriptors as f64;
    table.add("… descriptors after they are removed, more than before", "", grown, "", Goal::AtMost(0.0));
    Ok(())
}

fn list(table: &mut Table, daemon: &Daemon, rounds: usize) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        order::settle();
        times.push(daemon.cost(&["ls"])?.wall_ns);
    }
    let spread = Spread::of(times).ok_or("no round was measured")?;
    let [min, max] = [spread.min, spread.max].map(report::milliseconds);
    println!("\nls with {COUNT} that run: {min} to {max} ms");
    table.add(&format!("`ls`, {COUNT} that run"), "", spread.median as f64 / 1e6, "ms", Goal::AtMost(20.0));
    Ok(())
}

/// exec of `true` in one of them, beside crun in a container of its own.
fn execs(table: &mut Table, daemon: &Daemon, rounds: usize) -> Result<()> {
    let crun = |words: &[&str]| {
        let all = ["/usr/bin/crun", "--root", "/run/crun"].iter().chain(words);
        all.map(|word| (*word).to_owned()).collect::<Vec<String>>()
    };
    let start = crun(&["run", "--detach", "--bundle", "/bench/bundle-rest", "rest"]);
    let mut command = run::command(&start[0], []);
    // The container keeps what it is given.
    command.args(&start[1..]).stdin(Stdio::null()).stdout(Stdio::null());
    let done = command.status().map_err(|why| format!("crun: {why}"))?;
    if !done.success() {
        return Err(format!("crun run: {done}"));
    }
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        for who in order::of_round(round, 2) {
            order::settle();
            if who == 0 {
                ours.push(daemon.cost(&["exec", "rest-7", "/bin/true"])?.wall_ns);
            } else {
                peers.push(run_metered(&crun(&["exec", "rest", "/bin/true"]))?.wall_ns);
            }
        }
    }
    run::output({
        let words = crun(&["delete", "--force", "rest"]);
        let mut command = run::command(&words[0], []);
        command.args(&words[1..]);
        command
    })?;
    let ratio = Ratio::of(&ours[1..], &peers[1..]).ok_or("no round was measured")?;
    let medians = [&ours, &peers].map(|times| {
        Spread::of(times[1..].iter().copied()).map_or_else(String::new, |all| short(all.median as f64 / 1e6))
    });
    println!("\nexec of `true` in one of them: {} ms, crun {} ms", medians[0], medians[1]);
    table.add("exec / crun exec", &format!("{} ms", medians[1]), ratio.of_pairs, "", Goal::AtMost(1.0));
    Ok(())
}
