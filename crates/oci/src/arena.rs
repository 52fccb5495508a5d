//! Where the texts of a plan live: until the child has become its program.

use std::ffi::CStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use bumpalo::Bump;

use crate::Error;

/// Memory that is freed all at once. Steps borrow from it.
#[derive(Debug, Default)]
pub struct Arena(Bump);

impl Arena {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `text` as the kernel takes it. `field` is what an error is about.
    ///
    /// # Errors
    /// Where the text has a NUL byte in it.
    pub fn text(&self, field: &str, text: &[u8]) -> Result<&CStr, Error> {
        self.join(field, &[text])
    }

    /// As [`Arena::text`], for a path.
    ///
    /// # Errors
    /// Where the path has a NUL byte in it.
    pub fn path(&self, field: &str, path: &Path) -> Result<&CStr, Error> {
        self.text(field, path.as_os_str().as_bytes())
    }

    /// As [`Arena::text`], for parts to be put together.
    ///
    /// # Errors
    /// Where a part has a NUL byte in it.
    pub fn join(&self, field: &str, parts: &[&[u8]]) -> Result<&CStr, Error> {
        if parts.iter().any(|part| part.contains(&0)) {
            return Err(Error::new(field, "has a NUL byte in it"));
        }
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let bytes = self.0.alloc_slice_fill_copy(length + 1, 0);
        let mut start = 0;
        for part in parts {
            bytes[start..start + part.len()].copy_from_slice(part);
            start += part.len();
        }
        CStr::from_bytes_with_nul(bytes).map_err(|_| Error::new(field, "has a NUL byte in it"))
    }

    /// A slice of plain values.
    pub fn slice<T: Copy>(&self, values: &[T]) -> &[T] {
        self.0.alloc_slice_copy(values)
    }
}
