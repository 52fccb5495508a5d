//! How long compiling the default profile takes, as part of every start of a container: at most 60 microseconds.
//! `cargo run --release -p seccomp --example speed`

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use seccomp::{Arch, compile_for, default_profile};

/// What the start of a container can afford.
const LIMIT: Duration = Duration::from_micros(60);

fn main() -> ExitCode {
    let best = (0..2000).map(|_| once()).min().unwrap_or(Duration::MAX);
    println!("best of 2000: {best:?}, limit {LIMIT:?}");
    if best < LIMIT { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn once() -> Duration {
    let start = Instant::now();
    let profile = default_profile(black_box(0xa804_25fb), Arch::X86_64);
    assert!(black_box(compile_for(&profile, Arch::X86_64)).is_ok());
    start.elapsed()
}
