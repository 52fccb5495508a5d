//! From an archive to an image.

use std::io::Read;

use sys::fd::AsFd;
use sys::fs::{FileType, fstat};

use crate::Config;
use crate::archive::{Chosen, Contents, Form, Layer, choose};
use crate::compression::{Compression, unpacked};
use crate::digest::{Digest, LayerId};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::name::Name;
use crate::patient::PatientReader;
use crate::progress::{Phase, Progress, Watch};
use crate::source::{Counted, Extent, Hashed, Source};
use crate::store::{Draft, Image, LayerRecord, Pins, Staged, Staging, Store};
use crate::stream::{Intake, flow};
use crate::tar::{End, Input, Reader};
use crate::unpack::{Unpacked, unpack};
use crate::warnings::Warnings;

/// The most bytes that may follow the end of an archive: it is padded to the records of a tape, of some KiB to a few MiB.
const TAIL_MAX: u64 = 16 << 20;

/// An image that has been made.
#[derive(Debug)]
pub struct Imported {
    /// The image.
    pub image: Image,
    /// What was left out of it.
    pub warnings: Warnings,
}

/// What a stream turned out to be.
enum Arrived {
    Layer(Unpacked),
    Archive(Extent),
}

/// An import on its way.
pub(crate) struct Work<'a> {
    pub(crate) store: &'a Store,
    pub(crate) staging: Staging<'a>,
    pub(crate) pins: Pins<'a>,
    pub(crate) limits: &'a Limits,
    pub(crate) warnings: Warnings,
    /// Bottom first, with the bytes of their files.
    pub(crate) layers: Vec<(LayerId, u64)>,
    pub(crate) staged: Vec<Staged>,
    /// How many layers have been unpacked; the last one's directory is named by it.
    unpacked: usize,
}

impl Store {
    /// Makes an image of what the source has: a root file system as a tar archive, an OCI image layout as a
    /// directory or a tar archive, or what `docker save` wrote; plain or compressed with gzip, zstd or xz,
    /// which is told by content. Of an archive for several machines it is the image for this one.
    ///
    /// # Errors
    /// The name is taken; an entry or the archive is refused, see [`Error`]; the limits; the kernel's.
    pub fn import(
        &self,
        source: Source,
        name: &Name,
        limits: &Limits,
        progress: &mut dyn Progress,
    ) -> Result<Imported> {
        self.demand_free(name)?;
        let mut work = Work::new(self, limits)?;
        let config = work.import(source, progress)?;
        work.publish(name, config, progress)
    }
}

impl<'a> Work<'a> {
    pub(crate) fn new(store: &'a Store, limits: &'a Limits) -> Result<Self> {
        Ok(Self {
            store,
            staging: Staging::new(store)?,
            pins: store.pins(),
            limits,
            warnings: Warnings::default(),
            layers: Vec::new(),
            staged: Vec::new(),
            unpacked: 0,
        })
    }

    pub(crate) fn publish(
        self,
        name: &Name,
        config: Config,
        progress: &mut dyn Progress,
    ) -> Result<Imported> {
        let draft = Draft { name, config, layers: self.layers, staged: self.staged };
        let image = self.store.publish(&self.staging, draft, progress)?;
        Ok(Imported { image, warnings: self.warnings })
    }

