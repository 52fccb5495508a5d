//! What is wrong with a text that a person wrote.
use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

/// A value that cannot be used: what it was to be, the text, the reason, and a text that would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// What the text was to be: `memory`, `cpus`, `cgroup name`.
    pub quantity: &'static str,
    /// The text as it was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: Cow<'static, str>,
    /// A text that is accepted.
    pub example: &'static str,
}

impl fmt::Display for Invalid {
    /// One line: the text is printed with its control characters escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text.as_bytes().escape_ascii();
        write!(f, "{} \"{text}\": {} (for example {})", self.quantity, self.reason, self.example)
    }
}

impl core::error::Error for Invalid {}
