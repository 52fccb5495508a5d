//! Lists of processors and of memory nodes.
use crate::decimal;
use crate::invalid::Invalid;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

/// A list of processor or node numbers, as cpuset.cpus and cpuset.mems take it: sorted, without overlaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpuset {
    /// First and last number of each range, ascending; neighbours are joined.
    ranges: Vec<(u16, u16)>,
}

/// One more than the largest number (CONFIG_NR_CPUS on x86_64 is at most 8192).
const NUMBERS: u16 = 8_192;

impl Cpuset {
    /// Reads `0-3,5`. Whether these processors exist is the kernel's to say when the list is written.
    ///
    /// # Errors
    /// [`Invalid`] for an empty list or part, for what is no number, and for ranges that run backwards.
    pub fn parse(text: &str) -> Result<Cpuset, Invalid> {
        let refuse = |reason: &'static str| Invalid {
            quantity: "cpuset",
            text: text.into(),
            reason: Cow::Borrowed(reason),
            example: "0-3,5",
        };
        let mut ranges = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first).map_err(refuse)?, number(last).map_err(refuse)?);
            if first > last {
                return Err(refuse("has a range that runs backwards"));
            }
            ranges.push((first, last));
        }
        ranges.sort_unstable();
        let mut joined: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        Ok(Cpuset { ranges: joined })
    }

    /// Whether the list has this number.
    pub fn contains(&self, number: u16) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&number))
    }
}

/// One number of the list, or what is wrong with it.
fn number(text: &str) -> Result<u16, &'static str> {
    if text.is_empty() {
        return Err("has an empty part");
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("is not a list of numbers and ranges");
    }
    decimal::number(text)
        .and_then(|number| u16::try_from(number).ok())
        .filter(|number| *number < NUMBERS)
        .ok_or("has a number above 8191")
}

impl fmt::Display for Cpuset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.ranges.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn lists_are_sorted_and_neighbours_joined() {
        for (text, printed) in [
            ("0", "0"),
            ("0-3,5", "0-3,5"),
            ("5,0-3", "0-3,5"),
            ("0,1,2", "0-2"),
            ("0-4,2-3", "0-4"),
            ("1-1", "1"),
        ] {
            assert_eq!(Cpuset::parse(text).expect(text).to_string(), printed, "{text}");
        }
        let set = Cpuset::parse("0-3,5").expect("a list");
        assert!(set.contains(3) && set.contains(5) && !set.contains(4));
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "has an empty part"),
            ("0,", "has an empty part"),
            ("-3", "has an empty part"),
            ("3-", "has an empty part"),
            ("all", "is not a list of numbers and ranges"),
            ("0 - 3", "is not a list of numbers and ranges"),
            ("0-10:2/4", "is not a list of numbers and ranges"),
            ("3-1", "has a range that runs backwards"),
            ("8192", "has a number above 8191"),
            ("99999999", "has a number above 8191"),
        ] {
            assert_eq!(Cpuset::parse(text).expect_err(text).reason, reason, "{text:?}");
        }
    }
}
