//! What options say, read: numbers, signals, durations, sets. Strict: what is not entirely a value is none.

use core::ffi::CStr;

use plan::Limit;
use sys::privilege::Capabilities;
use sys::process::Resource;
use sys::signals::NAMES;

/// A decimal number, digits alone.
#[must_use]
pub fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// A decimal number with a sign before it, perhaps.
#[must_use]
pub fn signed(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    i64::try_from(number(digits)?).ok().map(|value| sign * value)
}

/// An octal number up to 0o777.
#[must_use]
pub fn mask(text: &[u8]) -> Option<u32> {
    let octal = |sum: u32, byte: &u8| matches!(byte, b'0'..=b'7').then(|| sum * 8 + u32::from(byte - b'0'));
    (matches!(text.len(), 1..=4)).then(|| text.iter().try_fold(0, octal))?.filter(|mask| *mask <= 0o777)
}

/// A user or group number. 4294967295 is none: to the kernel it means "leave it as it is" (setresuid(2)).
#[must_use]
pub fn id(text: &[u8]) -> Option<u32> {
    u32::try_from(number(text)?).ok().filter(|id| *id != u32::MAX)
}

/// A signal: its number (1 to 64), its name with or without SIG, `RTMIN+n` or `RTMAX-n`.
#[must_use]
pub fn signal(text: &[u8]) -> Option<i32> {
    if let Some(number) = number(text) {
        return i32::try_from(number).ok().filter(|number| (1..=64).contains(number));
    }
    let name = match text.get(..3) {
        Some(prefix) if prefix.eq_ignore_ascii_case(b"SIG") => text.get(3..)?,
        _ => text,
    };
    if let Some(index) = NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name)) {
        return i32::try_from(index + 1).ok();
    }
    // The C libraries keep 32 and 33 to themselves; signal(7) counts from 34.
    let (first, rest) = name.split_at_checked(5)?;
    let (base, sign) = match () {
        () if first.eq_ignore_ascii_case(b"RTMIN") => (34, b'+'),
        () if first.eq_ignore_ascii_case(b"RTMAX") => (64, b'-'),
        () => return None,
    };
    let offset = match rest.first() {
        None => 0,
        Some(first) if *first == sign => signed(rest)?,
        Some(_) => return None,
    };
    let number = offset.checked_add(base).filter(|number| (34..=64).contains(number))?;
    i32::try_from(number).ok()
}

/// A time in milliseconds: `10s`, `500ms`, `2m`, and seconds where no unit is given. At most a day.
#[must_use]
pub fn milliseconds(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (value, unit) = text.split_at_checked(digits)?;
    let factor = match unit {
        b"ms" => 1,
        b"s" | b"" => 1_000,
        b"m" => 60_000,
        _ => return None,
    };
    number(value)?.checked_mul(factor).filter(|time| *time <= 86_400_000)
}

/// Capabilities by name, comma-separated; `all` and `none` are sets too.
#[must_use]
pub fn capabilities(text: &[u8]) -> Option<Capabilities> {
    match text {
        b"all" => return Some(Capabilities::ALL),
        b"none" => return Some(Capabilities::NONE),
        _ => {}
    }
    text.split(|byte| *byte == b',').try_fold(Capabilities::NONE, |set, name| {
        Some(set.with(Capabilities::named(core::str::from_utf8(name).ok()?)?))
    })
}

/// The limits of getrlimit(2) by the names of prlimit(1).
const LIMITS: [(&str, Resource); 16] = [
    ("as", Resource::As),
    ("core", Resource::Core),
    ("cpu", Resource::Cpu),
    ("data", Resource::Data),
    ("fsize", Resource::Fsize),
    ("locks", Resource::Locks),
    ("memlock", Resource::Memlock),
    ("msgqueue", Resource::Msgqueue),
    ("nice", Resource::Nice),
    ("nofile", Resource::Nofile),
    ("nproc", Resource::Nproc),
    ("rss", Resource::Rss),
    ("rtprio", Resource::Rtprio),
    ("rttime", Resource::Rttime),
    ("sigpending", Resource::Sigpending),
    ("stack", Resource::Stack),
];

/// The name of a limit.
#[must_use]
pub fn name_of_limit(resource: Resource) -> &'static str {
    LIMITS.iter().find(|(_, known)| *known == resource).map_or("", |(name, _)| name)
}

