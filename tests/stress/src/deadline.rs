//! The end of patience with a test that hangs.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// Ends the whole test program, with the reason, when a test takes longer than it may: a hang is a failure, and
/// not the end of the run in a week.
#[derive(Debug)]
pub struct Deadline {
    // Its end tells the thread that the test is over.
    _over: Sender<()>,
}

impl Deadline {
    /// `what` may take this long.
    pub fn of(what: &'static str, limit: Duration) -> Self {
        let (over, told) = channel();
        thread::spawn(move || {
            if told.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{what}: hangs, or takes longer than {limit:?}");
                std::process::abort();
            }
        });
        Self { _over: over }
    }
}
