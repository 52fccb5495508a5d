//! A **plan** is a list of **steps** that turn a freshly cloned child into a contained process; this crate
//! is the language, its printer and its interpreter.
//!
//! Every front end compiles to it (a command line, an OCI `config.json`, an exec request), and all that can
//! be decided is decided before the clone. The crate has no `std` and no `alloc`: the compiler thereby
//! proves that the child cannot allocate, lock or print, and a start is safe from a threaded daemon, from an
//! async server and from PID 1 alike.
#![no_std]
// What only the steps of containers use.
#![cfg_attr(not(feature = "containers"), allow(dead_code))]
#[cfg(test)]
extern crate std;

#[cfg(feature = "containers")]
mod devices;
mod execute;
mod fault;
mod identity;
mod launch;
#[cfg(feature = "containers")]
mod layers;
#[cfg(feature = "containers")]
mod mounts;
mod operands;
mod perform;
mod print;
mod resolve;
mod step;
#[cfg(feature = "containers")]
mod terminal;
mod wire;

pub use launch::{Launch, Launched, Others, launch};
pub use operands::*;
pub use step::*;
pub use sys::clone::Memory;
pub use wire::{Call, Channel, Failure, Report};
