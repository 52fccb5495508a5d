//! The messages of the minit protocol: requests from one line of JSON into types, answers into lines, and the
//! binary frames that may stand in for lines. No kernel, no clock, no state: every function here is pure.
//!
//! The JSON is read and written by code of our own, tested against `serde_json` with random documents: see
//! [`json`] for the measurement that decided it.
#![no_std]
extern crate alloc;

pub mod answer;
mod base64;
mod control;
mod environment;
mod exec;
mod fields;
mod frame;
mod identity;
pub mod json;
mod output;
mod quoted;
mod refusal;
mod request;
mod signal;
mod words;

pub use control::{Attach, Filter, Kill, Mode, Resize, Resume, Scope, Shutdown, State, Target, Wait};
pub use environment::{Variables, refused_name};
pub use exec::{
    EnvironmentMode, Exec, Limits, OnDisconnect, OnLimit, Output, Pty, ResourceLimit, Stdin, User,
};
pub use frame::{Frame, FrameKind, HEADER, MAX_ANSWER, MAX_FRAME};
pub use identity::{ExecId, Id};
pub use output::{Chunk, End, Line, chunk, line};
pub use quoted::Quoted;
pub use refusal::Refusal;
pub use request::Request;
pub use signal::SignalNumber;
pub use words::Words;

/// The longest line of a request, its newline included.
pub const MAX_LINE: usize = 1 << 20;

/// The version of the protocol that `pong` tells as `proto`.
pub const PROTOCOL: u64 = 2;
