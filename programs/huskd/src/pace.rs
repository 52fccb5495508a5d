//! How long work goes on, and what ends it before its time: its client has gone, nothing has moved for too long, or
//! somebody else has a better claim to the instance.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use image::{Go, Phase, Step};
use instance::message::{Progress, Reason, Refusal};

use crate::client::Client;
use crate::refusal::refuse;

/// How often a client is told how far something is, in nanoseconds.
const OFTEN: u64 = 100_000_000;
/// The most that the time from one look to the next counts as standing still, in nanoseconds: work is asked about ten
/// times a second while it waits for its client, and may be asked about less often while it waits for the disk.
const LOOK: u64 = 1_000_000_000;
/// From here on work is held to wait for a client that may never come back.
const STILL: u64 = 1_000_000_000;

/// The daemon ends: work does too.
static ENDS: AtomicBool = AtomicBool::new(false);
/// How much work is under way.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Ends all work that is under way, and waits for it for so long: what was half-made is removed then, and what was frozen
/// for it thawed. Whether all of it has ended.
pub fn end_all(patience: Duration) -> bool {
    ENDS.store(true, Ordering::Relaxed);
    let until = Instant::now() + patience;
    while UNDER_WAY.load(Ordering::Acquire) > 0 {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Between work that can be ended and those who may want its instance.
#[derive(Debug, Default)]
pub struct Claim {
    /// For how long nothing has moved, in nanoseconds.
    still_ns: AtomicU64,
    /// Why it is to end.
    why: OnceLock<&'static str>,
}

impl Claim {
    /// It is to end.
    pub fn end(&self, why: &'static str) {
        // Who was first says why.
        let _ = self.why.set(why);
    }

    /// Whether nothing has moved for a while.
    pub fn is_still(&self) -> bool {
        self.still_ns.load(Ordering::Relaxed) >= STILL
    }
}

/// Why work was ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Gone,
    Still,
    Claimed(&'static str),
}

#[derive(Debug, Default)]
struct Clock {
    /// How far it was, and when that was looked at.
    done: u64,
    seen: u64,
    still: u64,
    told: u64,
    /// What the client was not told, since it had been told something a moment before.
    untold: Option<Step>,
    end: Option<End>,
}

/// The pace of work.
#[derive(Debug)]
pub struct Pace<'p> {
    client: &'p Client,
    claim: Option<Arc<Claim>>,
    limit: Option<Duration>,
    clock: RefCell<Clock>,
}

impl<'p> Pace<'p> {
    /// That of work that ends by itself, or with its client.
    pub fn new(client: &'p Client) -> Self {
        UNDER_WAY.fetch_add(1, Ordering::Relaxed);
        Self { client, claim: None, limit: None, clock: RefCell::default() }
    }

    /// That of work that depends on somebody who reads or sends: it may stand still for so long.
    pub fn limited(client: &'p Client, limit: Duration) -> Self {
        let mut pace = Self::new(client);
        pace.limit = Some(limit);
        pace
    }

    /// The claim of others to the instance that it holds.
    pub fn claim(&mut self) -> Arc<Claim> {
        self.claim.get_or_insert_default().clone()
    }

    /// Tells the client how far something is, and says whether to go on.
    pub fn report(&self) -> impl FnMut(&Step) -> Go {
        |step: &Step| {
            let go = self.look(Some(step.done));
            let now = sys::clock::monotonic();
            let (is_due, last) = {
                let clock = &mut *self.clock.borrow_mut();
                let is_due = now.saturating_sub(clock.told) >= OFTEN;
                clock.told = if is_due { now } else { clock.told };
                // How far a part of the work came at last is told too.
                let last = clock.untold.take().filter(|last| last.phase != step.phase);
                clock.untold = if is_due { None } else { Some(*step) };
                (is_due, last)
            };
            if go == Go::On {
                last.iter().chain(is_due.then_some(step)).for_each(|step| self.tell(step));
            }
            go
        }
    }

    fn tell(&self, step: &Step) {
        self.client.progress(Progress { phase: word(step.phase), done: step.done, total: step.total });
    }

    /// Says whether to wait any longer for who reads.
    pub fn wait(&self) -> impl FnMut() -> Go {
        || self.look(None)
    }

    fn look(&self, done: Option<u64>) -> Go {
        let clock = &mut *self.clock.borrow_mut();
        if clock.end.is_none() {
            clock.tick(sys::clock::monotonic(), done);
            let claimed = self.claim.as_ref().and_then(|claim| {
                claim.still_ns.store(clock.still, Ordering::Relaxed);
                claim.why.get().copied()
            });
            let limit = self.limit.map_or(u64::MAX, |limit| limit.as_nanos().try_into().unwrap_or(u64::MAX));
            clock.end = match claimed {
                Some(why) => Some(End::Claimed(why)),
                None if ENDS.load(Ordering::Relaxed) => Some(End::Claimed("the daemon ends")),
                None if self.client.is_gone() => Some(End::Gone),
                None if clock.still >= limit => Some(End::Still),
                None => None,
            };
        }
        if clock.end.is_none() { Go::On } else { Go::Stop }
    }

    /// What has ended the work, where that is known better here: `what` is the work, as `instance web: the export`.
    pub fn explain(&self, what: &str, refusal: Refusal) -> Refusal {
        let seconds = self.limit.map_or(0, |limit| limit.as_secs());
        match self.clock.borrow().end {
            None | Some(End::Gone) => refusal,
            Some(End::Claimed(why)) => refuse(Reason::Interrupted, format!("{what} was broken off: {why}")),
            Some(End::Still) => {
                let text = format!("{what} was broken off: nothing was read or sent for {seconds} s");
                let hint = Some("by way of a file it does not depend on who reads it; huskd --stall".into());
                Refusal { hint, ..refuse(Reason::Failed, text) }
            }
        }
    }
}

impl Drop for Pace<'_> {
    /// The work is over: what it came to is told before the answer.
    fn drop(&mut self) {
        let untold = self.clock.get_mut().untold.take();
        if let Some(step) = untold {
            self.tell(&step);
        }
        UNDER_WAY.fetch_sub(1, Ordering::Release);
    }
}

impl Clock {
    fn tick(&mut self, now: u64, done: Option<u64>) {
        let passed = if self.seen == 0 { 0 } else { now.saturating_sub(self.seen).min(LOOK) };
        self.seen = now;
        match done {
            Some(done) if done != self.done => (self.done, self.still) = (done, 0),
            _ => self.still = self.still.saturating_add(passed),
        }
    }
}

fn word(phase: Phase) -> String {
    match phase {
        Phase::Receiving => "receive".into(),
        Phase::Unpacking { layer, of } if of > 1 => format!("unpack {layer}/{of}"),
        Phase::Unpacking { .. } => "unpack".into(),
        Phase::Packing => "pack".into(),
        Phase::Exporting => "export".into(),
        Phase::Syncing => "sync".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_in_which_nothing_moves_counts_as_standing_still() {
        let mut clock = Clock::default();
        let second = 1_000_000_000;
        clock.tick(second, Some(0));
        clock.tick(second + second / 10, None);
        assert_eq!(clock.still, second / 10);
        // The disk was waited for: nobody was asked meanwhile.
        clock.tick(100 * second, Some(0));
        assert_eq!(clock.still, second + second / 10);
        clock.tick(101 * second, Some(1));
        assert_eq!(clock.still, 0);
        clock.tick(102 * second, Some(1));
        assert_eq!(clock.still, second);
    }
}
