//! From a stream of bytes to entries and their contents.

use super::header::{Header, more_segments};
use super::pax::Extended;
use super::sparse::{self, MapParser, SEGMENTS_MAX};
use super::{BLOCK, Entry, Kind, Segment, Time};
use crate::error::{Error, Result, shown};

/// Where an archive comes from.
pub trait Input {
    /// The bytes that are at hand; none at the end.
    ///
    /// # Errors
    /// Those of whatever supplies them.
    fn fill(&mut self) -> Result<&[u8]>;

    /// These many of them are done with.
    fn consume(&mut self, count: usize);

    /// Passes over bytes that nobody wants to see; fewer if the end comes first.
    ///
    /// # Errors
    /// As `fill`.
    fn skip(&mut self, count: u64) -> Result<u64> {
        let mut left = count;
        while left > 0 {
            let here = self.fill()?.len();
            if here == 0 {
                break;
            }
            let step = usize::try_from(left).map_or(here, |left| left.min(here));
            self.consume(step);
            left -= step as u64;
        }
        Ok(count - left)
    }
}

impl<I: Input> Input for &mut I {
    fn fill(&mut self) -> Result<&[u8]> {
        (**self).fill()
    }

    fn consume(&mut self, count: usize) {
        (**self).consume(count);
    }

    fn skip(&mut self, count: u64) -> Result<u64> {
        (**self).skip(count)
    }
}

impl Input for &[u8] {
    fn fill(&mut self) -> Result<&[u8]> {
        Ok(self)
    }

    fn consume(&mut self, count: usize) {
        *self = &self[count..];
    }
}

/// What the end of an archive has to look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// A block of zeros: without it, an archive cut off between two entries would be taken for a whole one.
    Marked,
    /// The stream may end behind any entry: its digest says whether it is whole.
    Any,
}

/// The most bytes of a long name or of the PAX records of one entry.
const EXTENSION_MAX: u64 = 1 << 20;

/// Reads one archive.
pub struct Reader<I> {
    input: I,
    end: End,
    /// Bytes of the current entry's content that have not been consumed, and the padding behind them.
    rest: u64,
    padding: u64,
    /// Bytes consumed so far.
    position: u64,
    /// The name of the current entry, for errors in its content.
    name: Vec<u8>,
}

/// What headers before the entry's own said about it.
#[derive(Default)]
struct Before {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    extended: Extended,
}

impl<I: Input> Reader<I> {
    /// A reader at the begin of an archive.
    pub fn new(input: I, end: End) -> Self {
        Self { input, end, rest: 0, padding: 0, position: 0, name: Vec::new() }
    }

