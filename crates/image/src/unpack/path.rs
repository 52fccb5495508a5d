//! Names in archives, taken apart.

use crate::error::{Error, Result};

/// PATH_MAX without its NUL: what no program could open is not unpacked.
const PATH_MAX: usize = 4095;
/// NAME_MAX of every file system that a store may lie on.
const NAME_MAX: usize = 255;

/// The prefix of names that say something about the layers below (OCI image-spec, layer.md, Whiteouts).
const WHITEOUT: &[u8] = b".wh.";
/// The prefix of names that said something to AUFS; one of them is in the specification.
const AUFS: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What the name of an entry means in a layer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Place<'a> {
    /// The root of the layer.
    Root,
    /// Something with a name in a directory.
    Below(Vec<&'a [u8]>, &'a [u8]),
    /// This name is not there, whatever the layers below have.
    Whiteout(Vec<&'a [u8]>, &'a [u8]),
    /// This directory has nothing of what the layers below have in it.
    Opaque(Vec<&'a [u8]>),
    /// Bookkeeping of AUFS (`.wh..wh.plnk` and what is in it).
    Ignored,
}

/// The parts of a name beneath the root: absolute names lose their slash, as with every tar.
pub(super) fn components(path: &[u8]) -> Result<Vec<&[u8]>> {
    if path.len() > PATH_MAX {
        return Err(Error::entry(path, format!("its name has more than {PATH_MAX} bytes")));
    }
    let parts: Vec<&[u8]> =
        path.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
    for part in &parts {
        if *part == b".." {
            return Err(Error::entry(path, "its name leads upwards by `..`"));
        }
        if part.len() > NAME_MAX {
            return Err(Error::entry(path, format!("a part of its name has more than {NAME_MAX} bytes")));
        }
    }
    Ok(parts)
}

/// What the name means.
pub(super) fn place(path: &[u8]) -> Result<Place<'_>> {
    if path.is_empty() {
        return Err(Error::entry(path, "it has no name"));
    }
    let mut parts = components(path)?;
    let Some(last) = parts.pop() else { return Ok(Place::Root) };
    if parts.iter().any(|part| part.starts_with(AUFS)) {
        return Ok(Place::Ignored);
    }
    if parts.iter().any(|part| part.starts_with(WHITEOUT)) {
        return Err(Error::entry(path, "it is below a name that begins with `.wh.`, which is no directory"));
    }
    if last == OPAQUE {
        return Ok(Place::Opaque(parts));
    }
    if last.starts_with(AUFS) {
        return Ok(Place::Ignored);
    }
    match last.strip_prefix(WHITEOUT) {
        None => Ok(Place::Below(parts, last)),
        Some(b"" | b"." | b"..") => Err(Error::entry(path, "a whiteout of no name, or of `.` or `..`")),
        Some(hidden) => Ok(Place::Whiteout(parts, hidden)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_to_the_root_however_they_are_written() {
        for path in [&b"/a//b/"[..], b"./a/./b", b"a/b", b"///a/b/."] {
            assert_eq!(place(path).unwrap(), Place::Below(vec![b"a"], b"b"), "{}", path.escape_ascii());
        }
        assert_eq!(place(b"./").unwrap(), Place::Root);
        assert_eq!(place(b"/").unwrap(), Place::Root);
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for path in
            [&b".."[..], b"a/../b", b"/../x", b"a/..", b"", b".wh.", b".wh..", b"a/.wh...", b".wh.a/b"]
        {
            assert!(place(path).is_err(), "{}", path.escape_ascii());
        }
        assert!(place(&b"a/".repeat(100_000)).is_err());
        assert!(place(&[b'a'; 256]).is_err());
        assert!(place(&[b'a'; 255]).is_ok());
    }

    #[test]
    fn whiteouts_are_told_from_the_bookkeeping_of_aufs() {
        assert_eq!(place(b"d/.wh.x").unwrap(), Place::Whiteout(vec![b"d"], b"x"));
        assert_eq!(place(b"d/.wh..wh..opq").unwrap(), Place::Opaque(vec![b"d"]));
        assert_eq!(place(b".wh..wh..opq").unwrap(), Place::Opaque(vec![]));
        assert_eq!(place(b".wh..wh.plnk/1.2").unwrap(), Place::Ignored);
        assert_eq!(place(b".wh..wh.aufs").unwrap(), Place::Ignored);
        assert_eq!(place(b".wh.. ").unwrap(), Place::Whiteout(vec![], b". "));
    }
}
