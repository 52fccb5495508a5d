//! JSON, as far as lines of requests and answers need it: a checker that needs no stack, slices in place of a
//! tree, and a writer.
//!
//! Why not `serde_json`: the whole of minit is to fit in 128 KiB. A static program without `std` that reads an
//! exec request's fields and writes one answer (x86-64, opt-level s, fat LTO, one codegen unit, stripped) has
//!
//! | with | bytes of file | more than an empty one |
//! |---|---|---|
//! | nothing | 1,816 | – |
//! | this module | 12,592 | 10.8 kB |
//! | `serde_json` 1.0.154 (alloc only), `Value` | 33,048 | 31.2 kB |
//! | `serde_json`, derived types for four fields of the request | 49,144 | 47.3 kB |
//!
//! The second reason is memory: a mebibyte of `[0,0,0…` is 16 MiB as a tree, and nothing at all as a slice.
mod scan;
mod text;
mod value;
mod write;

pub use scan::{MAX_DEPTH, Syntax};
pub use value::{Elements, Kind, Members, Value};
pub use write::Object;
pub(crate) use write::ascii_length;
