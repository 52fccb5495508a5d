//! Files of the host as a tar archive. They belong to root in the instance, as with docker(1): the host's users mean
//! nothing there.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use container::Failure;
use tar::{Builder, EntryType, Header, HeaderMode};

/// What a copy is called where nothing else is said: the last part of its path.
pub fn name_of(path: &Path) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::io(path.display(), &error);
    fs::symlink_metadata(path).map_err(failed)?;
    let name = match path.file_name() {
        Some(name) => name.to_owned(),
        // `.`, `..` and `/` have a name of their own, or none.
        None => fs::canonicalize(path).map_err(failed)?.file_name().unwrap_or_default().to_owned(),
    };
    name.into_string().map_err(|name| Failure::usage(format!("{}: not UTF-8", name.display())))
}

/// Writes what is at `from` as an archive in which it is called `called`; nothing: what is in it is at the top.
pub fn pack(to: impl Write, from: &Path, called: &str) -> Result<(), Failure> {
    let mut builder = Builder::new(to);
    // `cp link web:/` copies what the link leads to where it was named with a slash, and else the link.
    let root = if from.as_os_str().as_encoded_bytes().ends_with(b"/") { from.join(".") } else { from.into() };
    add(&mut builder, &root, Path::new(called))?;
    builder.finish().map_err(|error| Failure::io(from.display(), &error))
}

fn add(builder: &mut Builder<impl Write>, path: &Path, called: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::io(path.display(), &error);
    let metadata = fs::symlink_metadata(path).map_err(failed)?;
    let kind = metadata.file_type();
    if kind.is_symlink() {
        let to = fs::read_link(path).map_err(failed)?;
        let mut header = header(&metadata);
        return builder.append_link(&mut header, called, to).map_err(failed);
    }
    if kind.is_dir() {
        if !called.as_os_str().is_empty() {
            builder.append_data(&mut header(&metadata), called, io::empty()).map_err(failed)?;
        }
        let mut entries =
            fs::read_dir(path).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        return entries
            .iter()
            .try_for_each(|entry| add(builder, &entry.path(), &called.join(entry.file_name())));
    }
    if kind.is_file() {
        let file = File::open(path).map_err(failed)?;
        // What is added to it from now on would not fit what the header says.
        let mut whole = Whole { file: file.take(metadata.len()), left: metadata.len() };
        return builder.append_data(&mut header(&metadata), called, &mut whole).map_err(failed);
    }
    let what = match kind {
        kind if kind.is_socket() => "a socket",
        kind if kind.is_fifo() => "a pipe",
        _ => "a device",
    };
    crate::tell(&format!("{}: {what}, not copied", path.display()));
    Ok(())
}

fn header(metadata: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_metadata_in_mode(metadata, HeaderMode::Complete);
    header.set_uid(0);
    header.set_gid(0);
    if metadata.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
    }
    header
}

/// A file of a length that was promised.
struct Whole {
    file: io::Take<File>,
    left: u64,
}

impl io::Read for Whole {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        self.left -= count as u64;
        match count == 0 && self.left > 0 && !into.is_empty() {
            true => Err(io::Error::other("it has become shorter meanwhile")),
            false => Ok(count),
        }
    }
}
