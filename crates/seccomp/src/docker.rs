//! The profile that containers get when nobody chooses one: Docker's.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use crate::{Action, Arch, Condition, Flags, Op, Profile, Rule, Syscall};

const EPERM: u16 = 1;
const ENOSYS: u16 = 38;

/// Docker's default profile for a container whose bounding set is `capabilities` (bit n: capability n) on
/// a machine of architecture `native`: what is not listed fails with `EPERM`.
///
/// It has the rules of `seccomp/default_linux.go` in `moby/profiles` as of 30 June 2026 (v0.2.3 and after)
/// for kernels from 4.8 on.
#[must_use]
pub fn default_profile(capabilities: u64, native: Arch) -> Profile<'static> {
    let has = |capability: u8| capabilities >> capability & 1 == 1;
    let mut rules = Vec::with_capacity(3 + CONDITIONAL.len() + PRIVILEGED.len());
    rules.push(allow(ALWAYS, &[]));
    for (syscalls, condition) in CONDITIONAL {
        rules.push(allow(syscalls, condition));
    }
    if !has(SYS_ADMIN) {
        rules.push(allow(CLONE, NO_NAMESPACES));
        // The flags of clone3 lie in memory, out of reach of a filter. ENOSYS sends the C library to clone.
        let (syscalls, conditions) = (Cow::Borrowed(CLONE3), Cow::Borrowed(&[][..]));
        rules.push(Rule { syscalls, action: Action::Errno(ENOSYS), conditions });
    }
    for (capability, syscalls) in PRIVILEGED {
        if has(*capability) {
            rules.push(allow(syscalls, &[]));
        }
    }
    let arches: &[Arch] = match native {
        Arch::X86_64 => &[Arch::X86_64, Arch::X86, Arch::X32],
        Arch::Aarch64 => &[Arch::Aarch64, Arch::Arm],
        Arch::X86 => &[Arch::X86],
        Arch::X32 => &[Arch::X32],
        Arch::Arm => &[Arch::Arm],
    };
    Profile {
        default: Action::Errno(EPERM),
        arches: Cow::Borrowed(arches),
        flags: Flags::NONE,
        rules: Cow::Owned(rules),
    }
}

fn allow(syscalls: &'static [Syscall], conditions: &'static [Condition]) -> Rule<'static> {
    let (syscalls, conditions) = (Cow::Borrowed(syscalls), Cow::Borrowed(conditions));
    Rule { syscalls, action: Action::Allow, conditions }
}

/// Turns names into handles at compile time; a name that no architecture has stops the compilation.
const fn list<const N: usize>(names: [&str; N]) -> [Syscall; N] {
    let mut handles = [Syscall::FIRST; N];
    let mut i = 0;
    while i < N {
        handles[i] = Syscall::named(names[i]).expect("a name of the table");
        i += 1;
    }
    handles
}

const fn first_argument(op: Op, value: u64) -> Condition {
    Condition::on(0, op, value, 0)
}

/// `linux/sched.h`: NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
const NAMESPACES: u64 =
    0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000;
static CLONE: &[Syscall] = &list(["clone"]);
static CLONE3: &[Syscall] = &list(["clone3"]);
static NO_NAMESPACES: &[Condition] = &[first_argument(Op::MaskedEq, NAMESPACES)];

static SOCKET: &[Syscall] = &list(["socket"]);
static PERSONALITY: &[Syscall] = &list(["personality"]);
const AF_ALG: u64 = 38;
const AF_VSOCK: u64 = 40;
const UNAME26: u64 = 0x0002_0000;
const PER_LINUX32: u64 = 8;

/// Allowed with a condition; several for one call are alternatives.
static CONDITIONAL: &[(&[Syscall], &[Condition])] = &[
    (SOCKET, &[first_argument(Op::Lt, AF_ALG)]),
    (SOCKET, &[first_argument(Op::Eq, AF_ALG + 1)]),
    (SOCKET, &[first_argument(Op::Gt, AF_VSOCK)]),
    (PERSONALITY, &[first_argument(Op::Eq, 0)]),
    (PERSONALITY, &[first_argument(Op::Eq, PER_LINUX32)]),
    (PERSONALITY, &[first_argument(Op::Eq, UNAME26)]),
    (PERSONALITY, &[first_argument(Op::Eq, UNAME26 | PER_LINUX32)]),
    // Asks for the present one.
    (PERSONALITY, &[first_argument(Op::Eq, 0xffff_ffff)]),
];

