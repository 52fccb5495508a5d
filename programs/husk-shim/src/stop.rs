//! How an init is asked to end its system. TERM means something else to most of them: systemd executes itself again,
//! and busybox's init restarts.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use sys::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use sys::process::Pid;
use wire::SignalNumber;

/// What the first process of a container takes for the order to end: by its program and its name, which a container can
/// choose as it likes, since nobody but itself is asked to end.
pub fn of(pid: Pid) -> SignalNumber {
    let folder = format!("/proc/{}", pid.as_raw_pid());
    let program = std::fs::read_link(format!("{folder}/exe")).unwrap_or_default();
    let name = std::fs::read(format!("{folder}/comm")).unwrap_or_default();
    of_init(program.file_name().unwrap_or_default().as_bytes(), name.trim_ascii_end())
}

fn of_init(program: &[u8], name: &[u8]) -> SignalNumber {
    /// SIGUSR2: power off, to busybox's init.
    const USR2: u64 = 12;
    /// SIGRTMIN+3: halt.target, to systemd(1).
    const RTMIN_3: u64 = 37;
    let number = match (program, name) {
        (b"systemd", _) => RTMIN_3,
        (b"busybox", b"init") => USR2,
        _ => return SignalNumber::TERM,
    };
    SignalNumber::new(number).unwrap_or(SignalNumber::TERM)
}

/// The name of the file that a command is in a root file system, links followed beneath that: `systemd` of `/sbin/init`.
pub fn program_of(root: &Path, command: &OsStr) -> Option<OsString> {
    let place = OFlags::PATH | OFlags::CLOEXEC;
    let root = openat(CWD, root, place | OFlags::DIRECTORY, Mode::empty()).ok()?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = openat2(&root, command.as_bytes(), place, Mode::empty(), resolve).ok()?;
    let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
    path.file_name().map(OsStr::to_os_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_init_is_asked_in_its_own_words_and_anybody_else_by_term() {
        assert_eq!(of_init(b"systemd", b"systemd").get(), 37);
        assert_eq!(of_init(b"busybox", b"init").get(), 12);
        for (program, name) in [(&b"busybox"[..], &b"sh"[..]), (b"", b""), (b"init", b"init")] {
            assert_eq!(of_init(program, name), SignalNumber::TERM);
        }
    }
}
