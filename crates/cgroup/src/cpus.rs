//! A share of processor time.
use crate::decimal::scaled;
use crate::invalid::Invalid;
use alloc::borrow::Cow;
use core::fmt;

/// Processor time as cpu.max takes it: so many microseconds in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpus {
    /// Microseconds of processor time in a period, over all processors; `None` is no limit.
    pub quota_us: Option<u64>,
    /// Length of a period in microseconds: the kernel takes 1,000 to 1,000,000.
    pub period_us: u64,
}

/// The period of a quota that was given as a number of processors: the kernel's own default.
const PERIOD_US: u64 = 100_000;
/// The kernel refuses less (min_cfs_quota_period in kernel/sched).
const SHORTEST_QUOTA_US: u64 = 1_000;
/// As many processors as the kernel can be built for on x86_64 (CONFIG_NR_CPUS): a larger number is a slip.
const MOST_CPUS: u64 = 8_192;

impl Cpus {
    /// Reads a number of processors: `0.5`, `2`, `1.25`.
    ///
    /// # Errors
    /// [`Invalid`] for what is no positive decimal number, for less than 0.01 (a quota of 1 ms in 100 ms is
    /// the least that the kernel takes) and for more processors than Linux supports.
    pub fn parse(text: &str) -> Result<Cpus, Invalid> {
        let refuse = |reason: &'static str| Invalid {
            quantity: "cpus",
            text: text.into(),
            reason: Cow::Borrowed(reason),
            example: "0.5 or 2",
        };
        let quota = scaled(text, PERIOD_US).map_err(|error| refuse(error.reason()))?;
        if quota < SHORTEST_QUOTA_US {
            return Err(refuse("is less than the smallest share, 0.01"));
        }
        if quota > MOST_CPUS * PERIOD_US {
            return Err(refuse("is too large"));
        }
        Ok(Cpus { quota_us: Some(quota), period_us: PERIOD_US })
    }
}

impl fmt::Display for Cpus {
    /// As cpu.max takes it: `50000 100000` or `max 100000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.quota_us {
            Some(quota) => write!(f, "{quota} {}", self.period_us),
            None => write!(f, "max {}", self.period_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_number_of_processors_is_a_quota_in_a_period_of_100_ms() {
        for (text, written) in [
            ("0.5", "50000 100000"),
            (".5", "50000 100000"),
            ("2", "200000 100000"),
            ("1.25", "125000 100000"),
            ("0.01", "1000 100000"),
            ("0.333333", "33333 100000"),
            ("8192", "819200000 100000"),
        ] {
            assert_eq!(Cpus::parse(text).expect(text).to_string(), written, "{text}");
        }
        assert_eq!(Cpus { quota_us: None, period_us: 100_000 }.to_string(), "max 100000");
    }

    #[test]
    fn what_is_no_share_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "is not a decimal number"),
            ("nan", "is not a decimal number"),
            ("inf", "is not a decimal number"),
            ("1e3", "is not a decimal number"),
            ("half", "is not a decimal number"),
            ("-1", "must not be negative"),
            ("-0.5", "must not be negative"),
            ("0", "is less than the smallest share, 0.01"),
            ("0.0099", "is less than the smallest share, 0.01"),
            ("8193", "is too large"),
            ("99999999999999999999", "is too large"),
        ] {
            assert_eq!(Cpus::parse(text).expect_err(text).reason, reason, "{text:?}");
        }
    }
}
