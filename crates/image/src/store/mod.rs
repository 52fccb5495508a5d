//! Where images and their layers are kept.
//!
//! ```text
//! layers/ID/fs/          the tree of one layer, as overlayfs wants it
//! layers/ID/layer.json   its whole digest and size
//! images/NAME.json       which layers, bottom first, and the configuration
//! instances/             not this crate's
//! empty/                 what lies below the one layer of an image that has no more: overlayfs wants two
//! tmp/                   everything half-made
//! ```
//! A name appears in `layers` or `images` by one rename(2), when all that it stands for is on the disk. What a
//! killed process leaves is in `tmp`, or a layer that no image has: `clean` and `collect` remove these.

mod publish;
mod records;
mod staging;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{self, Dir, Mode, OFlags};

use crate::digest::LayerId;
use crate::error::{Error, Result};
use crate::name::Name;
use crate::remove_tree;
pub(crate) use publish::{Draft, Staged};
pub use records::Image;
pub(crate) use records::LayerRecord;
pub(crate) use staging::Staging;

/// The store below one directory. Whoever opens it sees to it that nobody else does (huskd holds a lock).
pub struct Store {
    path: PathBuf,
    root: OwnedFd,
    layers: OwnedFd,
    images: OwnedFd,
    empty: OwnedFd,
    tmp: OwnedFd,
    /// Layers that work in progress counts on, and how often: not to be collected.
    pins: Mutex<BTreeMap<LayerId, usize>>,
}

/// Keeps layers in the store while it lives, whoever collects.
pub struct Pins<'a> {
    store: &'a Store,
    layers: Vec<LayerId>,
}

impl Store {
    /// Opens the store, and makes what is missing of it, for its owner alone (0700).
    ///
    /// # Errors
    /// Those of mkdir(2) and open(2).
    pub fn open(root: &Path) -> Result<Self> {
        let on = root.display().to_string();
        let private = Mode::from_raw_mode(0o700);
        let cwd = fs::CWD;
        if let Some(parent) = root.parent() {
            std::fs::create_dir_all(parent).map_err(|error| Error::stream("make directory", &on, &error))?;
        }
        match fs::mkdirat(cwd, root, private) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(Error::system("make directory", on)(errno)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = fs::openat(cwd, root, flags, Mode::empty()).map_err(Error::system("open", &on))?;
        let below = |name: &str| {
            match fs::mkdirat(&directory, name, private) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(Error::system("make directory", format!("{on}/{name}"))(errno)),
            }
            fs::openat(&directory, name, flags | OFlags::NOFOLLOW, Mode::empty())
                .map_err(Error::system("open", format!("{on}/{name}")))
        };
        below("instances")?;
        let path = std::path::absolute(root).map_err(|error| Error::stream("find", &on, &error))?;
        Ok(Self {
            path,
            layers: below("layers")?,
            images: below("images")?,
            empty: below("empty")?,
            tmp: below("tmp")?,
            root: directory,
            pins: Mutex::default(),
        })
    }

    /// Removes everything half-made. Not while any work is in progress.
    ///
    /// # Errors
    /// Those of unlink(2).
    pub fn clean(&self) -> Result<()> {
        for name in names(self.tmp.as_fd(), "tmp")? {
            remove_tree(self.tmp.as_fd(), &name).map_err(Error::system("remove", "tmp"))?;
        }
        Ok(())
    }

    /// All images, by name.
    ///
    /// # Errors
    /// Those of reading them; a record that is damaged.
    pub fn images(&self) -> Result<Vec<Image>> {
        let mut images = Vec::new();
        for name in names(self.images.as_fd(), "images")? {
            let name = std::str::from_utf8(&name).ok().and_then(|name| name.strip_suffix(".json"));
            if let Some(name) = name.and_then(|name| Name::parse(name).ok()) {
                images.push(self.image(&name)?);
            }
        }
        images.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(images)
    }

    /// An image by its name.
    ///
    /// # Errors
    /// There is none; its record is damaged.
    pub fn image(&self, name: &Name) -> Result<Image> {
        Image::read(self.images.as_fd(), name)
    }

    /// Removes an image; its layers stay until [`collect`](Self::collect).
    ///
    /// # Errors
    /// There is none; those of rename(2) and fsync(2). It is there then.
    pub fn remove_image(&self, name: &Name) -> Result<()> {
        let (staging, file) = (Staging::new(self)?, records::file(name));
        let _lock = self.lock();
        match fs::renameat(&self.images, file.as_str(), staging.fd(), "image.json") {
            Err(Errno::NOENT) => return Err(Error::Missing(name.clone())),
            other => other.map_err(Error::system("remove", format!("image {name}")))?,
        }
        fs::fsync(&self.images).map_err(|errno| {
            let _ = fs::renameat(staging.fd(), "image.json", &self.images, file.as_str());
            Error::system("sync", "images")(errno)
        })
    }

