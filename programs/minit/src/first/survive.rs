//! After a defect of ours: a line that says where, and the least that a first process must do.

use core::ffi::CStr;
use core::sync::atomic::{AtomicI32, AtomicU8, Ordering};

use sys::exec::{Argument, execve};
use sys::reap::{Found, Reaper, Target, any, kill, set_reaper};
use sys::signals::{SignalSet, block, descriptor, next};

use crate::message::Part::{Error, Number, Text, Value};
use crate::message::alarm;

/// The main command's pid: what the loop was about when it broke.
static MAIN: AtomicI32 = AtomicI32::new(0);

/// The path of what is executed after a defect, with a null behind it.
static SUCCESSOR: [AtomicU8; 256] = [const { AtomicU8::new(0) }; 256];

/// Notes the main command, and what is to be executed in our place after a defect (where its path is not too long).
pub fn remember(main: i32, successor: Option<&CStr>) {
    MAIN.store(main, Ordering::Relaxed);
    let path = successor.map(CStr::to_bytes_with_nul).filter(|path| path.len() <= SUCCESSOR.len());
    for (place, byte) in SUCCESSOR.iter().zip(path.unwrap_or_default()) {
        place.store(*byte, Ordering::Relaxed);
    }
}

/// Becomes what is to be executed after a defect, with an empty environment; returns where there is none, or it cannot
/// be executed.
fn succeed() {
    let path: [u8; 256] =
        core::array::from_fn(|index| SUCCESSOR.get(index).map_or(0, |place| place.load(Ordering::Relaxed)));
    let Ok(path) = CStr::from_bytes_until_nul(&path) else { return };
    if !path.is_empty() {
        let _ = block(SignalSet::EMPTY);
        let errno = execve(path, &[Argument::new(path), Argument::END], &[Argument::END]);
        alarm(&[Text("minit: --on-crash "), Value(path.to_bytes()), Text(": "), Error(errno), Text("\n")]);
    }
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
    succeed();
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
