//! modules.dep and modules.builtin: each name of a list is found in the first line that begins with its module, and
//! what a module needs is loaded before it.

use minit::boot::modules::{Left, in_order};

use crate::source::Source;

/// As many names of a list count.
const MOST: usize = 64;

pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let list = source.until(b'\n');
    let text = source.rest();
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let mut left = Left::all(list);
    let mut found: Vec<&[u8]> = Vec::new();
    for line in &lines {
        let more = left.take(line, |_| found.push(line));
        assert_eq!(more.is_break(), left.names().next().is_none());
        if more.is_break() {
            break;
        }
    }
    let (expected, missing) = model(list, &lines);
    assert_eq!(found, expected);
    assert!(left.names().eq(missing), "{:?}", String::from_utf8_lossy(list));
    for line in lines {
        needs(line);
    }
}

/// The lines of names that are found, in the order of lines and then of names; the names that are not.
fn model<'a>(list: &'a [u8], lines: &[&'a [u8]]) -> (Vec<&'a [u8]>, Vec<&'a [u8]>) {
    let names: Vec<&[u8]> =
        list.split(|byte| *byte == b',').take(MOST).filter(|name| !name.is_empty()).collect();
    let place = |name: &[u8]| lines.iter().position(|line| is_line_of(line, name));
    let mut pairs: Vec<(usize, usize)> =
        names.iter().enumerate().filter_map(|(index, name)| Some((place(name)?, index))).collect();
    pairs.sort_unstable();
    let missing = names.iter().copied().filter(|name| place(name).is_none()).collect();
    (pairs.into_iter().map(|(line, _)| lines[line]).collect(), missing)
}

/// `-` and `_` are the same letter; what follows `.ko` does not count.
fn is_line_of(line: &[u8], name: &[u8]) -> bool {
    let path = line.split(|byte| *byte == b':').next().unwrap_or_default();
    let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let plain = |text: &[u8]| -> Vec<u8> {
        text.iter().map(|byte| if *byte == b'-' { b'_' } else { *byte }).collect()
    };
    let mut wanted = plain(name);
    wanted.extend_from_slice(b".ko");
    plain(file).starts_with(&wanted)
}

/// Every path of the line, none of them empty, the last first.
fn needs(line: &[u8]) {
    let words: Vec<u8> = line.iter().map(|byte| if *byte == b':' { b' ' } else { *byte }).collect();
    let mut paths: Vec<&[u8]> = words.split(|byte| *byte == b' ').filter(|path| !path.is_empty()).collect();
    paths.reverse();
    assert!(in_order(line).eq(paths), "{:?}", String::from_utf8_lossy(line));
}
