//! Why a request is not done: one line that names the request, the field and the limit.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::Quoted;
use crate::json::{Object, Syntax, Value};

/// What a request was refused for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    text: String,
    answer: As,
}

/// As which answer a refusal goes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum As {
    Error,
    KillResult,
}

/// The code of every refusal: ours, not the command's (see 126 and 127 of a shell).
const OURS: u64 = 125;

impl Refusal {
    /// A refusal in these words.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self { text, answer: As::Error }
    }

    /// The line is no JSON.
    pub(crate) fn syntax(fault: Syntax) -> Self {
        Self::new(format!("the request is not valid JSON: {fault}"))
    }

    /// A line above [`crate::MAX_LINE`].
    #[must_use]
    pub fn too_long() -> Self {
        Self::new(format!("the request line is longer than the limit of {} bytes", crate::MAX_LINE))
    }

    /// A field of a request is wrong.
    #[inline(never)]
    pub(crate) fn field(request: &str, field: &str, why: fmt::Arguments<'_>) -> Self {
        Self::new(format!("{request}: the field {} {why}", Quoted(field)))
    }

    /// A field of a request has the wrong type.
    pub(crate) fn kind(request: &str, field: &str, wanted: &str, found: Value<'_>) -> Self {
        Self::field(request, field, format_args!("must be {wanted}, not {}", found.kind().words()))
    }

    /// The same, answered as `kill_result`: what it refuses is not the request, but what was to be killed.
    #[must_use]
    pub fn of_kill(self) -> Self {
        Self { answer: As::KillResult, ..self }
    }

    /// Whether the request as such was right, and this is its answer.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        self.answer == As::KillResult
    }

    /// Writes the answer.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self.answer {
            As::Error => {
                let mut message = Object::message(out, "error");
                message.text("data", &self.text).count("code", OURS);
                message.line();
            }
            As::KillResult => {
                let mut message = Object::message(out, "kill_result");
                message.no("success").text("error", &self.text);
                message.line();
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
