//! Compression, told by content.

use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::bufread::GzDecoder;
use lzma_rust2::{XzOptions, XzReader, XzWriter};

use crate::error::{Damage, Error, Result};

/// How a stream is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// xz.
    Xz,
}

/// How many bytes tell.
const MAGIC: usize = 6;
/// The memory that an xz stream may ask for, KiB: `xz -9` takes 65 MiB.
const XZ_MEMORY: u32 = 128 << 10;
/// The most zeros that may follow a gzip stream.
const ZEROS_MAX: usize = 16 << 20;
const BUFFER: usize = 256 << 10;

impl Compression {
    /// By the first bytes of a stream.
    ///
    /// # Errors
    /// A compression that is known but not supported.
    pub(crate) fn detect(head: &[u8]) -> Result<Self> {
        Ok(match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => {
                let what =
                    "the archive is compressed with bzip2, which is not supported; unpack it with bunzip2";
                return Err(Error::Archive(what.to_owned()));
            }
            _ => Self::Plain,
        })
    }

    /// The end of the media type of a layer so compressed, if there is one.
    pub(crate) fn media_suffix(self) -> &'static str {
        match self {
            Self::Plain | Self::Xz => "",
            Self::Gzip => "+gzip",
            Self::Zstd => "+zstd",
        }
    }
}

/// A reader of what a stream has in it once uncompressed.
pub(crate) fn unpacked(mut stream: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>> {
    let mut head = Vec::new();
    let read = stream.by_ref().take(MAGIC as u64).read_to_end(&mut head);
    read.map_err(|error| Error::stream("read", "the archive", &error))?;
    let compression = Compression::detect(&head)?;
    let whole = io::Cursor::new(head).chain(stream);
    let buffered = BufReader::with_capacity(BUFFER, whole);
    Ok(match compression {
        Compression::Plain => Box::new(buffered.into_inner()),
        Compression::Gzip => Box::new(Named::new("gzip", Members::Between(buffered))),
        Compression::Zstd => {
            let decoder = zstd::Decoder::with_buffer(buffered);
            let decoder = decoder.map_err(|error| Error::stream("read", "the archive", &error))?;
            Box::new(Named::new("zstd", decoder))
        }
        Compression::Xz => Box::new(Named::new("xz", XzReader::new_mem_limit(buffered, true, XZ_MEMORY))),
    })
}

/// A decompressor whose errors say of what they are, and where.
struct Named<R> {
    compression: &'static str,
    reader: R,
    /// Bytes that have come out of it.
    done: u64,
}

impl<R> Named<R> {
    fn new(compression: &'static str, reader: R) -> Self {
        Self { compression, reader, done: 0 }
    }
}

impl<R: Read> Read for Named<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer).map_err(|error| {
            // Those of who reads the stream: the kernel's, and that nobody wants more of it.
            let is_of_stream = error.raw_os_error().is_some()
                || error.get_ref().is_some_and(|inner| inner.is::<Error>())
                || error.kind() == io::ErrorKind::Interrupted;
            if is_of_stream {
                return error;
            }
            let how = match error.kind() {
                io::ErrorKind::UnexpectedEof => "is cut off",
                _ => "is damaged",
            };
            let (compression, done) = (self.compression, self.done);
            io::Error::other(Damage(format!(
                "the archive's {compression} data {how} behind the first {done} bytes unpacked ({error})"
            )))
        })?;
        self.done += read as u64;
        Ok(read)
    }
}

