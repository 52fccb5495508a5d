//! The numbers of all system calls, and a hash table over their names; both are worked out at compile time
//! from the `syscalls` crate, so that a lookup at run time is a hash and a comparison.
//!
//! What that crate lacks is added here: x32, the private calls of Arm, calls newer than its release; what
//! it has wrong is put right (checked against libseccomp's table for Linux 7.1): its aarch64 calls
//! `newfstatat` `fstatat` and has the `_time64` calls of 32-bit architectures.

use syscalls::{aarch64, arm, x86, x86_64};

use crate::Arch;

/// No such call on this architecture.
pub(crate) const ABSENT: u16 = u16::MAX;
/// Places below this are numbers.
pub(crate) const ORDINARY: u16 = 640;
/// Places from [`ORDINARY`] on are the private calls of Arm, which begin at this number.
pub(crate) const PRIVATE: u32 = 0xf_0000;
/// How many places there are.
pub(crate) const PLACES: usize = ORDINARY as usize + 8;

/// Rows the table has room for; compilation stops when that is too few.
pub(crate) const ROWS: usize = 512;
const SLOTS: usize = 2048;

/// One row per name.
pub(crate) struct Table {
    pub(crate) names: [&'static str; ROWS],
    /// By architecture, then by row.
    pub(crate) numbers: [[u16; ROWS]; Arch::COUNT],
    /// Open addressing: rows, at the hash of their name or after it.
    slots: [u16; SLOTS],
    pub(crate) len: usize,
}

/// The table.
pub(crate) static TABLE: Table = build();

/// The row of a name, or the free slot where it belongs.
pub(crate) const fn find(table: &Table, name: &str) -> Result<u16, usize> {
    let mut slot = hash(name);
    loop {
        let row = table.slots[slot];
        if row == ABSENT {
            return Err(slot);
        }
        if equal(table.names[row as usize], name) {
            return Ok(row);
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// FNV-1a, folded to the number of slots.
const fn hash(name: &str) -> usize {
    let bytes = name.as_bytes();
    let mut hash: u32 = 0x811c_9dc5;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    (hash ^ hash >> 16) as usize % SLOTS
}

const fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

const fn add(table: &mut Table, arch: Arch, name: &'static str, number: u32) {
    let place = if number >= PRIVATE { ORDINARY + (number - PRIVATE) as u16 } else { number as u16 };
    assert!((place as usize) < PLACES, "a number that has no place");
    let row = match find(table, name) {
        Ok(row) => row as usize,
        Err(slot) => {
            let row = table.len;
            assert!(row < ROWS, "more names than rows");
            table.slots[slot] = row as u16;
            table.names[row] = name;
            table.len += 1;
            row
        }
    };
    table.numbers[arch as usize][row] = place;
}

/// Adds what the crate knows of one architecture, up to the largest number of all of them.
macro_rules! add_all {
    ($table:ident, $module:ident, $arch:expr) => {
        let mut number = 0;
        while number <= $module::Sysno::last().id() as usize {
            if let Some(sysno) = $module::Sysno::new(number)
                && let Some(name) = corrected($arch, number as u32, sysno.name())
            {
                add(&mut $table, $arch, name, number as u32);
            }
            number += 1;
        }
    };
}

const fn build() -> Table {
    let mut table =
        Table { names: [""; ROWS], numbers: [[ABSENT; ROWS]; Arch::COUNT], slots: [ABSENT; SLOTS], len: 0 };
    add_all!(table, x86_64, Arch::X86_64);
    add_x32(&mut table);
    add_all!(table, x86, Arch::X86);
    add_all!(table, aarch64, Arch::Aarch64);
    add_all!(table, arm, Arch::Arm);
    let mut i = 0;
    while i < NEW.len() {
        let (name, number) = NEW[i];
        add(&mut table, Arch::X86_64, name, number);
        add(&mut table, Arch::X32, name, number);
        add(&mut table, Arch::X86, name, number);
        add(&mut table, Arch::Aarch64, name, number);
        add(&mut table, Arch::Arm, name, number);
        i += 1;
    }
    i = 0;
    while i < ARM_PRIVATE.len() {
        add(&mut table, Arch::Arm, ARM_PRIVATE[i].0, PRIVATE + ARM_PRIVATE[i].1);
        i += 1;
    }
    table
}

const fn corrected(arch: Arch, number: u32, name: &'static str) -> Option<&'static str> {
    match (arch, number) {
        (Arch::Aarch64, 79) => Some("newfstatat"),
        (Arch::Aarch64, 403..=423) => None,
        // A keyword of Rust, which the crate has to spell as a raw identifier.
        (Arch::X86, 17) => Some("break"),
        _ => Some(name),
    }
}

/// x32 has the calls of x86_64 under the same numbers, with the exceptions below.
const fn add_x32(table: &mut Table) {
    let mut row = 0;
    let common = table.len;
    while row < common {
        let name = table.names[row];
        let mut number = table.numbers[Arch::X86_64 as usize][row] as u32;
        let mut i = 0;
        while i < X32_ABSENT.len() {
            if equal(X32_ABSENT[i], name) {
                number = ABSENT as u32;
            }
            i += 1;
        }
        i = 0;
        while i < X32_OWN.len() {
            if equal(X32_OWN[i], name) {
                number = X32_FIRST + i as u32;
            }
            i += 1;
        }
        if number != ABSENT as u32 {
            add(table, Arch::X32, name, number);
        }
        row += 1;
    }
}

/// Newer than the crate; from 424 on all architectures share their numbers.
const NEW: [(&str, u32); 2] = [("listns", 470), ("rseq_slice_yield", 471)];

/// `arch/arm/include/uapi/asm/unistd.h`.
const ARM_PRIVATE: [(&str, u32); 6] =
    [("breakpoint", 1), ("cacheflush", 2), ("usr26", 3), ("usr32", 4), ("set_tls", 5), ("get_tls", 6)];

/// Rows marked `64` without an x32 partner in the kernel's `syscall_64.tbl`.
const X32_ABSENT: [&str; 11] = [
    "create_module",
    "epoll_ctl_old",
    "epoll_wait_old",
    "get_kernel_syms",
    "get_thread_area",
    "nfsservctl",
    "query_module",
    "set_thread_area",
    "_sysctl",
    "uselib",
    "vserver",
];

const X32_FIRST: u32 = 512;

/// Rows marked `x32` in `syscall_64.tbl`: consecutive numbers from [`X32_FIRST`] on.
#[rustfmt::skip]
const X32_OWN: [&str; 36] = [
    "rt_sigaction", "rt_sigreturn", "ioctl", "readv", "writev", "recvfrom", "sendmsg", "recvmsg",
    "execve", "ptrace", "rt_sigpending", "rt_sigtimedwait", "rt_sigqueueinfo", "sigaltstack",
    "timer_create", "mq_notify", "kexec_load", "waitid", "set_robust_list", "get_robust_list",
    "vmsplice", "move_pages", "preadv", "pwritev", "rt_tgsigqueueinfo", "recvmmsg", "sendmmsg",
    "process_vm_readv", "process_vm_writev", "setsockopt", "getsockopt", "io_setup", "io_submit",
    "execveat", "preadv2", "pwritev2",
];
