//! What a process does with a signal, as /proc/PID/status tells.

use alloc::format;
use alloc::vec;

use sys::Result;
use sys::fs::{CWD, Mode, OFlags, openat};
use sys::process::Pid;

/// What a process does with a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// It has a handler, or has blocked the signal to take it by other means, or ignores it on purpose.
    Taken,
    /// The default action.
    Default,
}

/// What process `pid` does with signal `number`.
///
/// It matters for the first process of a pid namespace: for it the kernel drops signals whose disposition is
/// the default one (pid_namespaces(7)).
///
/// # Errors
/// Those of open(2) and read(2) on /proc/PID/status; ENOENT where the process is gone.
pub fn disposition(pid: Pid, number: i32) -> Result<Disposition> {
    let path = format!("/proc/{}/status", pid.as_raw_pid());
    let file = openat(CWD, path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = vec![0; 4096];
    let length = sys::io::read(&file, &mut text[..])?;
    text.truncate(length);
    Ok(parse(&text, number))
}

fn parse(status: &[u8], number: i32) -> Disposition {
    let taken = status.split(|byte| *byte == b'\n').any(|line| {
        let mut parts = line.splitn(2, |byte| *byte == b'\t');
        let (Some(key), Some(value)) = (parts.next(), parts.next()) else { return false };
        let mask = core::str::from_utf8(value).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
        matches!(key, b"SigBlk:" | b"SigIgn:" | b"SigCgt:")
            && (1..=64).contains(&number)
            && mask.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
    });
    if taken { Disposition::Taken } else { Disposition::Default }
}

#[cfg(test)]
mod tests {
    use super::{Disposition, parse};

    const STATUS: &[u8] = b"Name:\tsh\nSigQ:\t0/96\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000000004\nSigCgt:\t0000000000014000\n";

    #[test]
    fn handled_ignored_and_blocked_signals_are_taken() {
        for number in [1, 3, 15, 17] {
            assert_eq!(parse(STATUS, number), Disposition::Taken, "{number}");
        }
        for number in [2, 14, 16, 64] {
            assert_eq!(parse(STATUS, number), Disposition::Default, "{number}");
        }
    }
}
