//! A **session** is a child and its streams: signals are forwarded to it, its terminal is relayed, its end is
//! waited for. One loop that blocks in one poll(2), and wakes up for nothing else.
#![no_std]
extern crate alloc;

mod disposition;
mod raw;
mod relay;
mod session;

pub use disposition::{Disposition, disposition};
pub use raw::RawMode;
pub use session::{Ended, Kind, Session, block_signals};
