//! Named instances of images: what one is made with, what is said about them between `husk` and `huskd`, what state one
//! can be in and what becomes of it, and how that is kept on disk.
//!
//! ```text
//! message, text ──▶ Command ──▶ state::apply ──▶ (State, [Effect]) ──▶ the daemon performs them; Store keeps the State
//! ```

mod decision;
pub mod message;
mod name;
mod record;
mod recovery;
pub mod restart;
mod settings;
pub mod state;
mod store;
pub mod text;

pub use name::{ImageName, InstanceName, InvalidName};
pub use record::{Record, VERSION};
pub use settings::{Init, Network, Profile, Restart, Settings, Terminal, Writable};
pub use store::{Loaded, Remove, Store, StoreError};
