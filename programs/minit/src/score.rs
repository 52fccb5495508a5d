//! /proc/self/oom_score_adj (proc_pid_oom_score_adj(5)): the end of the first process for want of memory would be
//! everybody's, so that it is the last to be chosen. Whatever it starts is chosen as before.

use core::ffi::CStr;

use sys::fs::{CWD, Mode, OFlags, openat};

use crate::begin::Rank;
use crate::settings::Dialect;

const FILE: &CStr = c"/proc/self/oom_score_adj";
const NEVER: &CStr = c"-1000";

/// Room for a number from -1000 to 1000, a newline and a null.
pub const ROOM: usize = 8;

/// Makes minit the last to be chosen, where it is the first process and may do that; what it was before.
pub fn spare(dialect: Dialect, rank: Rank, buffer: &mut [u8; ROOM]) -> Option<&CStr> {
    if dialect != Dialect::Minit || rank != Rank::First {
        return None;
    }
    let file = openat(CWD, FILE, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let read = sys::io::read(&file, &mut buffer[..ROOM - 1]).ok()?;
    let end = buffer.iter().take(read).position(|byte| *byte == b'\n').unwrap_or(read);
    *buffer.get_mut(end)? = 0;
    // EACCES without CAP_SYS_RESOURCE: then it stays what it was.
    sys::io::pwrite(&file, NEVER.to_bytes(), 0).ok()?;
    CStr::from_bytes_until_nul(&buffer[..]).ok()
}

/// Gives a child what was there before.
pub fn give_back(score: &CStr) {
    if let Ok(file) = openat(CWD, FILE, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
        // To raise it needs no right.
        let _ = sys::io::write(&file, score.to_bytes());
    }
}
