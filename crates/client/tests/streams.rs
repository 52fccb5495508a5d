//! Much output, slow readers, connections that come and go: not a byte is lost, doubled or out of place, and the server
//! stays as small as it was.

mod bed;

use std::time::{Duration, Instant};

use bed::{Ground, script};
use husk_client::{Attach, Client, Error, Event, Exec, Exit, Running, Scope, Until};

/// A generator of numbers that needs no more than to differ (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Follows an exec to its end; `take` gets each piece of output, with the number of its stream and its offset.
fn follow(client: &mut Client, running: &Running, mut take: impl FnMut(usize, u64, &[u8])) -> Exit {
    let mut exit = None;
    while let Some(event) = running.next(client).unwrap() {
        match event {
            Event::Stdout { bytes, offset } => take(0, offset, &bytes),
            Event::Stderr { bytes, offset } => take(1, offset, &bytes),
            Event::Gap { .. } => panic!("{event:?}"),
            Event::Exit(ended) => exit = Some(ended),
            _ => {}
        }
    }
    exit.expect("an exit")
}

/// Adds output where it belongs.
fn append(streams: &mut [Vec<u8>; 2], event: Event) {
    let (number, offset, bytes) = match event {
        Event::Stdout { bytes, offset } => (0, offset, bytes),
        Event::Stderr { bytes, offset } => (1, offset, bytes),
        Event::Gap { .. } => panic!("{event:?}"),
        _ => return,
    };
    assert_eq!(offset, streams[number].len() as u64, "stream {number}");
    streams[number].extend(bytes);
}

/// The longest that any of these may take: bounds a hang, whatever else the machine does.
fn within(limit: Duration, begun: Instant) {
    assert!(begun.elapsed() < limit, "{:?}", begun.elapsed());
}

#[test]
fn a_thousand_random_disconnects_lose_and_double_nothing() {
    let ground = Ground::new();
    let begun = Instant::now();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    // Numbered lines on both streams until it is told to end, with pauses: what nobody reads for seconds fits into
    // what is kept.
    let stop = ground.directory.join("stop");
    let text = format!(
        "i=0; while [ ! -e {} ]; do for j in 1 2 3 4 5 6 7 8 9; do \
         i=$((i+1)); echo out $i; echo err $i >&2; done; sleep 0.002; done",
        stop.display()
    );
    ground.connect().start(&script(&text).id("numbered").replay_bytes(1 << 20)).unwrap();
    let mut streams = [Vec::new(), Vec::new()];
    let attach = |client: &mut Client, streams: &[Vec<u8>; 2]| {
        let [stdout, stderr] = streams.each_ref().map(|stream| Some(stream.len() as u64));
        client.attach("numbered", Attach { stdout, stderr }).unwrap()
    };
    let mut advanced = 0;
    for _ in 0..1000 {
        let mut client = ground.connect();
        let running = attach(&mut client, &streams);
        let before = streams[0].len();
        // Some connections see nothing, some a few events, and what they have not fetched is not theirs.
        for _ in 0..numbers.below(4) {
            client.receive(Until::in_ms(2)).unwrap();
            for _ in 0..numbers.below(6) {
                if let Some(event) = running.fetched(&mut client).unwrap() {
                    append(&mut streams, event);
                }
            }
        }
        advanced += usize::from(streams[0].len() > before);
        within(Duration::from_secs(100), begun);
    }
    assert!(advanced > 300, "connections that saw something: {advanced}");
    std::fs::write(&stop, "").unwrap();
    let mut client = ground.connect();
    let running = attach(&mut client, &streams);
    while let Some(event) = running.next(&mut client).unwrap() {
        append(&mut streams, event);
    }
    let lines = streams[0].iter().filter(|byte| **byte == b'\n').count();
    for (stream, word) in streams.iter().zip(["out", "err"]) {
        let expected: String = (1..=lines).map(|line| format!("{word} {line}\n")).collect();
        assert!(*stream == expected.as_bytes(), "{word}: {} bytes, {lines} lines", stream.len());
    }
    println!("{lines} lines on each stream, {advanced} connections that saw something");
}

#[test]
fn twenty_thousand_lines_on_each_stream_at_once_all_arrive() {
    let ground = Ground::new();
    let mut client = ground.connect();
    let running = client.exec(&script("seq 20000 & seq 20000 >&2; wait")).unwrap();
    let mut streams = [Vec::new(), Vec::new()];
    let exit = follow(&mut client, &running, |number, offset, bytes| {
        assert_eq!(offset as usize, streams[number].len());
        streams[number].extend_from_slice(bytes);
    });
    let expected: String = (1..=20_000).map(|line| format!("{line}\n")).collect();
    assert!(streams == [expected.as_bytes(), expected.as_bytes()] && exit.code == 0);
}

