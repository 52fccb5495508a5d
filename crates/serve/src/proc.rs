//! Processes as proc(5) shows them.

use alloc::collections::BinaryHeap;
use alloc::format;
use alloc::vec::Vec;
use core::mem::MaybeUninit;

use sys::fd::OwnedFd;
use sys::fs::{Access, AtFlags, CWD, Mode, OFlags, RawDir, accessat, openat, statat};
use sys::process::Pid;
use sys::{Errno, Result};

/// What /proc/PID/stat says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stat {
    pub pid: i32,
    pub name: Vec<u8>,
    pub state: u8,
    pub ppid: i32,
    pub group: i32,
    pub session: i32,
    /// In clock ticks since boot. With the pid it names a process for good.
    pub started: u64,
    /// Resident pages.
    pub resident: u64,
}

impl Stat {
    /// Takes the line apart. The name may have anything in it, parentheses and newlines too: the last
    /// parenthesis ends it.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let open = text.iter().position(|byte| *byte == b'(')?;
        let close = text.iter().rposition(|byte| *byte == b')')?;
        let pid = number(text.get(..open)?.trim_ascii())?;
        let rest = text.get(close + 1..)?;
        let mut fields = rest.split(|byte| *byte == b' ').filter(|field| !field.is_empty());
        let state = *fields.next()?.first()?;
        let (ppid, group, session) =
            (number(fields.next()?)?, number(fields.next()?)?, number(fields.next()?)?);
        // Fields 7 to 21, then the start time (22), the virtual size, and the resident pages (24).
        let started = number(fields.nth(15)?)?;
        let resident = number(fields.nth(1)?.trim_ascii())?;
        let name = text.get(open + 1..close)?.to_vec();
        Some(Self { pid, name, state, ppid, group, session, started, resident })
    }

    /// Whether it has not ended.
    pub const fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// A decimal number.
pub fn number<N: TryFrom<i64>>(text: &[u8]) -> Option<N> {
    N::try_from(decimal(text)?).ok()
}

/// The same; no number of proc(5) that is looked at here needs more than 63 bits.
#[inline(never)]
fn decimal(text: &[u8]) -> Option<i64> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// A file of /proc, at most `limit` bytes of it.
pub fn read(path: &str, limit: usize) -> Result<Vec<u8>> {
    let file = open_file(path)?;
    let mut text = Vec::new();
    let mut piece = [0u8; 4096];
    while text.len() < limit {
        match sys::io::read(&file, &mut piece) {
            Ok(0) => break,
            Ok(count) => text.extend_from_slice(&piece[..count]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    text.truncate(limit);
    Ok(text)
}

/// What the kernel says of one process; `None` where it is gone.
pub fn stat(pid: i32) -> Option<Stat> {
    // The line has at most 52 numbers of 20 digits and a name of 64 bytes.
    let mut line = [0; 1280];
    Stat::parse(head(&format!("/proc/{pid}/stat"), &mut line)?)
}

/// A file of /proc that is shorter than the buffer, which one read tells of.
pub fn head<'b>(path: &str, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let file: OwnedFd = open_file(path).ok()?;
    let count = sys::io::read(&file, &mut *buffer).ok()?;
    buffer.get(..count)
}

fn open_file(path: &str) -> Result<OwnedFd> {
    openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty())
}

/// Whether there is a /proc.
pub fn is_there() -> bool {
    accessat(CWD, "/proc/self/stat", Access::READ_OK, AtFlags::empty()).is_ok()
}

/// Whether the kernel tells the children of processes.
pub fn tells_children() -> bool {
    let us = sys::process::getpid().as_raw_pid();
    let path = format!("/proc/{us}/task/{us}/children");
    accessat(CWD, path, Access::READ_OK, AtFlags::empty()).is_ok()
}

/// The children of a process, zombies included: each belongs to the thread that has made it.
pub fn children(pid: i32) -> Vec<i32> {
    let tasks = format!("/proc/{pid}/task");
    // A directory has a link for itself, one from above, and one for each thread.
    match statat(CWD, &tasks, AtFlags::empty()) {
        Ok(stat) if stat.st_nlink == 3 => children_of(pid, pid),
        _ => {
            let threads = numbers(&tasks).unwrap_or_default();
            threads.into_iter().flat_map(|thread| children_of(pid, thread)).collect()
        }
    }
}

fn children_of(pid: i32, thread: i32) -> Vec<i32> {
    let text = read(&format!("/proc/{pid}/task/{thread}/children"), 8 << 20).unwrap_or_default();
    text.split(|byte| *byte == b' ').filter_map(number).collect()
}

/// The entries of a directory that are numbers.
fn numbers(path: &str) -> Result<Vec<i32>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = openat(CWD, path, flags, Mode::empty())?;
    let mut space = Vec::with_capacity(8192);
    space.resize(8192, MaybeUninit::uninit());
    let mut entries = RawDir::new(&directory, &mut space);
    let mut found = Vec::new();
    while let Some(entry) = entries.next() {
        found.extend(number::<i32>(entry?.file_name().to_bytes()));
    }
    Ok(found)
}

/// How many processes can be seen.
///
/// # Errors
/// ENOENT without /proc.
pub fn count() -> Result<u64> {
    Ok(numbers("/proc")?.len() as u64)
}

/// Every process that can be seen, in the order of pids.
///
/// # Errors
/// ENOENT without /proc.
pub fn all() -> Result<Vec<Stat>> {
    // By a heap, which is less code than the sorts of slices.
    let pids = BinaryHeap::from(numbers("/proc")?).into_sorted_vec();
    if pids.is_empty() {
        // A directory where one could be: we are not in it.
        return Err(Errno::NOENT);
    }
    Ok(pids.into_iter().filter_map(stat).collect())
}

/// A process as a handle that a recycled number cannot deceive: it is opened, and looked at again.
pub fn open(process: &Stat) -> Option<OwnedFd> {
    let fd = spawn::open(Pid::from_raw(process.pid)?).ok()?;
    (stat(process.pid)?.started == process.started).then_some(fd)
}

#[cfg(test)]
mod tests {
    use super::Stat;

    const TAIL: &[u8] =
        b" S 1 22 33 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 9000 99 18446744073709551615 1";

    #[test]
    fn names_may_have_anything_in_them() {
        for name in ["sh", "a b", ") S 9", "((", "x\n1 (y) R"] {
            let line = [b"77 (", name.as_bytes(), b")", TAIL].concat();
            let stat = Stat::parse(&line).unwrap();
            assert_eq!((stat.pid, stat.ppid, stat.group, stat.session), (77, 1, 22, 33), "{name}");
            assert_eq!((stat.started, stat.resident, stat.state), (4711, 99, b'S'), "{name}");
            assert_eq!(stat.name, name.as_bytes());
        }
    }

    #[test]
    fn lines_that_are_cut_are_none() {
        let line = [b"77 (sh)", TAIL].concat();
        let enough = line.len() - b" 18446744073709551615 1".len();
        for length in 0..enough - 3 {
            assert_eq!(Stat::parse(&line[..length]), None, "{length}");
        }
    }
}
