//! Entries as bytes, in one form only: the same entries make the same archive, whose digest names it.

use super::pax::push_record;
use super::{BLOCK, Entry, Kind, Segment, Time};
use crate::error::Result;

/// Where an archive goes.
pub trait Blocks {
    /// Takes all of these bytes.
    ///
    /// # Errors
    /// Those of where they go.
    fn put(&mut self, bytes: &[u8]) -> Result<()>;
}

impl Blocks for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// Writes one archive: ustar, with PAX records where ustar's fields are too small.
pub struct Writer<'a> {
    blocks: &'a mut dyn Blocks,
    /// Bytes of content since the last header, for the padding.
    content: u64,
}

const ZEROS: [u8; BLOCK] = [0; BLOCK];

impl<'a> Writer<'a> {
    /// A writer at the begin of an archive.
    pub fn new(blocks: &'a mut dyn Blocks) -> Self {
        Self { blocks, content: 0 }
    }

    /// Begins an entry. A file's content has to follow: `size` bytes, or those of the segments of its map.
    ///
    /// # Errors
    /// Those of where it goes.
    pub fn header(&mut self, entry: &Entry) -> Result<()> {
        self.pad()?;
        let layout = entry.map.as_deref().map(|map| layout(map, entry.size));
        let stored = match (&entry.map, entry.kind) {
            (Some(map), _) => {
                let text = layout.as_ref().map_or(0, Vec::len) as u64;
                text + map.iter().map(|segment| segment.length).sum::<u64>()
            }
            (None, Kind::File) => entry.size,
            (None, _) => 0,
        };
        let records = records(entry, stored);
        if !records.is_empty() {
            let header = Fields {
                path: b"PaxHeader",
                flag: b'x',
                size: records.len() as u64,
                mode: 0o644,
                ..Fields::default()
            };
            self.blocks.put(&header.block())?;
            self.content(&records)?;
            self.pad()?;
        }
        self.blocks.put(&fields(entry, stored).block())?;
        match layout {
            Some(layout) => self.content(&layout),
            None => Ok(()),
        }
    }

    /// Content of the entry that was begun last.
    ///
    /// # Errors
    /// Those of where it goes.
    pub fn content(&mut self, bytes: &[u8]) -> Result<()> {
        self.content += bytes.len() as u64;
        self.blocks.put(bytes)
    }

    /// Ends the archive with two blocks of zeros.
    ///
    /// # Errors
    /// Those of where it goes.
    pub fn finish(mut self) -> Result<()> {
        self.pad()?;
        self.blocks.put(&[0; 2 * BLOCK])
    }

    fn pad(&mut self) -> Result<()> {
        let missing = usize::try_from(self.content.wrapping_neg() % BLOCK as u64).unwrap_or_default();
        self.content = 0;
        if missing > 0 { self.blocks.put(&ZEROS[..missing]) } else { Ok(()) }
    }
}

/// The map that precedes the content of a sparse file (GNU's version 1.0), filled up to whole blocks. A hole at
/// the end is an empty segment there: GNU tar takes the end of the last segment for the end of the file.
fn layout(map: &[Segment], size: u64) -> Vec<u8> {
    let end = map.last().map_or(0, |last| last.offset + last.length);
    let last = (end < size).then_some(Segment { offset: size, length: 0 });
    let mut text = format!("{}\n", map.len() + usize::from(last.is_some()));
    for segment in map.iter().chain(&last) {
        text.push_str(&format!("{}\n{}\n", segment.offset, segment.length));
    }
    let mut bytes = text.into_bytes();
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}

/// What ustar's fields cannot say, sorted by key.
fn records(entry: &Entry, stored: u64) -> Vec<u8> {
    let mut records: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut push = |key: &[u8], value: &[u8]| records.push((key.to_vec(), value.to_vec()));
    if entry.map.is_some() {
        push(b"GNU.sparse.major", b"1");
        push(b"GNU.sparse.minor", b"0");
        push(b"GNU.sparse.name", &entry.path);
        push(b"GNU.sparse.realsize", entry.size.to_string().as_bytes());
    } else if entry.path.len() > 100 {
        push(b"path", &entry.path);
    }
    if entry.link.len() > 100 {
        push(b"linkpath", &entry.link);
    }
    for (key, id) in [(&b"gid"[..], entry.gid), (b"uid", entry.uid)] {
        if id > 0o7_777_777 {
            push(key, id.to_string().as_bytes());
        }
    }
    if stored > 0o77_777_777_777 {
        push(b"size", stored.to_string().as_bytes());
    }
    if entry.mtime.nanoseconds != 0 || !(0..=0o77_777_777_777).contains(&entry.mtime.seconds) {
        push(b"mtime", decimal(entry.mtime).as_bytes());
    }
    for (name, value) in &entry.xattrs {
        push(&[b"SCHILY.xattr.", name.as_slice()].concat(), value);
    }
    records.sort();
    let mut bytes = Vec::new();
    for (key, value) in records {
        push_record(&mut bytes, &key, &value);
    }
    bytes
}

