//! Decimal fractions without floating point: `1.5g` must be exactly 1610612736 bytes, and `nan`, `inf` and
//! `1e9`, which a float parser accepts, must not be numbers here.

use sys::process::Pid;

/// Why a text is no decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotDecimal {
    /// Something else than digits and one point.
    Garbage,
    /// A minus sign in front.
    Negative,
    /// The result does not fit.
    TooLarge,
}

impl NotDecimal {
    /// The reason in words.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            NotDecimal::Garbage => "is not a decimal number",
            NotDecimal::Negative => "must not be negative",
            NotDecimal::TooLarge => "is too large",
        }
    }
}

/// Digits after the point that are taken into account; 10^18 times the largest unit still fits in 128 bits.
const FRACTION_DIGITS: usize = 18;

/// A whole number. One for all numbers of the crate: each type that is parsed is a parser.
#[inline(never)]
pub(crate) fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

/// A process id.
pub(crate) fn pid(text: &str) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number(text)?).ok()?)
}

/// The number in `text` (`2`, `1.25`, `.5`) times `unit`, rounded down to a whole.
pub(crate) fn scaled(text: &str, unit: u64) -> Result<u64, NotDecimal> {
    if text.starts_with('-') {
        return Err(NotDecimal::Negative);
    }
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return Err(NotDecimal::Garbage),
        Some(("", fraction)) => ("0", fraction),
        Some(parts) => parts,
        None => (text, "0"),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > FRACTION_DIGITS {
        return Err(NotDecimal::Garbage);
    }
    let whole = number(whole).ok_or(NotDecimal::TooLarge)?;
    let numerator = number(fraction).ok_or(NotDecimal::TooLarge)?;
    let denominator = 10u128.pow(fraction.len() as u32);
    let total = u128::from(whole) * u128::from(unit) + u128::from(numerator) * u128::from(unit) / denominator;
    u64::try_from(total).map_err(|_| NotDecimal::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_exact_and_rounded_down() {
        assert_eq!(scaled("1.5", 1 << 30), Ok(3 << 29));
        assert_eq!(scaled(".5", 10), Ok(5));
        assert_eq!(scaled("0.00001", 100_000), Ok(1));
        assert_eq!(scaled("0.999999", 100_000), Ok(99_999));
        assert_eq!(scaled("007", 1), Ok(7));
    }

    #[test]
    fn what_a_float_parser_would_accept_beyond_digits_is_garbage() {
        for text in ["", ".", "1.", "1.2.3", "nan", "inf", "1e3", "+1", " 1", "1_000", "0x10", "١"] {
            assert_eq!(scaled(text, 1), Err(NotDecimal::Garbage), "{text:?}");
        }
        assert_eq!(scaled("-1", 1), Err(NotDecimal::Negative));
    }

    #[test]
    fn results_beyond_64_bits_are_too_large() {
        assert_eq!(scaled("18446744073709551616", 1), Err(NotDecimal::TooLarge));
        assert_eq!(scaled("18446744073709551615", 2), Err(NotDecimal::TooLarge));
        assert_eq!(scaled("18446744073709551615", 1), Ok(u64::MAX));
    }
}
