//! `husk run`, killed at random moments.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Random, processes_of};

/// How long what a killed husk has started may live on.
const GRACE: Duration = Duration::from_secs(1);

/// Many kills.
#[derive(Debug)]
pub struct Kills<'k> {
    /// The root file system.
    pub rootfs: &'k Path,
    /// How many.
    pub rounds: usize,
    /// What the moments depend on.
    pub seed: u64,
}

impl Kills<'_> {
    /// Starts and kills; then runs one container to its end, for what the killed ones could not tidy.
    ///
    /// # Panics
    /// Where a process lives on for longer than a second.
    pub fn run(&self) {
        let mut random = Random::new(self.seed);
        let mut longest = Duration::ZERO;
        for round in 0..self.rounds {
            // Most of a start is over after a few milliseconds.
            let limit = if round % 2 == 0 { 5_000 } else { 50_000 };
            let delay = Duration::from_micros(random.below(limit) as u64);
            longest = longest.max(self.one(round, delay));
        }
        println!("{} killed; the last process of one lived on for {longest:?} at most", self.rounds);
        let status = Command::new(cli::program("husk")).arg("run").arg(self.rootfs).arg("true").status();
        assert!(status.expect("husk").success(), "a run after the kills");
    }

    /// Kills one after `delay`; returns how long it took until nothing of it ran.
    fn one(&self, round: usize, delay: Duration) -> Duration {
        // The number is in the command lines of husk, of its child, and of what that becomes.
        let number = format!("{}{round:05}", std::process::id());
        let mut husk = Command::new(cli::program("husk"));
        husk.arg("run").arg(self.rootfs).args(["sleep", &number]);
        husk.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut husk = husk.spawn().expect("husk");
        thread::sleep(delay);
        husk.kill().expect("SIGKILL");
        husk.wait().expect("its end");
        let killed = Instant::now();
        loop {
            let left = processes_of(&number);
            if left.is_empty() {
                return killed.elapsed();
            }
            assert!(killed.elapsed() < GRACE, "round {round}, killed after {delay:?}: {left:?} live on");
            thread::sleep(Duration::from_millis(1));
        }
    }
}
