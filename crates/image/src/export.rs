//! From an image or a tree to an archive.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};

use serde::Serialize;
use sha2::Digest as _;
use sys::fd::{AsFd, BorrowedFd};

use crate::archive::documents::{
    CONFIG, Descriptor, Document, INDEX, Index, LAYER, MANIFEST, Manifest, Platform, REFERENCE, Rootfs, Run,
};
use crate::compression::{Compression, Packer};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::merged::MergedTree;
use crate::pack::{Holes, Request, Tree, announce, pack};
use crate::progress::{Phase, Progress, Watch};
use crate::source::Extent;
use crate::store::{Image, Staging, Store};
use crate::tar::{Blocks, Entry, Kind, Outgoing, Time, Writer};
use crate::unpack::Devices;
use crate::warnings::Warnings;

/// What an image is written as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Its whole tree as one tar archive, without its configuration.
    Rootfs,
    /// An OCI image layout in a tar archive: its layers and its configuration.
    OciArchive,
}

impl Store {
    /// Writes an image. The compression is that of the archive, or of the layers in an OCI archive. Layers are
    /// written in the canonical form of archives here, which need not be what they were imported from: such a
    /// layer has another digest, and every further export gives the same.
    ///
    /// # Errors
    /// Those of writing; xz for an OCI archive, whose layers cannot have it.
    pub fn export(
        &self,
        image: &Image,
        (format, compression): (Format, Compression),
        writer: &mut dyn Write,
        progress: &mut dyn Progress,
    ) -> Result<Warnings> {
        // Nobody removes them meanwhile.
        let mut pins = self.pins();
        for id in &image.layers {
            if pins.keep(id)?.is_none() {
                return Err(Error::Invalid(format!(
                    "image {}: the store lacks its layer {}",
                    image.name,
                    id.as_str()
                )));
            }
        }
        let mut warnings = Warnings::default();
        let mut watch = Watch::new(progress, Phase::Exporting, Some(image.size));
        match format {
            Format::Rootfs => {
                let tree = MergedTree::new(self, &image.layers)?;
                write_tree((tree.root(), Tree::Whole), compression, writer, &mut watch, &mut warnings)?;
            }
            Format::OciArchive if compression == Compression::Xz => {
                let what = "layers of an OCI archive are plain, or compressed with gzip or zstd";
                return Err(Error::Invalid(what.to_owned()));
            }
            Format::OciArchive => {
                let mut archive = OciArchive::new(self, compression, &mut warnings)?;
                let layers = archive.layers(image, &mut watch)?;
                archive.write(image, &layers, writer, &mut watch)?;
            }
        }
        Ok(warnings)
    }
}

/// Writes any tree as a tar archive: the file system it is on only.
///
/// # Errors
/// Those of reading and of writing.
pub fn export_tree(
    tree: BorrowedFd<'_>,
    compression: Compression,
    writer: &mut dyn Write,
    progress: &mut dyn Progress,
) -> Result<Warnings> {
    let mut warnings = Warnings::default();
    let mut watch = Watch::new(progress, Phase::Exporting, None);
    let left_out = HashSet::new();
    let request = all_of(Tree::Whole, &left_out);
    announce(tree, &request, &mut watch)?;
    write_tree((tree, Tree::Whole), compression, writer, &mut watch, &mut warnings)?;
    Ok(warnings)
}

/// Writes a tree, and says what its uncompressed archive is.
fn write_tree(
    (root, tree): (BorrowedFd<'_>, Tree),
    compression: Compression,
    writer: &mut dyn Write,
    watch: &mut Watch<'_>,
    warnings: &mut Warnings,
) -> Result<Digest> {
    let error = |error| Error::stream("write", "the archive", &error);
    let left_out = HashSet::new();
    let request = all_of(tree, &left_out);
    let buffered = io::BufWriter::with_capacity(256 << 10, writer);
    let packer = Packer::new(buffered, compression).map_err(error)?;
    let mut outlet = Outlet { packer, hash: sha2::Sha256::new(), watch, unreported: 0 };
    pack(root, &request, &mut outlet, warnings)?;
    let mut buffered = outlet.packer.finish().map_err(error)?;
    buffered.flush().map_err(error)?;
    Ok(Digest::finish(outlet.hash))
}

fn all_of(tree: Tree, left_out: &HashSet<(u64, u64)>) -> Request<'_> {
    Request { tree, devices: Devices::Kept, holes: Holes::Kept, names: Limits::default().names, left_out }
}

/// How often progress is reported, in bytes.
const STRIDE: usize = 1 << 20;

/// The way of an archive to a writer.
struct Outlet<'a, 'w, W: Write> {
    packer: Packer<W>,
    hash: sha2::Sha256,
    watch: &'a mut Watch<'w>,
    unreported: usize,
}

impl<W: Write> Blocks for Outlet<'_, '_, W> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.packer.write_all(bytes).map_err(|error| Error::stream("write", "the archive", &error))?;
        self.unreported += bytes.len();
        self.watch.gauge.add(bytes.len());
        if self.unreported >= STRIDE {
            self.unreported = 0;
            self.watch.report()?;
        }
        Ok(())
    }
}

/// The way of a plain archive, reported on.
pub(crate) struct Watched<'a, 'w> {
    pub(crate) writer: &'a mut dyn Write,
    pub(crate) watch: &'a mut Watch<'w>,
}

