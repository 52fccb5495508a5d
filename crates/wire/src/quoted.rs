//! Text of others in a message of one line.

use core::fmt::{self, Write};

/// A text in quotes, without anything in it that would end the line or move on a terminal. The Debug form of
/// `str` does this too, with tables of all characters that cannot be seen, which are 5 kB.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => f.write_str("\\")?,
                '\n' => {
                    f.write_str("\\n")?;
                    continue;
                }
                '\r' => {
                    f.write_str("\\r")?;
                    continue;
                }
                '\t' => {
                    f.write_str("\\t")?;
                    continue;
                }
                // Control characters; what is not seen, and what makes text run the other way.
                '\0'..' '
                | '\u{7f}'..'\u{a0}'
                | '\u{200b}'..'\u{2010}'
                | '\u{2028}'..'\u{202f}'
                | '\u{2060}'..'\u{2070}'
                | '\u{feff}' => {
                    write!(f, "\\u{{{:x}}}", u32::from(character))?;
                    continue;
                }
                _ => {}
            }
            f.write_char(character)?;
        }
        f.write_str("\"")
    }
}

/// At most `most` characters of a text.
pub fn shortened(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_quoted_text_stays_on_its_line() {
        for (text, quoted) in [
            ("plain", r#""plain""#),
            ("\"a\\b\"", r#""\"a\\b\"""#),
            ("a\nb\r\t", r#""a\nb\r\t""#),
            ("\u{1b}[2J\0", r#""\u{1b}[2J\u{0}""#),
            ("ü\u{202e}\u{85}", r#""ü\u{202e}\u{85}""#),
        ] {
            assert_eq!(Quoted(text).to_string(), quoted);
        }
    }

    #[test]
    fn a_text_is_shortened_between_characters() {
        assert_eq!((shortened("üx", 1), shortened("üx", 2), shortened("", 0)), ("ü", "üx", ""));
    }
}
