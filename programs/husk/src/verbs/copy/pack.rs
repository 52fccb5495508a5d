//! Files of the host as a tar archive. They belong to root in the instance, as with docker(1): the host's users mean
//! nothing there.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use container::Failure;
use image::tar::{Entry, Kind, Outgoing, Segment, Time, Writer};
use instance::message::Copied;
use sys::fd::AsFd as _;
use sys::fs::{CWD, Mode, OFlags, fstat, openat};
use sys::strerror::describe;

/// What is copied.
pub struct Source {
    path: PathBuf,
    /// What it is called in the archive.
    called: Vec<u8>,
    /// What kind of copy it makes.
    pub of: Copied,
}

impl Source {
    /// What a path of the command line means: a directory's content where it ends with `/.`, and where a symbolic link leads
    /// to where it ends with a slash.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::io(path.display(), &error);
        let bytes = path.as_os_str().as_bytes();
        let follows = bytes.ends_with(b"/") || bytes.ends_with(b"/.") || bytes == b".";
        let metadata = if follows { fs::metadata(path) } else { fs::symlink_metadata(path) };
        let is_directory = metadata.map_err(failed)?.is_dir();
        let path = if follows { path.join(".") } else { path.into() };
        let name = match path.file_name() {
            _ if bytes.ends_with(b"/.") || bytes == b"." => None,
            Some(name) => Some(name.to_owned()),
            // `..` has a name of its own, and `/` none.
            None => fs::canonicalize(&path).map_err(failed)?.file_name().map(OsString::from),
        };
        let of = match &name {
            None => Copied::Contents,
            Some(_) if is_directory => Copied::Directory,
            Some(_) => Copied::File,
        };
        Ok(Self { path, called: name.unwrap_or_default().into_vec(), of })
    }

    /// Writes it as an archive.
    pub fn pack(&self, to: impl Write) -> Result<(), Failure> {
        let mut outgoing = Outgoing(std::io::BufWriter::with_capacity(PIECE, to));
        let mut packing = Packing { writer: Writer::new(&mut outgoing), buffer: vec![0; PIECE] };
        packing.add(&self.path, &self.called)?;
        packing.writer.finish().map_err(|error| Failure::ours(error.to_string()))?;
        outgoing.0.flush().map_err(|error| Failure::io("the archive", &error))
    }
}

/// What is read and written at once.
const PIECE: usize = 128 << 10;

struct Packing<'a> {
    writer: Writer<'a>,
    buffer: Vec<u8>,
}

impl Packing<'_> {
    /// Adds what is at a path under a name; an empty one is the top of the archive.
    fn add(&mut self, path: &Path, called: &[u8]) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::io(path.display(), &error);
        let metadata = fs::symlink_metadata(path).map_err(failed)?;
        let kind = metadata.file_type();
        if kind.is_symlink() {
            let link = fs::read_link(path).map_err(failed)?.into_os_string().into_vec();
            return self.header(&Entry { link, ..entry(Kind::Symlink, called, &metadata) });
        }
        if kind.is_dir() {
            let name = if called.is_empty() { b"./".to_vec() } else { [called, b"/"].concat() };
            self.header(&entry(Kind::Directory, &name, &metadata))?;
            let entries = fs::read_dir(path).map_err(failed)?;
            let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(failed)?;
            entries.sort_by_key(fs::DirEntry::file_name);
            let above = if called.is_empty() { b"" } else { name.as_slice() };
            return entries.iter().try_for_each(|entry| {
                self.add(&entry.path(), &[above, entry.file_name().as_bytes()].concat())
            });
        }
        if kind.is_file() {
            return self.file(path, called);
        }
        let what = match kind {
            kind if kind.is_socket() => "a socket",
            kind if kind.is_fifo() => "a pipe",
            _ => "a device",
        };
        crate::tell(&format!("{}: {what}, not copied", path.display()));
        Ok(())
    }

    fn file(&mut self, path: &Path, called: &[u8]) -> Result<(), Failure> {
        let why = |errno| Failure::ours(format!("{}: {}", path.display(), describe(errno)));
        // A pipe that has taken the name meanwhile is not waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(openat(CWD, path, flags, Mode::empty()).map_err(why)?);
        let metadata = file.metadata().map_err(|error| Failure::io(path.display(), &error))?;
        if !metadata.is_file() {
            return Err(Failure::ours(format!("{}: it is no file any more", path.display())));
        }
        let stat = fstat(&file).map_err(why)?;
        let map = image::holes(file.as_fd(), &stat).map_err(why)?;
        let entry = Entry { size: metadata.len(), map, ..entry(Kind::File, called, &metadata) };
        self.header(&entry)?;
        let whole = [Segment { offset: 0, length: entry.size }];
        entry
            .map
            .as_deref()
            .unwrap_or(&whole)
            .iter()
            .try_for_each(|segment| self.content(&file, *segment, path))
    }

    /// The bytes of a segment. What is added to the file from now on would not fit what the header says.
    fn content(&mut self, file: &File, segment: Segment, path: &Path) -> Result<(), Failure> {
        let Segment { mut offset, mut length } = segment;
        while length > 0 {
            let most = usize::try_from(length).map_or(PIECE, |length| length.min(PIECE));
            let count = match file.read_at(&mut self.buffer[..most], offset) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                count => count.map_err(|error| Failure::io(path.display(), &error))?,
            };
            if count == 0 {
                return Err(Failure::ours(format!("{}: it has become shorter meanwhile", path.display())));
            }
            let written = self.writer.content(&self.buffer[..count]);
            written.map_err(|error| Failure::ours(error.to_string()))?;
            (offset, length) = (offset + count as u64, length - count as u64);
        }
        Ok(())
    }

    fn header(&mut self, entry: &Entry) -> Result<(), Failure> {
        self.writer.header(entry).map_err(|error| Failure::ours(error.to_string()))
    }
}

fn entry(kind: Kind, path: &[u8], metadata: &Metadata) -> Entry {
    Entry {
        path: path.to_vec(),
        kind,
        // They are root's there: what was of another user here must not run as root.
        mode: metadata.mode() & 0o1777,
        uid: 0,
        gid: 0,
        mtime: Time {
            seconds: metadata.mtime(),
            nanoseconds: u32::try_from(metadata.mtime_nsec()).unwrap_or_default(),
        },
        size: 0,
        link: Vec::new(),
        device: (0, 0),
        xattrs: Vec::new(),
        map: None,
    }
}
