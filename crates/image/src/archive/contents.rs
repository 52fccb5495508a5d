//! The files of an image archive by their names.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use sys::fd::OwnedFd;
use sys::fs::{self, FileType, Mode, OFlags, ResolveFlags};

use crate::error::{Error, Result, shown};
use crate::source::Extent;
use crate::tar::{End, Input, Kind, Reader};

/// The most files an archive of an image may have; each layer takes three at most.
const FILES_MAX: usize = 20_000;
/// The longest name of such a file.
const NAME_MAX: usize = 512;
/// The longest document.
const DOCUMENT_MAX: usize = 8 << 20;
/// Symbolic links that may follow each other: `docker save` writes one for a layer that it had before.
const LINKS_MAX: usize = 8;

/// Where the files are.
pub(crate) enum Contents {
    /// An OCI image layout.
    Directory(OwnedFd),
    /// A tar archive, with what each name stands for.
    Archive(BTreeMap<Vec<u8>, Member>),
}

/// A file of an archive, or a symbolic link with its target.
pub(crate) enum Member {
    File(Extent),
    Link(Vec<u8>),
}

impl Contents {
    /// A directory, which says by a file of this name that it is a layout (image-layout.md of the image specification).
    pub(crate) fn layout(root: OwnedFd) -> Result<Self> {
        match in_directory(&root, "oci-layout")? {
            Some(_) => Ok(Self::Directory(root)),
            None => Err(Error::NoLayout),
        }
    }

    /// Reads the headers of a tar archive.
    pub(crate) fn index(archive: &Extent) -> Result<Self> {
        let mut reader = Reader::new(Pages { rest: archive.clone(), page: Vec::new(), at: 0 }, End::Any);
        let mut members = BTreeMap::new();
        while let Some(entry) = reader.next_entry()? {
            if entry.path.len() > NAME_MAX || members.len() >= FILES_MAX {
                return Err(Error::entry(
                    &entry.path,
                    "an image archive with such names, or so many, is none",
                ));
            }
            let member = match entry.kind {
                Kind::Directory => continue,
                Kind::File if entry.map.is_none() => {
                    let offset = archive.offset + reader.position();
                    Member::File(Extent { file: Arc::clone(&archive.file), offset, length: entry.size })
                }
                Kind::Symlink => Member::Link(beside(&entry.path, &entry.link)?),
                Kind::HardLink => Member::Link(plain(&entry.link)?),
                _ => {
                    return Err(Error::entry(
                        &entry.path,
                        "neither a file nor a directory, in an image archive",
                    ));
                }
            };
            members.insert(plain(&entry.path)?, member);
        }
        Ok(Self::Archive(members))
    }

    /// The file of this name, if there is one.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Extent>> {
        match self {
            Self::Directory(root) => in_directory(root, name),
            Self::Archive(members) => {
                let mut name = plain(name.as_bytes())?;
                for _ in 0..LINKS_MAX {
                    match members.get(&name) {
                        None => return Ok(None),
                        Some(Member::File(extent)) => return Ok(Some(extent.clone())),
                        Some(Member::Link(target)) => name.clone_from(target),
                    }
                }
                Err(Error::entry(&name, "a symbolic link that leads to none but others"))
            }
        }
    }

    /// The file of this name.
    pub(crate) fn get(&self, name: &str) -> Result<Extent> {
        self.find(name)?.ok_or_else(|| {
            Error::Archive(format!(
                "the image archive has no file {}, which it needs",
                shown(name.as_bytes())
            ))
        })
    }

    /// The whole of a file that has to be short.
    pub(crate) fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        let extent = self.get(name)?;
        if extent.length > DOCUMENT_MAX as u64 {
            let length = extent.length;
            return Err(Error::entry(name.as_bytes(), format!("{length} bytes are too many for a document")));
        }
        extent.head(DOCUMENT_MAX)
    }
}

/// A JSON document; serde_json refuses one that is nested more than 128 deep.
pub(crate) fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::entry(name.as_bytes(), error.to_string()))
}

fn in_directory(root: &OwnedFd, name: &str) -> Result<Option<Extent>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let name = name.trim_start_matches("./");
    let fd = match fs::openat2(root, name, flags, Mode::empty(), resolve) {
        Err(sys::Errno::NOENT) => return Ok(None),
        other => other.map_err(Error::making(name.as_bytes(), "open"))?,
    };
    let stat = fs::fstat(&fd).map_err(Error::making(name.as_bytes(), "stat"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Error::entry(name.as_bytes(), "no regular file"));
    }
    Extent::whole(fd.into()).map(Some)
}

/// A name without `./`, and none that leads upwards.
fn plain(name: &[u8]) -> Result<Vec<u8>> {
    beside(b"", name)
}

/// Where a relative link leads, in names: nothing is looked up.
fn beside(name: &[u8], link: &[u8]) -> Result<Vec<u8>> {
    let mut parts: Vec<&[u8]> = name.split(|&byte| byte == b'/').collect();
    parts.pop();
    for part in link.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts
                    .pop()
                    .ok_or_else(|| Error::entry(link, "a name that leads out of the image archive"))?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join(&b'/'))
}

/// Reads an extent in pages, and passes over what is not wanted.
struct Pages {
    rest: Extent,
    page: Vec<u8>,
    at: usize,
}

impl Input for Pages {
    fn fill(&mut self) -> Result<&[u8]> {
        if self.at == self.page.len() {
            self.page = self.rest.head(4096)?;
            self.at = 0;
            self.rest.offset += self.page.len() as u64;
            self.rest.length -= self.page.len() as u64;
        }
        Ok(&self.page[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }

    fn skip(&mut self, count: u64) -> Result<u64> {
        let here = ((self.page.len() - self.at) as u64).min(count);
        self.at += usize::try_from(here).unwrap_or_default();
        let beyond = (count - here).min(self.rest.length);
        self.rest.offset += beyond;
        self.rest.length -= beyond;
        Ok(here + beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_names_in_the_archive_only() {
        assert_eq!(beside(b"a/layer.tar", b"../b/layer.tar").unwrap(), b"b/layer.tar");
        assert_eq!(plain(b"./a//b").unwrap(), b"a/b");
        assert!(beside(b"a/layer.tar", b"../../etc/passwd").is_err());
        assert!(plain(b"../x").is_err());
        assert_eq!(plain(b"/etc/passwd").unwrap(), b"etc/passwd");
    }
}
