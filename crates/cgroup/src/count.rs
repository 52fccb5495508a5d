//! Numbers of processes, and weights.
use crate::decimal::number;
use crate::invalid::Invalid;
use alloc::borrow::Cow;
use core::fmt;

/// The largest number of processes and threads, as pids.max takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pids {
    /// No limit.
    Max,
    /// So many.
    Count(u32),
}

/// The kernel's PID_MAX_LIMIT on 64 bits; pids.max refuses more.
const MOST_PIDS: u32 = 4_194_304;

impl Pids {
    /// Reads `100` or `max`.
    ///
    /// # Errors
    /// [`Invalid`] for what is no number from 1 to 4194304: with 0 not even the first process could start.
    pub fn parse(text: &str) -> Result<Pids, Invalid> {
        if text == "max" {
            return Ok(Pids::Max);
        }
        let reason = "is not a number from 1 to 4194304, nor max";
        bounded(text, 1, MOST_PIDS).map(Pids::Count).ok_or_else(|| Invalid {
            quantity: "pids",
            text: text.into(),
            reason: Cow::Borrowed(reason),
            example: "100 or max",
        })
    }
}

impl fmt::Display for Pids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pids::Max => f.write_str("max"),
            Pids::Count(count) => write!(f, "{count}"),
        }
    }
}

/// A weight among siblings, as cpu.weight and io.weight take it: 1 to 10000, 100 when nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight(u16);

impl Weight {
    /// The weight, if it is one.
    pub fn new(weight: u64) -> Option<Weight> {
        u16::try_from(weight).ok().filter(|weight| (1..=10_000).contains(weight)).map(Weight)
    }

    /// Reads `500`.
    ///
    /// # Errors
    /// [`Invalid`] for what is no number from 1 to 10000.
    pub fn parse(text: &str) -> Result<Weight, Invalid> {
        bounded(text, 1, 10_000).and_then(|weight| Weight::new(u64::from(weight))).ok_or_else(|| Invalid {
            quantity: "weight",
            text: text.into(),
            reason: Cow::Borrowed("is not a number from 1 to 10000"),
            example: "100",
        })
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A number of digits only (`parse` alone would take a plus sign) within bounds.
fn bounded(text: &str, least: u32, most: u32) -> Option<u32> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number(text)
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| (least..=most).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_number_of_processes_is_positive_or_max() {
        assert_eq!(Pids::parse("1"), Ok(Pids::Count(1)));
        assert_eq!(Pids::parse("4194304"), Ok(Pids::Count(4_194_304)));
        assert_eq!(Pids::parse("max").expect("max").to_string(), "max");
        for text in ["", "0", "-1", "+1", "4194305", "1.5", "many", "99999999999"] {
            let error = Pids::parse(text).expect_err(text);
            assert_eq!(error.reason, "is not a number from 1 to 4194304, nor max", "{text:?}");
        }
    }

    #[test]
    fn a_weight_is_a_number_from_1_to_10000() {
        assert_eq!(Weight::parse("1").map(Weight::get), Ok(1));
        assert_eq!(Weight::parse("10000").map(Weight::get), Ok(10_000));
        for text in ["", "0", "10001", "-5", "+5", "5%", "65537"] {
            assert_eq!(
                Weight::parse(text).expect_err(text).reason,
                "is not a number from 1 to 10000",
                "{text:?}"
            );
        }
        assert_eq!(Weight::new(0), None);
        assert_eq!(Weight::new(70_000), None);
    }
}
