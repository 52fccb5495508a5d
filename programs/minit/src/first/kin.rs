//! Signals to all that descend from us, for one that is not the first process: kill(-1) would reach the machine.

use core::ffi::CStr;

use sys::fs::{CWD, Mode, OFlags, openat};
use sys::reap::{Target, kill};

use crate::message::Part::{Number, Text};
use crate::message::with_line;

/// Deeper than this nobody is looked for: whoever is there comes to us when those above have ended.
const DEEPEST: u8 = 16;

/// Sends the signal to every descendant that /proc knows of; where there is no /proc, to none.
pub fn tell_kin(number: i32) {
    tell_children(sys::process::getpid().as_raw_pid(), number, DEEPEST);
}

/// Children are listed by /proc/PID/task/TID/children (proc(5)), numbers with a space after each. Those further
/// down are told first: while their parents live they are where they were listed.
fn tell_children(pid: i32, number: i32, depth: u8) {
    let path = [Text("/proc/"), Number(pid), Text("/task/"), Number(pid), Text("/children\0")];
    let file = with_line(&path, |path| {
        let path = CStr::from_bytes_with_nul(path).ok()?;
        openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
    });
    let Some(file) = file else { return };
    let mut buffer = [0u8; 256];
    let mut child = 0i32;
    while let Ok(read @ 1..) = sys::io::read(&file, &mut buffer[..]) {
        for byte in buffer.iter().take(read) {
            if byte.is_ascii_digit() {
                child = child.saturating_mul(10).saturating_add(i32::from(byte - b'0'));
                continue;
            }
            if let Some(depth) = depth.checked_sub(1) {
                tell_children(child, number, depth);
            }
            let _ = kill(Target::Process(child), number);
            child = 0;
        }
    }
}
