//! The log: one line for each change, on standard error.

use std::fmt;
use std::io::Write as _;
use std::sync::OnceLock;

use sys::fs::fstat;

/// Writes a line in one write, so that no other's is torn apart by it. What comes from outside (names of files, words of
/// an image) cannot start a line or move the cursor. A log that cannot be written to changes nothing. Where nobody else
/// notes the time, as the journal does, it begins with it.
pub fn write(line: impl fmt::Display) {
    let time = if is_journal() { String::new() } else { format!("{} ", time(sys::clock::since_1970())) };
    put(&format!("{time}huskd: "), line);
}

/// Says something to who has started us, and waits for it.
pub fn tell(line: impl fmt::Display) {
    put("huskd: ", line);
}

fn put(head: &str, line: impl fmt::Display) {
    let mut text = String::from(head);
    for character in line.to_string().chars() {
        match character.is_control() {
            true => text.extend(character.escape_default()),
            false => text.push(character),
        }
    }
    text.push('\n');
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Whether standard error is the journal: JOURNAL_STREAM has its device and inode (systemd.exec(5)), and is inherited by
/// whoever is started with another one, too.
fn is_journal() -> bool {
    static IS: OnceLock<bool> = OnceLock::new();
    *IS.get_or_init(|| {
        let told = std::env::var("JOURNAL_STREAM").unwrap_or_default();
        fstat(std::io::stderr()).is_ok_and(|stat| told == format!("{}:{}", stat.st_dev, stat.st_ino))
    })
}

/// A time in nanoseconds since 1970, in UTC to the millisecond (RFC 3339).
fn time(ns: u64) -> String {
    let (ms, seconds) = (ns / 1_000_000 % 1000, ns / 1_000_000_000);
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // The Gregorian calendar repeats itself every 146,097 days; years are counted from March, so that the day that some
    // of them have more is their last.
    let day = day + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        // As date -u -d @SECONDS says.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_709_251_200, "2024-03-01T00:00:00.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(time(seconds * 1_000_000_000), text);
        }
        assert_eq!(time(1_234_567_890), "1970-01-01T00:00:01.234Z");
    }
}
