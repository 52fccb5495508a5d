//! Where images come from.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::Digest as _;
use sys::fd::OwnedFd;
use sys::fs::{self, FileType, Mode, OFlags};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::progress::Gauge;

/// Something to import.
pub enum Source {
    /// A file, or anything else that has a descriptor: a pipe, a socket, a terminal.
    File(File),
    /// A directory: an OCI image layout.
    Directory(OwnedFd),
    /// Any reader. A read that blocks holds up an interruption; descriptors are better given as `File`.
    Reader(Box<dyn Read + Send>),
}

impl Source {
    /// Opens a path, a file or a directory.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
        let on = path.display().to_string();
        Self::from_descriptor(fs::open(path, flags, Mode::empty()).map_err(Error::system("open", &on))?)
    }

    /// What a descriptor is of, a file or a directory.
    ///
    /// # Errors
    /// Those of fstat(2).
    pub fn from_descriptor(fd: OwnedFd) -> Result<Self> {
        let stat = fs::fstat(&fd).map_err(Error::system("stat", "the archive"))?;
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Self::Directory(fd),
            _ => Self::File(fd.into()),
        })
    }
}

/// A piece of a file that can be read again and again, from several places at once.
#[derive(Clone)]
pub(crate) struct Extent {
    pub(crate) file: Arc<File>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl Extent {
    /// The whole of a regular file.
    pub(crate) fn whole(file: File) -> Result<Self> {
        let length = file.metadata().map_err(|error| Error::stream("stat", "the archive", &error))?.len();
        Ok(Self { file: Arc::new(file), offset: 0, length })
    }

    /// The first bytes, at most so many.
    pub(crate) fn head(&self, most: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.reader().take(most as u64).read_to_end(&mut bytes);
        read.map_err(|error| Error::stream("read", "the archive", &error))?;
        Ok(bytes)
    }

    pub(crate) fn reader(&self) -> ExtentReader {
        ExtentReader(self.clone())
    }
}

/// Reads an extent from its begin.
pub(crate) struct ExtentReader(Extent);

impl Read for ExtentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let extent = &mut self.0;
        let most = usize::try_from(extent.length).map_or(buffer.len(), |length| length.min(buffer.len()));
        let count = extent.file.read_at(&mut buffer[..most], extent.offset)?;
        extent.offset += count as u64;
        extent.length -= count as u64;
        Ok(count)
    }
}

/// Counts what is read.
pub(crate) struct Counted<R> {
    pub(crate) reader: R,
    pub(crate) gauge: Gauge,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.gauge.add(count);
        Ok(count)
    }
}

/// Digests what is read, for all its clones together.
pub(crate) struct Hashed<R>(Arc<Mutex<(R, sha2::Sha256)>>);

impl<R: Read> Hashed<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self(Arc::new(Mutex::new((reader, sha2::Sha256::new()))))
    }

    /// The digest of the whole, what nobody has read included.
    pub(crate) fn digest(mut self) -> Result<Digest> {
        io::copy(&mut self, &mut io::sink()).map_err(|error| Error::stream("read", "the archive", &error))?;
        let hash = self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone();
        Ok(Digest::finish(hash))
    }
}

impl<R> Clone for Hashed<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = state.0.read(buffer)?;
        state.1.update(&buffer[..count]);
        Ok(count)
    }
}
