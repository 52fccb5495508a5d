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
#![forbid(unsafe_code)]

mod archive;
mod commit;
mod compression;
mod config;
mod copy;
mod error;
mod export;
mod import;
mod limits;
mod merged;
mod name;
mod pack;
mod part;
mod patient;
mod progress;
mod remove;
mod source;
mod store;
mod stream;
mod tar;
mod unpack;
mod warnings;

pub use compression::Compression;
pub use config::Config;
pub use error::{Error, Result, shown};
pub use export::{Format, export_tree};
pub use import::Imported;
pub use limits::Limits;
pub use merged::{Changes, MergedTree};
pub use name::{Digest, LayerId, Name};
pub use part::{Part, export_part, import_part, is_missing};
pub use patient::PatientWriter;
pub use progress::{Go, Phase, Progress, Step};
pub use remove::remove_tree;
pub use source::Source;
pub use store::{Image, Store};
pub use unpack::Devices;
pub use warnings::Warnings;

/// overlayfs' mark of a directory that has nothing of the layers below in it.
const OPAQUE: &str = "trusted.overlay.opaque";
