//! The end of a session: what a terminal that is hung up does, and then by force (credentials(7), "Sessions").

use std::fs;
use std::time::{Duration, Instant};

use sys::clone::Child;
use sys::event::{PollFd, PollFlags, Timespec, poll};
use sys::fd::{AsFd, OwnedFd};
use sys::process::{Pid, Signal, pidfd_send_signal};

/// What is sent, and how long it may take. A stopped process hears a hang-up only when it is continued.
const ROUNDS: [(&[Signal], Duration); 2] = [
    (&[Signal::HUP, Signal::CONT], Duration::from_secs(1)),
    // Nothing but a device that hangs keeps a process from dying.
    (&[Signal::KILL], Duration::from_secs(2)),
];
/// At most so many processes at a time are held by descriptors.
const BATCH: usize = 200;

/// Ends every process of the session that `leader` leads, itself included, and waits until they have ended. The
/// leader must not have been waited for: until then no other session can get its number.
///
/// Whether the leader has ended: nothing can be done about one that has not.
pub fn end_session(leader: &Child) -> Leader {
    for (signals, patience) in ROUNDS {
        let until = Instant::now() + patience;
        loop {
            let members = members(leader.pid);
            if members.is_empty() && has_ended(leader) {
                return Leader::Ended;
            }
            for process in members.iter().chain([&leader.pidfd]) {
                for signal in signals {
                    // ESRCH: it has ended meanwhile.
                    let _ = pidfd_send_signal(process, *signal);
                }
            }
            wait_for(&members, leader, until);
            if Instant::now() >= until {
                break;
            }
        }
    }
    if has_ended(leader) { Leader::Ended } else { Leader::Hangs }
}

/// What became of the leader of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leader {
    /// It has ended, and can be waited for without waiting.
    Ended,
    /// It hangs in the kernel, and ends some time later.
    Hangs,
}

/// Whether it has ended, and can be waited for.
pub fn has_ended(process: &Child) -> bool {
    let mut polled = [PollFd::new(&process.pidfd, PollFlags::IN)];
    poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(1)
}

/// Waits until all of them have ended, or the time is over.
fn wait_for(members: &[OwnedFd], leader: &Child, until: Instant) {
    for process in members.iter().chain([&leader.pidfd]) {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        let _ = poll(&mut [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)], Some(&left));
    }
}

/// The processes of a session that have not ended, its leader apart; as many as are held at a time.
fn members(leader: Pid) -> Vec<OwnedFd> {
    // Without /proc only the leader is known.
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let pids = numbers.filter_map(Pid::from_raw).filter(|pid| *pid != leader);
    pids.filter(|pid| is_member(*pid, leader))
        .filter_map(|pid| {
            let process = spawn::open(pid).ok()?;
            // It is the same process if it is a member now: what is open does not change behind the number.
            is_member(pid, leader).then_some(process)
        })
        .take(BATCH)
        .collect()
}

fn is_member(pid: Pid, leader: Pid) -> bool {
    let stat = fs::read(format!("/proc/{}/stat", pid.as_raw_pid()));
    stat.is_ok_and(|stat| session_of(&stat) == Some(leader.as_raw_pid()))
}

/// The session of a process that has not ended, from proc_pid_stat(5): pid, name in parentheses, state, parent,
/// group, session. The name may have anything in it.
fn session_of(stat: &[u8]) -> Option<i32> {
    let behind = stat.rsplitn(2, |byte| *byte == b')').next()?;
    let mut fields = std::str::from_utf8(behind).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    let session = fields.nth(2)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(session)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_stands_behind_the_name_whatever_that_is() {
        assert_eq!(session_of(b"12 (sh) S 1 12 34 1087 12"), Some(34));
        assert_eq!(session_of(b"12 () R 9 9 9) S 1 12 34 1087"), Some(34));
        assert_eq!(session_of(b"12 (a\xff\nb) D 1 12 34 0"), Some(34));
        assert_eq!(session_of(b"12 (sh) Z 1 12 34 0"), None, "it has ended");
        for damaged in [b"".as_slice(), b"12 (sh", b"12 (sh) S 1", b"12 (sh) S 1 2 x"] {
            assert_eq!(session_of(damaged), None);
        }
    }
}