const SYS_ADMIN: u8 = 21;

/// Allowed with a capability in the bounding set (numbers of `linux/capability.h`).
#[rustfmt::skip]
static PRIVILEGED: &[(u8, &[Syscall])] = &[
    // CAP_DAC_READ_SEARCH
    (2, &list(["open_by_handle_at"])),
    // CAP_SYS_MODULE
    (16, &list(["delete_module", "finit_module", "init_module"])),
    // CAP_SYS_RAWIO
    (17, &list(["ioperm", "iopl"])),
    // CAP_SYS_CHROOT
    (18, &list(["chroot"])),
    // CAP_SYS_PTRACE
    (19, &list(["kcmp", "pidfd_getfd", "process_madvise"])),
    // CAP_SYS_PACCT
    (20, &list(["acct"])),
    (SYS_ADMIN, &list([
        "bpf", "clone", "clone3", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick",
        "lookup_dcookie", "lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr", "mount",
        "mount_setattr", "move_mount", "open_tree", "perf_event_open", "quotactl", "quotactl_fd",
        "setdomainname", "sethostname", "setns", "syslog", "umount", "umount2", "unshare",
    ])),
    // CAP_SYS_BOOT
    (22, &list(["reboot"])),
    // CAP_SYS_NICE
    (23, &list(["get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"])),
    // CAP_SYS_TIME
    (25, &list(["clock_settime", "clock_settime64", "settimeofday", "stime"])),
    // CAP_SYS_TTY_CONFIG
    (26, &list(["vhangup"])),
    // CAP_SYSLOG
    (34, &list(["syslog"])),
    // CAP_PERFMON
    (38, &list(["perf_event_open"])),
    // CAP_BPF
    (39, &list(["bpf"])),
];

