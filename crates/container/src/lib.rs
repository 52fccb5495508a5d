//! From what is asked for to a container: what `husk run` and the shim of an instance share.
//!
//! [`Options`] say what is wanted, [`specification`] writes it as an OCI specification, [`identity`] looks its user
//! up in the image's own files, [`filter`] chooses its system call filter, [`rootless`] maps the ids of a user
//! namespace, [`group`] makes its cgroup, [`host_root`] makes the host's own files its root. [`Starter`] does what is
//! to be done while the child performs its plan. A shim is told all of it in one [`task::Task`], whose [`settings`]
//! come to the same options.

pub mod filter;
pub mod group;
pub mod host_program;
pub mod host_root;
pub mod identity;
pub mod merged;
pub mod rootless;
#[cfg(feature = "task")]
pub mod settings;
#[cfg(feature = "task")]
pub mod shim;
pub mod specification;
#[cfg(feature = "task")]
pub mod task;
pub mod values;

mod failure;
mod options;
mod starter;

pub use failure::Failure;
pub use options::{Change, Options, Writable};
pub use starter::{Starter, minit};
