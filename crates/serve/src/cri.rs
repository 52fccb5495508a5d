//! Lines of a container's log, in the format of the container runtime interface of Kubernetes ("Kubelet: CRI logging"):
//! `2016-10-06T00:17:09.669794202Z stdout F line`. F ends a line, P is a part of one that goes on. Pure.

use alloc::vec::Vec;

/// The longest part of a line in one entry, bytes.
const MOST: usize = 16_384;
/// Bytes before the content of an entry: a stamp, a stream, a letter, and blanks.
const HEADER: usize = STAMP + 10;
const STAMP: usize = 30;

/// Days from the first of March of the year 0 to 1970.
const EPOCH: u64 = 719_468;
const DAYS_OF_400_YEARS: u64 = 146_097;
const DAYS_OF_CENTURY: u64 = 36_524;
const DAYS_OF_4_YEARS: u64 = 1_461;
const DAYS_OF_YEAR: u64 = 365;

/// Whose words they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaker {
    Stdout,
    Stderr,
    /// The server's own.
    System,
}

/// A time in UTC with nanoseconds (RFC 3339).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp([u8; STAMP]);

impl Stamp {
    /// From nanoseconds since 1970.
    pub fn new(nanoseconds: u64) -> Self {
        let (seconds, nanoseconds) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
        let (year, month, day) = date(seconds / 86_400);
        let second = seconds % 86_400;
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        for (value, place) in [
            (year, 0..4),
            (month, 5..7),
            (day, 8..10),
            (second / 3600, 11..13),
            (second / 60 % 60, 14..16),
            (second % 60, 17..19),
            (nanoseconds, 20..29),
        ] {
            let mut rest = value;
            for digit in text[place].iter_mut().rev() {
                *digit += (rest % 10) as u8;
                rest /= 10;
            }
        }
        Self(text)
    }
}

/// The day of the Gregorian calendar that is so many days after 1970 began. Years are counted from March, so that the
/// day that only some of them have is their last.
const fn date(days: u64) -> (u64, u64, u64) {
    const fn at_most_3(number: u64) -> u64 {
        if number < 3 { number } else { 3 }
    }
    let days = days + EPOCH;
    let (eras, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    // The last century of four, and the last year of four, are a day longer.
    let centuries = at_most_3(day / DAYS_OF_CENTURY);
    let day = day - centuries * DAYS_OF_CENTURY;
    let (fours, day) = (day / DAYS_OF_4_YEARS, day % DAYS_OF_4_YEARS);
    let years = at_most_3(day / DAYS_OF_YEAR);
    let day = day - years * DAYS_OF_YEAR;
    // Five months from March, and from August, have 153 days: 31, 30, 31, 30, 31.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = eras * 400 + centuries * 100 + fours * 4 + years;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// Writes entries for bytes of a stream. Where they do not end with a newline, the last line is to be continued.
pub fn write(out: &mut Vec<u8>, stamp: Stamp, speaker: Speaker, bytes: &[u8]) {
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        let (mut line, last) = match piece.strip_suffix(b"\n") {
            Some(line) => (line, b'F'),
            None => (piece, b'P'),
        };
        while let Some((part, rest)) = line.split_at_checked(MOST).filter(|(_, rest)| !rest.is_empty()) {
            entry(out, stamp, speaker, b'P', part);
            line = rest;
        }
        entry(out, stamp, speaker, last, line);
    }
}

/// How many bytes of a stream are in these entries, which [`write()`] has written.
pub fn content(entries: &[u8]) -> u64 {
    let entries = entries.split_inclusive(|byte| *byte == b'\n');
    let each = entries.map(|entry| {
        let newline = usize::from(entry.get(HEADER - 2) == Some(&b'F'));
        entry.len().saturating_sub(HEADER + 1) + newline
    });
    each.sum::<usize>() as u64
}

fn entry(out: &mut Vec<u8>, stamp: Stamp, speaker: Speaker, letter: u8, content: &[u8]) {
    let speaker: &[u8; 6] = match speaker {
        Speaker::Stdout => b"stdout",
        Speaker::Stderr => b"stderr",
        Speaker::System => b"system",
    };
    for part in [&stamp.0[..], b" ", speaker, b" ", &[letter], b" ", content, b"\n"] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn stamp(nanoseconds: u64) -> String {
        String::from_utf8(Stamp::new(nanoseconds).0.to_vec()).unwrap()
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        const SECOND: u64 = 1_000_000_000;
        for (time, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_399 * SECOND, "2000-02-28T23:59:59.000000000Z"),
            (951_782_400 * SECOND, "2000-02-29T00:00:00.000000000Z"),
            (951_868_800 * SECOND, "2000-03-01T00:00:00.000000000Z"),
            (1_078_012_800 * SECOND, "2004-02-29T00:00:00.000000000Z"),
            (1_475_713_029 * SECOND + 669_794_202, "2016-10-06T00:17:09.669794202Z"),
            (4_107_542_400 * SECOND, "2100-03-01T00:00:00.000000000Z"),
            (4_107_542_399 * SECOND + 999_999_999, "2100-02-28T23:59:59.999999999Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ] {
            assert_eq!(stamp(time), text);
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let leap =
            |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for number in 0..400 * 366 {
            assert_eq!(date(number), (year, month, day));
            let length = match month {
                2 => 28 + u64::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }

    /// What a reader of the log makes of it.
    fn read(entries: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in entries.split_inclusive(|byte| *byte == b'\n') {
            assert_eq!(&entry[..HEADER - 2], b"2016-10-06T00:17:09.669794202Z stderr ", "a header");
            let content = &entry[HEADER..entry.len() - 1];
            assert!(content.len() <= MOST);
            bytes.extend_from_slice(content);
            match entry[HEADER - 2] {
                b'F' => bytes.push(b'\n'),
                letter => assert_eq!(letter, b'P'),
            }
        }
        bytes
    }

    #[test]
    fn what_was_written_is_read_back_byte_for_byte() {
        let when = Stamp::new(1_475_713_029_669_794_202);
        let mut state = 7u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for round in 0..2000 {
            let (mut bytes, mut entries) = (Vec::new(), Vec::new());
            for _ in 0..random(6) {
                // Lines of all lengths around the one at which they are split, none, and a few newlines in a row.
                let length = [random(40), MOST as u64 - 2 + random(5), 2 * MOST as u64 - 1 + random(3), 0]
                    [random(4) as usize];
                let byte = random(256) as u8;
                let begun = bytes.len();
                bytes.extend((0..length).map(|number| byte.wrapping_mul(number as u8 | 1)));
                bytes.extend((0..random(3)).map(|_| b'\n'));
                write(&mut entries, when, Speaker::Stderr, &bytes[begun..]);
            }
            assert_eq!(read(&entries), bytes, "round {round}");
            assert_eq!(content(&entries), bytes.len() as u64);
        }
    }

    #[test]
    fn lines_that_are_too_long_come_in_parts() {
        let mut out = Vec::new();
        write(&mut out, Stamp::new(0), Speaker::Stdout, &[&[b'x'; MOST + 1][..], b"\nno end"].concat());
        let lines: Vec<&[u8]> = out.split(|byte| *byte == b'\n').collect();
        assert_eq!(&lines[0][31..40], b"stdout P ");
        assert_eq!(lines[0].len(), HEADER + MOST);
        assert_eq!(lines[1], b"1970-01-01T00:00:00.000000000Z stdout F x");
        assert_eq!(lines[2], b"1970-01-01T00:00:00.000000000Z stdout P no end");
        assert_eq!(lines[3..], [b""]);
    }
}
