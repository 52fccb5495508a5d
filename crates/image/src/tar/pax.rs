//! The records of PAX extended headers (pax(1)): `LENGTH KEY=VALUE\n`.

use super::{Segment, Time};

/// What the records of one extended header say; the last of several for one key holds.
#[derive(Default, Debug)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<Time>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: Sparse,
}

/// GNU's three ways to describe a sparse file in PAX records.
#[derive(Default, Debug)]
pub(super) struct Sparse {
    pub(super) major: Option<u64>,
    pub(super) minor: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    pub(super) map: Option<Vec<Segment>>,
    /// The offset that a length has to follow (version 0.0).
    offset: Option<u64>,
}

/// The most extended attributes of one file: each is compared with all before it.
const XATTRS_MAX: usize = 1000;

/// Extended attributes as star, GNU tar, bsdtar and Go write them.
const XATTR: &[u8] = b"SCHILY.xattr.";

impl Extended {
    /// Reads all records; the error says which one is wrong and how.
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Self, String> {
        let mut extended = Self::default();
        while !bytes.is_empty() {
            let (record, rest) = record(bytes).ok_or("a PAX record is malformed")?;
            bytes = rest;
            let equals = record.iter().position(|&b| b == b'=').ok_or("a PAX record has no value")?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            extended
                .take(key, value)
                .ok_or_else(|| format!("the PAX record {} has no valid value", crate::shown(key)))?;
        }
        Ok(extended)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"path" => self.path = Some(text(value)?),
            b"linkpath" => self.link = Some(text(value)?),
            b"size" => self.size = Some(decimal(value)?),
            b"uid" => self.uid = Some(decimal(value)?),
            b"gid" => self.gid = Some(decimal(value)?),
            b"mtime" => self.mtime = Some(time(value)?),
            b"GNU.sparse.major" => self.sparse.major = Some(decimal(value)?),
            b"GNU.sparse.minor" => self.sparse.minor = Some(decimal(value)?),
            b"GNU.sparse.name" => self.sparse.name = Some(text(value)?),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.sparse.real_size = Some(decimal(value)?),
            b"GNU.sparse.map" => self.sparse.map = Some(map(value)?),
            b"GNU.sparse.offset" => self.sparse.offset = Some(decimal(value)?),
            b"GNU.sparse.numbytes" => {
                let (offset, length) = (self.sparse.offset.take()?, decimal(value)?);
                self.sparse.map.get_or_insert_default().push(Segment { offset, length });
            }
            _ => {
                if let Some(name) = key.strip_prefix(XATTR) {
                    self.take_xattr(name, value)?;
                }
            }
        }
        Some(())
    }

    fn take_xattr(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        let name = text(name).filter(|name| !name.is_empty())?;
        let count = self.xattrs.len();
        match self.xattrs.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value.to_vec(),
            None if count >= XATTRS_MAX => return None,
            None => self.xattrs.push((name, value.to_vec())),
        }
        Some(())
    }
}

/// The first record without its length and newline, and what follows it.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = bytes.iter().take(20).position(|&byte| byte == b' ')?;
    let length = usize::try_from(decimal(&bytes[..blank])?).ok()?;
    let record = bytes.get(blank + 1..length)?;
    Some((record.strip_suffix(b"\n")?, &bytes[length..]))
}

/// A name: bytes of any kind but NUL, which no system call would see the end of.
fn text(value: &[u8]) -> Option<Vec<u8>> {
    (!value.contains(&0)).then(|| value.to_vec())
}

/// Digits alone: neither a sign nor blanks.
pub(super) fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(value).ok()?.parse().ok()
}

/// Seconds with an optional sign and fraction; what is finer than nanoseconds is cut off.
fn time(value: &[u8]) -> Option<Time> {
    let (is_negative, value) = value.strip_prefix(b"-").map_or((false, value), |rest| (true, rest));
    let mut halves = value.splitn(2, |&byte| byte == b'.');
    let seconds = i64::try_from(decimal(halves.next()?)?).ok()?;
    let fraction = halves.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().chain([b'0'; 9].iter()).take(9);
    let nanoseconds = digits.fold(0u32, |value, &digit| value * 10 + u32::from(digit - b'0'));
    Some(match (is_negative, nanoseconds) {
        (false, _) => Time { seconds, nanoseconds },
        (true, 0) => Time { seconds: -seconds, nanoseconds },
        // -1.25 is 750 ms after -2.
        (true, _) => Time { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}

/// `OFFSET,LENGTH,OFFSET,LENGTH…` (version 0.1).
fn map(value: &[u8]) -> Option<Vec<Segment>> {
    if value.is_empty() {
        return Some(Vec::new());
    }
    let numbers: Option<Vec<u64>> = value.split(|&byte| byte == b',').map(decimal).collect();
    let numbers = numbers.filter(|numbers| numbers.len() % 2 == 0)?;
    Some(numbers.chunks_exact(2).map(|pair| Segment { offset: pair[0], length: pair[1] }).collect())
}

/// Appends a record: its length counts itself.
pub(super) fn push_record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let bare = key.len() + value.len() + 3;
    let mut length = bare + bare.to_string().len();
    if length.to_string().len() > bare.to_string().len() {
        length += 1;
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_as_long_as_it_says_whatever_its_length() {
        for length in 0..1200 {
            let mut records = Vec::new();
            push_record(&mut records, b"path", &vec![b'x'; length]);
            let (text, rest) = record(&records).unwrap();
            assert_eq!((text.len(), rest.len()), (length + 5, 0), "{length}");
        }
    }

    #[test]
    fn malformed_records_are_errors() {
        for bad in [
            &b"4 a=\n"[..],
            b"5 ab\n",
            b"6 a=b\n6",
            b"99 path=x\n",
            b"10 path=a\0b\n",
            b"0 a=b\n",
            b" a=b\n",
            b"+6 a=b\n",
            b"10 size=-1\n",
            b"9 size=x\n",
            b"9 uid=\xff\xff\n",
            b"8 mtime=\n",
            b"6 abcd\n",
        ] {
            assert!(Extended::parse(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn times_have_fractions_and_signs() {
        let at = |seconds, nanoseconds| Some(Time { seconds, nanoseconds });
        assert_eq!(time(b"12.5"), at(12, 500_000_000));
        assert_eq!(time(b"12.0000000019"), at(12, 1));
        assert_eq!(time(b"-1.25"), at(-2, 750_000_000));
        assert_eq!(time(b"-7"), at(-7, 0));
        assert_eq!(time(b"1.x"), None);
        assert_eq!(time(b""), None);
        assert_eq!(time(b"99999999999999999999"), None);
    }
}
