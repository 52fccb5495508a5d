//! base64 (RFC 4648, section 4), with padding.

use alloc::vec::Vec;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the encoding of `bytes`.
pub fn encode(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    let (threes, rest) = bytes.as_chunks::<3>();
    for three in threes {
        out.extend_from_slice(&four(*three));
    }
    match *rest {
        [one] => out.extend_from_slice(&{
            let [a, b, ..] = four([one, 0, 0]);
            [a, b, b'=', b'=']
        }),
        [one, two] => out.extend_from_slice(&{
            let [a, b, c, _] = four([one, two, 0]);
            [a, b, c, b'=']
        }),
        _ => {}
    }
}

fn four([a, b, c]: [u8; 3]) -> [u8; 4] {
    let word = u32::from(a) << 16 | u32::from(b) << 8 | u32::from(c);
    [18, 12, 6, 0].map(|shift| ALPHABET[(word >> shift & 63) as usize])
}

fn digit(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// What `text` encodes; `None` where it is not base64 to the last bit.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let (fours, []) = text.as_bytes().as_chunks::<4>() else { return None };
    let mut bytes = Vec::with_capacity(fours.len() * 3);
    for (number, four) in fours.iter().enumerate() {
        let last = number + 1 == fours.len();
        let digits = match four {
            [_, _, b'=', b'='] if last => 2,
            [_, _, _, b'='] if last => 3,
            _ => 4,
        };
        let mut word = 0;
        for byte in &four[..digits] {
            word = word << 6 | digit(*byte)?;
        }
        word <<= 6 * (4 - digits);
        let [_, a, b, c] = word.to_be_bytes();
        // The bits that padding leaves over are zero, or two texts would mean the same.
        match (digits, b, c) {
            (2, 0, 0) => bytes.push(a),
            (3, _, 0) => bytes.extend_from_slice(&[a, b]),
            (4, ..) => bytes.extend_from_slice(&[a, b, c]),
            _ => return None,
        }
    }
    Some(bytes)
}
