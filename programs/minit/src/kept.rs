//! What a first process with a defect still has to know: kept in atoms, apart from all that may be in disorder then.

use core::ffi::CStr;
use core::sync::atomic::{AtomicI32, AtomicU8, AtomicU64, Ordering};

use sys::machine::Ending;

use crate::boot::end::Last;
use crate::boot::report::Reports;
use crate::first::decide::{Leftovers, OnExit, OnStop, OnSuspend, Policy};
use crate::settings::{Codes, Dialect, Settings};

static WORDS: [AtomicU64; 7] = [const { AtomicU64::new(0) }; 7];

/// The main command's pid: what the loop was about when it broke.
static MAIN: AtomicI32 = AtomicI32::new(0);

/// The path of what is executed after a defect, with a null behind it.
static SUCCESSOR: [AtomicU8; 256] = [const { AtomicU8::new(0) }; 256];

/// What was kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept {
    /// The main command's pid, [`ENDED`], or 0 where there has been none.
    pub main: i32,
    /// What the first process does.
    pub policy: Policy,
    /// How it ends.
    pub last: Last,
    /// The path of what is executed in its place, with a null behind it; empty where there is none.
    pub successor: [u8; 256],
}

/// In place of the main command's pid, which may be another process's by then.
pub const ENDED: i32 = -1;

/// Notes the main command.
pub fn remember(main: i32) {
    MAIN.store(main, Ordering::Relaxed);
}

/// Keeps what was asked for (what is to be executed only where its path is not too long).
pub fn keep(settings: &Settings<'_>) {
    let Policy { on_exit, grace, .. } = settings.policy;
    // The command is not started again after a defect: how is not known any more.
    let on_exit = match on_exit {
        OnExit::Exit | OnExit::Respawn => 0,
        OnExit::Stay => 1,
        OnExit::Machine(Ending::PowerOff) => 2,
        OnExit::Machine(Ending::Reboot) => 3,
    };
    // Who is another program ends with its command.
    let is_ours = settings.dialect == Dialect::Minit || settings.command.is_empty();
    let policy = on_exit | u64::from(is_ours) << 8;
    let [a, b, c, d] = settings.remapped.words();
    let words = [policy, grace, settings.boot.reports.pack(), a, b, c, d];
    WORDS.iter().zip(words).for_each(|(place, word)| place.store(word, Ordering::Relaxed));
    let path = settings.crash.map(CStr::to_bytes_with_nul).filter(|path| path.len() <= SUCCESSOR.len());
    for (place, byte) in SUCCESSOR.iter().zip(path.unwrap_or_default()) {
        place.store(*byte, Ordering::Relaxed);
    }
}

/// What was kept.
#[must_use]
pub fn kept() -> Kept {
    let mut words = [0; 7];
    words.iter_mut().zip(&WORDS).for_each(|(word, place)| *word = place.load(Ordering::Relaxed));
    let [policy, grace, reports, a, b, c, d] = words;
    let is_ours = policy >> 8 == 1;
    let policy = Policy {
        on_exit: match policy & 0xff {
            1 => OnExit::Stay,
            2 => OnExit::Machine(Ending::PowerOff),
            3 => OnExit::Machine(Ending::Reboot),
            _ => OnExit::Exit,
        },
        on_stop: if is_ours { OnStop::Shutdown } else { OnStop::Forward },
        on_suspend: OnSuspend::Forward,
        leftovers: if is_ours { Leftovers::Clear } else { Leftovers::Leave },
        grace,
    };
    let last = Last { reports: Reports::unpack(reports), remapped: Codes::from_words([a, b, c, d]) };
    let mut successor = [0; 256];
    successor.iter_mut().zip(&SUCCESSOR).for_each(|(byte, place)| *byte = place.load(Ordering::Relaxed));
    Kept { main: MAIN.load(Ordering::Relaxed), policy, last, successor }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_what_was_asked_for() {
        let mut settings = Settings::new(c"minit");
        let (poweroff, reboot) = (OnExit::Machine(Ending::PowerOff), OnExit::Machine(Ending::Reboot));
        settings.remapped.add(200);
        settings.boot.reports = settings.boot.reports.and(b"vsock:7").expect("a place");
        for on_exit in [OnExit::Exit, OnExit::Stay, poweroff, reboot] {
            settings.policy =
                Policy { on_exit, on_suspend: OnSuspend::Forward, grace: 123, ..settings.policy };
            keep(&settings);
            let kept = kept();
            assert_eq!((kept.policy, kept.last), (settings.policy, Last::of(&settings)));
        }
        settings.policy.on_exit = OnExit::Respawn;
        keep(&settings);
        assert_eq!(kept().policy.on_exit, OnExit::Exit);
    }
}