    /// Removes the layers that no image has, nor any of those that instances use. Says how many bytes of files
    /// went with them.
    ///
    /// `in_use` is asked while nothing else can be pinned or let go: who has kept a layer ([`keep`](Self::keep)) until it
    /// was in use finds it in the store, whenever this is called. The files of what is not needed are removed when
    /// that is over, and are in nobody's way.
    ///
    /// # Errors
    /// An image whose record is damaged: it is not known then what is in use. Those of unlink(2).
    pub fn collect(&self, in_use: impl FnOnce() -> BTreeSet<LayerId>) -> Result<u64> {
        let staging = Staging::new(self)?;
        let mut freed = 0;
        {
            let pins = self.lock();
            let mut used = in_use();
            used.extend(pins.keys().cloned());
            used.extend(self.images()?.into_iter().flat_map(|image| image.layers));
            for name in names(self.layers.as_fd(), "layers")? {
                let id = std::str::from_utf8(&name).ok().and_then(|name| LayerId::parse(name).ok());
                let Some(id) = id.filter(|id| !used.contains(id)) else { continue };
                freed += self.layer(&id)?.map_or(0, |record| record.bytes);
                // Gone for everybody at once, whatever happens while its files go.
                fs::renameat(&self.layers, id.as_str(), staging.fd(), id.as_str())
                    .map_err(Error::system("remove", format!("layer {id}")))?;
            }
        }
        drop(staging);
        Ok(freed)
    }

    /// Keeps an image's layers while what is returned lives, whatever becomes of the image.
    ///
    /// # Errors
    /// There is no such image any more, or it lacks a layer.
    pub fn keep(&self, image: &Image) -> Result<Pins<'_>> {
        let mut pins = self.pins();
        for id in &image.layers {
            if pins.keep(id)?.is_none() {
                return Err(Error::Missing(image.name.clone()));
            }
        }
        Ok(pins)
    }

    /// The trees of an image's layers, top first, as overlayfs' lowerdir wants them. One that the image has more
    /// than once stands where it is first from the top: overlayfs takes none twice, and all that is in the lower
    /// one is hidden by the same in the upper.
    #[must_use]
    pub fn layer_paths(&self, image: &Image) -> Vec<PathBuf> {
        self.stack(&image.layers).iter().map(|id| self.layer_path(id)).collect()
    }

    /// Where the tree of a layer is.
    #[must_use]
    pub fn layer_path(&self, id: &LayerId) -> PathBuf {
        self.path.join("layers").join(id.as_str()).join("fs")
    }

    /// Where the store is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tree of a layer.
    pub(crate) fn open_layer(&self, id: &LayerId) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fs::openat(&self.layers, format!("{id}/fs"), flags, Mode::empty())
            .map_err(Error::system("open", format!("layer {id}")))
    }

    /// Layers from the top to the bottom, each once.
    pub(crate) fn stack(&self, bottom_first: &[LayerId]) -> Vec<LayerId> {
        let mut seen = BTreeSet::new();
        bottom_first.iter().rev().filter(|id| seen.insert(*id)).cloned().collect()
    }

    /// The record of a layer; none if the store does not have it.
    pub(crate) fn layer(&self, id: &LayerId) -> Result<Option<LayerRecord>> {
        LayerRecord::read(self.layers.as_fd(), id)
    }

    /// An empty directory.
    pub(crate) fn empty(&self) -> BorrowedFd<'_> {
        self.empty.as_fd()
    }

    pub(crate) fn tmp(&self) -> BorrowedFd<'_> {
        self.tmp.as_fd()
    }

    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    pub(crate) fn pins(&self) -> Pins<'_> {
        Pins { store: self, layers: Vec::new() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LayerId, usize>> {
        // Counts cannot be left half-changed.
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pins<'_> {
    /// Keeps the layer if the store has it.
    pub(crate) fn keep(&mut self, id: &LayerId) -> Result<Option<LayerRecord>> {
        let mut pins = self.store.lock();
        let record = self.store.layer(id)?;
        if record.is_some() {
            *pins.entry(id.clone()).or_default() += 1;
            self.layers.push(id.clone());
        }
        Ok(record)
    }
}

impl Drop for Pins<'_> {
    fn drop(&mut self) {
        let mut pins = self.store.lock();
        for id in &self.layers {
            if let Some(count) = pins.get_mut(id) {
                *count -= 1;
                if *count == 0 {
                    pins.remove(id);
                }
            }
        }
    }
}

/// The names in a directory.
fn names(directory: BorrowedFd<'_>, on: &str) -> Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory).map_err(Error::system("list", on))? {
        let entry = entry.map_err(Error::system("list", on))?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}
