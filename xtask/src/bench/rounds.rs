//! One `true` after another: what a run costs, and how many system calls it makes.

use std::process::{Command, Stdio};

use super::contestants::Contestant;
use super::order;
use crate::{Result, run};

/// What one run cost, as `meter.c` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// From before vfork to after wait4, in nanoseconds.
    pub wall_ns: u64,
    /// User and system time of all processes, in microseconds.
    pub cpu_us: u64,
    /// The largest resident set of any of the processes, in KiB.
    pub peak_kib: u64,
    /// Page faults of all processes.
    pub faults: u64,
}

/// A contestant's runs, in the order of the rounds; empty if it does not run, and why.
#[derive(Debug)]
pub struct Runs {
    /// Who.
    pub name: &'static str,
    /// One for each round.
    pub costs: Vec<Cost>,
    /// What its trial run said.
    pub failure: Option<String>,
}

/// A contestant's system calls: the middle one of three counts, because schedulers make them vary.
#[derive(Debug)]
pub struct Calls {
    /// Who.
    pub name: &'static str,
    /// Parent, container and everything between.
    pub count: Option<u64>,
}

/// Numbers the runs, across all contestants, for names that are never used twice.
#[derive(Debug, Default)]
pub struct Counter(usize);

impl Counter {
    fn next(&mut self) -> usize {
        self.0 += 1;
        self.0
    }
}

/// Runs everyone once in every round, each time in another order.
pub fn measure(chosen: &[Contestant], rounds: usize) -> Result<Vec<Runs>> {
    let mut counter = Counter::default();
    let mut all: Vec<Runs> = chosen
        .iter()
        .map(|contestant| Runs {
            name: contestant.name,
            costs: Vec::with_capacity(rounds),
            failure: try_out(contestant).err(),
        })
        .collect();
    for round in 0..rounds {
        for place in order::of_round(round, chosen.len()) {
            if all[place].failure.is_none() {
                order::settle();
                all[place].costs.push(run_metered(&chosen[place].command(counter.next()))?);
            }
        }
    }
    Ok(all)
}

/// A first run, not measured: it warms the caches, and tells a runtime that works from one that does not.
///
/// The command is one with an exit code of its own where the command line allows it, because a program that
/// does nothing at all ends with 0 too, and very quickly.
pub fn try_out(contestant: &Contestant) -> Result<()> {
    if !contestant.is_present() {
        return Err(format!("{}: its program is not there", contestant.name));
    }
    let mut words = contestant.command(0);
    let expected = if words.last().is_some_and(|word| word == "/bin/true") {
        words.pop();
        words.extend(["/bin/sh", "-c", "exit 42"].map(str::to_owned));
        42
    } else {
        0
    };
    let done = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .output()
        .map_err(|why| format!("{}: {why}", words[0]))?;
    if done.status.code() == Some(expected) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(format!("{}: {}, not exit code {expected}: {}", contestant.name, done.status, said.trim()))
}

/// Runs a command under the meter.
pub fn run_metered(words: &[String]) -> Result<Cost> {
    let mut meter = Command::new("/bench/meter");
    meter.args(words);
    let printed = run::text(meter)?;
    let (cost, status) = parse_cost(&printed).ok_or_else(|| format!("meter printed {printed:?}"))?;
    if status == 0 { Ok(cost) } else { Err(format!("{}: exit code {status}", words.join(" "))) }
}

/// The line of `meter.c`: the cost and the exit code.
fn parse_cost(line: &str) -> Option<(Cost, u64)> {
    let figures: Vec<u64> =
        line.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>().ok()?;
    let [wall_ns, cpu_us, peak_kib, faults, status] = figures[..] else { return None };
    Some((Cost { wall_ns, cpu_us, peak_kib, faults }, status))
}

/// Counts the system calls of everyone, under strace.
pub fn count_calls(chosen: &[Contestant]) -> Result<Vec<Calls>> {
    let mut all = Vec::with_capacity(chosen.len());
    for contestant in chosen {
        let mut count = None;
        if try_out(contestant).is_ok() {
            // Numbers that neither the runs nor each other have: a name may still be taken.
            let mut counts = (0..3)
                .map(|attempt| traced(&contestant.command(1_000_000 + attempt)))
                .collect::<Result<Vec<u64>>>()?;
            counts.sort_unstable();
            count = Some(counts[1]);
        }
        all.push(Calls { name: contestant.name, count });
    }
    Ok(all)
}

fn traced(words: &[String]) -> Result<u64> {
    const SUMMARY: &str = "/tmp/strace";
    let mut strace = run::command("/usr/bin/strace", ["-f", "-c", "-o", SUMMARY]);
    strace.args(words);
    run::output(strace)?;
    let summary = std::fs::read_to_string(SUMMARY).map_err(|why| format!("{SUMMARY}: {why}"))?;
    std::fs::remove_file(SUMMARY).map_err(|why| format!("{SUMMARY}: {why}"))?;
    total_calls(&summary).ok_or_else(|| format!("strace's summary has no total: {summary}"))
}

/// The number of calls in the last line of strace's summary: percent, seconds, microseconds a call, calls,
/// errors if there were any, `total`.
fn total_calls(summary: &str) -> Option<u64> {
    let last = summary.lines().rfind(|line| line.trim_end().ends_with(" total"))?;
    last.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meter_s_line_is_cost_and_exit_code() {
        let cost = Cost { wall_ns: 1_402_931, cpu_us: 1338, peak_kib: 1328, faults: 77 };
        assert_eq!(parse_cost("1402931 1338 1328 77 3\n"), Some((cost, 3)));
        assert_eq!(parse_cost("1402931 1338 1328 77"), None);
        assert_eq!(parse_cost("a b c d e"), None);
    }

    #[test]
    fn strace_s_total_is_found_with_and_without_errors() {
        let head = "% time     seconds  usecs/call     calls    errors syscall\n";
        let plain = format!("{head}100.00    0.001613          26        62           total\n");
        let errors = format!("{head}100.00    0.001613          26       759        17 total\n");
        assert_eq!(total_calls(&plain), Some(62));
        assert_eq!(total_calls(&errors), Some(759));
        assert_eq!(total_calls(head), None);
    }
}
