//! The records on disk.

use std::fs::File;
use std::io::{Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sys::Errno;
use sys::fd::BorrowedFd;
use sys::fs::{self, Mode, OFlags};

use crate::Config;
use crate::digest::{Digest, LayerId};
use crate::error::{Error, Result};
use crate::name::Name;

/// The longest record: the configuration of an image may be as long as an archive's document.
const RECORD_MAX: u64 = 32 << 20;

/// An image in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Image {
    /// Its name.
    pub name: Name,
    /// Its layers, bottom first.
    pub layers: Vec<LayerId>,
    /// How it is run.
    pub config: Config,
    /// When it came into the store, seconds since 1970.
    pub created: u64,
    /// The bytes of all files of its layers, holes and what is hidden included.
    pub size: u64,
}

/// `images/NAME.json`.
#[derive(Serialize, Deserialize)]
pub(super) struct ImageRecord {
    pub(super) layers: Vec<LayerId>,
    pub(super) config: Config,
    pub(super) created: u64,
    pub(super) size: u64,
}

/// `layers/ID/layer.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LayerRecord {
    /// Of the uncompressed tar archive: OCI's diff-id.
    pub(crate) digest: Digest,
    /// The bytes of its files.
    pub(crate) bytes: u64,
    /// How many entries its archive had.
    pub(crate) entries: u64,
}

impl Image {
    pub(super) fn read(images: BorrowedFd<'_>, name: &Name) -> Result<Self> {
        let record: Option<ImageRecord> = read(images, &file(name), &format!("image {name}"))?;
        let record = record.ok_or_else(|| Error::Missing(name.clone()))?;
        let ImageRecord { layers, config, created, size } = record;
        Ok(Self { name: name.clone(), layers, config, created, size })
    }
}

impl LayerRecord {
    pub(super) fn read(layers: BorrowedFd<'_>, id: &LayerId) -> Result<Option<Self>> {
        read(layers, &format!("{id}/layer.json"), &format!("layer {id}"))
    }
}

/// The file of an image's record.
pub(super) fn file(name: &Name) -> String {
    format!("{name}.json")
}

fn read<T: DeserializeOwned>(at: BorrowedFd<'_>, file: &str, on: &str) -> Result<Option<T>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match fs::openat(at, file, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        other => other.map_err(Error::system("open", on))?,
    };
    let mut text = Vec::new();
    let read = File::from(fd).take(RECORD_MAX).read_to_end(&mut text);
    read.map_err(|error| Error::stream("read", on, &error))?;
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| Error::Archive(format!("the record of {on}: {error}")))
}

/// Writes a record that is not there yet. It is on the disk after the next sync of the store.
pub(super) fn write(at: BorrowedFd<'_>, file: &str, record: &impl Serialize) -> Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = fs::openat(at, file, flags, Mode::from_raw_mode(0o600)).map_err(Error::system("make", file))?;
    let text = serde_json::to_vec(record).map_err(|error| Error::Invalid(format!("{file}: {error}")))?;
    let mut stream = File::from(fd);
    stream.write_all(&text).map_err(|error| Error::stream("write", file, &error))
}
