//! The OCI runtime specification, compiled to plans.
//!
//! [`Spec`] is a `config.json`; [`compile`] turns it and what the caller knows besides ([`Setting`]) into the
//! steps of a plan: a pure function, tested without root on its printed result. `husk run` writes such a
//! specification in memory ([`profile`] has its defaults) and compiles it the same way.

mod arena;
mod compile;
mod error;
pub mod profile;
pub mod spec;

pub use arena::Arena;
pub use compile::{
    Caller, CgroupView, Compiled, Entry, Groups, HostLayer, Keyring, Lifetime, Nodes, Privilege, RootSource,
    Setting, Terminal, compile, compile_exec, filter, is_resource,
};
pub use error::Error;
pub use spec::Spec;
