//! The reader of tar archives (PAX records, GNU's long names and sparse maps) and what names in them mean.
//!
//! What is read does not depend on how the bytes come in; it is within the promises that the unpacking relies on; and it
//! is read again from what the writer makes of it.

use crate::archive;
use crate::error::Result;
use crate::path::{Place, place};
use crate::source::Source;
use image::tar::{End, Entry, Input, Kind, Reader, Writer};

type Read = (Vec<(Entry, Vec<u8>)>, Option<String>);

pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let archive = match source.below(8) {
        0 => source.rest().to_vec(),
        _ => archive::of(&mut source),
    };
    let whole = read(&archive[..]);
    for size in [1, 511, 700] {
        assert_eq!(read(Pieces { rest: &archive, size }), whole, "in pieces of {size}");
    }
    let (entries, _) = whole;
    assert!(entries.len() * 512 <= archive.len(), "every entry has a header");
    for (entry, content) in &entries {
        demand_promises(entry, content, archive.len());
        demand_name_stays(&entry.path);
    }
    written_again(entries);
}

/// Up to the end, or the error.
fn read(input: impl Input) -> Read {
    let mut reader = Reader::new(input, End::Marked);
    let mut entries = Vec::new();
    loop {
        let entry = match reader.next_entry() {
            Ok(Some(entry)) => entry,
            Ok(None) => return (entries, None),
            Err(error) => return (entries, Some(error.to_string())),
        };
        let mut content = Vec::new();
        loop {
            match reader.content() {
                Ok([]) => break,
                Ok(bytes) => {
                    let count = bytes.len();
                    content.extend_from_slice(bytes);
                    reader.consume(count);
                }
                Err(error) => return (entries, Some(error.to_string())),
            }
        }
        entries.push((entry, content));
    }
}

/// The bytes, never more than so many at hand.
struct Pieces<'a> {
    rest: &'a [u8],
    size: usize,
}

impl Input for Pieces<'_> {
    fn fill(&mut self) -> Result<&[u8]> {
        Ok(&self.rest[..self.rest.len().min(self.size)])
    }

    fn consume(&mut self, count: usize) {
        assert!(count <= self.size, "more than was at hand");
        self.rest = &self.rest[count..];
    }
}

/// What the unpacking relies on.
fn demand_promises(entry: &Entry, content: &[u8], length: usize) {
    assert!(!entry.path.contains(&0) && !entry.link.contains(&0), "{entry:?}");
    assert!(entry.mode <= 0o7777 && entry.mtime.nanoseconds < 1_000_000_000, "{entry:?}");
    assert!(entry.uid != u32::MAX && entry.gid != u32::MAX, "{entry:?}: chown(2) would leave it as it is");
    assert!(i64::try_from(entry.size).is_ok() && content.len() <= length, "{entry:?}");
    assert!(entry.xattrs.iter().all(|(name, _)| !name.is_empty() && !name.contains(&0)), "{entry:?}");
    let Some(map) = &entry.map else {
        assert_eq!(content.len() as u64, entry.size, "{entry:?}");
        return;
    };
    assert_eq!(entry.kind, Kind::File, "{entry:?}");
    let mut end = 0;
    for segment in map {
        assert!(segment.offset >= end && segment.length > 0, "{entry:?}");
        end = segment.offset + segment.length;
    }
    assert!(end <= entry.size, "{entry:?}");
    assert_eq!(map.iter().map(|segment| segment.length).sum::<u64>(), content.len() as u64, "{entry:?}");
}

/// Whatever a name is taken for, no part of it leads upwards or is of two parts.
fn demand_name_stays(path: &[u8]) {
    let (parts, last) = match place(path) {
        Ok(Place::Below(parts, last) | Place::Whiteout(parts, last)) => (parts, Some(last)),
        Ok(Place::Opaque(parts)) => (parts, None),
        Ok(Place::Root | Place::Ignored) | Err(_) => return,
    };
    let marks = parts.iter().any(|part| part.starts_with(b".wh."));
    assert!(!marks, "{}: below a mark", path.escape_ascii());
    for part in parts.into_iter().chain(last) {
        let is_plain = !matches!(part, b"" | b"." | b"..") && !part.contains(&b'/') && part.len() <= 255;
        assert!(is_plain, "{}: {}", path.escape_ascii(), part.escape_ascii());
    }
}

/// What the writer makes of entries are those entries.
fn written_again(mut entries: Vec<(Entry, Vec<u8>)>) {
    for (entry, _) in &mut entries {
        // A file's name that ends with a slash is said by types that the writer does not write: with its own it would be
        // that of a directory. No tree that is packed has such names.
        while entry.kind == Kind::File && entry.path.ends_with(b"/") {
            entry.path.pop();
        }
    }
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    for (entry, content) in &entries {
        writer.header(entry).and_then(|()| writer.content(content)).expect("there is memory");
    }
    writer.finish().expect("there is memory");
    let (again, error) = read(&bytes[..]);
    assert_eq!(error, None);
    assert_eq!(again.len(), entries.len());
    for ((after, content), (mut before, whole)) in again.into_iter().zip(entries) {
        // The order of attributes is the writer's own.
        before.xattrs.sort();
        assert_eq!((after, content), (before, whole));
    }
}
