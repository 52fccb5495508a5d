//! How fast output passes, and whether all of it does.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use load::Client;
use load::process::{figure, processor_ns};

use super::bed::{LOAD, serving};
use crate::Result;
use crate::bench::table::{Goal, Table};

/// Lines of one run.
const LINES: usize = 2_000_000;
/// Bytes of a line, its newline included.
const LINE: usize = 100;
const ROUNDS: usize = 3;
/// What the api may grow by, KiB: the buffers of one stream and its connection.
const FLAT: f64 = 512.0;

/// Adds the lines about output.
pub fn measure(table: &mut Table) -> Result<()> {
    let (minit, socket) = serving()?;
    let api = minit.api()?;
    // The first command of a server makes what all of them share.
    lines(&socket, 1000)?;
    let before = figure(api, "status", "VmHWM")?;
    let mut times = [const { Vec::new() }; 3];
    // Of the api: it is one thread, and what else runs on the machine takes nothing from this figure.
    let mut processor = [0, 0];
    for _ in 0..ROUNDS {
        let begun = processor_ns(api)?;
        times[1].push(lines(&socket, LINES)?);
        let between = processor_ns(api)?;
        times[2].push(chunks(&socket)?);
        processor = [processor[0] + between - begun, processor[1] + processor_ns(api)? - between];
        times[0].push(pipe()?);
    }
    let grown = figure(api, "status", "VmHWM")?.saturating_sub(before);
    let [bare, by_line, by_chunk] = times.map(|mut times| {
        times.sort_unstable();
        (LINES * LINE) as f64 / 1e6 / times[ROUNDS / 2].as_secs_f64()
    });
    println!(
        "\n{} MB in lines of {LINE} bytes, every byte compared, median of {ROUNDS} rounds:",
        LINES * LINE / 1_000_000
    );
    println!(
        "bare pipe {bare:.0} MB/s, lines {by_line:.0} MB/s, chunks {by_chunk:.0} MB/s; the api grew by {grown} KiB"
    );
    let [line_rate, chunk_rate] = processor.map(|ns| (ROUNDS * LINES * LINE) as f64 * 1000.0 / ns as f64);
    println!("for a second of the api's processor time: lines {line_rate:.0} MB, chunks {chunk_rate:.0} MB");
    let peer = format!("bare pipe {bare:.0} MB/s");
    table.add("stdout in lines, every byte compared", &peer, by_line, "MB/s", Goal::AtLeast(250.0));
    table.add("stdout in chunks, every byte compared", &peer, by_chunk, "MB/s", Goal::AtLeast(250.0));
    table.add("… growth of the api meanwhile", "", grown as f64, "KiB", Goal::AtMost(FLAT));
    Ok(())
}

/// The line of that number, as `load lines` writes it, with its newline.
fn expected(number: usize) -> [u8; LINE] {
    let mut line = [b'.'; LINE];
    let digits = format!("{number:08} ");
    line[..digits.len()].copy_from_slice(digits.as_bytes());
    line[LINE - 1] = b'\n';
    line
}

fn pipe() -> Result<Duration> {
    let begun = Instant::now();
    let mut child = Command::new(LOAD)
        .args(["lines", &LINES.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|why| format!("{LOAD}: {why}"))?;
    let mut output = child.stdout.take().ok_or("no output")?;
    let (mut bytes, mut total) = ([0; 1 << 16], 0);
    loop {
        match output.read(&mut bytes).map_err(|why| format!("{LOAD}: {why}"))? {
            0 => break,
            count => total += count,
        }
    }
    child.wait().map_err(|why| format!("{LOAD}: {why}"))?;
    if total == LINES * LINE { Ok(begun.elapsed()) } else { Err(format!("a pipe: {total} bytes")) }
}

fn lines(socket: &Path, count: usize) -> Result<Duration> {
    const HEAD: &[u8] = br#"{"type":"stdout","data":""#;
    let begun = Instant::now();
    let mut client = Client::connect(socket)?;
    client.send(&format!(r#"{{"type":"exec","cmd":"{LOAD}","args":["lines","{count}"],"timeout_ms":0}}"#))?;
    for number in 0..count {
        let line = client.line()?;
        let data = line.strip_prefix(HEAD).and_then(|rest| rest.strip_suffix(b"\"}"));
        if data != Some(&expected(number)[..LINE - 1]) {
            return Err(format!("line {number}: {}", String::from_utf8_lossy(line)));
        }
    }
    client.message_of("exit")?;
    Ok(begun.elapsed())
}

fn chunks(socket: &Path) -> Result<Duration> {
    let begun = Instant::now();
    let mut client = Client::connect(socket)?;
    client.send(&format!(
        r#"{{"type":"exec","cmd":"{LOAD}","args":["lines","{LINES}"],"timeout_ms":0,"output":"chunks"}}"#
    ))?;
    let (mut number, mut rest) = (0, Vec::with_capacity(1 << 16));
    loop {
        let message = client.message()?;
        match (message["type"].as_str(), &message["data"]) {
            (Some("stdout"), Value::String(text)) => rest.extend_from_slice(text.as_bytes()),
            (Some("exit"), _) => break,
            _ => return Err(format!("a chunk: {message}")),
        }
        let whole = rest.len() / LINE * LINE;
        for line in rest[..whole].chunks_exact(LINE) {
            if line != expected(number) {
                return Err(format!("chunks, line {number}: {}", String::from_utf8_lossy(line)));
            }
            number += 1;
        }
        rest.drain(..whole);
    }
    if number == LINES { Ok(begun.elapsed()) } else { Err(format!("chunks: {number} lines of {LINES}")) }
}
