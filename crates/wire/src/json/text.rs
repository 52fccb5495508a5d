//! What a string of a checked document says.

use alloc::borrow::Cow;
use alloc::string::String;

use super::scan::hex;

/// The text of a string, its quotes included, that has been checked.
pub fn unescape(quoted: &str) -> Cow<'_, str> {
    let inside = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut text = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        let (character, length) = escaped_character(escaped.as_bytes());
        text.push(character);
        rest = escaped.get(length..).unwrap_or_default();
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The character that an escape stands for, and how many bytes behind the backslash belong to it.
fn escaped_character(escape: &[u8]) -> (char, usize) {
    let short = |character| (character, 1);
    match escape.first() {
        Some(b'b') => short('\u{8}'),
        Some(b'f') => short('\u{c}'),
        Some(b'n') => short('\n'),
        Some(b'r') => short('\r'),
        Some(b't') => short('\t'),
        Some(b'u') => match (hex(escape, 1).unwrap_or_default(), hex(escape, 7)) {
            (high @ 0xd800..0xdc00, Some(low)) => {
                let pair = 0x1_0000 + ((high - 0xd800) << 10) + (low & 0x3ff);
                (char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER), 11)
            }
            (single, _) => (char::from_u32(single).unwrap_or(char::REPLACEMENT_CHARACTER), 5),
        },
        Some(byte) => short(char::from(*byte)),
        None => (char::REPLACEMENT_CHARACTER, 0),
    }
}