/// Allowed to everyone. Those of one architecture only are simply unknown on the others.
#[rustfmt::skip]
static ALWAYS: &[Syscall] = &list([
    // x86, Arm, and ptrace with what it allows anyway, which a kernel from 4.8 on keeps from undoing filters.
    "arch_prctl", "modify_ldt", "arm_fadvise64_64", "arm_sync_file_range", "breakpoint", "cacheflush",
    "set_tls", "process_vm_readv", "process_vm_writev", "ptrace",

    "accept", "accept4", "access", "adjtimex", "alarm", "bind", "brk", "cachestat", "capget", "capset",
    "chdir", "chmod", "chown", "chown32", "clock_adjtime", "clock_adjtime64", "clock_getres",
    "clock_getres_time64", "clock_gettime", "clock_gettime64", "clock_nanosleep",
    "clock_nanosleep_time64", "close", "close_range", "connect", "copy_file_range", "creat", "dup",
    "dup2", "dup3", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait",
    "epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "execve", "execveat", "exit",
    "exit_group", "faccessat", "faccessat2", "fadvise64", "fadvise64_64", "fallocate", "fanotify_mark",
    "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchown32", "fchownat", "fcntl", "fcntl64",
    "fdatasync", "fgetxattr", "flistxattr", "flock", "fork", "fremovexattr", "fsetxattr", "fstat",
    "fstat64", "fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate", "ftruncate64", "futex",
    "futex_requeue", "futex_time64", "futex_wait", "futex_waitv", "futex_wake", "futimesat",
    "get_robust_list", "get_thread_area", "getcpu", "getcwd", "getdents", "getdents64", "getegid",
    "getegid32", "geteuid", "geteuid32", "getgid", "getgid32", "getgroups", "getgroups32", "getitimer",
    "getpeername", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getrandom", "getresgid",
    "getresgid32", "getresuid", "getresuid32", "getrlimit", "getrusage", "getsid", "getsockname",
    "getsockopt", "gettid", "gettimeofday", "getuid", "getuid32", "getxattr", "getxattrat",
    "inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch", "io_cancel", "io_destroy",
    "io_getevents", "io_pgetevents", "io_pgetevents_time64", "io_setup", "io_submit", "ioctl",
    "ioprio_get", "ioprio_set", "ipc", "kill", "landlock_add_rule", "landlock_create_ruleset",
    "landlock_restrict_self", "lchown", "lchown32", "lgetxattr", "link", "linkat", "listen",
    "listmount", "listxattr", "listxattrat", "llistxattr", "_llseek", "lremovexattr", "lseek",
    "lsetxattr", "lstat", "lstat64", "madvise", "map_shadow_stack", "membarrier", "memfd_create",
    "memfd_secret", "mincore", "mkdir", "mkdirat", "mknod", "mknodat", "mlock", "mlock2", "mlockall",
    "mmap", "mmap2", "mprotect", "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive",
    "mq_timedreceive_time64", "mq_timedsend", "mq_timedsend_time64", "mq_unlink", "mremap", "mseal",
    "msgctl", "msgget", "msgrcv", "msgsnd", "msync", "munlock", "munlockall", "munmap",
    "name_to_handle_at", "nanosleep", "newfstatat", "_newselect", "open", "openat", "openat2", "pause",
    "pidfd_open", "pidfd_send_signal", "pipe", "pipe2", "pkey_alloc", "pkey_free", "pkey_mprotect",
    "poll", "ppoll", "ppoll_time64", "prctl", "pread64", "preadv", "preadv2", "prlimit64",
    "process_mrelease", "pselect6", "pselect6_time64", "pwrite64", "pwritev", "pwritev2", "read",
    "readahead", "readlink", "readlinkat", "readv", "recv", "recvfrom", "recvmmsg", "recvmmsg_time64",
    "recvmsg", "remap_file_pages", "removexattr", "removexattrat", "rename", "renameat", "renameat2",
    "restart_syscall", "rmdir", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
    "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64",
    "rt_tgsigqueueinfo", "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity",
    "sched_getattr", "sched_getparam", "sched_getscheduler", "sched_rr_get_interval",
    "sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr", "sched_setparam",
    "sched_setscheduler", "sched_yield", "seccomp", "select", "semctl", "semget", "semop", "semtimedop",
    "semtimedop_time64", "send", "sendfile", "sendfile64", "sendmmsg", "sendmsg", "sendto",
    "set_robust_list", "set_thread_area", "set_tid_address", "setfsgid", "setfsgid32", "setfsuid",
    "setfsuid32", "setgid", "setgid32", "setgroups", "setgroups32", "setitimer", "setpgid",
    "setpriority", "setregid", "setregid32", "setresgid", "setresgid32", "setresuid", "setresuid32",
    "setreuid", "setreuid32", "setrlimit", "setsid", "setsockopt", "setuid", "setuid32", "setxattr",
    "setxattrat", "shmat", "shmctl", "shmdt", "shmget", "shutdown", "sigaltstack", "signalfd",
    "signalfd4", "sigprocmask", "sigreturn", "socketcall", "socketpair", "splice", "stat", "stat64",
    "statfs", "statfs64", "statmount", "statx", "symlink", "symlinkat", "sync", "sync_file_range",
    "syncfs", "sysinfo", "tee", "tgkill", "time", "timer_create", "timer_delete", "timer_getoverrun",
    "timer_gettime", "timer_gettime64", "timer_settime", "timer_settime64", "timerfd_create",
    "timerfd_gettime", "timerfd_gettime64", "timerfd_settime", "timerfd_settime64", "times", "tkill",
    "truncate", "truncate64", "ugetrlimit", "umask", "uname", "unlink", "unlinkat", "uretprobe",
    "utime", "utimensat", "utimensat_time64", "utimes", "vfork", "vmsplice", "wait4", "waitid",
    "waitpid", "write", "writev",
]);
