//! A machine: whether it is ours, and its end.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsRawFd, BorrowedFd, RawFd};
use syscalls::{Sysno, syscall};

use crate::clone::{InChild, Memory, Namespaces, Setup, Table, clone3};
use crate::{Result, check};

/// What a machine does at its end: commands of reboot(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It is switched off. In a pid namespace of its own the first process is killed by SIGINT.
    PowerOff,
    /// It starts again. In a pid namespace the first process is killed by SIGHUP.
    Reboot,
}

fn reboot(command: usize) -> Result<()> {
    const MAGIC: usize = 0xfee1_dead;
    const MAGIC2: usize = 672_274_793;
    // SAFETY: no memory is passed for the commands that are used here.
    check(unsafe { syscall!(Sysno::reboot, MAGIC, MAGIC2, command, 0usize) })?;
    Ok(())
}

/// reboot(2). Returns only when that did not work out.
///
/// # Errors
/// EPERM without CAP_SYS_BOOT.
pub fn end(ending: Ending) -> Result<()> {
    reboot(match ending {
        Ending::PowerOff => 0x4321_fedc,
        Ending::Reboot => 0x0123_4567,
    })
}

/// Has Ctrl-Alt-Delete send SIGINT to process 1 instead of restarting the machine at once (reboot(2), CAD_OFF).
/// It tells whether there is a machine: in any pid namespace but the first one the kernel knows no such command.
///
/// # Errors
/// EINVAL in a container, EPERM in one without CAP_SYS_BOOT.
pub fn take_ctrl_alt_delete() -> Result<()> {
    reboot(0)
}

/// What came of [`settle`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settled {
    /// All is written.
    Done,
    /// Not within the time.
    NotInTime,
}

/// Writes all file systems (sync(2)) and waits until `terminal` has sent everything (tcdrain(3)), for at most so
/// many milliseconds: a device that hangs would hang the caller for ever. A child does it, and is left behind where
/// it does not end.
///
/// # Errors
/// Those of clone(2): without a child nothing was done.
pub fn settle(terminal: BorrowedFd<'_>, milliseconds: u64) -> Result<Settled> {
    let setup = Setup {
        namespaces: Namespaces::NONE,
        cgroup: None,
        standard: [None; 3],
        keep: Some(terminal),
        table: Table::Whole,
    };
    // SAFETY: the child makes two system calls, with no descriptor but the one that is kept, and ends.
    let child = unsafe { clone3(&setup, Memory::Copied, write_and_wait, &mut terminal.as_raw_fd()) }?;
    let timeout = Timespec {
        tv_sec: (milliseconds / 1_000) as i64,
        tv_nsec: (milliseconds % 1_000 * 1_000_000) as i64,
    };
    match poll(&mut [PollFd::new(&child.pidfd, PollFlags::IN)], Some(&timeout))? {
        0 => Ok(Settled::NotInTime),
        _ => Ok(Settled::Done),
    }
}

/// What the child of [`settle`] does.
fn write_and_wait(_: InChild, _: Result<()>, terminal: &mut RawFd) -> u8 {
    const TCSBRK: usize = 0x5409;
    // SAFETY: it takes nothing.
    let _ = unsafe { syscall!(Sysno::sync) };
    // SAFETY: with the argument 1 it only waits.
    let _ = unsafe { syscall!(Sysno::ioctl, *terminal, TCSBRK, 1usize) };
    0
}
