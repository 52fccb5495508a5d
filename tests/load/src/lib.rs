//! What the stress tests and the bench of minit share: a first process in a pid namespace of its own, a client of its
//! api, what /proc says of both, and the source of the program that runs under it.

mod client;
mod first;
pub mod process;

pub use client::Client;
pub use first::First;

/// The source of the program `load`; its head says what it does, and how it is built.
pub const SOURCE: &str = include_str!("../load.c");

/// What went wrong, in one line.
pub type Result<T> = std::result::Result<T, String>;
