//! How fast output comes through: `throughput SOCKET PID`, with a server (the example beside this one) listening
//! there. On a machine that has other work only what the server itself needs is worth anything: its processor time.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

/// Bytes that the command writes.
const TOTAL: usize = 400_000_000;

/// Runs `yes` with lines of this many bytes, its output as `fields` say; megabytes of its output in a second.
fn run(path: &str, line: usize, fields: &str) -> f64 {
    let script = format!("yes {} | head -c {TOTAL}", "x".repeat(line - 1));
    let request = format!(
        "{{\"type\":\"exec\",\"cmd\":\"/bin/sh\",\"args\":[\"-c\",\"{script}\"],\"timeout_ms\":0{fields}}}\n"
    );
    let mut stream = UnixStream::connect(path).expect("connect");
    let begun = Instant::now();
    stream.write_all(request.as_bytes()).expect("send");
    let mut bytes = vec![0; 1 << 18];
    let (mut received, mut tail) = (0, Vec::new());
    while !String::from_utf8_lossy(&tail).contains("{\"type\":\"exit\"") {
        let count = stream.read(&mut bytes).expect("receive");
        assert!(count > 0, "the server has closed the connection");
        received += count;
        tail.extend_from_slice(&bytes[count.saturating_sub(100)..count]);
        tail.drain(..tail.len().saturating_sub(100));
    }
    assert!(received > TOTAL, "{received} bytes");
    TOTAL as f64 / begun.elapsed().as_secs_f64() / 1e6
}

/// Seconds that the server has been on a processor (fields 14 and 15 of proc_pid_stat(5)).
fn processor_time(pid: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the server");
    let ticks = stat.split(' ').skip(13).take(2).map(|ticks| ticks.parse::<u32>().expect("a number"));
    f64::from(ticks.sum::<u32>()) / 100.0
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(pid)) = (arguments.next(), arguments.next()) else {
        panic!("usage: throughput SOCKET PID")
    };
    for (name, line, fields) in [
        ("chunks", 100, ",\"output\":\"chunks\""),
        ("lines of 1000 bytes", 1000, ""),
        ("lines of 100 bytes", 100, ""),
        ("lines of 20 bytes", 20, ""),
    ] {
        let before = processor_time(&pid);
        let rate = run(&path, line, fields);
        let own = TOTAL as f64 / (processor_time(&pid) - before) / 1e6;
        println!("{name}: {rate:.0} MB/s, {own:.0} MB for each second of the server");
    }
}
