//! The tables, in Markdown, so that they can be put into LIMITS.md as they are.

use std::process::Command;

use super::contestants::Contestant;
use super::crowd::{ABREAST, Crowds, SIZE};
use super::figures::Spread;
use super::rounds::{Calls, Runs};
use crate::run;

/// Says what is measured, where, and with which versions.
pub fn heading(chosen: &[Contestant]) {
    place("cargo xtask bench");
    for contestant in chosen {
        println!("- {}: {}", contestant.name, contestant.about);
    }
    versions(&[("/usr/bin/crun", "crun"), ("/usr/sbin/runc", "runc"), ("/usr/bin/bwrap", "bwrap")]);
}

/// Says which versions are measured: of these programs, under these names.
pub fn versions(programs: &[(&str, &str)]) {
    let all: Vec<String> = programs.iter().filter_map(|(path, name)| version(path, name)).collect();
    println!("- versions: {}", all.join(", "));
}

/// Says where it is measured, and by which command.
pub fn place(command: &str) {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    println!("\nLinux {}, {processors} processors, cgroup v2; `{command}`\n", kernel.trim());
}

fn version(path: &str, name: &str) -> Option<String> {
    let mut asked = Command::new(path);
    asked.arg("--version");
    let answer = run::text(asked).ok()?;
    Some(format!("{name} {}", answer.lines().next()?.split_whitespace().last()?))
}

/// What a run costs.
pub fn runs(measured: &[Runs]) {
    println!("\n| run of `true` | min ms | median ms | max ms | CPU ms | peak KiB | page faults |");
    println!("|---|---|---|---|---|---|---|");
    for runs in measured {
        match costs_row(runs) {
            Some(row) => println!("| {} | {row} |", runs.name),
            None => println!("| {} | – | – | – | – | – | – |", runs.name),
        }
    }
    let rounds = measured.iter().map(|runs| runs.costs.len()).max().unwrap_or(0);
    println!("\n{rounds} interleaved rounds; CPU, peak and page faults are medians");
    for failure in measured.iter().filter_map(|runs| runs.failure.as_ref()) {
        println!("not measured: {failure}");
    }
}

fn costs_row(runs: &Runs) -> Option<String> {
    let wall = Spread::of(runs.costs.iter().map(|cost| cost.wall_ns))?;
    let cpu = Spread::of(runs.costs.iter().map(|cost| cost.cpu_us))?;
    let peak = Spread::of(runs.costs.iter().map(|cost| cost.peak_kib))?;
    let faults = Spread::of(runs.costs.iter().map(|cost| cost.faults))?;
    let [min, median, max] = [wall.min, wall.median, wall.max].map(milliseconds);
    let cpu = milliseconds(cpu.median * 1000);
    Some(format!("{min} | {median} | {max} | {cpu} | {} | {}", peak.median, faults.median))
}

/// System calls.
pub fn calls(counted: &[Calls]) {
    println!("\n| system calls of `true`, parent and child | |\n|---|---|");
    for calls in counted {
        let count = calls.count.map_or_else(|| "–".to_owned(), |count| count.to_string());
        println!("| {} | {count} |", calls.name);
    }
}

/// Crowds.
pub fn crowds(measured: &[Crowds]) {
    println!(
        "\n| {SIZE} containers, {ABREAST} at a time | min ms | median ms | max ms | failed | left behind |"
    );
    println!("|---|---|---|---|---|---|");
    for crowds in measured {
        match Spread::of(crowds.walls_ns.iter().copied()) {
            Some(wall) => {
                let [min, median, max] = [wall.min, wall.median, wall.max].map(milliseconds);
                let (failed, left) = (crowds.failures.len(), crowds.left.len());
                println!("| {} | {min} | {median} | {max} | {failed} | {left} |", crowds.name);
            }
            None => println!("| {} | – | – | – | – | – |", crowds.name),
        }
    }
    println!("\nleft behind are mounts, cgroups, processes, and files below /run, /tmp and /dev/shm");
    for crowds in measured {
        // A few say what went wrong; a hundred of the same would bury the tables.
        for line in crowds.failures.iter().take(3) {
            println!("failed, {}: {line}", crowds.name);
        }
        for line in crowds.left.iter().take(10) {
            println!("left behind, {}: {line}", crowds.name);
        }
    }
}

/// Nanoseconds as milliseconds with two decimals.
pub fn milliseconds(nanoseconds: u64) -> String {
    format!("{:.2}", nanoseconds as f64 / 1e6)
}
