//! Every byte, in order, whatever the reader does.

mod client;

use std::io::{BufRead, Read};
use std::time::Duration;

use client::{Ground, script, script_with, text};
use serde_json::json;

#[test]
fn twenty_thousand_lines_on_both_streams_at_once_all_arrive_in_order() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&script("seq 1 20000 & seq 1 20000 >&2; wait"));
    let messages = client.until("exit");
    let expected: String = (1..=20_000).map(|number| format!("{number}\n")).collect();
    assert_eq!(text(&messages, "stdout", "\n"), expected);
    assert_eq!(text(&messages, "stderr", "\n"), expected);
}

#[test]
fn a_long_line_comes_in_pieces_and_what_follows_is_not_lost() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&script("head -c 100000 /dev/zero | tr '\\0' x; echo; echo after"));
    let messages = client.until("exit");
    let lines: Vec<_> = messages.iter().filter(|message| message["type"] == "stdout").collect();
    assert_eq!(lines.len(), 3, "{}", lines.len());
    assert_eq!(
        (lines[0]["partial"] == true, lines[1].get("partial"), &lines[2]["data"]),
        (true, None, &json!("after"))
    );
    let length: usize = lines[..2].iter().map(|line| line["data"].as_str().unwrap().len()).sum();
    assert_eq!(length, 100_000);
}

#[test]
fn chunks_are_exact_bytes() {
    let ground = Ground::new(&[]);
    let file = ground.directory.join("bytes");
    let bytes: Vec<u8> =
        (0..300_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(&file, &bytes).unwrap();
    let mut client = ground.connect();
    let request = script_with(
        &format!("cat {}; printf 'é'", file.display()),
        &json!({"output": "chunks", "events": true}),
    );
    client.send(&request);
    let mut received = Vec::new();
    let mut ended = 0;
    while ended < 3 {
        let message = client.next();
        match message["type"].as_str().unwrap() {
            "stdout" => {
                assert_eq!(message["off"], received.len());
                match message["data"].as_str() {
                    Some(text) => received.extend_from_slice(text.as_bytes()),
                    None => received.extend(decode(message["data_b64"].as_str().unwrap())),
                }
            }
            "eof" | "exit" => ended += 1,
            _ => {}
        }
    }
    assert_eq!(received.len(), bytes.len() + 2);
    assert!(received[..bytes.len()] == bytes && received.ends_with("é".as_bytes()));
}

fn decode(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter(|byte| *byte != b'=');
    let digits: Vec<u32> =
        digits.map(|byte| alphabet.iter().position(|known| *known == byte).unwrap() as u32).collect();
    let groups = digits.chunks(4).map(|group| {
        let word = (0..4).fold(0, |word, at| word << 6 | group.get(at).unwrap_or(&0));
        word.to_be_bytes()[1..group.len()].to_vec()
    });
    groups.flatten().collect()
}

#[test]
fn a_reader_that_stops_stops_the_command_and_costs_no_memory() {
    let ground = Ground::new(&[]);
    let mut slow = ground.connect();
    slow.send(&script_with(
        "yes 0123456789012345678901234567890123456789 | head -c 40000000; echo; echo end",
        &json!({"timeout_ms": 0}),
    ));
    std::thread::sleep(Duration::from_millis(300));
    let before = ground.status_kb("VmRSS");
    // Others are served meanwhile.
    for _ in 0..20 {
        assert_eq!(ground.ask_one(&json!({"type": "ping"}))["type"], "pong");
    }
    std::thread::sleep(Duration::from_millis(700));
    let after = ground.status_kb("VmRSS");
    assert!(after <= before + 256, "the server has grown from {before} KiB to {after} KiB");
    let messages = slow.until("exit");
    let total: usize = messages
        .iter()
        .filter(|message| message["type"] == "stdout")
        .map(|message| {
            message["data"].as_str().unwrap().len() + usize::from(message.get("partial").is_none())
        })
        .sum();
    assert_eq!(total, 40_000_000 + 1 + 4);
    let peak = ground.status_kb("VmHWM");
    assert!(peak < before + 2048, "the server had {peak} KiB at its most, and {before} before");
}

#[test]
fn what_a_client_has_not_read_yet_outlives_the_silence_after_the_end() {
    let ground = Ground::new(&[]);
    let mut slow = ground.connect();
    // More than the connection, the ring and the pipe take: the last bytes are in the pipe when the process ends.
    let count = 300_000;
    slow.send(&script_with(&format!("seq 1 {count} | head -c 420000"), &json!({"linger_ms": 50, "id": "a"})));
    std::thread::sleep(Duration::from_millis(600));
    let messages = slow.until("exit");
    let expected: String = (1..=count).map(|number| format!("{number}\n")).collect();
    let text = text(&messages, "stdout", "\n");
    let differs = text.bytes().zip(expected.bytes()).position(|(a, b)| a != b);
    assert!(text.trim_end() == expected[..420_000].trim_end(), "{} bytes, {differs:?}", text.len());
}

#[test]
fn a_client_that_reads_byte_by_byte_misses_nothing() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&script("seq 1 3000"));
    let mut bytes = Vec::new();
    let mut byte = [0u8];
    while client.reader.get_mut().read(&mut byte).unwrap() == 1 {
        bytes.push(byte[0]);
    }
    let last = bytes.lines().last().unwrap().unwrap();
    assert!(last.contains("\"exit\""), "{last}");
    assert_eq!(bytes.lines().count(), 3001);
}

#[test]
fn a_hundred_commands_at_once_do_not_mix() {
    let ground = Ground::new(&[]);
    let mut clients: Vec<_> = (0..100).map(|_| ground.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client
            .send(&script(&format!("for i in 1 2 3; do echo {number}-$i; sleep 0.05; done; exit {number}")));
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let messages = client.until("exit");
        assert_eq!(text(&messages, "stdout", " "), format!("{number}-1 {number}-2 {number}-3 "));
        assert_eq!(messages.last().unwrap()["code"], number);
    }
}

#[test]
fn the_exit_comes_although_a_grandchild_holds_the_pipe() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&script("sleep 3 & echo started"));
    let begun = std::time::Instant::now();
    let messages = client.until("exit");
    assert!(begun.elapsed() < Duration::from_millis(2500), "{:?}", begun.elapsed());
    assert_eq!(text(&messages, "stdout", "\n"), "started\n");
    assert_eq!(client.rest(), Vec::<String>::new());
    assert!(begun.elapsed() < Duration::from_millis(2800), "closed after {:?}", begun.elapsed());
}
