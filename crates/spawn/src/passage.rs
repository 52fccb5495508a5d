//! Into a pid namespace in which others may look into what appears.
//!
//! A process in a container is seen there from its birth, and may have been born with the memory, the descriptors and
//! the rights of who made it. Being undumpable hides those from nobody with CAP_SYS_PTRACE. So who makes it has none of
//! them by then: with the rights of the container's process, without a descriptor but 0, 1 and 2, and as another program
//! that is nothing but a table of system calls ([`sys::calls`]), it clones what appears, and ends. What is told on the
//! way is told in memory that is shared with the caller: by the first in one page, by the second, who may be caught, in
//! pages of its own, which are believed only what a failed start may be.

use alloc::vec::Vec;

use sys::Errno;
use sys::calls::{self, HEAD};
use sys::clone::Child;
use sys::event::poll;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{MemfdFlags, Mode, SealFlags, fchmod, fcntl_add_seals, ftruncate, memfd_create};
use sys::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, pidfd_open, pidfd_send_signal, waitid,
};
use sys::time::Timespec;

use crate::table::{PAGE, Table};
use crate::{ALL, Caller, Error, Late, Launch, Stage, Stopped, follow, is_ready, speaks, wait};

/// Milliseconds that one who is killed has to end, unless it hangs.
const END: u32 = 1_000;

/// What is passed to who goes over: its notes, the account of who is born there, and the program. Made for one start.
#[derive(Debug)]
pub struct Passage([OwnedFd; 3]);

impl Passage {
    /// A new one.
    ///
    /// # Errors
    /// Those of memfd_create(2) in words: EACCES where the sysctl vm.memfd_noexec is 2.
    pub fn new() -> Result<Self, Error> {
        Self::make().map_err(Error::passage)
    }

    fn make() -> sys::Result<Self> {
        let page = || memfd_create(c"notes", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING);
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let program = match memfd_create(c"husk", flags | MemfdFlags::EXEC) {
            // Before Linux 6.3 there is no such flag, and every one can be executed.
            Err(Errno::INVAL) => memfd_create(c"husk", flags),
            other => other,
        };
        Ok(Self([page()?, page()?, program?]))
    }

    /// What the plan passes ([`plan::Step::Pass`]).
    #[must_use]
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 3] {
        self.0.each_ref().map(AsFd::as_fd)
    }

    /// Fills them. The program can be executed by everybody and read by nobody, so that it is undumpable for who could
    /// not read it; and nobody can change what is in it.
    fn prepare(&self, table: &Table) -> sys::Result<()> {
        let [notes, account, program] = &self.0;
        ftruncate(notes, PAGE)?;
        ftruncate(account, table.account)?;
        write(program, &calls::head(table.bytes.len()), 0)?;
        write(program, &table.bytes, HEAD as u64)?;
        fchmod(program, Mode::from_raw_mode(0o111))?;
        let size = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        fcntl_add_seals(program, size | SealFlags::WRITE)?;
        [notes, account].iter().try_for_each(|file| fcntl_add_seals(file, size))
    }
}

fn write(file: &OwnedFd, mut bytes: &[u8], mut at: u64) -> sys::Result<()> {
    while !bytes.is_empty() {
        let written = sys::io::pwrite(file, bytes, at)?;
        bytes = &bytes[written..];
        at += written as u64;
    }
    Ok(())
}

