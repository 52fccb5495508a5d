//! How long an exec takes, beside the bare start of a process in the same run: `measure SOCKET`, with a
//! server (the example beside this one) listening there.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 2000;
const CLIENTS: usize = 50;

const TRUE: &str = "{\"type\":\"exec\",\"cmd\":\"/bin/busybox\",\"args\":[\"true\"]}\n";

/// One exec on a connection of its own, as the base protocol has it.
fn exec(path: &str) {
    let mut stream = UnixStream::connect(path).expect("connect");
    stream.write_all(TRUE.as_bytes()).expect("send");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("receive");
    assert!(line.starts_with("{\"type\":\"exit\",\"code\":0"), "{line}");
}

/// posix_spawn(3) and wait, which is what the standard library does here.
fn bare() {
    let mut child = Command::new("/bin/busybox").arg("true").stdin(Stdio::null()).spawn().expect("spawn");
    assert!(child.wait().expect("wait").success());
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() {
    let path = std::env::args().nth(1).expect("usage: measure SOCKET");
    let (mut execs, mut bares) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        exec(&path);
        execs.push(begun.elapsed());
        let begun = Instant::now();
        bare();
        bares.push(begun.elapsed());
    }
    let (exec_p50, bare_p50) = (median(execs), median(bares));
    let factor = exec_p50.as_secs_f64() / bare_p50.as_secs_f64();
    println!("exec round trip p50 {exec_p50:?}, posix_spawn and wait p50 {bare_p50:?}, factor {factor:.2}");
    let begun = Instant::now();
    let rounds = ROUNDS * 4 / CLIENTS;
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| (0..rounds).for_each(|_| exec(&path)));
        }
    });
    let rate = (rounds * CLIENTS) as f64 / begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        bare();
    }
    let bare_rate = ROUNDS as f64 / begun.elapsed().as_secs_f64();
    println!(
        "{CLIENTS} clients: {rate:.0} exec/s; posix_spawn and wait, one after the other: {bare_rate:.0}/s"
    );
}
