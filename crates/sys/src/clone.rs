//! Processes: clone3(2), waiting by pidfd, leaving.

use core::mem::size_of;

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::process::Pid;
use syscalls::{Sysno, syscall};

use crate::exec::{Argument, execveat};
use crate::{Errno, Result, check};

/// Which namespaces a process gets of its own: the CLONE_NEW* flags of clone(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Namespaces(u64);

crate::set::operations!(Namespaces);

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
}

/// setns(2): enters `namespaces` of what `of` is a descriptor of: one namespace, or a process (pidfd), all of whose
/// namespaces can be entered in one call. Of a pid namespace only children that are made from then on are in it.
/// With a mount namespace, its root becomes the root and the working directory.
///
/// # Errors
/// Those of setns(2): EPERM without the right to, ESRCH where the process has ended.
pub fn join(of: BorrowedFd<'_>, namespaces: Namespaces) -> Result<()> {
    use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};
    // The flags of clone(2) fill 32 bits.
    move_into_thread_name_spaces(of, ThreadNameSpaceType::from_bits_retain(namespaces.0 as u32))
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
    /// Which of the caller's descriptors it is born with.
    pub table: Table,
}

/// Which of its caller's descriptors a child is born with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Table {
    /// All.
    Whole,
    /// In borrowed memory those up to the highest of [`Setup`], since none is needed above: a copy of all, made only to be
    /// closed again, costs a caller with ten thousand descriptors more than the rest of a start.
    Needed,
}

/// In whose memory a child goes on until its exec.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// In a copy, in the manner of fork(2).
    Copied,
    /// In the caller's, which waits, in the manner of vfork(2): the cost does not depend on how much memory the
    /// caller has, and the child can leave an answer.
    Borrowed,
}

/// What a child does: it is given the right to close descriptors, whether its own are as asked, and the state that
/// its caller prepared. It ends with the code that this returns.
pub type Body<S> = fn(InChild, Result<()>, &mut S) -> u8;