/// The same as [`start_within`](crate::start_within) for a plan that goes over ([`plan::Step::Cross`]). The child is the one
/// that was born there.
///
/// # Errors
/// As there.
pub fn cross<C: Caller>(
    launch: &Launch<'_>,
    passage: &Passage,
    caller: &mut C,
    milliseconds: u32,
) -> Result<Child, Late<C::Error>> {
    let ours = |errno| Late::Stopped(Stopped::Plan(Error::passage(errno)));
    let table = Table::new(&launch.plan).map_err(ours)?;
    passage.prepare(&table).map_err(ours)?;
    let (patience, end) = shares(milliseconds);
    let until = after(patience);
    let (first, stage) =
        follow(launch, caller, |channel| speaks(channel, patience)).map_err(Late::Stopped)?;
    let is_in_time = matches!(stage, Stage::Program) && is_ready(first.pidfd.as_fd(), left(until));
    let last = after(end);
    let has_ended = is_in_time || {
        // It waits for the other, and can be killed in that.
        let _ = pidfd_send_signal(&first.pidfd, Signal::KILL);
        is_ready(first.pidfd.as_fd(), left(last))
    };
    // It may have got going just before it was killed. Who has SIGKILL pending makes nobody any more.
    let [notes, account, _] = &passage.0;
    let notes = read(notes, PAGE);
    if !has_ended {
        if let Some(Ok(pid)) = notes.ok().map(|notes| table.born(&notes, &[])) {
            end_by_number(pid, last);
        }
        return Err(Late::Hangs(first, Error::late(milliseconds)));
    }
    let _ = wait(&first);
    // Who was killed on the way leaves an unfinished account, which tells nothing but that.
    let stopped = |error| match is_in_time {
        true => Late::Stopped(Stopped::Plan(error)),
        false => Late::Killed(Error::late(milliseconds)),
    };
    let error = |failure| Error::step(&launch.plan, failure);
    let notes = notes.map_err(|errno| stopped(Error::passage(errno)))?;
    let account = read(account, table.account);
    let born = table.born(&notes, account.as_deref().unwrap_or_default());
    let pid = born.map_err(|failure| stopped(error(failure)))?;
    let opened = account.and_then(|account| Ok((account, open_child(pid)?)));
    let (account, child) = opened.map_err(|errno| {
        end_by_number(pid, last);
        stopped(Error::passage(errno))
    })?;
    let error = match table.failure(&account) {
        _ if !is_in_time => Error::late(milliseconds),
        None => return Ok(child),
        Some(failure) => error(failure),
    };
    // It has ended by itself, but where it hangs or somebody has caught it.
    let _ = pidfd_send_signal(&child.pidfd, Signal::KILL);
    if !is_ready(child.pidfd.as_fd(), left(last)) {
        return Err(Late::Hangs(child, error));
    }
    let _ = wait(&child);
    Err(stopped(error))
}

/// How many of so many milliseconds are for the start, and how many more for the end of who is killed: where there are few,
/// that is among them.
const fn shares(milliseconds: u32) -> (u32, u32) {
    if milliseconds > END {
        return (milliseconds, END);
    }
    let end = milliseconds / 5;
    (milliseconds - end, end)
}

/// The time in so many milliseconds.
fn after(milliseconds: u32) -> u64 {
    sys::clock::monotonic() + u64::from(milliseconds) * 1_000_000
}

/// How many milliseconds are left until then.
fn left(until: u64) -> u32 {
    (until.saturating_sub(sys::clock::monotonic()) / 1_000_000) as u32
}

/// Kills and reaps a child of ours for which there is no descriptor. Its number is its own as long as nobody has waited for
/// it. One that hangs is not waited for longer than that.
fn end_by_number(pid: Pid, until: u64) {
    let _ = kill_process(pid, Signal::KILL);
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | ALL;
    while let Ok(None) | Err(Errno::INTR) = waitid(WaitId::Pid(pid), options) {
        if left(until) == 0 {
            break;
        }
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 1_000_000 }));
    }
}

/// A child of ours by its pid, which is its own as long as nobody has waited for it.
fn open_child(pid: Pid) -> sys::Result<Child> {
    Ok(Child { pid, pidfd: pidfd_open(pid, PidfdFlags::empty())? })
}

fn read(notes: &OwnedFd, length: u64) -> sys::Result<Vec<i64>> {
    let mut bytes = alloc::vec![0; length as usize];
    let count = sys::io::pread(notes, &mut bytes, 0)?;
    let (words, _) = bytes[..count].as_chunks();
    Ok(words.iter().map(|word| i64::from_le_bytes(*word)).collect())
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn a_child_without_a_descriptor_is_killed_and_reaped() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
        end_by_number(pid, after(10_000));
        // ECHILD: there is nobody left to wait for.
        assert!(child.wait().is_err());
    }

    #[test]
    fn who_has_little_time_has_its_end_within_it() {
        assert_eq!(shares(5_000), (5_000, 1_000));
        assert_eq!(shares(250), (200, 50));
    }
}
