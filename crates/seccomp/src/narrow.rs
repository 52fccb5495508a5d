//! Parameters that the kernel declares as `int`, `unsigned int` or another type of 32 bits. It ignores the
//! upper half of such an argument, and so must a filter: one that compares all 64 bits lets
//! `ioctl(fd, TIOCSTI | 1 << 32)` pass a rule that forbids `TIOCSTI` (CVE-2019-10063, CVE-2019-7303).

use crate::Syscall;

/// All six arguments.
pub(crate) const EVERY: u8 = 0b11_1111;

/// The parameters of a call that are known to have 32 bits on 64-bit architectures: bit n for argument n.
pub(crate) fn narrow_parameters(row: usize) -> u8 {
    NARROW.iter().find(|(syscall, _)| syscall.row() == row).map_or(0, |(_, parameters)| *parameters)
}

/// Calls that profiles put conditions on. A parameter belongs here only if the kernel's definition of the
/// call (`SYSCALL_DEFINE`) says so: for a wider one, the upper half would go unchecked.
static NARROW: &[(Syscall, u8)] = &[
    of("socket", &[0, 1, 2]),
    of("socketpair", &[0, 1, 2]),
    of("setsockopt", &[0, 1, 2, 4]),
    of("getsockopt", &[0, 1, 2]),
    of("accept4", &[0, 3]),
    of("ioctl", &[0, 1]),
    of("fcntl", &[0, 1]),
    of("prctl", &[0]),
    of("arch_prctl", &[0]),
    of("modify_ldt", &[0]),
    of("personality", &[0]),
    of("keyctl", &[0]),
    of("bpf", &[0, 2]),
    of("seccomp", &[0, 1]),
    of("setns", &[0, 1]),
    of("umount2", &[1]),
    of("open", &[1]),
    of("openat", &[0, 2]),
    of("unlinkat", &[0, 2]),
    of("madvise", &[2]),
    of("futex", &[1, 2, 5]),
    of("membarrier", &[0, 1, 2]),
    of("kill", &[0, 1]),
    of("tkill", &[0, 1]),
    of("tgkill", &[0, 1, 2]),
    of("pidfd_open", &[0, 1]),
    of("sched_setscheduler", &[0, 1]),
    of("setrlimit", &[0]),
    of("prlimit64", &[0, 1]),
    of("memfd_create", &[1]),
    of("userfaultfd", &[0]),
    of("fanotify_init", &[0, 1]),
    of("finit_module", &[0, 2]),
    of("quotactl", &[0]),
    of("syslog", &[0, 2]),
    of("reboot", &[0, 1, 2]),
    of("io_uring_enter", &[0, 1, 2, 3]),
    of("io_uring_register", &[0, 1, 3]),
];

const fn of(name: &str, parameters: &[u8]) -> (Syscall, u8) {
    let mut set = 0;
    let mut i = 0;
    while i < parameters.len() {
        set |= 1 << parameters[i];
        i += 1;
    }
    (Syscall::named(name).expect("a name of the table"), set)
}
