//! Processes: clone3(2), waiting by pidfd, leaving.

use core::mem::size_of;

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use rustix::process::Pid;
use syscalls::{Sysno, syscall};

use crate::{Errno, Result, check};

/// Which namespaces a process gets of its own: the CLONE_NEW* flags of clone(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Namespaces(u64);

impl Namespaces {
    /// None: everything is shared with the parent.
    pub const NONE: Self = Self(0);
    /// mount_namespaces(7)
    pub const MOUNT: Self = Self(0x0002_0000);
    /// cgroup_namespaces(7)
    pub const CGROUP: Self = Self(0x0200_0000);
    /// uts: hostname and domainname.
    pub const UTS: Self = Self(0x0400_0000);
    /// ipc_namespaces(7)
    pub const IPC: Self = Self(0x0800_0000);
    /// user_namespaces(7)
    pub const USER: Self = Self(0x1000_0000);
    /// pid_namespaces(7)
    pub const PID: Self = Self(0x2000_0000);
    /// network_namespaces(7)
    pub const NETWORK: Self = Self(0x4000_0000);

    /// Each kind with the name that /proc/PID/ns and the runtime-spec's tools give it.
    pub const NAMES: [(Self, &'static str); 7] = [
        (Self::USER, "user"),
        (Self::MOUNT, "mount"),
        (Self::PID, "pid"),
        (Self::NETWORK, "network"),
        (Self::IPC, "ipc"),
        (Self::UTS, "uts"),
        (Self::CGROUP, "cgroup"),
    ];

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every kind of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Which side of [`clone3`] one is on.
#[derive(Debug)]
pub enum Side {
    /// The caller, with its new child.
    Parent(Child),
    /// The child itself; whether its descriptors are as asked.
    Child(InChild, Result<()>),
}

/// A child process, held by a pidfd: a signal or a wait through it never reaches a recycled pid.
#[derive(Debug)]
pub struct Child {
    /// Its pid, as the caller's pid namespace counts.
    pub pid: Pid,
    /// Its pidfd (close-on-exec).
    pub pidfd: OwnedFd,
}

const CLONE_PIDFD: u64 = 0x0000_1000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// `struct clone_args` of linux/sched.h, version 2 (88 bytes, Linux 5.7).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// What a child is born with.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Namespaces of its own.
    pub namespaces: Namespaces,
    /// The directory of the cgroup (v2) that it is born into.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// What becomes its descriptors 0, 1 and 2. Numbers above 2.
    pub standard: [Option<BorrowedFd<'a>>; 3],
    /// Where it is given, every descriptor above 2 but this one is closed in the child at once.
    pub keep: Option<BorrowedFd<'a>>,
}

/// clone3(2) in the manner of fork: the child goes on in a copy of the caller's memory. Its end raises no
/// SIGCHLD: it is seen by its pidfd, and a caller that ignores SIGCHLD, or was started with it ignored, does
/// not lose the exit status (wait(2), "__WALL").
///
/// # Errors
/// Those of clone3(2); EBUSY or EOPNOTSUPP where the cgroup takes no process, EACCES where it is not ours.
/// What goes wrong with the descriptors of the child is in [`Side::Child`].
///
/// # Safety
/// The child has one thread, whichever others the caller had, and locks that those held stay held.
/// Until it has called execve or exit it may therefore use nothing that takes a lock: no allocation,
/// no stdio, no libc function that is not async-signal-safe. Where `keep` is given, it may use no
/// descriptor of the caller's but that one; and after [`InChild::close_all_but`] none at all but those kept.
pub unsafe fn clone3(setup: &Setup<'_>) -> Result<Side> {
    let mut pidfd: RawFd = -1;
    let mut args = CloneArgs {
        flags: setup.namespaces.0 | CLONE_PIDFD,
        pidfd: (&raw mut pidfd) as u64,
        ..CloneArgs::default()
    };
    if let Some(directory) = setup.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(directory.as_raw_fd().unsigned_abs());
    }
    // SAFETY: `args` is a clone_args of the size passed, `pidfd` outlives the call, no stack is given so
    // that the child runs on its own copy of ours. What the child may do is the caller's promise.
    let answer = unsafe { syscall!(Sysno::clone3, &raw const args, size_of::<CloneArgs>()) };
    let pid = match check(answer) {
        // A seccomp filter cannot look into clone3's structure, so that many containers' refuse it (Docker's
        // does) and let clone(2) pass. That one takes no cgroup.
        Err(Errno::NOSYS) if setup.cgroup.is_none() => {
            // SAFETY: as above; the kernel writes the pidfd where the parent's tid would go (clone(2)).
            check(unsafe { syscall!(Sysno::clone, args.flags, 0usize, &raw mut pidfd, 0usize, 0usize) })?
        }
        answer => answer?,
    };
    Ok(match Pid::from_raw(pid as i32) {
        None => Side::Child(InChild(()), take_descriptors(setup)),
        // SAFETY: the kernel has just put a new descriptor there, which nobody else knows of.
        Some(pid) => Side::Parent(Child { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } }),
    })
}

