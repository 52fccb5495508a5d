//! Strings for the kernel: many C strings in one allocation.

use alloc::vec::Vec;
use core::ffi::CStr;

/// A list of C strings, one behind the other. A line of a request has at most a mebibyte of them, and they
/// take no more memory than that, however short they are.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Words {
    bytes: Vec<u8>,
    count: usize,
}

/// A NUL byte stands in what is to become a C string.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HasNul;

impl Words {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), count: 0 }
    }

    /// Adds one word, made of `parts`.
    ///
    /// # Errors
    /// [`HasNul`]; nothing is added then.
    pub fn push(&mut self, parts: &[&[u8]]) -> Result<(), HasNul> {
        if parts.iter().any(|part| part.contains(&0)) {
            return Err(HasNul);
        }
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.bytes.push(0);
        self.count += 1;
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &CStr> {
        self.bytes.split_inclusive(|byte| *byte == 0).filter_map(|word| CStr::from_bytes_with_nul(word).ok())
    }
}
