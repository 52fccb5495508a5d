//! The client of the minit protocol: it runs, follows and ends processes for a caller who is not in the container,
//! microVM or machine where they run.
//!
//! ```no_run
//! use husk_client::{Address, Client, Exec};
//!
//! # fn main() -> Result<(), husk_client::Error> {
//! let mut client = Client::connect(Address::Unix(b"/run/minit.sock"))?;
//! let done = client.output(&Exec::new("ls").arg("/etc"), b"")?;
//! assert_eq!(done.exit.code, 0);
//! # Ok(())
//! # }
//! ```
//!
//! It blocks, has no threads, and one [`Client`] is one socket; any number of execs share it. It speaks in frames: a
//! stream is exact bytes, and the server sends only what it has credit for, so that an exec whose events nobody
//! fetches neither grows this process nor stops the others.
#![no_std]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod address;
mod answers;
mod channel;
mod client;
mod error;
mod event;
mod exec;
mod keys;
mod message;
mod relay;
mod requests;
mod running;
pub mod screen;
mod start;

pub use address::Address;
pub use answers::{Listed, Pong, Process};
pub use client::{Client, Until};
pub use error::Error;
pub use event::{Event, Exit, Usage};
pub use exec::Exec;
pub use keys::Keys;
pub use message::{Message, member};
pub use relay::{End, Goal, Input, Press, Relay, Signals};
pub use requests::{Filter, News};
pub use running::{Running, WINDOW};
pub use start::{Attach, Output};
pub use wire::answer::Stream;
pub use wire::{Mode, OnDisconnect, OnLimit, Scope};
