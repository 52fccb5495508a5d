//! From what is half-made to what is there.

use std::time::{SystemTime, UNIX_EPOCH};

use sys::Errno;
use sys::fd::AsFd;
use sys::fs::{self, AtFlags, Mode, RenameFlags};

use super::records::{self, Image, ImageRecord, LayerRecord};
use super::{Staging, Store};
use crate::Config;
use crate::digest::LayerId;
use crate::error::{Error, Result};
use crate::name::Name;
use crate::progress::{Phase, Progress, Watch};

/// A layer that is complete in a directory of the staging area.
pub(crate) struct Staged {
    /// The directory, which has `fs` in it.
    pub(crate) directory: String,
    pub(crate) record: LayerRecord,
}

/// An image that is about to be.
pub(crate) struct Draft<'a> {
    pub(crate) name: &'a Name,
    pub(crate) config: Config,
    /// Bottom first; those that are not in the store are in `staged`.
    pub(crate) layers: Vec<(LayerId, u64)>,
    pub(crate) staged: Vec<Staged>,
}

impl Store {
    /// An error if there is an image of this name already: before the work rather than after it.
    pub(crate) fn demand_free(&self, name: &Name) -> Result<()> {
        match fs::statat(&self.images, records::file(name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(Error::Exists(name.clone())),
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(Error::system("stat", format!("image {name}"))(errno)),
        }
    }

    /// Makes a draft an image: all of it on the disk first, then the layers, then the name.
    pub(crate) fn publish(
        &self,
        staging: &Staging<'_>,
        draft: Draft<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Image> {
        let Draft { name, config, layers, staged } = draft;
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let size = layers.iter().map(|(_, bytes)| bytes).sum();
        let layers: Vec<LayerId> = layers.into_iter().map(|(id, _)| id).collect();
        for Staged { directory, record } in &staged {
            records::write(staging.fd(), &format!("{directory}/layer.json"), record)?;
        }
        let record = ImageRecord { layers: layers.clone(), config: config.clone(), created, size };
        records::write(staging.fd(), "image.json", &record)?;
        Watch::new(progress, Phase::Syncing, None).report()?;
        // One sync of the file system in place of one of each file, the records too.
        fs::syncfs(staging.fd()).map_err(Error::system("sync", "the store"))?;
        Watch::new(progress, Phase::Syncing, None).report()?;

        let _lock = self.lock();
        self.demand_free(name)?;
        let mut renamed = Vec::new();
        let published = self.rename(staging, &staged, name, &mut renamed);
        if published.is_err() {
            // Nobody else has seen the layers: the lock is held.
            for id in &renamed {
                let _ = fs::renameat(&self.layers, id.as_str(), staging.fd(), id.as_str());
            }
        }
        published?;
        Ok(Image { name: name.clone(), layers, config, created, size })
    }

    fn rename(
        &self,
        staging: &Staging<'_>,
        staged: &[Staged],
        name: &Name,
        renamed: &mut Vec<LayerId>,
    ) -> Result<()> {
        for Staged { directory, record } in staged {
            let id = LayerId::from(&record.digest);
            // Private: whoever may not look into the store is not to use set-id programs of images.
            fs::chmodat(staging.fd(), directory.as_str(), Mode::from_raw_mode(0o700), AtFlags::empty())
                .map_err(Error::system("chmod", format!("layer {id}")))?;
            let flags = RenameFlags::NOREPLACE;
            match fs::renameat_with(staging.fd(), directory.as_str(), &self.layers, id.as_str(), flags) {
                Ok(()) => renamed.push(id),
                // Somebody else was faster with the same layer.
                Err(Errno::EXIST) => self.demand_same(&id, record)?,
                Err(errno) => return Err(Error::system("make", format!("layer {id}"))(errno)),
            }
        }
        fs::fsync(&self.layers).map_err(Error::system("sync", "layers"))?;
        let flags = RenameFlags::NOREPLACE;
        match fs::renameat_with(staging.fd(), "image.json", &self.images, records::file(name), flags) {
            Err(Errno::EXIST) => return Err(Error::Exists(name.clone())),
            other => other.map_err(Error::system("make", format!("image {name}")))?,
        }
        fs::fsync(self.images.as_fd()).map_err(|errno| {
            // Its layers go back as well.
            let _ = fs::renameat(&self.images, records::file(name), staging.fd(), "image.json");
            Error::system("sync", "images")(errno)
        })
    }

    /// An error unless the store's layer of this name has this digest.
    fn demand_same(&self, id: &LayerId, record: &LayerRecord) -> Result<()> {
        match self.layer(id)? {
            Some(known) if known.digest == record.digest => Ok(()),
            _ => Err(Error::Archive(format!("layer {id} is in the store with another digest"))),
        }
    }
}