    fn import(&mut self, source: Source, progress: &mut dyn Progress) -> Result<Config> {
        match source {
            Source::Directory(root) => self.take(&Contents::layout(root)?, progress),
            Source::Reader(reader) => self.stream(|_| Ok(reader), None, progress),
            Source::File(file) => {
                let stat = fstat(&file).map_err(Error::system("stat", "the archive"))?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return self.stream(
                        |watch| Ok(Box::new(PatientReader::new(file, watch.gauge.clone())?)),
                        None,
                        progress,
                    );
                }
                let extent = Extent::whole(file)?;
                let head = extent.head(64 << 10)?;
                if Compression::detect(&head)? == Compression::Plain && Form::detect(&head) == Form::Image {
                    return self.take(&Contents::index(&extent)?, progress);
                }
                let total = Some(extent.length);
                self.stream(|_| Ok(Box::new(extent.reader())), total, progress)
            }
        }
    }

    /// A source that can be read once.
    fn stream(
        &mut self,
        open: impl FnOnce(&Watch<'_>) -> Result<Box<dyn Read + Send>>,
        total: Option<u64>,
        progress: &mut dyn Progress,
    ) -> Result<Config> {
        let mut watch = Watch::new(progress, Phase::Unpacking { layer: 1, of: 1 }, total);
        let counted = Counted { reader: open(&watch)?, gauge: watch.gauge.clone() };
        let limits = self.limits;
        let (arrived, flowed) = flow(
            &mut watch,
            limits.archive(),
            move |outflow| outflow.drain(&mut *unpacked(Box::new(counted))?),
            |intake| match intake.fill()? {
                [] => Err(Error::Archive("the archive is empty".to_owned())),
                head if Form::detect(head) == Form::Image => self.receive(intake).map(Arrived::Archive),
                _ => self.root_fs(intake).map(Arrived::Layer),
            },
        )?;
        match arrived {
            Arrived::Archive(mut extent) => {
                extent.length = flowed.length;
                self.take(&Contents::index(&extent)?, progress)
            }
            Arrived::Layer(unpacked) => {
                self.add(flowed.digest, unpacked)?;
                Ok(Config::default())
            }
        }
    }

    /// Unpacks an archive whose end is not known beforehand: /dev/zero has none.
    fn root_fs(&mut self, intake: &mut Intake<'_, '_>) -> Result<Unpacked> {
        let unpacked = self.unpack(intake, End::Marked)?;
        if unpacked.entries == 0 {
            let what = "the archive has nothing in it: it begins with the zeros that mark its end";
            return Err(Error::Archive(what.to_owned()));
        }
        // What is padded is read to its end, so that nobody who writes it gets a SIGPIPE.
        if intake.skip(TAIL_MAX + 1)? > TAIL_MAX {
            let what = format!("more than {} MiB follow the mark of the archive's end", TAIL_MAX >> 20);
            return Err(Error::Archive(what));
        }
        Ok(unpacked)
    }

    /// Copies an archive of an image to where it can be read in any order.
    fn receive(&mut self, intake: &mut Intake<'_, '_>) -> Result<Extent> {
        intake.enter(Phase::Receiving);
        let file = self.staging.spool()?;
        loop {
            let bytes = intake.fill()?;
            if bytes.is_empty() {
                return Extent::whole(file);
            }
            let count = sys::io::write(&file, bytes).map_err(Error::system("write", "a file in tmp"))?;
            intake.consume(count);
        }
    }

    /// The image of an archive.
    fn take(&mut self, contents: &Contents, progress: &mut dyn Progress) -> Result<Config> {
        let Chosen { config, layers } = choose(contents, self.limits.layers)?;
        let of = layers.len();
        for (at, layer) in layers.into_iter().enumerate() {
            let total = Some(layer.extent.length);
            let watch = Watch::new(progress, Phase::Unpacking { layer: at + 1, of }, total);
            self.layer(&layer, watch)?;
        }
        Ok(config)
    }

    fn layer(&mut self, layer: &Layer, mut watch: Watch<'_>) -> Result<()> {
        if self.reuse(&layer.diff_id)? {
            return Ok(());
        }
        let (extent, packed, gauge) = (layer.extent.clone(), layer.packed, watch.gauge.clone());
        let name = layer.packed.unwrap_or(layer.diff_id).to_string();
        let limit = self.limits.archive();
        let (unpacked, flowed) = flow(
            &mut watch,
            limit,
            move |outflow| {
                let hashed = Hashed::new(extent.reader());
                let whole = hashed.clone();
                outflow.drain(&mut *unpacked(Box::new(Counted { reader: hashed, gauge }))?)?;
                match packed {
                    Some(packed) if whole.digest()? != packed => Err(Error::Archive(format!(
                        "the content of blob {packed} is not what its digest says"
                    ))),
                    _ => Ok(()),
                }
            },
            |intake| self.unpack(intake, End::Any),
        )
        .map_err(|error| error.in_layer(&name))?;
        if flowed.digest != layer.diff_id {
            let real = flowed.digest;
            let said = layer.diff_id;
            return Err(Error::Archive(format!("layer {name} is {real} uncompressed, and should be {said}")));
        }
        self.add(flowed.digest, unpacked)
    }

    /// Unpacks a layer into the next directory of the staging area.
    pub(crate) fn unpack(&mut self, intake: &mut Intake<'_, '_>, end: End) -> Result<Unpacked> {
        self.unpacked += 1;
        let directory = self.unpacked.to_string();
        let private = sys::fs::Mode::from_raw_mode(0o700);
        sys::fs::mkdirat(self.staging.fd(), directory.as_str(), private)
            .map_err(Error::system("make directory", "tmp"))?;
        let flags = sys::fs::OFlags::RDONLY | sys::fs::OFlags::DIRECTORY | sys::fs::OFlags::CLOEXEC;
        let at = sys::fs::openat(self.staging.fd(), directory, flags, sys::fs::Mode::empty())
            .map_err(Error::system("open", "tmp"))?;
        unpack(&mut Reader::new(intake, end), (at.as_fd(), "fs"), self.limits, &mut self.warnings)
    }

    /// Takes note of the layer that has been unpacked; the store may have had it all the time.
    pub(crate) fn add(&mut self, digest: Digest, unpacked: Unpacked) -> Result<()> {
        if self.reuse(&digest)? {
            return Ok(());
        }
        let directory = self.unpacked.to_string();
        let Unpacked { entries, bytes } = unpacked;
        self.layers.push((LayerId::from(&digest), bytes));
        self.staged.push(Staged { directory, record: LayerRecord { digest, bytes, entries } });
        Ok(())
    }

    /// Takes a layer that is in the store, or has been unpacked for this image already.
    fn reuse(&mut self, digest: &Digest) -> Result<bool> {
        let id = LayerId::from(digest);
        let staged = self.staged.iter().map(|staged| &staged.record).find(|record| record.digest == *digest);
        let record = match staged.cloned() {
            None => self.pins.keep(&id)?,
            some => some,
        };
        let Some(record) = record else { return Ok(false) };
        if record.digest != *digest {
            return Err(Error::Archive(format!("layer {id} is in the store with another digest")));
        }
        self.layers.push((id, record.bytes));
        Ok(true)
    }
}
