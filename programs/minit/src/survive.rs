//! After a defect of ours: a line that says where, and the least that a first process must do.

use core::sync::atomic::{AtomicI32, Ordering};

use sys::reap::{Found, Reaper, Target, any, kill, set_reaper};
use sys::signals::{SignalSet, block, descriptor, next};

use crate::message::Part::{Number, Text};
use crate::message::alarm;

/// The main command's pid: what the loop was about when it broke.
static MAIN: AtomicI32 = AtomicI32::new(0);

/// Notes the main command.
pub fn remember(main: i32) {
    MAIN.store(main, Ordering::Relaxed);
}

/// Says where the defect is. As the first process it goes on then with reaping, passing signals on and ending with
/// the main command; otherwise it ends with code 125.
#[inline(never)]
pub fn survive(place: Option<&core::panic::Location<'_>>) -> ! {
    let (file, line) = place.map_or(("?", 0), |place| (place.file(), place.line()));
    let line = Number(i32::try_from(line).unwrap_or(0));
    alarm(&[Text("minit: defect at "), Text(file), Text(":"), line, Text("\n")]);
    if sys::process::getpid().as_raw_pid() != 1 {
        sys::clone::leave(125);
    }
    let _ = set_reaper(Reaper::Process);
    let _ = block(SignalSet::ALL);
    loop {
        let main = MAIN.load(Ordering::Relaxed);
        if let Ok(signals) = descriptor(SignalSet::ALL) {
            serve(&signals, main);
        }
    }
}

/// Until the main command has ended.
fn serve(signals: &sys::fd::OwnedFd, main: i32) {
    loop {
        while let Ok(Found::Ended(pid, end)) = any() {
            if pid == main {
                sys::clone::leave(end.code());
            }
        }
        let mut polled = [sys::event::PollFd::new(signals, sys::event::PollFlags::IN)];
        let _ = sys::event::poll(&mut polled, None);
        match next(signals) {
            Ok(Some(signal)) if signal.number != 17 => {
                let _ = kill(Target::Group(main), signal.number);
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}
