//! What outlives the server: a note of each running exec in a file that the embedding program keeps, so that
//! the next server knows what its predecessor had started.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use sys::Result;
use sys::fd::OwnedFd;
use wire::ExecId;

/// Bytes of a slot. A slot lies within a page, and its mark of validity at its end, so that it is written last.
const SLOT: usize = 512;
/// What ends a slot that holds an exec; 0 where it does not.
const VALID: [u8; 4] = *b"exec";
/// What the first slot begins with: the file has had a server.
const HEADER: [u8; 8] = *b"minit\0\0\x01";
/// Bytes before the texts: pid, mark, serial, two times, three lengths.
const FIXED: usize = 46;
const MAX_TAG: usize = 128;

/// One exec that runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    pub id: ExecId,
    pub pid: i32,
    /// The slack that its tree is told by; see `tree`.
    pub mark: u32,
    /// Number of the exec within the server that started it, and the pid of that one: its cgroup's name.
    pub serial: u64,
    pub server: i32,
    /// Nanoseconds since boot, before the process began and after: no other process with its pid has started in
    /// between.
    pub born: [u64; 2],
    /// In seconds since 1970.
    pub started_at: u64,
    pub cmd: String,
    pub tag: Option<String>,
}

impl Note {
    fn to_slot(&self) -> [u8; SLOT] {
        let mut slot = [0; SLOT];
        let tag = cut(self.tag.as_deref().unwrap_or_default(), MAX_TAG);
        let id = self.id.as_str();
        let cmd = cut(&self.cmd, SLOT - VALID.len() - FIXED - id.len() - tag.len());
        // An empty tag is one too: its length is told with 1 added.
        let tag_length = self.tag.as_ref().map_or(0, |_| tag.len() as u8 + 1);
        let parts: [&[u8]; 12] = [
            &self.pid.to_le_bytes(),
            &self.mark.to_le_bytes(),
            &self.serial.to_le_bytes(),
            &self.born[0].to_le_bytes(),
            &self.born[1].to_le_bytes(),
            &(self.started_at as u32).to_le_bytes(),
            &self.server.to_le_bytes(),
            &[id.len() as u8, tag_length],
            &(cmd.len() as u32).to_le_bytes(),
            id.as_bytes(),
            tag.as_bytes(),
            cmd.as_bytes(),
        ];
        let mut at = 0;
        for part in parts {
            slot[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        slot[SLOT - VALID.len()..].copy_from_slice(&VALID);
        slot
    }

    fn from_slot(slot: &[u8]) -> Option<Self> {
        let slot: &[u8; SLOT] = slot.try_into().ok()?;
        let mut rest = slot.strip_suffix(&VALID)?;
        let pid = i32::from_le_bytes(take(&mut rest)?);
        let mark = u32::from_le_bytes(take(&mut rest)?);
        let serial = u64::from_le_bytes(take(&mut rest)?);
        let born = [u64::from_le_bytes(take(&mut rest)?), u64::from_le_bytes(take(&mut rest)?)];
        let started_at = u64::from(u32::from_le_bytes(take(&mut rest)?));
        let server = i32::from_le_bytes(take(&mut rest)?);
        let [id, tag] = take(&mut rest)?;
        let cmd = u32::from_le_bytes(take(&mut rest)?) as usize;
        let mut text = |length: usize| {
            let (text, after) = rest.split_at_checked(length)?;
            rest = after;
            core::str::from_utf8(text).ok()
        };
        let id = ExecId::new(text(id.into())?)?;
        let tag = match tag {
            0 => None,
            length => Some(text(usize::from(length) - 1)?.to_owned()),
        };
        let cmd = text(cmd)?.to_owned();
        Some(Self { id, pid, mark, serial, server, born, started_at, cmd, tag })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*first)
}

fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most.min(text.len()))]
}

/// Number of a slot; 0 is the header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Slot(u32);

/// The file, and which of its slots are free.
#[derive(Debug)]
pub struct Journal {
    file: OwnedFd,
    free: Vec<Slot>,
    /// Slots that there are, the header included.
    slots: u32,
}

/// What a predecessor has left.
#[derive(Debug)]
pub struct Legacy {
    pub notes: Vec<(Slot, Note)>,
    /// The highest number that it has noted.
    pub serial: u64,
}