/// In the child: dup3(2) onto 0, 1, 2, then close_range(2) around the one descriptor that is kept.
fn take_descriptors(setup: &Setup<'_>) -> Result<()> {
    for (number, fd) in setup.standard.iter().enumerate() {
        if let Some(fd) = fd {
            // SAFETY: replaces the child's copy of a standard descriptor, which nobody owns.
            check(unsafe { syscall!(Sysno::dup3, fd.as_raw_fd(), number, 0usize) })?;
        }
    }
    if let Some(keep) = setup.keep {
        let keep = keep.as_raw_fd().unsigned_abs() as usize;
        if keep > 3 {
            // SAFETY: by the contract of `clone3` the child uses none of them.
            check(unsafe { syscall!(Sysno::close_range, 3usize, keep - 1, 0usize) })?;
        }
        // SAFETY: as above.
        check(unsafe { syscall!(Sysno::close_range, keep + 1, u32::MAX as usize, 0usize) })?;
    }
    Ok(())
}

/// What only a cloned child has: the right to close descriptors that it does not own, its copies of its
/// caller's.
#[derive(Debug)]
pub struct InChild(());

impl InChild {
    /// close_range(2) around `keep`: closes every other descriptor above 2. Not only at the exec: until then a
    /// descriptor is a path (/proc/self/fd/4/../..) that leads out of the container (CVE-2024-21626).
    ///
    /// # Errors
    /// Those of close_range(2).
    pub fn close_all_but(&self, keep: &mut [RawFd]) -> Result<()> {
        keep.sort_unstable();
        let mut first = 3;
        for fd in keep.iter().filter_map(|fd| usize::try_from(*fd).ok()) {
            if fd > first {
                // SAFETY: by the contract of `clone3` the child uses none of them from here on.
                check(unsafe { syscall!(Sysno::close_range, first, fd - 1, 0usize) })?;
            }
            first = first.max(fd + 1);
        }
        // SAFETY: as above.
        check(unsafe { syscall!(Sysno::close_range, first, u32::MAX as usize, 0usize) })?;
        Ok(())
    }
}

/// In the child: closes its copy of a descriptor, unless [`clone3`] has closed it by `setup` already.
pub fn close_copy(fd: OwnedFd, setup: &Setup<'_>) {
    if setup.keep.is_some() {
        let _ = fd.into_raw_fd(); // is closed; its number may stand for another file by now
    }
}

/// exit_group(2): ends the process at once, without running anything of the program's.
pub fn leave(code: u8) -> ! {
    loop {
        // SAFETY: it does not return and touches no memory.
        let _ = unsafe { syscall!(Sysno::exit_group, usize::from(code)) };
    }
}
