//! What was written to a disk, in its order, as QEMU records it (its driver blklogwrites; the format is that of the
//! kernel's dm-log-writes), and what a power cut in the middle of it leaves on the disk.
//!
//! A disk may keep what it is given in a memory of its own until it is told to flush (virtio-blk with its default of a
//! write cache; a SATA disk). A power cut leaves all that was written before the last flush that is over, and of what
//! came after it anything: any of the writes, in part, and in any order. Sectors of 512 bytes are whole.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use stress::Random;

/// The unit of a disk.
pub const SECTOR: u64 = 512;
/// What the record begins with (dm-log-writes.c, WRITE_LOG_MAGIC).
const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const DISCARD: u64 = 4;

/// One thing that the disk was told.
#[derive(Debug)]
struct Entry {
    sector: u64,
    flags: u64,
    data: Vec<u8>,
}

/// The record of a disk.
#[derive(Debug)]
pub struct Record {
    entries: Vec<Entry>,
    /// From here on the disk is not the file system's: what is discarded there says how far the machine is. Discarding
    /// is at once in the record, and no flush.
    end: u64,
}

/// A moment at which the power is cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// So many entries came before it.
    entries: usize,
    /// How many marks the machine had set.
    pub marks: usize,
}

impl Record {
    /// Reads the record of a disk whose file system ends at the byte `end` of it.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    pub fn read(path: &Path, end: u64) -> Self {
        let mut bytes = Vec::new();
        File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).expect("the record");
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        assert_eq!(number(0), MAGIC, "the record of blklogwrites");
        let count = number(16);
        let sector = SECTOR as usize;
        let mut at = sector;
        let mut entries = Vec::new();
        for _ in 0..count {
            let [first, sectors, flags] = [0, 8, 16].map(|field| number(at + field));
            at += sector;
            // A discarded range has no data, and need not be empty.
            let length = if flags & DISCARD == 0 { sectors as usize * sector } else { 0 };
            entries.push(Entry { sector: first, flags, data: bytes[at..at + length].to_vec() });
            at += length;
        }
        Self { entries, end: end / SECTOR }
    }

    /// How much there is: entries, flushes, marks.
    #[must_use]
    pub fn size(&self) -> (usize, usize, usize) {
        let flushes = self.entries.iter().filter(|entry| entry.flags & FLUSH != 0).count();
        (self.entries.len(), flushes, self.marks(self.entries.len()))
    }

    fn marks(&self, entries: usize) -> usize {
        self.entries[..entries].iter().filter(|entry| self.is_mark(entry)).count()
    }

    fn is_mark(&self, entry: &Entry) -> bool {
        entry.flags & DISCARD != 0 && entry.sector >= self.end
    }

    /// Random moments after the first mark, in their order.
    pub fn cuts(&self, count: usize, random: &mut Random) -> Vec<Cut> {
        let first = self.entries.iter().position(|entry| self.is_mark(entry)).expect("a mark") + 1;
        let mut places: Vec<usize> =
            (0..count).map(|_| first + random.below(self.entries.len() - first)).collect();
        places.sort_unstable();
        places.into_iter().map(|entries| Cut { entries, marks: self.marks(entries) }).collect()
    }

    /// Brings `disk`, on which all is that was written before the entry `from`, to the last flush before the cut.
    /// Returns the first entry after that flush.
    ///
    /// # Panics
    /// Where it cannot be written.
    #[must_use]
    pub fn settle(&self, disk: &File, from: usize, cut: Cut) -> usize {
        let flushed = self.entries[..cut.entries].iter().rposition(|entry| entry.flags & FLUSH != 0);
        let to = flushed.map_or(0, |last| last + 1).max(from);
        self.entries[from..to].iter().for_each(|entry| write(disk, entry, entry.data.len()));
        to
    }

    /// What the power cut leaves of the writes after that flush: all of them, or some of them in part.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn tear(&self, disk: &File, from: usize, cut: Cut, random: &mut Random) {
        let all = random.below(2) == 0;
        for entry in &self.entries[from..cut.entries] {
            let sectors = entry.data.len() / SECTOR as usize;
            let kept = match random.below(3) {
                _ if all => sectors,
                0 => 0,
                1 => random.below(sectors + 1),
                _ => sectors,
            };
            write(disk, entry, kept * SECTOR as usize);
        }
    }
}

fn write(disk: &File, entry: &Entry, length: usize) {
    disk.write_all_at(&entry.data[..length], entry.sector * SECTOR).expect("the disk is written");
}