    /// Bytes of the archive that have been read: behind [`next_entry`](Self::next_entry), where the content begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next entry, past what is left of the current one; none behind the last.
    ///
    /// # Errors
    /// A header that is damaged, out of range, or of an unknown type; the end in the midst of an entry.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        self.pass()?;
        let mut before = Before::default();
        let mut is_extended = false;
        loop {
            let Some(block) = self.block()? else {
                return match self.end {
                    End::Any if !is_extended => Ok(None),
                    _ => Err(Error::Archive("the archive is cut off: its end is not marked".to_owned())),
                };
            };
            if block.iter().all(|&byte| byte == 0) {
                return Ok(None);
            }
            let Some(header) = Header::parse(&block) else {
                let at = self.position - BLOCK as u64;
                return Err(Error::Archive(format!("no tar header at byte {at}, or a damaged one")));
            };
            is_extended = true;
            match header.flag() {
                b'x' => before.extended = self.extended(&header)?,
                // Defaults for all that follows: a comment, in practice. Docker ignores them too.
                b'g' => drop(self.extension(&header)?),
                b'L' => before.path = Some(self.long(&header)?),
                b'K' => before.link = Some(self.long(&header)?),
                // A label of the volume.
                b'V' => is_extended = false,
                _ => return self.entry(&header, before).map(Some),
            }
        }
    }

    /// The content of the current entry that is at hand; none at its end.
    ///
    /// # Errors
    /// The end of the archive comes first.
    pub fn content(&mut self) -> Result<&[u8]> {
        if self.rest == 0 {
            return Ok(&[]);
        }
        let bytes = self.input.fill()?;
        if bytes.is_empty() {
            return Err(cut_off(&self.name));
        }
        let most = usize::try_from(self.rest).unwrap_or(usize::MAX);
        Ok(&bytes[..bytes.len().min(most)])
    }

    /// These many bytes of the content are done with.
    pub fn consume(&mut self, count: usize) {
        self.input.consume(count);
        self.rest -= count as u64;
        self.position += count as u64;
    }

    fn pass(&mut self) -> Result<()> {
        let count = self.rest + self.padding;
        if count > 0 && self.input.skip(count)? < count {
            return Err(cut_off(&self.name));
        }
        self.position += count;
        (self.rest, self.padding) = (0, 0);
        Ok(())
    }

    /// The next block; none at the end.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        match self.read(&mut block)? {
            0 => Ok(None),
            BLOCK => Ok(Some(block)),
            _ => Err(Error::Archive("the archive is cut off in the midst of a header".to_owned())),
        }
    }

    /// Fills the buffer, up to the end of the input.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            let bytes = self.input.fill()?;
            if bytes.is_empty() {
                break;
            }
            let count = bytes.len().min(buffer.len() - done);
            buffer[done..done + count].copy_from_slice(&bytes[..count]);
            self.input.consume(count);
            done += count;
        }
        self.position += done as u64;
        Ok(done)
    }

    /// The content of a header that describes the next one.
    fn extension(&mut self, header: &Header<'_>) -> Result<Vec<u8>> {
        let name = header.path();
        let size = header.size().and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or_else(|| Error::entry(&name, "its size is no valid number"))?;
        if size > EXTENSION_MAX {
            return Err(Error::entry(&name, format!("extended headers of {size} bytes are too many")));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        if self.read(&mut bytes)? < bytes.len() {
            return Err(cut_off(&name));
        }
        (self.name, self.rest, self.padding) = (name, 0, padding(size));
        self.pass()?;
        Ok(bytes)
    }

    fn extended(&mut self, header: &Header<'_>) -> Result<Extended> {
        let records = self.extension(header)?;
        Extended::parse(&records).map_err(|why| Error::entry(&header.path(), why))
    }

    /// A name of GNU's, which ends with the first NUL.
    fn long(&mut self, header: &Header<'_>) -> Result<Vec<u8>> {
        let mut name = self.extension(header)?;
        name.truncate(name.iter().position(|&byte| byte == 0).unwrap_or(name.len()));
        Ok(name)
    }

    fn entry(&mut self, header: &Header<'_>, before: Before) -> Result<Entry> {
        let Before { path, link, extended } = before;
        // The PAX name of a sparse file is a stand-in for readers that do not know sparse files.
        let path = extended.sparse.name.clone().or(extended.path).or(path).unwrap_or_else(|| header.path());
        let bad = |what: &str| Error::entry(&path, format!("its {what} is no valid number"));
        let flag = header.flag();
        let kind = kind(flag, &path)?;
        let id = |extended: Option<u64>, field: Option<i64>| {
            let id = extended.or_else(|| u64::try_from(field?).ok())?;
            // The highest number means "leave as it is" to chown(2).
            u32::try_from(id).ok().filter(|&id| id != u32::MAX)
        };
        let stored = extended.size.or_else(|| u64::try_from(header.size()?).ok());
        let stored = stored.filter(|&size| i64::try_from(size).is_ok()).ok_or_else(|| bad("size"))?;
        // Only files have content; sizes that others claim describe something else (GNU tar and Go agree).
        let stored = if kind == Kind::File { stored } else { 0 };
        let seconds = || Some(Time { seconds: header.mtime()?, nanoseconds: 0 });
        let (major, minor) = header.device().ok_or_else(|| bad("device number"))?;
        let number = |part: i64| u32::try_from(part).map_err(|_| bad("device number"));
        let mut entry = Entry {
            kind,
            mode: u32::try_from(header.mode().ok_or_else(|| bad("mode"))? & 0o7777).unwrap_or_default(),
            uid: id(extended.uid, header.uid()).ok_or_else(|| bad("owner"))?,
            gid: id(extended.gid, header.gid()).ok_or_else(|| bad("group"))?,
            mtime: extended.mtime.or_else(seconds).ok_or_else(|| bad("time"))?,
            size: stored,
            link: extended.link.or(link).unwrap_or_else(|| header.link().to_vec()),
            device: if matches!(kind, Kind::CharDevice | Kind::BlockDevice) {
                (number(major)?, number(minor)?)
            } else {
                (0, 0)
            },
            xattrs: extended.xattrs,
            map: None,
            path,
        };
        self.name.clone_from(&entry.path);
        (self.rest, self.padding) = (stored, padding(stored));
        if flag == b'S' {
            self.old_sparse(header, &mut entry)?;
        } else if kind == Kind::File {
            self.pax_sparse(extended.sparse, &mut entry)?;
        }
        Ok(entry)
    }

    fn old_sparse(&mut self, header: &Header<'_>, entry: &mut Entry) -> Result<()> {
        let bad = || Error::entry(&entry.path, "the map of this sparse file is malformed");
        let (size, mut map, mut is_more) = header.sparse().ok_or_else(bad)?;
        while is_more {
            let block = self.block()?.ok_or_else(|| cut_off(&entry.path))?;
            let (segments, more) = more_segments(&block).ok_or_else(bad)?;
            map.extend(segments);
            is_more = more;
            if map.len() > SEGMENTS_MAX {
                return Err(Error::entry(&entry.path, "the map of this sparse file has too many segments"));
            }
        }
        let size = u64::try_from(size).map_err(|_| bad())?;
        finish_map(entry, map, size)
    }

    fn pax_sparse(&mut self, sparse: super::pax::Sparse, entry: &mut Entry) -> Result<()> {
        let Some(size) = sparse.real_size else {
            if sparse.map.is_some() || sparse.major.is_some() {
                return Err(Error::entry(&entry.path, "a sparse file without its size"));
            }
            return Ok(());
        };
        let map = match (sparse.major, sparse.minor, sparse.map) {
            (Some(1), Some(0), _) => self.leading_map(entry)?,
            (None | Some(0), _, Some(map)) => map,
            (None, None, None) => return Ok(()),
            _ => return Err(Error::entry(&entry.path, "a sparse file of an unknown version")),
        };
        finish_map(entry, map, size)
    }

    /// The map at the begin of the content, up to the end of its block.
    fn leading_map(&mut self, entry: &mut Entry) -> Result<Vec<Segment>> {
        let mut parser = MapParser::default();
        let mut taken = 0u64;
        loop {
            let Some(&byte) = self.content()?.first() else {
                return Err(Error::entry(&entry.path, "the map of this sparse file is cut off"));
            };
            self.consume(1);
            taken += 1;
            if parser.push(byte).map_err(|why| Error::entry(&entry.path, why))? {
                break;
            }
        }
        let mut fill = padding(taken);
        if fill > self.rest {
            return Err(Error::entry(&entry.path, "the map of this sparse file is cut off"));
        }
        taken += fill;
        while fill > 0 {
            let count = self.content()?.len().min(usize::try_from(fill).unwrap_or_default());
            self.consume(count);
            fill -= count as u64;
        }
        entry.size -= taken;
        Ok(parser.map)
    }
}

fn kind(flag: u8, path: &[u8]) -> Result<Kind> {
    Ok(match flag {
        // Before POSIX a directory was a file whose name ends with a slash.
        b'0' | 0 if path.ends_with(b"/") => Kind::Directory,
        b'0' | 0 | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::CharDevice,
        b'4' => Kind::BlockDevice,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => {
            let flag = shown(&[other]);
            return Err(Error::entry(path, format!("entries of type {flag} are not known here")));
        }
    })
}

/// Takes the map over into the entry, whose size so far is what the archive holds of it.
fn finish_map(entry: &mut Entry, mut map: Vec<Segment>, size: u64) -> Result<()> {
    sparse::check(&mut map, size, entry.size).map_err(|why| Error::entry(&entry.path, why))?;
    (entry.map, entry.size) = (Some(map), size);
    Ok(())
}

fn cut_off(name: &[u8]) -> Error {
    Error::Archive(format!("the archive is cut off in the midst of entry {}", shown(name)))
}

/// What is missing to the next multiple of a block.
fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}
