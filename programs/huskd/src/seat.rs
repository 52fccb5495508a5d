//! One instance in the daemon's memory: its record, and whose turn it is to change it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use instance::message::{Reason, Refusal};
use instance::state::Shim;
use instance::{InstanceName, Record};

use crate::pace::Claim;
use crate::refusal::{no_instance, refuse};
use crate::wake::Waiters;

/// How long the end of something that takes long is waited for.
const MOMENT: Duration = Duration::from_secs(1);
/// What is under way where a daemon has not yet found out what the last one has left of an instance.
const RECOVERY: &str = "its recovery";
/// How long work that is told to end is waited for: it hears of it within a tenth of a second, but for a disk that hangs.
const END: Duration = Duration::from_secs(10);

/// What who wants the turn does about work that waits for a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Urge {
    /// Nothing.
    Patient,
    /// Ends it where nothing of it moves, for this reason.
    EndsStill(&'static str),
    /// Ends it, for this reason.
    Ends(&'static str),
}

/// An instance.
#[derive(Debug)]
pub struct Seat {
    name: InstanceName,
    record: Mutex<Record>,
    turn: Mutex<Turn>,
    free: Condvar,
    /// Its record on the disk is older than the one here: it could not be written.
    late: AtomicBool,
    /// Those who wait for its end.
    pub waiters: Waiters,
    /// How many want it to stay where it is to be removed at its end.
    holds: AtomicUsize,
}

#[derive(Debug, Default)]
struct Turn {
    is_taken: bool,
    /// What takes long, while it does.
    long: Option<&'static str>,
    /// By which it can be ended, where it can.
    claim: Option<Arc<Claim>>,
    /// It is not there any more: removed, or under another name.
    is_gone: bool,
    /// Its shim does not answer who has the turn.
    unreachable: Option<Unreachable>,
}

/// An instance that nothing is known of, since its shim is there and says nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreachable {
    /// Why, in words.
    pub why: String,
    /// The shim, where it is known.
    pub shim: Option<Shim>,
}

/// The right to change an instance, as long as it is held.
#[derive(Debug)]
pub struct Holder<'s>(&'s Seat);

impl Seat {
    /// An instance of this name.
    pub fn new(name: InstanceName, record: Record) -> Self {
        let (turn, free) = (Mutex::default(), Condvar::new());
        let (late, waiters, holds) = (AtomicBool::new(false), Waiters::default(), AtomicUsize::new(0));
        Self { name, record: Mutex::new(record), turn, free, late, waiters, holds }
    }

    /// One that the last daemon has left, which nobody has looked at yet: its turn is taken, by who calls
    /// [`Seat::first_turn`].
    pub fn found(name: InstanceName, record: Record) -> Self {
        let turn = Turn { is_taken: true, long: Some(RECOVERY), ..Turn::default() };
        Self { turn: Mutex::new(turn), ..Self::new(name, record) }
    }

