//! The probe: a static program that prints, as one line of JSON, what it sees from inside a container, or
//! tries one thing and prints how that went. It needs nothing in the container but itself.
//!
//! `probe` reports; `probe write PATH`, `probe mkdir PATH` and so on try (see [`attempt`]). An attempt that
//! the kernel refuses is a result, not a failure: the exit status is 0. It is 2 for words that are not
//! understood.
#![forbid(unsafe_code)]

mod attempt;
mod limits;
mod mounts;
mod place;
mod report;
mod stat;
mod status;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | [_] => {
            attempt::say(&report::whole());
            ExitCode::SUCCESS
        }
        [_, "exit", code] => match code.parse::<u8>() {
            Ok(code) => ExitCode::from(code),
            Err(_) => misunderstood(&words),
        },
        [_, "sleep", time] => match attempt::seconds(time) {
            // Said before: whoever waits for the line knows then that the probe runs.
            Some(time) => {
                attempt::say(&serde_json::json!({ "attempt": "sleep", "pid": std::process::id() }));
                std::thread::sleep(time);
                ExitCode::SUCCESS
            }
            None => misunderstood(&words),
        },
        [_, "watch", marker] if !marker.is_empty() => watch::watch(marker),
        [_, attempt @ ..] => match attempt::run(attempt) {
            Some(result) => {
                attempt::say(&result);
                ExitCode::SUCCESS
            }
            None => misunderstood(&words),
        },
    }
}

/// Says that the words are none of the probe's.
fn misunderstood(words: &[&str]) -> ExitCode {
    eprintln!("probe: {}: not understood; the words are: {}", words[1..].join(" "), attempt::WORDS);
    ExitCode::from(2)
}
