//! Many containers side by side: how long they take, whether one fails, and whether anything is left.

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::contestants::Contestant;
use super::leftovers::Inventory;
use super::{order, rounds};
use crate::Result;

/// How many containers a crowd has.
pub const SIZE: usize = 100;
/// How many of them run at a time.
pub const ABREAST: usize = 8;

/// How long the kernel may take to end what has been killed before it counts as left over. Groups and
/// namespaces are taken down after the last process is gone, and not by that process.
const GRACE: Duration = Duration::from_millis(500);

/// A contestant's crowds.
#[derive(Debug)]
pub struct Crowds {
    /// Who.
    pub name: &'static str,
    /// How long each took, in nanoseconds; empty if the contestant does not run.
    pub walls_ns: Vec<u64>,
    /// What the failed containers said, of all crowds.
    pub failures: Vec<String>,
    /// What was there after the last crowd and not before the first container.
    pub left: Vec<String>,
}

/// Lets everyone start a crowd in every round.
pub fn measure(chosen: &[Contestant], rounds: usize) -> Result<Vec<Crowds>> {
    let mut all = Vec::with_capacity(chosen.len());
    let mut runs_at_all = Vec::with_capacity(chosen.len());
    for contestant in chosen {
        let mut crowds =
            Crowds { name: contestant.name, walls_ns: Vec::new(), failures: Vec::new(), left: Vec::new() };
        let before = Inventory::take()?;
        runs_at_all.push(rounds::try_out(contestant).is_ok());
        note_leftovers(&before, &mut crowds.left)?;
        all.push(crowds);
    }
    for round in 0..rounds {
        for place in order::of_round(round, chosen.len()) {
            if runs_at_all[place] {
                let before = Inventory::take()?;
                start_crowd(&chosen[place], round, &mut all[place]);
                note_leftovers(&before, &mut all[place].left)?;
            }
        }
    }
    Ok(all)
}

fn start_crowd(contestant: &Contestant, round: usize, crowds: &mut Crowds) {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| {
                loop {
                    let member = next.fetch_add(1, Ordering::Relaxed);
                    if member >= SIZE {
                        break;
                    }
                    let number = 10_000 + round * SIZE + member;
                    if let Err(why) = run_quietly(&contestant.command(number)) {
                        failures.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(why);
                    }
                }
            });
        }
    });
    crowds.walls_ns.push(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
    crowds.failures.extend(failures.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()));
}

fn run_quietly(words: &[String]) -> Result<()> {
    let done = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|why| format!("{}: {why}", words[0]))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", done.status, String::from_utf8_lossy(&done.stderr).trim()))
}

fn note_leftovers(before: &Inventory, left: &mut Vec<String>) -> Result<()> {
    let deadline = Instant::now() + GRACE;
    loop {
        let now = Inventory::take()?.since(before);
        if now.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            left.extend(now);
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
}
