//! `resume`: a machine that was restored from a snapshot learns what time it is, that its random numbers have been
//! used before, and who it is now. Each part is done although another cannot be.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serve::Done;
use sys::fs::{CWD, Mode, OFlags, openat};
use sys::strerror::describe;
use sys::time::{ClockId, Timespec, clock_settime};
use wire::Resume;

/// Where programs look for the machine's id (machine-id(5)).
const MACHINE_ID: &core::ffi::CStr = c"/etc/machine-id";
const SECOND: u64 = 1_000_000_000;

/// Does what was asked for; what could not be done is said together.
pub fn apply(news: &Resume) -> Done {
    let mut errors: Vec<String> = Vec::new();
    let mut note = |what: &str, result: sys::Result<()>| {
        if let Err(errno) = result {
            errors.push(format!("resume: {what}: {}", describe(errno)));
        }
    };
    // The seed first: what follows may draw random numbers.
    if let Some(seed) = &news.seed {
        note("the seed", sys::entropy::reseed(seed));
    }
    if let Some(time) = news.unix_ns {
        let time = Timespec { tv_sec: (time / SECOND).cast_signed(), tv_nsec: (time % SECOND).cast_signed() };
        note("the clock", clock_settime(ClockId::Realtime, time));
    }
    if let Some(name) = &news.hostname {
        note("the host name", sys::system::sethostname(name.as_bytes()));
    }
    if let Some(id) = &news.machine_id {
        note("/etc/machine-id", write_machine_id(id));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
}

fn write_machine_id(id: &str) -> sys::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = openat(CWD, MACHINE_ID, flags, Mode::from_raw_mode(0o444))?;
    let line = format!("{}\n", id.to_ascii_lowercase());
    match sys::io::write(&file, line.as_bytes())? {
        written if written == line.len() => Ok(()),
        _ => Err(sys::Errno::IO),
    }
}
