//! Which image of an archive is meant, and what it is made of.

use std::collections::BTreeSet;

use super::contents::{Contents, parse};
use super::documents::{
    CONFIG, DOCKER_CONFIG, DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, Document, INDEX, Index, MANIFEST,
    Manifest, REFERENCE, Saved,
};
use crate::Config;
use crate::digest::Digest;
use crate::error::{Error, Result, shown};
use crate::source::Extent;

/// How many documents are read to find one image; an index may have indexes in it.
const DOCUMENTS_MAX: usize = 200;

/// The image.
pub(crate) struct Chosen {
    pub(crate) config: Config,
    /// Bottom first.
    pub(crate) layers: Vec<Layer>,
}

/// A layer that is still packed.
pub(crate) struct Layer {
    pub(crate) extent: Extent,
    /// The digest of the extent as it is, where the archive says one.
    pub(crate) packed: Option<Digest>,
    /// The digest of the layer's tar archive.
    pub(crate) diff_id: Digest,
}

/// Finds the one image for this machine.
pub(crate) fn choose(contents: &Contents, layers_max: usize) -> Result<Chosen> {
    let chosen = if contents.find("index.json")?.is_some() {
        from_layout(contents)?
    } else if contents.find("manifest.json")?.is_some() {
        from_saved(contents)?
    } else {
        let what =
            "it begins like an archive of an image, and has neither index.json nor manifest.json in it";
        return Err(Error::Archive(what.to_owned()));
    };
    let count = chosen.layers.len();
    if count == 0 || count > layers_max {
        return Err(Error::Archive(format!("an image of {count} layers; it can have 1 to {layers_max}")));
    }
    Ok(chosen)
}

fn from_layout(contents: &Contents) -> Result<Chosen> {
    let bytes = contents.bytes("index.json")?;
    let index: Index = parse("index.json", &bytes)?;
    let mut search = Search { contents, seen: BTreeSet::new(), found: Vec::new() };
    search.index(index)?;
    let mut found = search.found;
    if found.len() > 1 {
        let names: Vec<String> = found.iter().map(|(name, ..)| shown(name.as_bytes())).collect();
        let (count, names) = (found.len(), names.join(", "));
        return Err(Error::Archive(format!(
            "an archive of {count} images ({names}); save one of them alone"
        )));
    }
    let Some((_, manifest, document)) = found.pop() else {
        let what = "the archive has no image for Linux on this machine's architecture in it";
        return Err(Error::Archive(what.to_owned()));
    };
    let diff_ids = document.rootfs.diff_ids;
    if diff_ids.len() != manifest.layers.len() {
        let (some, others) = (manifest.layers.len(), diff_ids.len());
        return Err(Error::Archive(format!("the manifest has {some} layers, the configuration {others}")));
    }
    let mut layers = Vec::new();
    for (layer, diff_id) in manifest.layers.iter().zip(&diff_ids) {
        let packed = Digest::parse(&layer.digest)?;
        let name = blob(&packed);
        let extent = contents.get(&name)?;
        if extent.length != layer.size {
            let (real, said) = (extent.length, layer.size);
            return Err(Error::entry(name.as_bytes(), format!("{real} bytes, and its manifest says {said}")));
        }
        layers.push(Layer { extent, packed: Some(packed), diff_id: Digest::parse(diff_id)? });
    }
    let config = Config::from(document.config.unwrap_or_default()).check()?;
    Ok(Chosen { config, layers })
}

/// The way through indexes to manifests.
struct Search<'a> {
    contents: &'a Contents,
    seen: BTreeSet<Digest>,
    found: Vec<(String, Manifest, Document)>,
}

