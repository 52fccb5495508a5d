//! What a client waits for: a command's round trip, many clients at once, the end of a command whose pipe somebody
//! else still holds.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use load::Client;
use load::process::processor_ns;

use super::bed::{LOAD, TRUE, serving};
use crate::Result;
use crate::bench::table::{Goal, Table, short};

const CLIENTS: usize = 50;
/// Commands of each client.
const EACH: usize = 200;
/// Commands whose child holds the pipe.
const HOLDERS: usize = 400;

/// Adds the lines about commands.
pub fn measure(table: &mut Table, rounds: usize) -> Result<()> {
    let (minit, socket) = serving()?;
    let api = minit.api()?;
    let (mut execs, mut bares) = (Vec::new(), Vec::new());
    for round in 0..rounds * 20 {
        // Each comes first in every other round.
        for exec_is_next in [round % 2 == 0, round % 2 != 0] {
            let begun = Instant::now();
            if exec_is_next {
                exec(&socket)?;
                execs.push(begun.elapsed());
            } else {
                spawn()?;
                bares.push(begun.elapsed());
            }
        }
    }
    let [exec_p50, exec_p99] = [50, 99].map(|part| percentile(&mut execs, part));
    let [bare_p50, bare_p99] = [50, 99].map(|part| percentile(&mut bares, part));
    println!("\n| `true`, {} interleaved rounds | p50 µs | p99 µs |\n|---|---|---|", execs.len());
    println!("| exec on a connection of its own | {} | {} |", micros(exec_p50), micros(exec_p99));
    println!("| posix_spawn and wait | {} | {} |", micros(bare_p50), micros(bare_p99));
    let ratio = exec_p50.as_secs_f64() / bare_p50.as_secs_f64();
    let peer = format!("bare {} µs", micros(bare_p50));
    table.add("exec round trip p50 / bare posix_spawn and wait", &peer, ratio, "", Goal::AtMost(1.25));
    let bare_rate = rate(CLIENTS, EACH, spawn)?;
    let before = processor_ns(api)?;
    let exec_rate = rate(CLIENTS, EACH, || exec(&socket))?;
    let each = (processor_ns(api)? - before) as f64 / 1000.0 / (CLIENTS * EACH) as f64;
    println!("\n{CLIENTS} clients: {} µs of the api's processor time for each exec", short(each));
    let peer = format!("posix_spawn in {CLIENTS} threads {bare_rate:.0}/s");
    table.add(&format!("exec/s, {CLIENTS} clients"), &peer, exec_rate, "/s", Goal::AtLeast(3000.0));
    exits(table, &socket)
}

/// One exec on a connection of its own, as the base protocol has it.
fn exec(socket: &Path) -> Result<()> {
    let mut client = Client::connect(socket)?;
    client.send(&format!(r#"{{"type":"exec","cmd":"{TRUE}"}}"#))?;
    let line = client.line()?;
    if line.starts_with(br#"{"type":"exit","code":0"#) {
        return Ok(());
    }
    Err(format!("exec of {TRUE}: {}", String::from_utf8_lossy(line)))
}

/// What the standard library does with posix_spawn(3) here.
fn spawn() -> Result<()> {
    let null = Stdio::null;
    let mut child = Command::new(TRUE).stdin(null()).spawn().map_err(|why| format!("{TRUE}: {why}"))?;
    child.wait().map(drop).map_err(|why| format!("{TRUE}: {why}"))
}

/// How many a second, from `clients` threads.
fn rate(clients: usize, each: usize, one: impl Fn() -> Result<()> + Sync) -> Result<f64> {
    let begun = Instant::now();
    thread::scope(|scope| {
        let all: Vec<_> = (0..clients).map(|_| scope.spawn(|| (0..each).try_for_each(|_| one()))).collect();
        all.into_iter().try_for_each(|client| client.join().unwrap_or_else(|_| Err("a panic".to_owned())))
    })?;
    Ok((clients * each) as f64 / begun.elapsed().as_secs_f64())
}

fn exits(table: &mut Table, socket: &Path) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..HOLDERS {
        let mut client = Client::connect(socket)?;
        client.send(&format!(r#"{{"type":"exec","cmd":"{LOAD}","args":["hold","300"]}}"#))?;
        let said = client.message_of("stdout")?;
        client.message_of("exit")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|why| format!("the clock: {why}"))?;
        let ended = said["data"].as_str().and_then(|text| text.parse().ok());
        let ended = Duration::from_nanos(ended.ok_or_else(|| format!("load hold said {said}"))?);
        times.push(now.saturating_sub(ended));
    }
    let [p50, p99] = [50, 99].map(|part| percentile(&mut times, part));
    println!("\nexit although a child holds the pipe: p50 {} µs, p99 {} µs", micros(p50), micros(p99));
    let figure = p99.as_secs_f64() * 1000.0;
    table.add("exit although a grandchild holds the pipe, p99", "", figure, "ms", Goal::AtMost(5.0));
    Ok(())
}

/// The time that so many percent do not exceed.
pub fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let place = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(place).copied().unwrap_or_default()
}

/// Microseconds.
pub fn micros(time: Duration) -> String {
    short(time.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let mut times: Vec<Duration> = (0..100).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut times, 50), Duration::from_millis(50));
        assert_eq!(percentile(&mut times, 99), Duration::from_millis(99));
        assert_eq!(percentile(&mut [], 50), Duration::ZERO);
    }
}
