//! What the security tests share: images made to lead a runtime astray, a victim beside them that must not
//! change, and a racer that exchanges paths while containers start.
//!
//! The bugs of other runtimes that these tests come from are named beside each test. Nearly all are one
//! class: a path was resolved through files that the attacker controls.

pub mod attempt;
pub mod ground;
pub mod image;
pub mod inherited;
pub mod matrix;
pub mod racer;
pub mod trap;
pub mod victim;

pub use attempt::{Outcome, attempt, copy_program, write_program};
pub use ground::Ground;
pub use trap::{PLACES, Trap};
