//! How long compiling takes: part of every start of a container.
//! `cargo test --release -p seccomp --test speed -- --ignored --nocapture`

use std::hint::black_box;
use std::time::{Duration, Instant};

use seccomp::{Arch, compile_for, default_profile};

#[test]
#[ignore = "measures time"]
fn default_profile_compiles_in_sixty_microseconds() {
    let best = (0..2000)
        .map(|_| {
            let start = Instant::now();
            black_box(
                compile_for(&default_profile(black_box(0xa804_25fb), Arch::X86_64), Arch::X86_64).unwrap(),
            );
            start.elapsed()
        })
        .min()
        .unwrap();
    println!("best of 2000: {best:?}");
    assert!(best < Duration::from_micros(60), "{best:?}");
}
