//! Capabilities, no_new_privs and seccomp: what a process gives up before it becomes another program.

use rustix::thread::{CapabilitySet, CapabilitySets};
use syscalls::{Sysno, syscall};

use crate::{Errno, Result, check};

/// A set of capabilities, bit n for capability n of capabilities(7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Capabilities(pub u64);

crate::set::operations!(Capabilities);

/// The names of capabilities(7), in the order of their numbers.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

impl Capabilities {
    /// None.
    pub const NONE: Self = Self(0);
    /// Every capability that has a name today.
    pub const ALL: Self = Self((1 << NAMES.len()) - 1);

    /// The capability of that name: any letter case, with or without `CAP_`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let short = match name.get(..4) {
            Some(prefix) if prefix.eq_ignore_ascii_case("CAP_") => &name[4..],
            _ => name,
        };
        let number = NAMES.iter().position(|known| known[4..].eq_ignore_ascii_case(short))?;
        Some(Self(1 << number))
    }

    /// The names of those in the set, in the order of their numbers.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().enumerate().filter(move |(number, _)| self.0 >> number & 1 == 1).map(|(_, n)| n)
    }
}

const PR_CAPBSET_DROP: usize = 24;
const PR_CAP_AMBIENT: usize = 47;
const PR_CAP_AMBIENT_RAISE: usize = 2;

/// prctl(2) with numbers only.
fn prctl(option: usize, second: usize, third: usize) -> Result<usize> {
    // SAFETY: the options used here take numbers and touch no memory.
    check(unsafe { syscall!(Sysno::prctl, option, second, third, 0usize, 0usize) })
}

/// Drops every capability but `keep` from the bounding set (PR_CAPBSET_DROP of prctl(2)), those that the
/// kernel knows and this program does not included.
///
/// # Errors
/// EPERM without CAP_SETPCAP.
pub fn limit_bounding_set(keep: Capabilities) -> Result<()> {
    for number in 0..64 {
        if keep.0 >> number & 1 == 1 {
            continue;
        }
        match prctl(PR_CAPBSET_DROP, number, 0) {
            Ok(_) => {}
            // The kernel knows no capability of this number, hence none above it.
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// capset(2): the effective, permitted and inheritable sets of this thread.
///
/// # Errors
/// EPERM where a set is larger than what may be had.
pub fn set_capabilities(
    effective: Capabilities,
    permitted: Capabilities,
    inheritable: Capabilities,
) -> Result<()> {
    let set = |capabilities: Capabilities| CapabilitySet::from_bits_retain(capabilities.0);
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: set(effective),
            permitted: set(permitted),
            inheritable: set(inheritable),
        },
    )
}

/// PR_CAP_AMBIENT_RAISE of prctl(2) for each of `set`.
///
/// # Errors
/// EPERM where one is not both permitted and inheritable.
pub fn raise_ambient(set: Capabilities) -> Result<()> {
    for number in (0..64).filter(|number| set.0 >> number & 1 == 1) {
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number)?;
    }
    Ok(())
}

/// keyctl(2), KEYCTL_JOIN_SESSION_KEYRING: joins a new, anonymous session keyring. A kernel without keyrings has
/// none to leave.
///
/// # Errors
/// EDQUOT where the user's quota of keys is used up.
pub fn join_new_keyring() -> Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: usize = 1;
    // SAFETY: a null name, which asks for an anonymous keyring.
    match check(unsafe { syscall!(Sysno::keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0usize) }) {
        Ok(_) | Err(Errno::NOSYS) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// One instruction of classic BPF: `struct sock_filter` of linux/filter.h.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FilterInstruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when the comparison holds.
    pub jump_true: u8,
    /// Instructions to skip when it does not.
    pub jump_false: u8,
    /// Operand.
    pub operand: u32,
}

impl FilterInstruction {
    /// As it lies in memory.
    #[must_use]
    pub const fn bytes(self) -> [u8; 8] {
        let [c0, c1] = self.code.to_le_bytes();
        let [o0, o1, o2, o3] = self.operand.to_le_bytes();
        [c0, c1, self.jump_true, self.jump_false, o0, o1, o2, o3]
    }
}

#[repr(C)]
struct FilterProgram {
    length: u16,
    filter: *const FilterInstruction,
}

/// seccomp(2), SECCOMP_SET_MODE_FILTER: from now on `filter` judges every system call of this thread and of
/// its descendants. `flags` are SECCOMP_FILTER_FLAG_*; those that make the call return a descriptor
/// (NEW_LISTENER) or a thread id (TSYNC without ESRCH) are refused with EINVAL.
///
/// # Errors
/// EACCES without no_new_privs and CAP_SYS_ADMIN, EINVAL for a program that the kernel's verifier refuses.
pub fn set_filter(filter: &[FilterInstruction], flags: u32) -> Result<()> {
    const SECCOMP_SET_MODE_FILTER: usize = 1;
    const NEW_LISTENER: u32 = 1 << 3;
    let Ok(length) = u16::try_from(filter.len()) else { return Err(Errno::INVAL) };
    if flags & NEW_LISTENER != 0 {
        return Err(Errno::INVAL);
    }
    let program = FilterProgram { length, filter: filter.as_ptr() };
    // SAFETY: the program is a valid sock_fprog whose instructions outlive the call; the kernel copies it.
    let answer =
        unsafe { syscall!(Sysno::seccomp, SECCOMP_SET_MODE_FILTER, flags as usize, &raw const program) };
    match check(answer)? {
        0 => Ok(()),
        // With TSYNC: the thread that could not be synchronised.
        _ => Err(Errno::SRCH),
    }
}

/// Real, effective and saved ids of the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ids {
    /// getresuid(2)
    pub users: [u32; 3],
    /// getresgid(2)
    pub groups: [u32; 3],
}

impl Ids {
    /// Whether all of them are 0.
    #[must_use]
    pub fn are_root(self) -> bool {
        self.users == [0; 3] && self.groups == [0; 3]
    }
}

/// getresuid(2) and getresgid(2).
#[must_use]
pub fn ids() -> Ids {
    let read = |call| {
        let mut ids = [u32::MAX; 3];
        let [real, effective, saved] = &mut ids;
        // SAFETY: three pointers to three numbers that are ours to write. It cannot fail with valid ones.
        let _ = unsafe { syscall!(call, &raw mut *real, &raw mut *effective, &raw mut *saved) };
        ids
    };
    Ids { users: read(Sysno::getresuid), groups: read(Sysno::getresgid) }
}
