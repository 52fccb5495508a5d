//! Ten thousand commands that live at the same time.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use load::Client;
use load::process::{children, descriptors, figure};

use super::bed::{LOAD, serving};
use super::exec::{micros, percentile};
use crate::Result;
use crate::bench::table::{Goal, Table};

const CONNECTIONS: usize = 10;
/// Commands of each connection.
const EACH: usize = 1000;
/// How long they stay before they are ended.
const STANDING: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// Adds the lines about live commands.
pub fn measure(table: &mut Table) -> Result<()> {
    let (minit, socket) = serving()?;
    let api = minit.api()?;
    let before = figure(api, "status", "VmRSS")?;
    let piped = room_for_pipes(api)?;
    let ends = AtomicBool::new(false);
    let (mut clients, starting, took) = thread::scope(|scope| {
        let pings = scope.spawn(|| ping_until(&socket, &ends));
        let begun = Instant::now();
        let clients = start_all(&socket, piped);
        let took = begun.elapsed();
        ends.store(true, Ordering::Relaxed);
        let pings = pings.join().unwrap_or_else(|_| Err("a panic".to_owned()));
        Ok::<_, String>((clients?, pings?, took))
    })?;
    let count = children(api).len();
    if count != CONNECTIONS * EACH {
        return Err(format!("{count} commands live, not {}", CONNECTIONS * EACH));
    }
    let grown = figure(api, "status", "VmRSS")? - before;
    let ends = AtomicBool::new(false);
    let standing = thread::scope(|scope| {
        let pings = scope.spawn(|| ping_until(&socket, &ends));
        thread::sleep(STANDING);
        ends.store(true, Ordering::Relaxed);
        pings.join().unwrap_or_else(|_| Err("a panic".to_owned()))
    })?;
    let begun = Instant::now();
    // Each was started to end with its connection.
    clients.clear();
    while !children(api).is_empty() && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(5));
    }
    let (ended, left) = (begun.elapsed(), children(api).len());
    println!("\n{count} live commands, {piped} with both outputs piped: started in {took:.2?}");
    println!("told to end in one go: {left} live after {ended:.2?}");
    println!("\n| ping | p50 µs | p99 µs | max µs |\n|---|---|---|---|");
    let mut p99 = Vec::new();
    for (name, mut times) in [("while they start", starting), ("while they live", standing)] {
        let [half, most, all] = [50, 99, 100].map(|part| percentile(&mut times, part));
        println!("| {name}, {} pings | {} | {} | {} |", times.len(), micros(half), micros(most), micros(all));
        p99.push(most.as_secs_f64() * 1000.0);
    }
    table.add("10,000 live execs: ping p99", "", p99[1], "ms", Goal::AtMost(2.0));
    table.add("… ping p99 while they start", "", p99[0], "ms", Goal::AtMost(2.0));
    let end = ended.as_secs_f64();
    table.add("… all ended in one go", "", end, "s", Goal::AtMost(5.0));
    let each = grown as f64 / count as f64;
    table.add("… memory of the api for each (bound: 64 KiB a stream)", "", each, "KiB", Goal::AtMost(128.0));
    Ok(())
}

/// How many may have outputs: those have three descriptors in the api, the others one.
fn room_for_pipes(api: u32) -> Result<usize> {
    let limit = descriptors(api)?;
    // Some are the api's own.
    Ok((limit.saturating_sub(CONNECTIONS * EACH + 200) / 2).min(CONNECTIONS * EACH))
}

fn start_all(socket: &Path, piped: usize) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for connection in 0..CONNECTIONS {
        let mut client = Client::connect(socket)?;
        for number in 0..EACH {
            let output = if connection * EACH + number < piped { "lines" } else { "none" };
            client.send(&format!(
                r#"{{"type":"exec","id":"{connection}-{number}","events":true,"cmd":"{LOAD}","args":["rest"],"timeout_ms":0,"on_disconnect":"kill","kill_signal":"KILL","output":"{output}"}}"#
            ))?;
            client.message_of("started")?;
        }
        clients.push(client);
    }
    Ok(clients)
}

/// A ping every two milliseconds on one connection.
fn ping_until(socket: &Path, ends: &AtomicBool) -> Result<Vec<Duration>> {
    let mut client = Client::connect(socket)?;
    let mut times = Vec::new();
    while !ends.load(Ordering::Relaxed) {
        times.push(client.time(r#"{"type":"ping"}"#)?);
        thread::sleep(Duration::from_millis(2));
    }
    Ok(times)
}
