//! Images: what containers are made of.
//!
//! A [`Store`] keeps layers, each the unpacked tree of one tar archive under the digest of that archive, and
//! images, which are lists of layers with a configuration. Archives come from anywhere: nothing in them is
//! believed (see `unpack` for files, `archive` for documents, [`Limits`] for amounts).
//!
//! ```text
//! Source ─▶ stream (read, decompress) ─▶ tar::Reader ─▶ unpack ─▶ tmp/…/fs ─▶ publish ─▶ layers/ID, images/NAME
//!                        └─▶ digest                      ▲
//! directory ─▶ pack ─▶ stream ───────────────────────────┘
//! ```
//! A layer made of a directory is what importing its canonical archive makes: one way in, one set of rules.
//! Without the feature `store` there is what copies between trees need alone: archives as entries ([`tar`]), the place where
//! one lands ([`Landing`]), and holes of files.
#![forbid(unsafe_code)]

#[cfg(feature = "store")]
mod archive;
#[cfg(feature = "store")]
mod commit;
#[cfg(feature = "store")]
mod compression;
#[cfg(feature = "store")]
mod config;
#[cfg(feature = "store")]
mod copy;
#[cfg(feature = "store")]
mod digest;
mod error;
#[cfg(feature = "store")]
mod export;
mod holes;
#[cfg(feature = "store")]
mod import;
mod landing;
#[cfg(feature = "store")]
mod limits;
#[cfg(feature = "store")]
mod merged;
mod name;
#[cfg(feature = "store")]
mod pack;
#[cfg(feature = "store")]
mod part;
#[cfg(feature = "store")]
mod patient;
#[cfg(feature = "store")]
mod progress;
#[cfg(feature = "store")]
mod remove;
#[cfg(feature = "store")]
mod source;
#[cfg(feature = "store")]
mod store;
#[cfg(feature = "store")]
mod stream;
pub mod tar;
#[cfg(feature = "store")]
mod unpack;
#[cfg(feature = "store")]
mod warnings;

#[cfg(feature = "store")]
pub use compression::Compression;
#[cfg(feature = "store")]
pub use config::Config;
#[cfg(feature = "store")]
pub use digest::{Digest, LayerId};
pub use error::{Error, Result, shown};
#[cfg(feature = "store")]
pub use export::{Format, export_tree};
pub use holes::holes;
#[cfg(feature = "store")]
pub use import::Imported;
pub use landing::{Copied, Landing, Within};
#[cfg(feature = "store")]
pub use limits::Limits;
#[cfg(feature = "store")]
pub use merged::{Changes, MergedTree};
pub use name::Name;
#[cfg(feature = "store")]
pub use pack::Holes;
#[cfg(feature = "store")]
pub use part::{Part, export_part, import_part, is_missing};
#[cfg(feature = "store")]
pub use patient::PatientWriter;
#[cfg(feature = "store")]
pub use progress::{Go, Phase, Progress, Step};
#[cfg(feature = "store")]
pub use remove::remove_tree;
#[cfg(feature = "store")]
pub use source::Source;
#[cfg(feature = "store")]
pub use store::{Image, Pins, Store};
#[cfg(feature = "store")]
pub use unpack::Devices;
#[cfg(feature = "store")]
pub use warnings::Warnings;

/// overlayfs' mark of a directory that has nothing of the layers below in it.
#[cfg(feature = "store")]
const OPAQUE: &str = "trusted.overlay.opaque";
