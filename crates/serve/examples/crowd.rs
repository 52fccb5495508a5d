//! A crowd: `crowd SOCKET COUNT` starts so many commands that live on, with a server (the example beside this one)
//! listening there, and tells how long a ping takes while they start and while they live. Their output goes nowhere, so
//! that each needs one descriptor.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

struct Client(BufReader<UnixStream>);

impl Client {
    fn new(path: &str) -> Self {
        Self(BufReader::new(UnixStream::connect(path).expect("connect")))
    }

    fn ask(&mut self, request: &str, answer: &str) {
        self.0.get_mut().write_all(format!("{request}\n").as_bytes()).expect("send");
        let mut line = String::new();
        self.0.read_line(&mut line).expect("receive");
        assert!(line.starts_with(&format!("{{\"type\":\"{answer}\"")), "{line}");
    }
}

/// Pings for a while: how long the median and the slowest of a hundred take.
fn pings(path: &str, while_true: impl Fn() -> bool) -> String {
    let mut client = Client::new(path);
    // A client of the base protocol has one request.
    client.ask("{\"type\":\"hello\"}", "ok");
    let mut times = Vec::new();
    while while_true() {
        let begun = Instant::now();
        client.ask("{\"type\":\"ping\"}", "pong");
        times.push(begun.elapsed());
        std::thread::sleep(Duration::from_millis(1));
    }
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    format!("ping p50 {:?}, p99 {:?}, {} pings", at(50), at(99), times.len())
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(path), Some(count)) = (arguments.next(), arguments.next()) else {
        panic!("usage: crowd SOCKET COUNT")
    };
    let count: usize = count.parse().expect("a number");
    let request = |number: usize| {
        format!(
            "{{\"type\":\"exec\",\"id\":\"crowd-{number}\",\"cmd\":\"/bin/busybox\",\"args\":[\"sleep\",\"600\"],\"output\":\"none\",\"detach\":true,\"events\":true,\"timeout_ms\":0}}"
        )
    };
    let begun = Instant::now();
    let starter = std::thread::spawn({
        let path = path.clone();
        move || {
            let mut client = Client::new(&path);
            (0..count).for_each(|number| client.ask(&request(number), "started"));
        }
    });
    let meanwhile = pings(&path, || !starter.is_finished());
    starter.join().expect("they start");
    println!("{count} commands started in {:?}; {meanwhile}", begun.elapsed());
    let begun = Instant::now();
    println!("while they live: {}", pings(&path, || begun.elapsed() < Duration::from_secs(3)));
    let mut client = Client::new(&path);
    let begun = Instant::now();
    for number in 0..count {
        client.ask(
            &format!("{{\"type\":\"kill\",\"id\":\"crowd-{number}\",\"signal\":\"KILL\"}}"),
            "kill_result",
        );
    }
    println!("killed in {:?}", begun.elapsed());
}
