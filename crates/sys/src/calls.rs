//! A program that makes system calls from a table and does nothing else: no stack, no heap, no library.
//!
//! What is to go over into a container becomes it first (execve(2)): of the memory that it had nothing is left then,
//! and what can be seen of it in there is this program and its table. The table is a list of [`Row`]s; each says which
//! call is made, where its answer is put, and which row is next.

use syscalls::Sysno;

use crate::Errno;

core::arch::global_asm!(
    ".pushsection .rodata.husk_calls, \"a\", @progbits",
    ".globl husk_calls_code",
    ".globl husk_calls_end",
    ".hidden husk_calls_code",
    ".hidden husk_calls_end",
    "husk_calls_code:",
    // r12 is the row; the table begins with the address of the first.
    "    mov r12d, {table}",
    "    mov r12, [r12]",
    "2:  mov rax, [r12 + {number}]",
    "    mov rdi, [r12 + {arguments}]",
    "    mov rsi, [r12 + {arguments} + 8]",
    "    mov rdx, [r12 + {arguments} + 16]",
    "    mov r10, [r12 + {arguments} + 24]",
    "    mov r8,  [r12 + {arguments} + 32]",
    "    mov r9,  [r12 + {arguments} + 40]",
    "    syscall",
    "    mov rcx, [r12 + {answer}]",
    "    mov [rcx], rax",
    "    mov rcx, [r12 + {next}]",
    "    test rax, rax",
    "    jz 3f",
    "    mov rcx, [r12 + {positive}]",
    "    jg 3f",
    "    mov rcx, [r12 + {failed}]",
    "    neg rax",
    "    cmp rax, 63",
    "    ja 3f",
    "    mov rdx, [r12 + {tolerated}]",
    "    bt rdx, rax",
    "    jnc 3f",
    "    mov rcx, [r12 + {next}]",
    "3:  mov r12, rcx",
    "    jmp 2b",
    "husk_calls_end:",
    ".popsection",
    table = const TABLE,
    number = const core::mem::offset_of!(Row, number),
    arguments = const core::mem::offset_of!(Row, arguments),
    answer = const core::mem::offset_of!(Row, answer),
    next = const core::mem::offset_of!(Row, next),
    positive = const core::mem::offset_of!(Row, positive),
    failed = const core::mem::offset_of!(Row, failed),
    tolerated = const core::mem::offset_of!(Row, tolerated),
);

/// The code, which is position-independent but for the address of the table.
fn code() -> &'static [u8] {
    unsafe extern "C" {
        static husk_calls_code: u8;
        static husk_calls_end: u8;
    }
    let (start, end) = (&raw const husk_calls_code, &raw const husk_calls_end);
    // SAFETY: the two are the ends of one piece of read-only data, made above, that is there as long as the program.
    unsafe { core::slice::from_raw_parts(start, end.addr() - start.addr()) }
}

/// Where the program's file is in memory, and its table behind it.
const BASE: u64 = 0x40_0000;
/// Where the table begins: with the address of the first row, 8 bytes.
pub const TABLE: u64 = BASE + HEAD as u64;
/// Size of what is before the table in the file.
pub const HEAD: usize = 4096;
/// Where nothing of the program or its stack is: for what it maps, up to [`SHARED_END`].
pub const SHARED: u64 = 0x1_0000_0000;
/// Where that ends.
pub const SHARED_END: u64 = 0x2_0000_0000;
/// A table's answer that nobody wants goes here: the place of the first row's address, which is read only once.
pub const NOWHERE: u64 = TABLE;

/// One call. All numbers are as the kernel takes them; addresses are those of the program.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Row {
    number: u64,
    arguments: [u64; 6],
    /// Where its answer is put: 8 bytes.
    pub answer: u64,
    /// The address of the next row where the answer is 0.
    pub next: u64,
    /// … where it is positive.
    pub positive: u64,
    /// … where it is an errno, made negative.
    pub failed: u64,
    /// Errnos that are no failure: bit n for errno n, below 64. After them the next row is that of 0.
    pub tolerated: u64,
}

/// Size of a row.
pub const ROW: usize = size_of::<Row>();

impl Row {
    fn call(number: Sysno, arguments: &[u64]) -> Self {
        let mut row = Self { number: number as u64, ..Self::default() };
        row.arguments[..arguments.len()].copy_from_slice(arguments);
        row
    }

    /// The row as it lies in memory.
    #[must_use]
    pub fn words(&self) -> [u64; ROW / 8] {
        let [a, b, c, d, e, f] = self.arguments;
        [self.number, a, b, c, d, e, f, self.answer, self.next, self.positive, self.failed, self.tolerated]
    }

    /// The number of the call, and its arguments: what a filter judges.
    #[must_use]
    pub const fn judged(&self) -> (u64, [u64; 6]) {
        (self.number, self.arguments)
    }

    /// mmap(2): so many bytes of the file at `descriptor`, shared, to be read and written at `address`.
    #[must_use]
    pub fn share(address: u64, length: u64, descriptor: u64) -> Self {
        const READ_WRITE: u64 = 3;
        const SHARED_FIXED: u64 = 0x11;
        Self::call(Sysno::mmap, &[address, length, READ_WRITE, SHARED_FIXED, descriptor, 0])
    }

    /// madvise(2), MADV_DONTFORK: a child has not got it.
    #[must_use]
    pub fn keep_from_child(address: u64, length: u64) -> Self {
        const MADV_DONTFORK: u64 = 10;
        Self::call(Sysno::madvise, &[address, length, MADV_DONTFORK])
    }

