//! The log: one line for each change, on standard error.

use std::fmt;
use std::io::Write as _;

/// Writes a line in one write, so that no other's is torn apart by it. What comes from outside (names of files, words of
/// an image) cannot start a line or move the cursor. A log that cannot be written to changes nothing.
pub fn write(line: impl fmt::Display) {
    let mut text = String::from("huskd: ");
    for character in line.to_string().chars() {
        match character.is_control() {
            true => text.extend(character.escape_default()),
            false => text.push(character),
        }
    }
    text.push('\n');
    let _ = std::io::stderr().write_all(text.as_bytes());
}
