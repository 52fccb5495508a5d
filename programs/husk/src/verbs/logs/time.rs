//! Times as logs have them (RFC 3339), and as people say them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use container::Failure;

use super::super::said::milliseconds;

/// Nanoseconds since 1970: what is compared.
pub type Time = i128;

const SECOND: Time = 1_000_000_000;

/// `2026-11-30T12:00:00.123456789Z`, with an offset from UTC, or the date alone.
pub fn parse(text: &str) -> Option<Time> {
    let (date, rest) = match text.split_once(['T', 't', ' ']) {
        Some((date, rest)) => (date, rest),
        None => (text, "00:00:00Z"),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, offset) = rest.split_at(at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let is_possible =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    if !is_possible || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: Time = format!("{fraction:0<9}").parse().ok()?;
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - shift(offset)?;
    Some(Time::from(seconds) * SECOND + nanoseconds)
}

/// What was said to `--since`: a time, seconds since 1970, or how long ago.
pub fn since(text: &str) -> Result<Time, Failure> {
    let now = now();
    let is_span = text.ends_with(['s', 'm', 'h']);
    if is_span {
        return milliseconds("since", text).map(|ms| now - Time::from(ms) * 1_000_000);
    }
    let seconds = text.parse::<u32>().ok().map(|seconds| Time::from(seconds) * SECOND);
    seconds.or_else(|| parse(text)).ok_or_else(|| {
        let what = "is no time; as in 10m, 2026-01-31T12:00:00Z, or seconds since 1970";
        Failure::usage(format!("--since {text:?}: {what}"))
    })
}

/// Now.
pub fn now() -> Time {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos().cast_signed()
}

/// Three numbers of so many digits.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(between);
    let mut found = [0; 3];
    for (place, digits) in found.iter_mut().zip(digits) {
        let part = parts
            .next()
            .filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *place = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

/// An offset from UTC in seconds; none is UTC.
fn shift(offset: &str) -> Option<i64> {
    let sign = match offset.chars().next() {
        None | Some('Z' | 'z') => return (offset.len() < 2).then_some(0),
        Some('-') => -1,
        Some(_) => 1,
    };
    let [hours, minutes, _] = numbers(&format!("{}:00", &offset[1..]), ':', [2, 2, 2])?;
    Some(sign * (hours * 3600 + minutes * 60))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // A year that begins in March has its leap day last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    before + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::super::super::words::date;
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for seconds in (0..4_200_000_000_u64).step_by(86_399 * 7) {
            assert_eq!(parse(&date(seconds)), Some(Time::from(seconds) * SECOND), "{}", date(seconds));
        }
        assert_eq!(parse("1970-01-01T00:00:00.5Z"), Some(SECOND / 2));
        assert_eq!(parse("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(parse("1969-12-31T19:00:00.000000001-05:00"), Some(1));
        assert_eq!(parse("1970-01-02"), Some(86_400 * SECOND));
        for text in [
            "",
            "x",
            "1970",
            "1970-13-01",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00.x",
            "1970-01-01T00:00Z",
            "1970-01-01T00:00:00+1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn since_may_be_a_span() {
        let ago = since("2h").unwrap() - since("1h").unwrap();
        assert!((ago + 3600 * SECOND).abs() < SECOND, "{ago}");
        assert_eq!(since("60").unwrap(), 60 * SECOND);
        assert!(since("yesterday").is_err());
    }
}
