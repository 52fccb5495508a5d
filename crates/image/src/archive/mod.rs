//! Archives of images: the OCI image layout, and what `docker save` writes.

mod choice;
mod contents;
pub(crate) mod documents;

pub(crate) use choice::{Chosen, Layer, choose};
pub(crate) use contents::Contents;

use crate::tar::{End, Reader};

/// What a tar archive holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// A root file system.
    Rootfs,
    /// Layers and documents.
    Image,
}

impl Form {
    /// Told by the first name in the archive that is not the root's; `head` is its begin.
    pub(crate) fn detect(head: &[u8]) -> Self {
        let mut reader = Reader::new(head, End::Any);
        while let Ok(Some(entry)) = reader.next_entry() {
            let name = entry.path.strip_prefix(b"./").unwrap_or(&entry.path);
            if !matches!(name, b"" | b".") {
                return if is_of_image(name) { Self::Image } else { Self::Rootfs };
            }
        }
        Self::Rootfs
    }
}

/// Names at the top of image archives: those of the specification, and of 64 hexadecimal digits.
fn is_of_image(name: &[u8]) -> bool {
    let first = name.split(|&byte| byte == b'/').next().unwrap_or_default();
    let stem = first.strip_suffix(b".json").or(first.strip_suffix(b".tar")).unwrap_or(first);
    let is_digest = stem.len() == 64 && stem.iter().all(u8::is_ascii_hexdigit);
    is_digest
        || matches!(first, b"oci-layout" | b"index.json" | b"manifest.json" | b"repositories" | b"blobs")
}