/// clone3(2): a child that runs `body`. Its end raises no SIGCHLD: it is seen by its pidfd, and a caller that
/// ignores SIGCHLD, or was started with it ignored, does not lose the exit status (wait(2), "__WALL").
///
/// # Errors
/// Those of clone3(2); EBUSY or EOPNOTSUPP where the cgroup takes no process, EACCES where it is not ours; ENOSYS
/// for borrowed memory where a filter refuses clone3.
///
/// # Safety
/// The child has one thread, whichever others the caller had, and locks that those held stay held.
/// Until it has called execve or exit it may therefore use nothing that takes a lock: no allocation,
/// no stdio, no libc function that is not async-signal-safe. Where `keep` is given, it may use no
/// descriptor of the caller's but that one; and after [`InChild::close_all_but`] none at all but those kept.
/// In borrowed memory it may write only to `state` and to what it makes itself, may need at most half of
/// [`STACK`], and may change nothing that belongs to the memory and not to the process: not the user
/// (which decides who may look into the memory: PR_SET_DUMPABLE), no mappings; and with [`Table::Needed`] it may use
/// no descriptor of the caller's but those of `setup`.
pub unsafe fn clone3<S>(setup: &Setup<'_>, memory: Memory, body: Body<S>, state: &mut S) -> Result<Child> {
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
    let pid = match memory {
        // SAFETY: the arguments are as they must be; what the child may do is the caller's promise.
        Memory::Borrowed => unsafe { vfork(&mut args, &mut Errand { setup, body, state })? },
        // SAFETY: as above.
        Memory::Copied => match unsafe { fork(&args, &raw mut pidfd)? } {
            0 => leave(body(InChild(()), take_descriptors(setup), state)),
            pid => pid,
        },
    };
    let pid = Pid::from_raw(pid as i32).ok_or(Errno::INVAL)?;
    // SAFETY: the kernel has just put a new descriptor there, which nobody else knows of.
    Ok(Child { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

/// clone3 in the manner of fork: 0 in the child.
///
/// # Safety
/// As [`clone3`].
unsafe fn fork(args: &CloneArgs, pidfd: *mut RawFd) -> Result<usize> {
    let pointer: *const CloneArgs = args;
    // SAFETY: `args` is a clone_args of the size passed, its `pidfd` outlives the call, no stack is given so
    // that the child runs on its own copy of ours.
    match check(unsafe { syscall!(Sysno::clone3, pointer, size_of::<CloneArgs>()) }) {
        // A seccomp filter cannot look into clone3's structure, so that many containers' refuse it (Docker's
        // does) and let clone(2) pass. That one takes no cgroup.
        Err(Errno::NOSYS) if args.flags & CLONE_INTO_CGROUP == 0 => {
            // SAFETY: as above; the kernel writes the pidfd where the parent's tid would go (clone(2)).
            check(unsafe { syscall!(Sysno::clone, args.flags, 0usize, pidfd, 0usize, 0usize) })
        }
        answer => answer,
    }
}

/// Bytes of stack that a child in borrowed memory has, below the caller's frames, which it goes on with and which stay
/// untouched. What runs there keeps one path of 4 KiB at a time; without optimisation its frames are several times as
/// large. Room in the caller's frame would be touched page by page whenever that is entered, by the compiler's probes,
/// and stay its memory for good.
pub const STACK: usize = 64 * 1024;
/// How far below the caller's frame it begins: beyond what the caller may use without having reserved it (128 bytes,
/// the "red zone" of the x86-64 ABI).
const GAP: usize = 256;

/// What a child in borrowed memory is sent out with.
struct Errand<'e, 's, S> {
    setup: &'e Setup<'s>,
    body: Body<S>,
    state: &'e mut S,
}

/// Where such a child begins.
extern "C" fn run_errand<S>(errand: *mut Errand<'_, '_, S>) -> ! {
    // SAFETY: `vfork` passes the one that it was given, and its caller sleeps until this has ended.
    let errand = unsafe { &mut *errand };
    let table = match errand.setup.table {
        Table::Whole => Ok(()),
        Table::Needed => take_table(errand.setup),
    };
    let prepared = table.and_then(|()| take_descriptors(errand.setup));
    leave((errand.body)(InChild(()), prepared, errand.state))
}

/// clone3 with CLONE_VM and CLONE_VFORK: the caller sleeps until the child has executed its program or has ended.
/// No handler of the caller's can run in the child, whichever signal comes: all are reset (CLONE_CLEAR_SIGHAND,
/// Linux 5.5). Working directory and umask are the child's own; so are descriptors, with [`Table::Needed`] once it has
/// called [`take_table`].
///
/// # Safety
/// As [`clone3`].
#[inline(never)] // so that the frame above the child's is this one
unsafe fn vfork<S>(args: &mut CloneArgs, errand: &mut Errand<'_, '_, S>) -> Result<usize> {
    const CLONE_VM: u64 = 0x0000_0100;
    const CLONE_FILES: u64 = 0x0000_0400;
    const CLONE_VFORK: u64 = 0x0000_4000;
    const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    args.flags |= CLONE_VM | CLONE_VFORK | CLONE_CLEAR_SIGHAND;
    if errand.setup.table == Table::Needed {
        args.flags |= CLONE_FILES;
    }
    args.stack_size = STACK as u64;
    let answer: isize;
    // SAFETY: `args` is a clone_args of the size passed. The parent comes back with its registers as they were, but
    // for those that a system call changes. The child begins with an empty stack, aligned to 16 bytes as a call wants
    // it, calls `run_errand`, and never returns from there. Its stack is below ours, where nothing lives while we
    // sleep: no handler of ours runs until the child has gone on. The errand lives until then.
    unsafe {
        core::arch::asm!(
            "lea rax, [rsp - {below}]",
            "and rax, -16",
            "mov [rdi + {stack}], rax",
            "mov eax, {clone3}",
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            below = const STACK + GAP,
            stack = const core::mem::offset_of!(CloneArgs, stack),
            clone3 = const Sysno::clone3 as isize,
            lateout("rax") answer,
            in("rdi") &raw mut *args,
            in("rsi") size_of::<CloneArgs>(),
            in("r12") &raw mut *errand,
            in("r13") run_errand::<S> as extern "C" fn(*mut Errand<'_, '_, S>) -> !,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    match answer {
        errno if errno < 0 => Err(Errno::from_raw_os_error(-errno as i32)),
        pid => Ok(pid.unsigned_abs()),
    }
}

/// fork(2), for a program with one thread: its copy may do whatever the program may, in another role. Its end
/// raises SIGCHLD. `None` in the copy.
///
/// # Errors
/// Those of clone(2).
pub fn fork_alone(_: crate::start::Alone) -> Result<Option<Child>> {
    const SIGCHLD: u64 = 17;
    let mut pidfd: RawFd = -1;
    let flags = CLONE_PIDFD | SIGCHLD;
    // SAFETY: without a stack the child runs on its own copy of ours, and the one thread that there is held no lock;
    // the kernel writes the pidfd where the parent's tid would go (clone(2)), and `pidfd` outlives the call.
    let pid = check(unsafe { syscall!(Sysno::clone, flags, 0usize, &raw mut pidfd, 0usize, 0usize) })?;
    // SAFETY: the kernel has just put a new descriptor there, which nobody else knows of.
    Ok(Pid::from_raw(pid as i32).map(|pid| Child { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } }))
}

/// In the child, which has its caller's very table of descriptors (CLONE_FILES): a copy of it, as far as it is needed
/// (CLOSE_RANGE_UNSHARE of close_range(2), Linux 5.9).
fn take_table(setup: &Setup<'_>) -> Result<()> {
    const CLOSE_RANGE_UNSHARE: usize = 2;
    let needed = setup.standard.iter().chain([&setup.keep]).flatten();
    let last = needed.map(|fd| fd.as_raw_fd()).fold(2, RawFd::max);
    let first = last.unsigned_abs() as usize + 1;
    // SAFETY: by the contract of `clone3` the child uses no others, and what the caller has is left alone: where the
    // copy cannot be made nothing is closed.
    check(unsafe { syscall!(Sysno::close_range, first, u32::MAX as usize, CLOSE_RANGE_UNSHARE) })?;
    Ok(())
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
    /// Closes the child's copy of a descriptor of its caller's (close(2)).
    pub fn close_copy(&self, fd: BorrowedFd<'_>) {
        // SAFETY: by the contract of `clone3` the child does not use it.
        let _ = unsafe { syscall!(Sysno::close, fd.as_raw_fd()) };
    }

    /// dup3(2): `fd` gets this number too, and keeps it over the exec. What had it is closed.
    ///
    /// # Errors
    /// Those of dup3(2).
    pub fn place(&self, fd: BorrowedFd<'_>, number: RawFd) -> Result<()> {
        // SAFETY: by the contract of `clone3` the child does not use its copy of what has that number.
        check(unsafe { syscall!(Sysno::dup3, fd.as_raw_fd(), number, 0usize) })?;
        Ok(())
    }

    /// execveat(2) of the program that was put at this number ([`InChild::place`]). Returns only when that did not work
    /// out.
    #[must_use]
    pub fn become_placed(&self, number: RawFd, argv: &[Argument<'_>], envp: &[Argument<'_>]) -> Errno {
        // SAFETY: it is the child's own copy, which nobody closes while it is borrowed here.
        execveat(unsafe { BorrowedFd::borrow_raw(number) }, argv, envp)
    }

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

/// exit_group(2): ends the process at once, without running anything of the program's.
pub fn leave(code: u8) -> ! {
    loop {
        // SAFETY: it does not return and touches no memory.
        let _ = unsafe { syscall!(Sysno::exit_group, usize::from(code)) };
    }
}