/// The members of a gzip stream, one after the other. Zeros may follow the last, as on tapes; anything else is
/// an error, where gzip(1) has a warning.
enum Members<R> {
    Between(R),
    In(Box<GzDecoder<R>>),
    Done,
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(self, Self::Done) {
                Self::Between(mut input) => {
                    let head = input.fill_buf()?;
                    if head.first() == Some(&0x1f) {
                        *self = Self::In(Box::new(GzDecoder::new(input)));
                        continue;
                    }
                    let mut zeros = 0;
                    loop {
                        let rest = input.fill_buf()?;
                        if rest.is_empty() {
                            return Ok(0);
                        }
                        if rest.iter().any(|&byte| byte != 0) || zeros > ZEROS_MAX {
                            return Err(io::Error::other("garbage behind the gzip stream"));
                        }
                        let count = rest.len();
                        zeros += count;
                        input.consume(count);
                    }
                }
                Self::In(mut decoder) => {
                    let count = decoder.read(buffer)?;
                    if count > 0 || buffer.is_empty() {
                        *self = Self::In(decoder);
                        return Ok(count);
                    }
                    *self = Self::Between(decoder.into_inner());
                }
                Self::Done => return Ok(0),
            }
        }
    }
}

/// A compressing writer, which has to be finished.
pub(crate) enum Packer<W: Write> {
    Plain(W),
    Gzip(flate2::write::GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
    Xz(Box<XzWriter<W>>),
}

impl<W: Write> Packer<W> {
    pub(crate) fn new(writer: W, compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::Plain => Self::Plain(writer),
            // No name and no time in the header: the same content makes the same bytes.
            Compression::Gzip => {
                Self::Gzip(flate2::write::GzEncoder::new(writer, flate2::Compression::default()))
            }
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(writer, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
            Compression::Xz => Self::Xz(Box::new(XzWriter::new(writer, XzOptions::with_preset(6))?)),
        })
    }

    pub(crate) fn finish(self) -> io::Result<W> {
        match self {
            Self::Plain(writer) => Ok(writer),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
            Self::Xz(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(writer) => writer.write(bytes),
            Self::Gzip(writer) => writer.write(bytes),
            Self::Zstd(writer) => writer.write(bytes),
            Self::Xz(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(writer) => writer.flush(),
            Self::Gzip(writer) => writer.flush(),
            Self::Zstd(writer) => writer.flush(),
            Self::Xz(writer) => writer.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Compression; 4] = [Compression::Plain, Compression::Gzip, Compression::Zstd, Compression::Xz];

    fn packed(bytes: &[u8], compression: Compression) -> Vec<u8> {
        let mut packer = Packer::new(Vec::new(), compression).unwrap();
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn read(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut found = Vec::new();
        let mut reader = unpacked(Box::new(io::Cursor::new(bytes))).map_err(io::Error::other)?;
        reader.read_to_end(&mut found)?;
        Ok(found)
    }

    #[test]
    fn what_is_packed_is_unpacked_and_streams_may_follow_each_other() {
        let bytes: Vec<u8> = (0..300_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for compression in ALL {
            let once = packed(&bytes, compression);
            assert_eq!(Compression::detect(&once).unwrap(), compression);
            assert_eq!(read(once.clone()).unwrap(), bytes, "{compression:?}");
            let twice = read([once.clone(), once].concat()).unwrap();
            assert_eq!(twice, bytes.repeat(2), "{compression:?}");
        }
    }

    #[test]
    fn damage_is_an_error() {
        let bytes: Vec<u8> = (0..2_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for compression in [Compression::Gzip, Compression::Zstd, Compression::Xz] {
            let whole = packed(&bytes, compression);
            for end in 6..whole.len() {
                assert!(read(whole[..end].to_vec()).is_err(), "{compression:?} cut off at {end}");
            }
            for garbage in [&b"garbage"[..], b"\0\0\0x"] {
                assert!(read([&whole[..], garbage].concat()).is_err(), "{compression:?} with garbage");
            }
            let mut flipped = whole.clone();
            flipped[whole.len() / 2] ^= 0x10;
            assert!(read(flipped).map_or(true, |found| found != bytes), "{compression:?} with a bit flipped");
        }
    }

    #[test]
    fn zeros_may_follow_gzip() {
        let whole = [packed(b"abc", Compression::Gzip), vec![0; 5000]].concat();
        assert_eq!(read(whole).unwrap(), b"abc");
    }
}