/// Seconds with as many digits behind the point as are needed.
fn decimal(time: Time) -> String {
    let (sign, seconds, nanoseconds) = match (time.seconds < 0, time.nanoseconds) {
        (false, nanoseconds) => ("", time.seconds.unsigned_abs(), nanoseconds),
        (true, 0) => ("-", time.seconds.unsigned_abs(), 0),
        (true, nanoseconds) => ("-", time.seconds.unsigned_abs() - 1, 1_000_000_000 - nanoseconds),
    };
    let text = format!("{sign}{seconds}.{nanoseconds:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The fields of a header block that are not always the same.
#[derive(Default)]
struct Fields<'a> {
    path: &'a [u8],
    link: &'a [u8],
    flag: u8,
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    mtime: i64,
    device: (u32, u32),
}

fn fields(entry: &Entry, stored: u64) -> Fields<'_> {
    let flag = match entry.kind {
        Kind::File => b'0',
        Kind::HardLink => b'1',
        Kind::Symlink => b'2',
        Kind::CharDevice => b'3',
        Kind::BlockDevice => b'4',
        Kind::Directory => b'5',
        Kind::Fifo => b'6',
    };
    // A reader that knows no sparse files unpacks the map and the data below a name that says so.
    let path = if entry.map.is_some() { b"GNUSparseFile.0/file" } else { entry.path.as_slice() };
    Fields {
        path,
        link: &entry.link,
        flag,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        size: stored,
        mtime: entry.mtime.seconds,
        device: entry.device,
    }
}

impl Fields<'_> {
    fn block(&self) -> [u8; BLOCK] {
        let mut block = ZEROS;
        let mut put = |at: usize, most: usize, bytes: &[u8]| {
            let count = bytes.len().min(most);
            block[at..at + count].copy_from_slice(&bytes[..count]);
        };
        // Numbers that do not fit are in a PAX record, and 0 here.
        let octal = |value: u64, digits: usize| {
            let fits = value < 1 << (3 * digits);
            format!("{:0digits$o}", if fits { value } else { 0 }).into_bytes()
        };
        put(0, 100, self.path);
        put(100, 7, &octal(self.mode.into(), 7));
        put(108, 7, &octal(self.uid.into(), 7));
        put(116, 7, &octal(self.gid.into(), 7));
        put(124, 11, &octal(self.size, 11));
        put(136, 11, &octal(u64::try_from(self.mtime).unwrap_or_default(), 11));
        put(148, 8, b"        ");
        put(156, 1, &[self.flag]);
        put(157, 100, self.link);
        put(257, 8, b"ustar\x0000");
        put(329, 7, &octal(self.device.0.into(), 7));
        put(337, 7, &octal(self.device.1.into(), 7));
        let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }
}

#[cfg(test)]
mod tests {
    use super::super::{End, Reader};
    use super::*;

    fn entry(path: &[u8]) -> Entry {
        Entry {
            path: path.to_vec(),
            kind: Kind::File,
            mode: 0o4755,
            uid: 0,
            gid: 3_000_000,
            mtime: Time { seconds: -2, nanoseconds: 750_000_000 },
            size: 3,
            link: Vec::new(),
            device: (0, 0),
            xattrs: vec![(b"user.a".to_vec(), b"\0\n=".to_vec())],
            map: None,
        }
    }

    fn read(bytes: &[u8]) -> Vec<(Entry, Vec<u8>)> {
        let mut reader = Reader::new(bytes, End::Marked);
        let mut found = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            let mut content = Vec::new();
            loop {
                let here = reader.content().unwrap();
                if here.is_empty() {
                    break;
                }
                content.extend_from_slice(here);
                let count = here.len();
                reader.consume(count);
            }
            found.push((entry, content));
        }
        found
    }

    #[test]
    fn what_is_written_is_read_back() {
        let plain = entry(&[b"long/".repeat(60), b"\xff\n".to_vec()].concat());
        let map = vec![Segment { offset: 4096, length: 2 }, Segment { offset: 1 << 40, length: 1 }];
        let sparse = Entry { size: 1 << 41, map: Some(map), ..entry(b"sparse") };
        let link = Entry { kind: Kind::Symlink, size: 0, link: vec![b'x'; 300], ..entry(b"link") };
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        for entry in [&plain, &sparse, &link] {
            writer.header(entry).unwrap();
            if entry.kind == Kind::File {
                writer.content(b"abc").unwrap();
            }
        }
        writer.finish().unwrap();
        let found = read(&bytes);
        assert_eq!(found[0], (plain, b"abc".to_vec()));
        assert_eq!(found[1], (sparse, b"abc".to_vec()));
        assert_eq!(found[2], (link, Vec::new()));
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn times_are_printed_as_they_are_read() {
        let text = |seconds, nanoseconds| decimal(Time { seconds, nanoseconds });
        assert_eq!(text(12, 500_000_000), "12.5");
        assert_eq!(text(-2, 750_000_000), "-1.25");
        assert_eq!(text(-1, 500_000_000), "-0.5");
        assert_eq!(text(-3, 0), "-3");
    }
}