/// `NAME=SOFT:HARD`, or `NAME=BOTH`; `unlimited` is a bound too. The name is that of prlimit(1), with or without
/// `RLIMIT_`.
///
/// # Errors
/// Why it is none, in words.
pub fn limit(text: &[u8]) -> Result<Limit, &'static str> {
    const RULE: &str = "it is NAME=SOFT:HARD, as in nofile=1024:4096";
    let equals = text.iter().position(|byte| *byte == b'=').ok_or(RULE)?;
    let (name, bounds) = (text.get(..equals).ok_or(RULE)?, text.get(equals + 1..).ok_or(RULE)?);
    let name = match name.split_at_checked(7) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(b"RLIMIT_") => rest,
        _ => name,
    };
    let found = LIMITS.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
    let (_, resource) = found.ok_or("no such limit (prlimit(1) has their names)")?;
    let bound = |text: &[u8]| if text == b"unlimited" { Some(None) } else { number(text).map(Some) };
    let mut parts = bounds.splitn(2, |byte| *byte == b':');
    let soft = parts.next().and_then(bound).ok_or(RULE)?;
    let hard = parts.next().map_or(Some(soft), bound).ok_or(RULE)?;
    if soft.unwrap_or(u64::MAX) > hard.unwrap_or(u64::MAX) {
        return Err("the soft limit is above the hard one");
    }
    Ok(Limit { resource: *resource, soft, hard })
}

/// What follows the first `length` bytes of a C string.
#[must_use]
pub fn after(text: &CStr, length: usize) -> Option<&CStr> {
    CStr::from_bytes_with_nul(text.to_bytes_with_nul().get(length..)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_alone() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for text in [&b""[..], b"18446744073709551616", b"-1", b"1 ", b"0x1"] {
            assert_eq!(number(text), None);
        }
        assert_eq!((signed(b"-20"), signed(b"+3"), signed(b"--3")), (Some(-20), Some(3), None));
    }

    #[test]
    fn the_id_that_means_no_change_is_refused() {
        assert_eq!(id(b"4294967294"), Some(4_294_967_294));
        assert_eq!(id(b"4294967295"), None);
        assert_eq!(id(b"4294967296"), None);
    }

    #[test]
    fn signals_have_numbers_and_names() {
        for (text, number) in [
            (&b"15"[..], 15),
            (b"TERM", 15),
            (b"sigterm", 15),
            (b"SIGSYS", 31),
            (b"RTMIN", 34),
            (b"SIGRTMIN+2", 36),
            (b"RTMAX-1", 63),
            (b"64", 64),
        ] {
            assert_eq!(signal(text), Some(number), "{}", text.escape_ascii());
        }
        for text in
            [&b""[..], b"0", b"65", b"TERMINATE", b"RTMIN-1", b"RTMAX+1", b"RTMIN+31", b"RTMIN9", b"SIG"]
        {
            assert_eq!(signal(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(milliseconds(b"10s"), Some(10_000));
        assert_eq!(milliseconds(b"3"), Some(3_000));
        assert_eq!(milliseconds(b"250ms"), Some(250));
        assert_eq!(milliseconds(b"2m"), Some(120_000));
        for text in [&b""[..], b"s", b"1h", b"-1s", b"2d", b"99999999"] {
            assert_eq!(milliseconds(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn limits_have_a_soft_and_a_hard_bound() {
        let read = |text: &str| limit(text.as_bytes());
        let files = |soft, hard| Ok(Limit { resource: Resource::Nofile, soft, hard });
        assert_eq!(read("nofile=10:20"), files(Some(10), Some(20)));
        assert_eq!(read("RLIMIT_NOFILE=10"), files(Some(10), Some(10)));
        assert_eq!(read("nofile=10:unlimited"), files(Some(10), None));
        for text in ["nofile", "nofile=", "nofile=1:2:3", "nofile=x"] {
            assert_eq!(read(text), Err("it is NAME=SOFT:HARD, as in nofile=1024:4096"), "{text}");
        }
        for text in ["nofile=20:10", "nofile=unlimited:3"] {
            assert_eq!(read(text), Err("the soft limit is above the hard one"), "{text}");
        }
        assert_eq!(read("files=3"), Err("no such limit (prlimit(1) has their names)"));
    }

    #[test]
    fn masks_are_octal() {
        assert_eq!((mask(b"022"), mask(b"0777"), mask(b"7")), (Some(0o22), Some(0o777), Some(7)));
        assert_eq!((mask(b"8"), mask(b""), mask(b"1777"), mask(b"00022")), (None, None, None, None));
    }

    #[test]
    fn capabilities_are_a_list_of_names() {
        let set = capabilities(b"net_bind_service,CAP_KILL").map(|set| set.0);
        assert_eq!(set, Some(1 << 10 | 1 << 5));
        assert_eq!(capabilities(b"none"), Some(Capabilities::NONE));
        assert_eq!((capabilities(b""), capabilities(b"kill,"), capabilities(b"fly")), (None, None, None));
    }
}
