//! What goes wrong within a step: which call, and what the kernel said.

use sys::Errno;

use crate::Call;

/// What went wrong within a step.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub call: Call,
    pub errno: Errno,
}

/// What a step, or a part of it, comes to.
pub type Outcome<T> = Result<T, Fault>;

/// Says of which call an error is.
pub fn at<T>(call: Call, result: sys::Result<T>) -> Outcome<T> {
    result.map_err(|errno| Fault { call, errno })
}
