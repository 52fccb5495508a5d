//! Turns a seccomp profile, as `linux.seccomp` of the OCI runtime-spec 1.3 means it, into the classic
//! BPF program that `seccomp(2)` loads. Pure: nothing here calls the kernel.
//!
//! What a profile means is not written down in the runtime-spec beyond its field names; profiles are
//! written against runc on libseccomp, so those decide here too:
//!
//! - The native architecture is always covered, listed or not. A call of any other architecture kills
//!   its thread, and so does an x32 call (bit 30 of the number) unless x32 is listed.
//! - A rule whose action equals the default action is ignored, conditions or not.
//! - For one system call, the first rule without conditions decides alone, wherever it stands; without
//!   such a rule the conditional ones are tried in the order of the profile and the first match decides.
//! - The conditions of one rule must all hold, except that a rule which names one argument twice
//!   stands for one rule per condition.
//! - 32-bit architectures (and x32) compare the lower half of an argument and of the value only. Stricter
//!   than libseccomp, so do all architectures for parameters that the kernel takes as 32 bits.
//! - Under a default that refuses (anything but ALLOW, LOG, TRACE and errno `ENOSYS`), numbers above the
//!   largest one that the profile names fail with `ENOSYS`: a C library that tries a call which is newer
//!   than the profile then takes its fallback, where `EPERM` would be final.
//! - On 32-bit x86 a rule on a socket or System V IPC call is applied to `socketcall` and `ipc` as well
//!   (see [`compile`] for where this is stricter than libseccomp).
#![no_std]

extern crate alloc;

mod action;
mod arch;
mod assembly;
mod compile;
mod condition;
mod docker;
mod error;
mod flags;
mod multiplex;
mod narrow;
mod profile;
mod program;
mod ranges;
mod syscall;
mod table;
mod verdicts;

pub use action::Action;
pub use arch::Arch;
pub use compile::{compile, compile_for};
pub use condition::{Condition, Op};
pub use docker::default_profile;
pub use error::Error;
pub use flags::Flags;
pub use profile::{Profile, Rule};
pub use program::{Instruction, MAX_INSTRUCTIONS, Program};
pub use syscall::Syscall;
