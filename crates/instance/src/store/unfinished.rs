//! Instances that a power cut kept from being finished: each has its name, and nobody was told so.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::RECORD;
use crate::message::Files;

/// What an instance has besides its record from the start, if its files are changes over an image: empty directories.
const PARTS: [&str; 2] = ["upper", "work"];

/// What matters here of a record, of whatever version.
#[derive(Deserialize)]
struct Begun {
    files: Option<Files>,
}

/// Whether the directory is that of one. It has a record that was cut off, or not all of its parts; and nothing of what every
/// instance has once it has run, nor any file in it: so nothing of anybody's goes with it. Where that cannot be found
/// out it is none.
pub(super) fn is(directory: &Path) -> bool {
    is_lacking(directory).unwrap_or(false) && is_untouched(directory).unwrap_or(false)
}

fn is_lacking(directory: &Path) -> io::Result<bool> {
    let text = fs::read(directory.join(RECORD))?;
    if serde_json::from_slice::<IgnoredAny>(&text).is_err() {
        return Ok(is_cut(&text));
    }
    match serde_json::from_slice(&text) {
        Ok(Begun { files: Some(Files::Overlay) }) => {
            Ok(PARTS.iter().any(|part| !directory.join(part).is_dir()))
        }
        // A copy gets its name when all of it is on the disk; what is of another version is not for this one to judge.
        _ => Ok(false),
    }
}

/// Whether that is what a file system may keep of a file whose writing it was kept from: nothing, zeros, or whole
/// sectors. Other damage, such as a slip of who edits it, is nobody's leave to remove it.
fn is_cut(text: &[u8]) -> bool {
    text.len().is_multiple_of(512) || text.contains(&0)
}

/// Whether there is nothing in it but a record and empty parts.
pub(super) fn is_untouched(directory: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_part = PARTS.iter().any(|part| name == *part);
        if name != RECORD && !(is_part && is_empty(&entry.path())?) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_empty(directory: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(directory)?.next().is_none())
}