    /// The turn that an instance was found with; it is there once.
    pub const fn first_turn(&self) -> Holder<'_> {
        Holder(self)
    }

    /// Whether nobody has looked yet at what the last daemon has left of it, or has come to an end with that.
    pub fn is_recovering(&self) -> bool {
        self.turn().long == Some(RECOVERY)
    }

    /// Why it cannot be reached, if it cannot.
    pub fn unreachable(&self) -> Option<Unreachable> {
        self.turn().unreachable.clone()
    }

    /// It stays, at its end too.
    pub fn hold(&self) {
        self.holds.fetch_add(1, Ordering::SeqCst);
    }

    /// The opposite.
    pub fn let_go(&self) {
        self.holds.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether somebody wants it to stay.
    pub fn is_held(&self) -> bool {
        self.holds.load(Ordering::SeqCst) > 0
    }

    /// Its name.
    pub const fn name(&self) -> &InstanceName {
        &self.name
    }

    /// Its record as it is now.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its record still has to be written. Who has the turn asks and says so.
    pub fn has_late_record(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    /// Its record could not be written, or could.
    pub fn is_late(&self, late: bool) {
        self.late.store(late, Ordering::Relaxed);
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn. Something that takes long is not waited for, but for a moment: it may be at its end, or its
    /// client gone.
    ///
    /// # Errors
    /// It is busy, or gone.
    pub fn take(&self) -> Result<Holder<'_>, Refusal> {
        self.take_with(Urge::Patient)
    }

    /// The same, where work that waits for a client may be ended.
    ///
    /// # Errors
    /// As [`Seat::take`].
    pub fn take_with(&self, urge: Urge) -> Result<Holder<'_>, Refusal> {
        let mut turn = self.turn();
        // Whether it stands still is known after a moment.
        let moments = if matches!(urge, Urge::EndsStill(_)) { 2 } else { 1 };
        let mut until = Instant::now() + moments * MOMENT;
        let mut is_told = false;
        loop {
            if !is_told && turn.is_told_to_end(urge) {
                (is_told, until) = (true, Instant::now() + END);
            }
            let left = until.saturating_duration_since(Instant::now());
            match (turn.is_gone, turn.long, turn.is_taken) {
                (true, _, _) => return Err(no_instance(&self.name)),
                (false, Some(_), _) if !left.is_zero() => {
                    let waited = self.free.wait_timeout(turn, left.min(MOMENT / 4));
                    turn = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                (false, Some(work), _) => {
                    return Err(match &turn.unreachable {
                        Some(unreachable) => unreachable.refusal(&self.name),
                        None => {
                            let text = format!("instance {}: {work} is under way", self.name);
                            refuse(Reason::Busy, text)
                        }
                    });
                }
                (false, None, true) => {
                    turn = self.free.wait(turn).unwrap_or_else(PoisonError::into_inner);
                }
                (false, None, false) => {
                    turn.is_taken = true;
                    return Ok(Holder(self));
                }
            }
        }
    }

    /// Waits for the turn however long it takes: for what has happened already. A client that does not move is not waited
    /// for. `None` where the instance is gone.
    pub fn take_at_last(&self) -> Option<Holder<'_>> {
        let mut turn = self.turn();
        while turn.is_taken && !turn.is_gone {
            turn.is_told_to_end(Urge::EndsStill("the instance has ended"));
            // Nobody says that work has come to stand still.
            turn = match turn.claim {
                Some(_) => self.free.wait_timeout(turn, MOMENT).unwrap_or_else(PoisonError::into_inner).0,
                None => self.free.wait(turn).unwrap_or_else(PoisonError::into_inner),
            };
        }
        if turn.is_gone {
            return None;
        }
        turn.is_taken = true;
        Some(Holder(self))
    }

    /// Whether it is gone.
    pub fn is_gone(&self) -> bool {
        self.turn().is_gone
    }
}

impl Turn {
    /// Whether there is work that this urge has told to end.
    fn is_told_to_end(&self, urge: Urge) -> bool {
        let Some(claim) = &self.claim else { return false };
        match urge {
            Urge::EndsStill(why) if claim.is_still() => claim.end(why),
            Urge::Ends(why) => claim.end(why),
            Urge::Patient | Urge::EndsStill(_) => return false,
        }
        true
    }
}

impl Holder<'_> {
    /// What follows takes long: who waits for the turn is told so. By `claim` it can be ended.
    pub fn is_long(&self, work: &'static str, claim: Option<Arc<Claim>>) {
        {
            let mut turn = self.0.turn();
            (turn.long, turn.claim) = (Some(work), claim);
        }
        self.0.free.notify_all();
    }

    /// Its shim does not answer, and is waited for: who waits for the turn is told so.
    pub fn is_unreachable(&self, unreachable: Unreachable) {
        self.0.turn().unreachable = Some(unreachable);
        self.0.free.notify_all();
        self.0.waiters.wake();
    }

    /// The instance is not there any more.
    pub fn is_gone(&self) {
        self.0.turn().is_gone = true;
        self.0.free.notify_all();
        self.0.waiters.wake();
    }

    /// The instance.
    pub const fn seat(&self) -> &Seat {
        self.0
    }
}

impl Unreachable {
    /// What who wants something of the instance is told.
    pub fn refusal(&self, name: &InstanceName) -> Refusal {
        let hint = format!("husk stop {name} kills the shim, and what runs in the instance with it");
        Refusal { hint: Some(hint), ..refuse(Reason::State, format!("instance {name}: {}", self.why)) }
    }
}

impl Drop for Holder<'_> {
    fn drop(&mut self) {
        let mut turn = self.0.turn();
        (turn.is_taken, turn.long, turn.claim) = (false, None, None);
        let was_unreachable = turn.unreachable.take().is_some();
        drop(turn);
        self.0.free.notify_all();
        if was_unreachable {
            self.0.waiters.wake();
        }
    }
}
