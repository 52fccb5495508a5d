//! Sizes, ages and text of others, as people read them.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes in three digits or so: `0B`, `999B`, `1.2KiB`, `64MiB`. In powers of 1024, as limits are given (`--memory 64m`).
pub fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in units {
        // What would be rounded up to 1024 is one of the next.
        if value < 1023.5 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if value < 9.95 { format!("{value:.1}{unit}") } else { format!("{value:.0}{unit}") }
}

/// Seconds, roughly: `5 seconds`, `3 minutes`, `2 years`.
pub fn span(seconds: u64) -> String {
    let steps = [
        (365 * 86_400, "year"),
        (30 * 86_400, "month"),
        (7 * 86_400, "week"),
        (86_400, "day"),
        (3600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    // Two of a unit at least: 90 minutes say more than an hour.
    let found = steps.iter().find(|(length, _)| seconds >= 2 * length);
    let (count, unit) = found.map_or((seconds, "second"), |(length, unit)| (seconds / length, *unit));
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// How long ago that was, in seconds since 1970.
pub fn ago(then: u64) -> String {
    match now().saturating_sub(then) {
        0 => "now".into(),
        seconds => format!("{} ago", span(seconds)),
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Text that others have chosen, on one line and without control over the terminal.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        // Marks of direction turn what follows them around, on a terminal that heeds them.
        let is_mark =
            matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || is_mark {
            // A String takes all that is written to it.
            let _ = write!(plain, "{}", character.escape_default());
        } else {
            plain.push(character);
        }
    }
    plain
}

/// A command as a line, no longer than so many characters.
pub fn command(words: &[String], most: usize) -> String {
    let line = plain(&words.join(" "));
    match line.char_indices().nth(most) {
        None => line,
        Some(_) => line.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// A time as RFC 3339 has it, in UTC, from seconds since 1970.
pub fn date(seconds: u64) -> String {
    let (days, of_day) = ((seconds / 86_400).cast_signed(), seconds % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// The day of so many days since 1970, in the Gregorian calendar: a year that begins in March has its leap day last.
fn civil(days: i64) -> (i64, i64, i64) {
    let from_era = days + 719_468;
    let (era, of_era) = (from_era.div_euclid(146_097), from_era.rem_euclid(146_097));
    let of_year = |year: i64| of_era - (365 * year + year / 4 - year / 100);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day = of_year(year);
    let month = (5 * day + 2) / 153;
    let (of_month, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    (year + era * 400 + i64::from(month <= 2), month, of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_that_limits_are_given_in() {
        let cases = [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.0KiB"),
            (10_188, "9.9KiB"),
            (10_189, "10KiB"),
            (1_048_063, "1023KiB"),
            (1_048_064, "1.0MiB"),
            (64 << 20, "64MiB"),
            (u64::MAX, "16EiB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn spans_are_rough() {
        let cases = [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (7199, "119 minutes"),
            (7200, "2 hours"),
            (172_800, "2 days"),
            (86_400 * 800, "2 years"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(span(seconds), expected);
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(date(seconds), expected);
        }
    }

    #[test]
    fn text_of_others_cannot_move_the_cursor() {
        assert_eq!(plain("a\x1b[2Jb\nc\u{202e}d"), "a\\u{1b}[2Jb\\nc\\u{202e}d");
        assert_eq!(command(&["sleep".into(), "1000".into()], 8), "sleep 1…");
        assert_eq!(command(&["äöü".into()], 3), "äöü");
    }
}