impl Journal {
    /// Takes up the file; what is in it, where a server has had it before.
    ///
    /// # Errors
    /// Those of pread(2) and pwrite(2).
    pub fn open(file: OwnedFd) -> Result<(Self, Option<Legacy>)> {
        let text = read_all(&file)?;
        let mut journal = Self { file, free: Vec::new(), slots: 1 };
        if !text.starts_with(&HEADER) {
            let mut header = [0; SLOT];
            header[..HEADER.len()].copy_from_slice(&HEADER);
            journal.write(Slot(0), 0, &header)?;
            return Ok((journal, None));
        }
        let mut legacy = Legacy { notes: Vec::new(), serial: 0 };
        for (number, slot) in text.chunks_exact(SLOT).enumerate().skip(1) {
            let place = Slot(number as u32);
            journal.slots = place.0 + 1;
            // A slot that was given up keeps its number, so that the next server does not use it again.
            if let Some((serial, _)) = slot[8..].split_first_chunk() {
                legacy.serial = legacy.serial.max(u64::from_le_bytes(*serial));
            }
            match Note::from_slot(slot) {
                Some(note) => legacy.notes.push((place, note)),
                None => journal.free.push(place),
            }
        }
        Ok((journal, Some(legacy)))
    }

    /// Notes an exec: one system call.
    pub fn note(&mut self, note: &Note) -> Option<Slot> {
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots += 1;
            Slot(self.slots - 1)
        });
        if self.write(place, 0, &note.to_slot()).is_ok() {
            return Some(place);
        }
        // Without memory for it the exec is not known after a restart, and nothing else is different.
        self.free.push(place);
        None
    }

    /// The exec has ended: one system call.
    pub fn clear(&mut self, place: Slot) {
        if self.write(place, SLOT - VALID.len(), &[0; VALID.len()]).is_ok() {
            self.free.push(place);
        }
    }

    fn write(&self, place: Slot, at: usize, bytes: &[u8]) -> Result<()> {
        let offset = u64::from(place.0) * SLOT as u64 + at as u64;
        match sys::io::pwrite(&self.file, bytes, offset) {
            Ok(count) if count == bytes.len() => Ok(()),
            Ok(_) => Err(sys::Errno::NOSPC),
            Err(errno) => Err(errno),
        }
    }
}

fn read_all(file: &OwnedFd) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut piece = [0; 8 * SLOT];
    loop {
        match sys::io::pread(file, &mut piece, text.len() as u64)? {
            0 => return Ok(text),
            count => text.extend_from_slice(&piece[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sys::fs::{MemfdFlags, memfd_create};

    fn note(id: &str, cmd: &str, tag: Option<&str>) -> Note {
        Note {
            id: ExecId::new(id).unwrap(),
            pid: 77,
            mark: 50_001,
            serial: 9,
            server: 5,
            born: [1 << 40, (1 << 40) + 5],
            started_at: 1_800_000_000,
            cmd: cmd.to_owned(),
            tag: tag.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn notes_are_found_again_and_slots_used_again() {
        let file = memfd_create("journal", MemfdFlags::CLOEXEC).unwrap();
        let again = || sys::io::fcntl_dupfd_cloexec(&file, 3).unwrap();
        let (mut journal, legacy) = Journal::open(again()).unwrap();
        assert!(legacy.is_none(), "the first server has no predecessor");
        let notes = [note("a", "/bin/sh -c x", None), note("b", "", Some("")), note("c", "é", Some("tag"))];
        let slots: Vec<Slot> = notes.iter().map(|note| journal.note(note).unwrap()).collect();
        journal.clear(slots[1]);
        let (mut journal, legacy) = Journal::open(again()).unwrap();
        let legacy = legacy.unwrap();
        assert_eq!(legacy.serial, 9);
        assert_eq!(legacy.notes, [(slots[0], notes[0].clone()), (slots[2], notes[2].clone())]);
        assert_eq!(journal.note(&notes[1]), Some(slots[1]));
        assert_eq!(sys::fs::fstat(&file).unwrap().st_size, 4 * SLOT as i64);
    }

    #[test]
    fn texts_are_cut_to_the_slot_between_characters() {
        let long = "é".repeat(1000);
        let note = note(&"i".repeat(128), &long, Some(&long));
        let back = Note::from_slot(&note.to_slot()).unwrap();
        assert_eq!((&back.id, back.tag.unwrap().len()), (&note.id, MAX_TAG));
        assert!(long.starts_with(&back.cmd) && back.cmd.len() > 200, "{}", back.cmd.len());
    }

    #[test]
    fn slots_that_are_cut_or_empty_hold_nothing() {
        let slot = note("a", "sh", None).to_slot();
        assert!(Note::from_slot(&slot[..SLOT - 1]).is_none() && Note::from_slot(&[0; SLOT]).is_none());
        let mut damaged = slot;
        damaged[42..46].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Note::from_slot(&damaged).is_none());
    }
}