#[test]
fn a_line_of_a_hundred_megabytes_arrives_whole() {
    const SIZE: u64 = 100_000_000;
    let ground = Ground::new();
    let begun = Instant::now();
    let before = ground.resident_kb();
    let mut client = ground.connect();
    let running = client.exec(&script(&format!("head -c {SIZE} /dev/zero | tr '\\0' x; echo end"))).unwrap();
    let (mut length, mut rest) = (0u64, Vec::new());
    follow(&mut client, &running, |_, offset, bytes| {
        assert_eq!(offset, length + rest.len() as u64);
        let plain = if rest.is_empty() { bytes.iter().take_while(|byte| **byte == b'x').count() } else { 0 };
        length += plain as u64;
        rest.extend_from_slice(&bytes[plain..]);
    });
    assert_eq!((length, rest.as_slice()), (SIZE, &b"end\n"[..]));
    assert!(ground.resident_kb() < before + 2048, "{before} and now {} KiB", ground.resident_kb());
    within(Duration::from_secs(60), begun);
}

#[test]
fn a_gigabyte_of_zero_bytes_arrives_whole_through_a_server_that_does_not_grow() {
    const SIZE: u64 = 1_000_000_000;
    let ground = Ground::new();
    let begun = Instant::now();
    let before = ground.resident_kb();
    let mut client = ground.connect();
    let running = client.exec(&Exec::new("head").args(["-c", &SIZE.to_string(), "/dev/zero"])).unwrap();
    let (mut length, mut largest) = (0u64, 0);
    follow(&mut client, &running, |_, offset, bytes| {
        assert_eq!(offset, length);
        // Words are compared together: a byte each would be the slowest part of all of this.
        let (words, tail) = bytes.as_chunks::<8>();
        assert!(
            words.iter().all(|word| u64::from_ne_bytes(*word) == 0) && tail.iter().all(|byte| *byte == 0)
        );
        length += bytes.len() as u64;
        if length % (64 << 20) < bytes.len() as u64 {
            largest = largest.max(ground.resident_kb());
        }
    });
    assert_eq!(length, SIZE);
    assert!(largest < before + 2048, "{before} and then {largest} KiB");
    println!("{:.0} MB/s", SIZE as f64 / begun.elapsed().as_secs_f64() / 1e6);
    within(Duration::from_secs(90), begun);
}

#[test]
fn a_reader_that_stops_for_ten_seconds_stops_its_command_alone() {
    let ground = Ground::new();
    let mut slow = ground.connect();
    let stopped = slow.exec(&script("yes")).unwrap();
    // What the server sends without being asked for more is the credit that it has.
    let until = Until::in_ms(500);
    while slow.receive(until).unwrap() {}
    let before = ground.resident_kb();
    let begun = Instant::now();
    let (mut largest, mut others) = (before, 0);
    while begun.elapsed() < Duration::from_secs(10) {
        let mut other = ground.connect();
        let output = other.output(&script("seq 5000"), b"").unwrap();
        assert_eq!((output.stdout.len(), output.exit.code), (23_893, 0));
        largest = largest.max(ground.resident_kb());
        others += 1;
    }
    assert!(others > 20, "others are served: {others}");
    // The records of 1,024 ended commands are kept, a good kilobyte each; 64 KiB wait for the reader.
    assert!(largest < before + 3072, "{before} and then {largest} KiB");
    // It is where it was, and goes on as if nothing had been.
    let mut read = 0u64;
    while read < 2_000_000 {
        match stopped.next(&mut slow).unwrap() {
            Some(Event::Stdout { bytes, offset }) => {
                assert_eq!(offset, read);
                read += bytes.len() as u64;
            }
            other => panic!("{other:?}"),
        }
    }
    stopped.kill(&mut slow, "KILL", Scope::Tree).unwrap();
}

#[test]
fn control_passes_while_output_is_not_read() {
    let ground = Ground::new();
    let mut client = ground.connect();
    let all: Vec<Running> = (0..20).map(|_| client.exec(&script("yes")).unwrap()).collect();
    while client.receive(Until::in_ms(200)).unwrap() {}
    assert!(client.ping().is_ok());
    for running in &all {
        let begun = Instant::now();
        running.kill(&mut client, "KILL", Scope::Tree).unwrap();
        within(Duration::from_secs(5), begun);
    }
    for running in &all {
        assert_eq!(client.wait(&running.id, None).map(|exit| exit.signal).ok().flatten(), Some(9));
    }
}

#[test]
fn a_server_that_dies_is_an_error_and_no_hang() {
    let ground = Ground::new();
    let mut client = ground.connect();
    let running = client.exec(&script("echo ready; sleep 60")).unwrap();
    assert!(matches!(running.next(&mut client).unwrap(), Some(Event::Stdout { .. })));
    drop(ground);
    let lost = loop {
        match running.next(&mut client) {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert!(matches!(lost, Err(Error::Lost { .. })), "{lost:?}");
}
