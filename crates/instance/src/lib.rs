//! Named instances of images: what one is made with, and what is said about them between `husk` and `huskd`.

pub mod message;
mod name;
mod settings;

pub use name::{ImageName, InstanceName, InvalidName};
pub use settings::{Init, Network, Profile, Restart, Settings, Terminal, Writable};
