//! Amounts of memory.
use crate::decimal::scaled;
use crate::invalid::Invalid;
use alloc::borrow::Cow;
use alloc::format;
use core::fmt;

/// An amount of memory as memory.max, memory.high, memory.low and memory.swap.max take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// No limit.
    Max,
    /// So many bytes; the kernel rounds down to whole pages.
    Bytes(u64),
}

/// The largest amount: 8 EiB less one byte, beyond which the kernel's page counter cannot tell amounts apart.
const LARGEST: u64 = i64::MAX as u64;

impl Memory {
    /// Reads `512m`, `1.5g`, `64k`, `1073741824` or `max`: a number with an optional unit of b, k, m, g or t
    /// (powers of 1024), in either case, which may be written out as `mb` or `MiB`, as docker and podman take
    /// it. Nothing at all (`0`) is refused: a container with that limit cannot start.
    ///
    /// # Errors
    /// [`Invalid`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Memory, Invalid> {
        let refuse = |reason: Cow<'static, str>| Invalid {
            quantity: "memory",
            text: text.into(),
            reason,
            example: "512m, 1.5g or max",
        };
        if text == "max" {
            return Ok(Memory::Max);
        }
        let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, suffix) = text.split_at_checked(end).unwrap_or((text, ""));
        // One space between number and unit is what docker's parser allows ("32 kB").
        let number = if suffix.is_empty() { number } else { number.strip_suffix(' ').unwrap_or(number) };
        if number.is_empty() {
            return Err(refuse("has no number".into()));
        }
        let unknown =
            || refuse(format!("has an unknown unit \"{}\"", suffix.as_bytes().escape_ascii()).into());
        let unit = unit(suffix).ok_or_else(unknown)?;
        if unit == 1 && number.contains('.') {
            return Err(refuse("is a fraction of a byte".into()));
        }
        let bytes = scaled(number, unit).map_err(|error| refuse(error.reason().into()))?;
        match bytes {
            0 => Err(refuse("allows no memory at all".into())),
            1..=LARGEST => Ok(Memory::Bytes(bytes)),
            _ => Err(refuse("is too large".into())),
        }
    }
}

/// The bytes in a unit: `k`, `kb` and `kib` are all 1024.
fn unit(suffix: &str) -> Option<u64> {
    let mut letters = suffix.bytes().map(|byte| byte.to_ascii_lowercase());
    let shift = match letters.next() {
        None => return Some(1),
        Some(b'b') => return letters.next().is_none().then_some(1),
        Some(b'k') => 10,
        Some(b'm') => 20,
        Some(b'g') => 30,
        Some(b't') => 40,
        Some(_) => return None,
    };
    let written_out = matches!(
        (letters.next(), letters.next(), letters.next()),
        (None, _, _) | (Some(b'b'), None, _) | (Some(b'i'), Some(b'b'), None)
    );
    written_out.then_some(1 << shift)
}

impl fmt::Display for Memory {
    /// As the kernel's files take it: `max` or a number of bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Memory::Max => f.write_str("max"),
            Memory::Bytes(bytes) => write!(f, "{bytes}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn units_are_powers_of_1024_in_either_case_and_may_be_written_out() {
        for (text, bytes) in [
            ("512m", 536_870_912),
            ("512M", 536_870_912),
            ("512mb", 536_870_912),
            ("512MiB", 536_870_912),
            ("512 MB", 536_870_912),
            ("1.5g", 1_610_612_736),
            ("0.5k", 512),
            ("64k", 65_536),
            ("64kib", 65_536),
            ("2t", 2_199_023_255_552),
            ("1073741824", 1_073_741_824),
            ("1024b", 1024),
            ("1024B", 1024),
            ("9223372036854775807", i64::MAX as u64),
        ] {
            assert_eq!(Memory::parse(text), Ok(Memory::Bytes(bytes)), "{text}");
        }
        assert_eq!(Memory::parse("max"), Ok(Memory::Max));
    }

    #[test]
    fn garbage_is_refused_with_the_reason_and_an_example() {
        for (text, reason) in [
            ("", "has no number"),
            ("m", "has no number"),
            ("MAX", "has no number"),
            ("12q", "has an unknown unit \"q\""),
            ("12mm", "has an unknown unit \"mm\""),
            ("12mi", "has an unknown unit \"mi\""),
            ("12bb", "has an unknown unit \"bb\""),
            ("12kibs", "has an unknown unit \"kibs\""),
            ("1e3m", "has an unknown unit \"e3m\""),
            ("-1m", "must not be negative"),
            ("+1m", "is not a decimal number"),
            ("1..5g", "is not a decimal number"),
            ("1,5g", "is not a decimal number"),
            ("1  g", "is not a decimal number"),
            (" 1g", "is not a decimal number"),
            ("1g ", "has an unknown unit \"g \""),
            ("1.5", "is a fraction of a byte"),
            ("1.5b", "is a fraction of a byte"),
            ("0", "allows no memory at all"),
            ("0.0000001k", "allows no memory at all"),
            ("8388608t", "is too large"),
            ("99999999999999999999", "is too large"),
        ] {
            let error = Memory::parse(text).expect_err(text);
            assert_eq!(error.reason, reason, "{text:?}");
            assert!(error.to_string().ends_with("(for example 512m, 1.5g or max)"), "{error}");
        }
    }

    #[test]
    fn the_message_is_one_line_whatever_the_text() {
        let error = Memory::parse("1\n2m").expect_err("a newline is no digit").to_string();
        assert_eq!(error, "memory \"1\\n2m\": is not a decimal number (for example 512m, 1.5g or max)");
    }

    #[test]
    fn it_prints_as_the_kernel_reads_it() {
        assert_eq!(Memory::Max.to_string(), "max");
        assert_eq!(Memory::Bytes(4096).to_string(), "4096");
    }
}
