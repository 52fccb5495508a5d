//! Fuzz targets: each takes any bytes and panics where a promise is broken. libFuzzer finds the bytes
//! (`cargo xtask fuzz`); the inputs in `corpus/` are run by an ordinary test as well.
//!
//! No target is content with "it does not crash": what is parsed is compared with another parser, with a model, or
//! with itself by another way.
extern crate alloc;

mod accounts;
mod answers;
mod archive;
mod config;
mod documents;
mod frame;
mod ground;
mod json_write;
mod layer;
mod line;
mod modules;
mod options;
mod output;
mod processes;
mod records;
mod reference;
mod source;
mod tar_reader;

// Private modules of `serve`, which is a server and nothing else to those who use it: here as they are.
#[allow(dead_code)]
#[path = "../../../crates/serve/src/journal.rs"]
mod journal;
#[allow(dead_code)]
#[path = "../../../crates/serve/src/proc.rs"]
mod proc;
#[allow(dead_code)]
#[path = "../../../crates/serve/src/accounts.rs"]
mod served_accounts;

// A private module of `image`, for the same reason, and what it names by the crate it is in.
mod error {
    pub use image::{Error, Result};
}
#[allow(dead_code)]
#[path = "../../../crates/image/src/unpack/path.rs"]
mod path;

/// What is done with an input.
pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: [(&str, Target); 14] = [
    ("line", line::run),
    ("frame", frame::run),
    ("output", output::run),
    ("options", options::run),
    ("accounts", accounts::run),
    ("proc", processes::run),
    ("json-write", json_write::run),
    ("config", config::run),
    ("records", records::run),
    ("modules", modules::run),
    ("answers", answers::run),
    ("tar", tar_reader::run),
    ("layer", layer::run),
    ("documents", documents::run),
];

/// The target of a name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, run)| *run)
}