impl Search<'_> {
    fn index(&mut self, index: Index) -> Result<()> {
        let mut waiting: Vec<(String, Descriptor)> =
            index.manifests.into_iter().rev().map(|descriptor| (String::new(), descriptor)).collect();
        while let Some((name, descriptor)) = waiting.pop() {
            // What says that it is for another machine, or for none as attestations do, may not even be here.
            if descriptor.platform.as_ref().is_some_and(|platform| !platform.is_own()) {
                continue;
            }
            let digest = Digest::parse(&descriptor.digest)?;
            // The same again, or an index that has itself in it.
            if !self.seen.insert(digest) {
                continue;
            }
            if self.seen.len() > DOCUMENTS_MAX {
                return Err(Error::Archive(format!("more than {DOCUMENTS_MAX} documents lead to an image")));
            }
            let named = descriptor.annotations.as_ref().and_then(|all| all.get(REFERENCE)).cloned();
            let name = named.unwrap_or(name);
            match descriptor.media_type.as_str() {
                INDEX | DOCKER_INDEX => {
                    let inside: Index = parse(&blob(&digest), &self.blob(&descriptor)?)?;
                    waiting.extend(inside.manifests.into_iter().rev().map(|inside| (name.clone(), inside)));
                }
                MANIFEST | DOCKER_MANIFEST => self.manifest(name, &descriptor)?,
                other => {
                    let other = shown(other.as_bytes());
                    return Err(Error::Archive(format!(
                        "the index has something of the unknown type {other}"
                    )));
                }
            }
        }
        Ok(())
    }

    fn manifest(&mut self, name: String, descriptor: &Descriptor) -> Result<()> {
        let bytes = self.blob(descriptor)?;
        let manifest: Manifest = parse(&blob(&Digest::parse(&descriptor.digest)?), &bytes)?;
        if !matches!(manifest.config.media_type.as_str(), CONFIG | DOCKER_CONFIG) {
            let kind = shown(manifest.config.media_type.as_bytes());
            return Err(Error::Archive(format!("a manifest of something that is no image: {kind}")));
        }
        let document: Document = parse(&manifest.config.digest, &self.blob(&manifest.config)?)?;
        if is_for_here(&document) {
            let name = if name.is_empty() { descriptor.digest.clone() } else { name };
            self.found.push((name, manifest, document));
        }
        Ok(())
    }

    /// The bytes of a document whose digest holds.
    fn blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let digest = Digest::parse(&descriptor.digest)?;
        let name = blob(&digest);
        let bytes = self.contents.bytes(&name)?;
        if bytes.len() as u64 != descriptor.size || Digest::of(&bytes) != digest {
            return Err(Error::entry(name.as_bytes(), "its content is not what its digest and size say"));
        }
        Ok(bytes)
    }
}

/// Whether the configuration is for this machine; one that does not say may be.
fn is_for_here(document: &Document) -> bool {
    let own = super::documents::Platform::own();
    let is = |said: &str, own: &str| said.is_empty() || said == own;
    is(&document.architecture, &own.architecture) && is(&document.os, &own.os)
}

fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn from_saved(contents: &Contents) -> Result<Chosen> {
    let mut saved: Vec<Saved> = parse("manifest.json", &contents.bytes("manifest.json")?)?;
    if saved.len() > 1 {
        let tags = saved.iter().flat_map(|image| image.repo_tags.iter().flatten());
        let names: Vec<String> = tags.map(|tag| shown(tag.as_bytes())).collect();
        let (count, names) = (saved.len(), names.join(", "));
        return Err(Error::Archive(format!(
            "an archive of {count} images ({names}); save one of them alone"
        )));
    }
    let saved = saved.pop().ok_or_else(|| Error::Archive("the archive has no image in it".to_owned()))?;
    let bytes = contents.bytes(&saved.config)?;
    // Where the name is a digest, the content has it.
    let stem = saved.config.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
    if Digest::parse_hex(stem).is_some_and(|digest| digest != Digest::of(&bytes)) {
        return Err(Error::entry(saved.config.as_bytes(), "its content is not what its digest says"));
    }
    let document: Document = parse(&saved.config, &bytes)?;
    if !is_for_here(&document) {
        let (os, architecture) = (shown(document.os.as_bytes()), shown(document.architecture.as_bytes()));
        return Err(Error::Archive(format!("an image for {os} on {architecture}, not for this machine")));
    }
    let diff_ids = &document.rootfs.diff_ids;
    if diff_ids.len() != saved.layers.len() {
        let (some, others) = (saved.layers.len(), diff_ids.len());
        return Err(Error::Archive(format!("manifest.json has {some} layers, the configuration {others}")));
    }
    let mut layers = Vec::new();
    for (name, diff_id) in saved.layers.iter().zip(diff_ids) {
        layers.push(Layer { extent: contents.get(name)?, packed: None, diff_id: Digest::parse(diff_id)? });
    }
    let config = Config::from(document.config.unwrap_or_default()).check()?;
    Ok(Chosen { config, layers })
}
