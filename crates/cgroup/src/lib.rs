//! Control groups, version 2, by descriptors (cgroups(7), the kernel's admin-guide/cgroup-v2).
//!
//! A container start spends few system calls here: what a limit needs is written at once, and only when the
//! kernel answers that the file is not there are the controllers looked at and enabled. Every path is opened
//! beneath the descriptor of a group, so that nothing a container creates in its own subtree can lead
//! elsewhere, and every descriptor is closed on exec.
//!
//! ```text
//! Hierarchy::find ──▶ Parent (husk/) ──create──▶ Group (husk/run-…) ──▶ apply, freeze, kill, events, remove
//! Delegated::find ──▶   ▲ sweep
//! ```
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod controllers;
mod count;
mod cpus;
mod cpuset;
mod deadline;
mod decimal;
mod delegation;
mod error;
mod events;
mod files;
mod freezer;
mod group;
mod hierarchy;
mod invalid;
mod io;
mod kill;
mod limits;
mod memory;
mod name;
mod owner;
mod parent;
mod pressure;
mod removal;
mod stats;
mod sweep;

pub use controllers::Controllers;
pub use count::{Pids, Weight};
pub use cpus::Cpus;
pub use cpuset::Cpuset;
pub use delegation::{Delegated, NotDelegated};
pub use error::{Action, Error};
pub use events::Events;
pub use group::Group;
pub use hierarchy::{Hierarchy, Membership, Own, Unavailable};
pub use invalid::Invalid;
pub use io::{Device, IoMax};
pub use limits::{Key, Limits, OomGroup, Setting};
pub use memory::Memory;
pub use name::Name;
pub use owner::Owner;
pub use parent::Parent;
pub use pressure::{IoStat, Pressure, Stall};
pub use stats::{CpuStat, MemoryStat, Stats};
pub use sweep::{Swept, sweep};
