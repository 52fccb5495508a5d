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
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{MemfdFlags, Mode, SealFlags, fchmod, fcntl_add_seals, ftruncate, memfd_create};
use sys::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::table::{PAGE, Table};
use crate::{Caller, Error, Late, Launch, Stage, Stopped, follow, is_ready, speaks, wait};

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
    let until = sys::clock::monotonic() + u64::from(milliseconds) * 1_000_000;
    let (first, stage) =
        follow(launch, caller, |channel| speaks(channel, milliseconds)).map_err(Late::Stopped)?;
    if matches!(stage, Stage::Plan) {
        let _ = pidfd_send_signal(&first.pidfd, Signal::KILL);
        return Err(Late::Hangs(first, Error::late(milliseconds)));
    }
    let left = until.saturating_sub(sys::clock::monotonic()) / 1_000_000;
    let is_in_time = is_ready(first.pidfd.as_fd(), left as u32);
    if !is_in_time {
        // It waits for the other, and can be killed in that.
        let _ = pidfd_send_signal(&first.pidfd, Signal::KILL);
        if !is_ready(first.pidfd.as_fd(), END) {
            return Err(Late::Hangs(first, Error::late(milliseconds)));
        }
    }
    let _ = wait(&first);
    let [notes, account, _] = &passage.0;
    let (notes, account) = (read(notes, PAGE).map_err(ours)?, read(account, table.account).map_err(ours)?);
    let error = |failure| Error::step(&launch.plan, failure);
    let stopped = |error| Late::Stopped(Stopped::Plan(error));
    let child = table.born(&notes, &account).map_err(|failure| stopped(error(failure)))?;
    let child = open_child(child).map_err(ours)?;
    let error = match table.failure(&account) {
        None if is_in_time => return Ok(child),
        None => Error::late(milliseconds),
        Some(failure) => error(failure),
    };
    // It has ended by itself, but where it hangs or somebody has caught it.
    let _ = pidfd_send_signal(&child.pidfd, Signal::KILL);
    if !is_ready(child.pidfd.as_fd(), END) {
        return Err(Late::Hangs(child, error));
    }
    let _ = wait(&child);
    Err(stopped(error))
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