    /// close_range(2) of everything but 0, 1 and 2.
    #[must_use]
    pub fn close_others() -> Self {
        Self::call(Sysno::close_range, &[3, u64::from(u32::MAX), 0])
    }

    /// PR_SET_DUMPABLE 0 of prctl(2).
    #[must_use]
    pub fn undumpable() -> Self {
        const PR_SET_DUMPABLE: u64 = 4;
        Self::call(Sysno::prctl, &[PR_SET_DUMPABLE, 0, 0, 0, 0])
    }

    /// clone(2) of a child of one's own parent, in a copy of the memory; goes on when that has executed its program or
    /// has ended. Its pid, as the cloning process counts, is at `pid` (4 bytes) before it begins. Not clone3(2), which
    /// many filters refuse since they cannot look into its structure.
    #[must_use]
    pub fn clone_sibling(pid: u64) -> Self {
        const CLONE_VFORK: u64 = 0x0000_4000;
        const CLONE_PARENT: u64 = 0x0000_8000;
        const CLONE_PARENT_SETTID: u64 = 0x0010_0000;
        Self::call(Sysno::clone, &[CLONE_VFORK | CLONE_PARENT | CLONE_PARENT_SETTID, 0, pid, 0, 0])
    }

    /// setsid(2)
    #[must_use]
    pub fn new_session() -> Self {
        Self::call(Sysno::setsid, &[])
    }

    /// TIOCSCTTY of ioctl(2) on descriptor 0.
    #[must_use]
    pub fn take_terminal() -> Self {
        const TIOCSCTTY: u64 = 0x540E;
        Self::call(Sysno::ioctl, &[0, TIOCSCTTY, 0])
    }

    /// seccomp(2), SECCOMP_SET_MODE_FILTER: `program` is the address of a `struct sock_fprog`.
    #[must_use]
    pub fn filter(flags: u32, program: u64) -> Self {
        const SECCOMP_SET_MODE_FILTER: u64 = 1;
        Self::call(Sysno::seccomp, &[SECCOMP_SET_MODE_FILTER, flags.into(), program])
    }

    /// execve(2)
    #[must_use]
    pub fn execute(path: u64, argv: u64, envp: u64) -> Self {
        Self::call(Sysno::execve, &[path, argv, envp])
    }

    /// execveat(2) of the program at `descriptor` itself.
    #[must_use]
    pub fn execute_descriptor(descriptor: u64) -> Self {
        const AT_EMPTY_PATH: u64 = 0x1000;
        Self::call(Sysno::execveat, &[descriptor, 0, 0, 0, AT_EMPTY_PATH])
    }

    /// faccessat(2), F_OK.
    #[must_use]
    pub fn exists(path: u64) -> Self {
        const AT_FDCWD: u64 = -100_i64 as u64;
        Self::call(Sysno::faccessat, &[AT_FDCWD, path, 0])
    }

    /// exit_group(2): whoever leaves so has not become what it was to become.
    #[must_use]
    pub fn leave() -> Self {
        Self::call(Sysno::exit_group, &[125])
    }
}

/// What an answer says: `None` where it is no error.
#[must_use]
pub fn error(answer: i64) -> Option<Errno> {
    (-4095..0).contains(&answer).then(|| Errno::from_raw_os_error(-answer as i32))
}

/// The head of the program's file (elf(5)), for a table of so many bytes behind it.
#[must_use]
pub fn head(table: usize) -> [u8; HEAD] {
    const EXECUTABLE: u16 = 2;
    const X86_64: u16 = 62;
    const LOAD: u32 = 1;
    const STACK: u32 = 0x6474_e551;
    const EXECUTE: u32 = 1;
    const WRITE: u32 = 2;
    const READ: u32 = 4;
    const HEADER: usize = 64;
    const SEGMENT: usize = 56;
    const CODE: usize = HEADER + 3 * SEGMENT;
    let mut head = Bytes { bytes: [0; HEAD], at: 0 };
    // Class 64, little-endian, version 1.
    head.put(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    head.put(&EXECUTABLE.to_le_bytes());
    head.put(&X86_64.to_le_bytes());
    head.put(&1_u32.to_le_bytes());
    head.put(&(BASE + CODE as u64).to_le_bytes());
    head.put(&(HEADER as u64).to_le_bytes());
    head.put(&0_u64.to_le_bytes());
    head.put(&0_u32.to_le_bytes());
    for number in [HEADER as u16, SEGMENT as u16, 3, 64, 0, 0] {
        head.put(&number.to_le_bytes());
    }
    let code = code();
    let mut segment = |kind: u32, flags: u32, [offset, address, size, alignment]: [u64; 4]| {
        head.put(&kind.to_le_bytes());
        head.put(&flags.to_le_bytes());
        for number in [offset, address, address, size, size, alignment] {
            head.put(&number.to_le_bytes());
        }
    };
    segment(LOAD, READ | EXECUTE, [0, BASE, (CODE + code.len()) as u64, 4096]);
    segment(LOAD, READ | WRITE, [HEAD as u64, TABLE, table as u64, 4096]);
    // Without it the stack would be executable.
    segment(STACK, READ | WRITE, [0, 0, 0, 16]);
    head.put(code);
    head.bytes
}

/// The first page, being written.
struct Bytes {
    bytes: [u8; HEAD],
    at: usize,
}

impl Bytes {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }
}

/// `struct sock_fprog` of linux/filter.h, for a filter of so many instructions at an address of the program.
#[must_use]
pub const fn filter_program(length: u16, address: u64) -> [u64; 2] {
    [length as u64, address]
}
