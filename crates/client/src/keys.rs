//! Keys that let go of what is followed, and leave it running.

use alloc::vec::Vec;

/// The longest sequence.
pub(crate) const MOST_KEYS: usize = 16;

/// A sequence of keys, at most 16, and how much of it has been pressed. What has been held back is passed on when the sequence
/// breaks off.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Keys {
    sequence: Vec<u8>,
    pressed: usize,
}

impl Keys {
    /// None: every key is passed on.
    #[must_use]
    pub const fn none() -> Self {
        Self { sequence: Vec::new(), pressed: 0 }
    }

    /// A sequence as docker(1) writes it: keys with commas between them, each a character, or `ctrl-` and one of
    /// a-z @ [ ] \\ ^ _; `None` where it is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::none());
        }
        let sequence = text.split(',').map(key).collect::<Option<Vec<u8>>>()?;
        (sequence.len() <= MOST_KEYS).then_some(Self { sequence, pressed: 0 })
    }

    /// Takes what was pressed; what of it is passed on, and whether the sequence was in it. What follows the
    /// sequence is dropped.
    pub fn pass(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(bytes.len());
        for byte in bytes {
            while self.pressed > 0 && self.sequence.get(self.pressed) != Some(byte) {
                // The longest end of what was pressed that the sequence begins with goes on being held back.
                let (length, held) = (self.pressed, self.sequence.get(..self.pressed).unwrap_or_default());
                let kept =
                    (0..length).rev().find(|kept| held.starts_with(&held[length - kept..])).unwrap_or(0);
                passed.extend_from_slice(&held[..length - kept]);
                self.pressed = kept;
            }
            if self.sequence.get(self.pressed) == Some(byte) {
                self.pressed += 1;
                if self.pressed == self.sequence.len() {
                    self.pressed = 0;
                    return (passed, true);
                }
            } else {
                passed.push(*byte);
            }
        }
        (passed, false)
    }
}

fn key(text: &str) -> Option<u8> {
    match text.as_bytes() {
        [byte] => Some(*byte),
        [b'c', b't', b'r', b'l', b'-', byte] => match byte.to_ascii_uppercase() {
            // As a terminal has it: the lower five bits.
            letter @ b'@'..=b'_' => Some(letter & 0x1f),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_passed_on_unless_they_are_the_sequence() {
        let mut keys = Keys::parse("ctrl-p,ctrl-q").unwrap();
        assert_eq!(keys.pass(b"ls\n"), (b"ls\n".to_vec(), false));
        assert_eq!(keys.pass(b"a\x10"), (b"a".to_vec(), false));
        assert_eq!(keys.pass(b"b"), (b"\x10b".to_vec(), false));
        assert_eq!(keys.pass(b"\x10\x10"), (b"\x10".to_vec(), false));
        assert_eq!(keys.pass(b"\x11rest"), (b"".to_vec(), true));
    }

    #[test]
    fn a_sequence_that_repeats_itself_is_found() {
        let mut keys = Keys::parse("a,a,b").unwrap();
        assert_eq!(keys.pass(b"aaab"), (b"a".to_vec(), true));
        assert_eq!(keys.pass(b"aac"), (b"aac".to_vec(), false));
    }

    #[test]
    fn keys_are_written_as_docker_writes_them() {
        assert_eq!(Keys::parse(""), Some(Keys::none()));
        assert_eq!(Keys::none().pass(b"\x10\x11"), (b"\x10\x11".to_vec(), false));
        assert_eq!(Keys::parse("ctrl-a,x,ctrl-@,ctrl-[").unwrap().sequence, [1, b'x', 0, 27]);
        for wrong in ["ctrl-", "ctrl-1", "ab", ",", "alt-x", "a,", "ä"] {
            assert_eq!(Keys::parse(wrong), None, "{wrong}");
        }
        assert!(Keys::parse("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a").is_some());
        assert_eq!(Keys::parse("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a"), None);
    }
}
