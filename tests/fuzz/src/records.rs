//! What the two roles of minit leave to each other: the records of their link, and the journal that outlives a
//! server. Both are read by a process that trusts the other one less than itself.

use minit::first::link::{Record, SIZE};
use sys::fd::OwnedFd;
use sys::fs::{MemfdFlags, memfd_create};

use crate::journal::{Journal, Legacy};
use crate::source::Source;

pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let record = std::array::from_fn(|_| source.byte());
    linked(record);
    journalled(source.rest());
}

/// What is read is what would be said, and is read again as the same.
fn linked(bytes: [u8; SIZE]) {
    let Some(record) = Record::unpack(bytes) else { return };
    assert_eq!(Record::unpack(record.pack()), Some(record), "{bytes:?}");
    if let Record::Ended(end) | Record::Reaped(_, end) = record {
        let number = match end {
            sys::reap::End::Code(_) => 0,
            sys::reap::End::Signal(number) => number,
        };
        assert!((0..128).contains(&number), "{end:?}");
    }
}

/// A journal with any content: it is taken up, what is found in it is within its limits, and what is found and
/// noted again is found again.
fn journalled(content: &[u8]) {
    let Ok(file) = memfd_create("journal", MemfdFlags::CLOEXEC) else { return };
    assert_eq!(sys::io::pwrite(&file, content, 0), Ok(content.len()));
    let (_, legacy) = Journal::open(copy(&file)).expect("a file in memory");
    let Some(Legacy { notes, .. }) = legacy else { return };
    let fresh = memfd_create("journal", MemfdFlags::CLOEXEC).expect("a second one");
    let (mut journal, none) = Journal::open(copy(&fresh)).expect("a file in memory");
    assert!(none.is_none(), "an empty file has had no server");
    let mut kept = Vec::new();
    for (_, note) in notes {
        assert!(note.cmd.len() < 512 && note.tag.as_ref().is_none_or(|tag| tag.len() < 256), "{note:?}");
        journal.note(&note).expect("there is memory");
        kept.push(note);
    }
    let (_, again) = Journal::open(copy(&fresh)).expect("a file in memory");
    let again: Vec<_> = again.expect("it has had a server").notes.into_iter().map(|(_, note)| note).collect();
    assert_eq!(again.len(), kept.len());
    for (before, after) in kept.iter().zip(&again) {
        let same = (&before.id, before.pid, before.serial, before.born)
            == (&after.id, after.pid, after.serial, after.born);
        // A tag is kept up to its limit, a command up to the room that is left.
        let cut = before.cmd.starts_with(&after.cmd) && before.tag.is_some() == after.tag.is_some();
        assert!(same && cut, "{before:?} became {after:?}");
    }
}

fn copy(file: &OwnedFd) -> OwnedFd {
    sys::io::fcntl_dupfd_cloexec(file, 3).expect("a descriptor")
}
