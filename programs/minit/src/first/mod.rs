//! What the first process is once its command runs: one wait, one table, and no parser, no heap, no thread.
//! Everything that can fail for a reason of its caller's has been done by then.

pub mod api;
pub mod decide;
pub mod kernel;
pub mod kin;
pub mod link;
pub mod start;
pub mod supervise;
pub mod survive;
