//! Whether a text is JSON (RFC 8259), and where its values end. Without recursion: what is open is one bit a
//! level, so that no document, however deep, costs stack.

use core::fmt;

/// How deep arrays and objects may be nested.
pub const MAX_DEPTH: u32 = 127;

/// Why a text is not JSON, and at which byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Syntax {
    /// Offset in bytes from the start of the text.
    pub at: usize,
    why: Why,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Why {
    Ends,
    Unexpected,
    Control,
    Escape,
    Surrogate,
    Number,
    Depth,
    Trailing,
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.why {
            Why::Ends => "it ends in the middle of a value",
            Why::Unexpected => "unexpected character",
            Why::Control => "unescaped control character in a string",
            Why::Escape => "unknown escape in a string",
            Why::Surrogate => "half of a surrogate pair in a string",
            Why::Number => "malformed number",
            Why::Depth => "nested deeper than 127 levels",
            Why::Trailing => "more text behind the value",
        })?;
        write!(f, " at byte {}", self.at)
    }
}

type Scan = Result<usize, Syntax>;

fn fault(at: usize, text: &[u8], why: Why) -> Syntax {
    Syntax { at, why: if at >= text.len() { Why::Ends } else { why } }
}

/// Checks that `text` is one JSON value with nothing but blanks around it.
pub fn check(text: &str) -> Result<(), Syntax> {
    let text = text.as_bytes();
    let end = blanks(text, value(text, 0)?);
    if end == text.len() { Ok(()) } else { Err(Syntax { at: end, why: Why::Trailing }) }
}

/// The first byte from `at` on that is no blank.
pub fn blanks(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// The end of the value that begins at `at`, blanks before it passed over.
pub fn value(text: &[u8], mut at: usize) -> Scan {
    // Bit 0 is the innermost open bracket: 1 an object, 0 an array.
    let (mut kinds, mut depth) = (0u128, 0u32);
    loop {
        at = blanks(text, at);
        match text.get(at) {
            Some(&open @ (b'{' | b'[')) => {
                let inside = blanks(text, at + 1);
                let close = if open == b'{' { b'}' } else { b']' };
                if depth == MAX_DEPTH {
                    return Err(Syntax { at, why: Why::Depth });
                }
                if text.get(inside) == Some(&close) {
                    at = inside + 1;
                } else {
                    depth += 1;
                    kinds = kinds << 1 | u128::from(open == b'{');
                    at = if open == b'{' { key(text, inside)? } else { inside };
                    continue;
                }
            }
            Some(b'"') => at = string(text, at)?,
            Some(b'-' | b'0'..=b'9') => at = number(text, at)?,
            Some(b't') => at = literal(text, at, b"true")?,
            Some(b'f') => at = literal(text, at, b"false")?,
            Some(b'n') => at = literal(text, at, b"null")?,
            _ => return Err(fault(at, text, Why::Unexpected)),
        }
        // A value has ended; so do the brackets that close behind it.
        loop {
            if depth == 0 {
                return Ok(at);
            }
            at = blanks(text, at);
            let object = kinds & 1 == 1;
            match text.get(at) {
                Some(b',') if object => {
                    at = key(text, blanks(text, at + 1))?;
                    break;
                }
                Some(b',') => {
                    at += 1;
                    break;
                }
                Some(b'}') if object => at += 1,
                Some(b']') if !object => at += 1,
                _ => return Err(fault(at, text, Why::Unexpected)),
            }
            depth -= 1;
            kinds >>= 1;
        }
    }
}

/// A member's name and its colon; the end of the colon.
fn key(text: &[u8], at: usize) -> Scan {
    if text.get(at) != Some(&b'"') {
        return Err(fault(at, text, Why::Unexpected));
    }
    let colon = blanks(text, string(text, at)?);
    if text.get(colon) == Some(&b':') { Ok(colon + 1) } else { Err(fault(colon, text, Why::Unexpected)) }
}

/// The end of the string whose opening quote is at `at`.
pub fn string(text: &[u8], at: usize) -> Scan {
    let mut at = at + 1;
    loop {
        match text.get(at) {
            None => return Err(Syntax { at, why: Why::Ends }),
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = escape(text, at)?,
            Some(0..0x20) => return Err(Syntax { at, why: Why::Control }),
            Some(_) => at += 1,
        }
    }
}

fn escape(text: &[u8], at: usize) -> Scan {
    match text.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => match hex(text, at + 2) {
            Some(0xd800..0xdc00) => match (text.get(at + 6), text.get(at + 7), hex(text, at + 8)) {
                (Some(b'\\'), Some(b'u'), Some(0xdc00..0xe000)) => Ok(at + 12),
                _ => Err(Syntax { at, why: Why::Surrogate }),
            },
            Some(0xdc00..0xe000) => Err(Syntax { at, why: Why::Surrogate }),
            Some(_) => Ok(at + 6),
            None => Err(Syntax { at, why: Why::Escape }),
        },
        _ => Err(fault(at + 1, text, Why::Escape)),
    }
}

/// Four hexadecimal digits.
pub fn hex(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + 4)?;
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}

fn literal(text: &[u8], at: usize, word: &[u8]) -> Scan {
    match text.get(at..at + word.len()) {
        Some(found) if found == word => Ok(at + word.len()),
        _ => Err(fault(at, text, Why::Unexpected)),
    }
}

fn digits(text: &[u8], mut at: usize) -> Scan {
    let first = at;
    while matches!(text.get(at), Some(b'0'..=b'9')) {
        at += 1;
    }
    if at == first { Err(fault(at, text, Why::Number)) } else { Ok(at) }
}

fn number(text: &[u8], mut at: usize) -> Scan {
    if text[at] == b'-' {
        at += 1;
    }
    // A leading zero stands alone.
    at = if text.get(at) == Some(&b'0') { at + 1 } else { digits(text, at)? };
    if matches!(text.get(at), Some(b'0'..=b'9')) {
        return Err(Syntax { at, why: Why::Number });
    }
    if text.get(at) == Some(&b'.') {
        at = digits(text, at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(text.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        at = digits(text, at)?;
    }
    Ok(at)
}
