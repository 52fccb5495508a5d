//! Values of users in messages.

/// What is shown of a long value: its beginning, and its end.
const SHOWN: [usize; 2] = [400, 200];

/// Hands on a value in pieces: what could move a cursor or begin a line is written as `\x1b`, and the middle of what is
/// long is left out, so that what stands behind it is read too.
pub fn show(value: &[u8], add: &mut dyn FnMut(&[u8])) {
    let (mut head, mut tail) = (value.len(), value.len());
    if fitting(&mut value.iter(), SHOWN[0] + SHOWN[1]) < value.len() {
        head = fitting(&mut value.iter(), SHOWN[0]);
        tail -= fitting(&mut value.iter().rev(), SHOWN[1]);
    }
    for (index, byte) in value.iter().enumerate() {
        if index == head {
            add("…".as_bytes());
        }
        if (head..tail).contains(&index) {
            continue;
        }
        let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' - 10 + value };
        if byte.is_ascii_control() {
            add(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)]);
        } else {
            add(&[*byte]);
        }
    }
}

/// How many bytes fit into a width.
fn fitting(bytes: &mut dyn Iterator<Item = &u8>, most: usize) -> usize {
    let mut sum = 0;
    let fits = |byte: &&u8| {
        sum += if byte.is_ascii_control() { 4 } else { 1 };
        sum <= most
    };
    bytes.take_while(fits).count()
}
