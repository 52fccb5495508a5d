//! The log of a container: what its main command writes, kept in files of a bounded size.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use sys::fd::OwnedFd;
use sys::fs::{AtFlags, Mode, OFlags, fstat, ftruncate, openat, renameat, unlinkat};
use sys::strerror::describe;
use sys::{Errno, Result};
use wire::json::Object;

use crate::cri::{self, Speaker, Stamp};

/// More than so much memory is given back after a write.
const KEPT: usize = 128 << 10;

/// When a log goes on in a new file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// Bytes that a file may have. One write that is longer is a file of its own.
    pub max_bytes: u64,
    /// How many files are kept: `log`, `log.1`, which is older, and so on. At least the one that is written.
    pub files: u32,
}

/// A container's log. A write that does not work out loses what it had, and nothing else: how much that was is said in
/// the log as soon as it can be.
pub struct Log {
    directory: OwnedFd,
    name: String,
    rotation: Rotation,
    file: OwnedFd,
    size: u64,
    /// Whether the last line of each stream goes on.
    goes_on: [bool; 2],
    /// What was lost since the log last said so, and why.
    unsaid: u64,
    why: Errno,
    lost: u64,
    text: Vec<u8>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("name", &self.name).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Log {
    /// Goes on with the log of this name in a directory, or begins it: mode 0600, appended to.
    ///
    /// # Errors
    /// Those of openat(2).
    pub fn open(directory: OwnedFd, name: &str, rotation: Rotation) -> Result<Self> {
        let file = open(&directory, name, OFlags::empty())?;
        let size = fstat(&file)?.st_size.unsigned_abs();
        Ok(Self {
            directory,
            name: name.into(),
            rotation,
            file,
            size,
            goes_on: [false; 2],
            unsaid: 0,
            why: Errno::IO,
            lost: 0,
            text: Vec::new(),
        })
    }

    /// Bytes that were lost so far, for want of room or by errors of the file system.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Appends entries; how many bytes of them are in the file all the same where it does not work out. None is left
    /// there by half.
    fn append(&mut self, entries: &[u8]) -> core::result::Result<(), (usize, Errno)> {
        let mut done = 0;
        let errno = loop {
            match sys::io::write(&self.file, &entries[done..]) {
                Ok(0) => break Errno::NOSPC,
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(errno) => break errno,
            }
            if done == entries.len() {
                self.size += done as u64;
                return Ok(());
            }
        };
        let whole = entries[..done].iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        if whole < done
            && let Ok(stat) = fstat(&self.file)
        {
            let _ = ftruncate(&self.file, stat.st_size.unsigned_abs().saturating_sub((done - whole) as u64));
        }
        self.size += whole as u64;
        Err((whole, errno))
    }

    /// Writes what is in `text`; first how much was lost before.
    fn write_text(&mut self) {
        let text = core::mem::take(&mut self.text);
        if self.size > 0 && self.size + text.len() as u64 > self.rotation.max_bytes {
            // The file grows beyond its size where there can be no other: a container is not stopped for that.
            let _ = self.rotate();
        }
        let done = self.say_loss().and_then(|()| self.append(&text));
        if let Err((whole, errno)) = done {
            let lost = cri::content(&text[whole..]);
            (self.unsaid, self.lost, self.why) = (self.unsaid + lost, self.lost + lost, errno);
        }
        if text.capacity() <= KEPT {
            self.text = text;
            self.text.clear();
        }
    }

    /// Says how much was lost, if that has not been said.
    fn say_loss(&mut self) -> core::result::Result<(), (usize, Errno)> {
        if self.unsaid == 0 {
            return Ok(());
        }
        let words = format!("husk: {} bytes were lost: {}\n", self.unsaid, describe(self.why));
        let mut entry = Vec::new();
        cri::write(&mut entry, now(), Speaker::System, words.as_bytes());
        self.append(&entry).map_err(|(_, errno)| (0, errno))?;
        self.unsaid = 0;
        Ok(())
    }

    /// Goes on in a new file. Until that is there, nothing is renamed.
    fn rotate(&mut self) -> Result<()> {
        let new = format!("{}.new", self.name);
        // Left by a server that was killed just then.
        let _ = unlinkat(&self.directory, &new, AtFlags::empty());
        let file = open(&self.directory, &new, OFlags::EXCL)?;
        for number in (1..self.rotation.files).rev() {
            let from = match number {
                1 => self.name.clone(),
                _ => format!("{}.{}", self.name, number - 1),
            };
            // There are fewer of them at first.
            let _ = renameat(&self.directory, &from, &self.directory, format!("{}.{number}", self.name));
        }
        renameat(&self.directory, &new, &self.directory, &self.name)?;
        (self.file, self.size) = (file, 0);
        Ok(())
    }
}

/// What a session does with a log. A trait, so that a program that opens none does not have the code.
pub trait Record: fmt::Debug {
    /// Keeps what was read of a stream: 0 is standard output or the terminal, 1 standard error.
    fn write(&mut self, stream: usize, bytes: &[u8]);

    /// The main command has ended: its last lines do not go on.
    fn end_lines(&mut self);

    /// Members of `stats`.
    fn stats(&self, message: &mut Object<'_>);
}

impl From<Log> for Box<dyn Record> {
    fn from(log: Log) -> Self {
        Box::new(log)
    }
}

const SPEAKERS: [Speaker; 2] = [Speaker::Stdout, Speaker::Stderr];

impl Record for Log {
    fn write(&mut self, stream: usize, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        self.goes_on[stream] = *last != b'\n';
        cri::write(&mut self.text, now(), SPEAKERS[stream], bytes);
        self.write_text();
    }

    fn end_lines(&mut self) {
        for (goes_on, speaker) in self.goes_on.iter_mut().zip(SPEAKERS) {
            if core::mem::take(goes_on) {
                cri::write(&mut self.text, now(), speaker, b"\n");
            }
        }
        self.write_text();
    }

    fn stats(&self, message: &mut Object<'_>) {
        let mut log = message.object("log");
        log.count("bytes", self.size).count("lost_bytes", self.lost);
        log.end();
    }
}

fn now() -> Stamp {
    Stamp::new(sys::clock::since_1970())
}

fn open(directory: &OwnedFd, name: &str, more: OFlags) -> Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    openat(directory, name, flags | more, Mode::RUSR | Mode::WUSR)
}
