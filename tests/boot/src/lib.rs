//! Machines in QEMU whose first process is minit: what they are made of, and how a test follows them.

pub mod machine;
pub mod parts;
pub mod root;
pub mod vsock;

pub use machine::{Machine, Plan, Shape};
pub use parts::broken_minit;
pub use root::Root;