impl Blocks for Watched<'_, '_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.write_all(bytes).map_err(|error| Error::stream("write", "the archive", &error))?;
        self.watch.gauge.add(bytes.len());
        self.watch.report()
    }
}

/// A layer that is packed, in a file without a name.
struct Packed {
    extent: Extent,
    digest: Digest,
    diff_id: Digest,
}

struct OciArchive<'a> {
    store: &'a Store,
    staging: Staging<'a>,
    compression: Compression,
    warnings: &'a mut Warnings,
}

impl<'a> OciArchive<'a> {
    fn new(store: &'a Store, compression: Compression, warnings: &'a mut Warnings) -> Result<Self> {
        Ok(Self { store, staging: Staging::new(store)?, compression, warnings })
    }

    /// Packs the layers: their digests come before their content in the archive.
    fn layers(&mut self, image: &Image, watch: &mut Watch<'_>) -> Result<Vec<Packed>> {
        let mut layers = Vec::new();
        for id in &image.layers {
            let root = self.store.open_layer(id)?;
            let mut spool = Spool { file: self.staging.spool()?, hash: sha2::Sha256::new() };
            let tree = (root.as_fd(), Tree::Layer);
            let diff_id = write_tree(tree, self.compression, &mut spool, watch, self.warnings)?;
            let (extent, digest) = (Extent::whole(spool.file)?, Digest::finish(spool.hash));
            layers.push(Packed { extent, digest, diff_id });
        }
        Ok(layers)
    }

    fn write(
        &self,
        image: &Image,
        layers: &[Packed],
        writer: &mut dyn Write,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let mut blocks = Outgoing(writer);
        let mut writer = Writer::new(&mut blocks);
        for directory in ["blobs/", "blobs/sha256/"] {
            writer.header(&file(directory, Kind::Directory, 0))?;
        }
        let mut written = HashSet::new();
        for layer in layers.iter().filter(|layer| written.insert(layer.digest)) {
            writer.header(&file(&blob(&layer.digest), Kind::File, layer.extent.length))?;
            let mut reader = layer.extent.reader();
            let mut buffer = vec![0; 256 << 10];
            loop {
                watch.report()?;
                let count = reader.read(&mut buffer);
                let count = count.map_err(|error| Error::stream("read", "a file in tmp", &error))?;
                if count == 0 {
                    break;
                }
                writer.content(&buffer[..count])?;
            }
        }
        let config = document(&self.config(image, layers))?;
        let manifest = document(&self.manifest(layers, &config))?;
        let index = document(&index(image, &manifest))?;
        let layout = br#"{"imageLayoutVersion":"1.0.0"}"#;
        for (name, bytes) in [
            (blob(&Digest::of(&config)), config.as_slice()),
            (blob(&Digest::of(&manifest)), &manifest),
            ("index.json".to_owned(), &index),
            ("oci-layout".to_owned(), layout),
        ] {
            writer.header(&file(&name, Kind::File, bytes.len() as u64))?;
            writer.content(bytes)?;
        }
        writer.finish()
    }

    fn config(&self, image: &Image, layers: &[Packed]) -> Document {
        let Platform { architecture, os } = Platform::own();
        let diff_ids = layers.iter().map(|layer| layer.diff_id.to_string()).collect();
        Document {
            created: None,
            architecture,
            os,
            config: Some(Run::from(&image.config)),
            rootfs: Rootfs { kind: "layers".to_owned(), diff_ids },
        }
    }

    fn manifest(&self, layers: &[Packed], config: &[u8]) -> Manifest {
        let media_type = format!("{LAYER}{}", self.compression.media_suffix());
        let layer = |layer: &Packed| Descriptor {
            media_type: media_type.clone(),
            digest: layer.digest.to_string(),
            size: layer.extent.length,
            platform: None,
            annotations: None,
        };
        Manifest {
            schema_version: 2,
            media_type: MANIFEST.to_owned(),
            config: descriptor(CONFIG, config),
            layers: layers.iter().map(layer).collect(),
        }
    }
}

fn index(image: &Image, manifest: &[u8]) -> Index {
    let mut manifest = descriptor(MANIFEST, manifest);
    manifest.platform = Some(Platform::own());
    manifest.annotations = Some(BTreeMap::from([(REFERENCE.to_owned(), image.name.to_string())]));
    Index { schema_version: 2, media_type: INDEX.to_owned(), manifests: vec![manifest] }
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: Digest::of(bytes).to_string(),
        size: bytes.len() as u64,
        platform: None,
        annotations: None,
    }
}

fn document(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::Invalid(format!("the image's documents: {error}")))
}

fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// A file of the archive: the same image makes the same archive.
fn file(name: &str, kind: Kind, size: u64) -> Entry {
    Entry {
        path: name.as_bytes().to_vec(),
        kind,
        mode: if kind == Kind::Directory { 0o755 } else { 0o644 },
        uid: 0,
        gid: 0,
        mtime: Time::default(),
        size,
        link: Vec::new(),
        device: (0, 0),
        xattrs: Vec::new(),
        map: None,
    }
}

/// A file that is digested as it is written.
struct Spool {
    file: File,
    hash: sha2::Sha256,
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
