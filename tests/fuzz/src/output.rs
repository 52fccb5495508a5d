//! Output cut into messages: every byte comes back, in order, in pieces within the limits, wherever the stream
//! happened to be cut when it was read.

use wire::{Chunk, End, chunk, line};

use crate::source::Source;

const MAX_PIECE: usize = 65_536;
const MAX_CHUNK: usize = 32_768;
/// Longer streams show nothing new.
const LONGEST: usize = 140_000;

pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let reads: [usize; 3] = std::array::from_fn(|_| usize::from(source.short()) + 1);
    let stream = stream(&mut source);
    // A long stream read byte by byte shows nothing new either.
    let reads = reads.map(|read| read.max(stream.len() / 256));
    lines(&stream, &reads);
    chunks(&stream, &reads);
}

/// A stream out of few bytes: pieces as they stand in the input, some repeated, for lines longer than any input.
fn stream(source: &mut Source<'_>) -> Vec<u8> {
    let mut stream = Vec::new();
    while !source.is_empty() && stream.len() < LONGEST {
        let length = source.below(16) + 1;
        let times = match source.byte() {
            few @ 0..200 => usize::from(few % 3) + 1,
            many => usize::from(many - 199) * 300,
        };
        let piece = source.bytes(length);
        stream.extend(piece.repeat(times));
    }
    stream.truncate(LONGEST);
    stream
}

/// Reads the stream piece by piece, and lets `take` have what has come: the buffer, how much of it is known, and
/// whether that is all; it says how much it took, and how much it knows now.
fn follow(stream: &[u8], reads: &[usize], mut take: impl FnMut(&[u8], usize, End) -> Option<usize>) {
    let (mut buffer, mut searched, mut rest) = (Vec::new(), 0, stream);
    for read in reads.iter().cycle() {
        let (piece, behind) = rest.split_at((*read).min(rest.len()));
        buffer.extend_from_slice(piece);
        rest = behind;
        let end = if rest.is_empty() { End::Reached } else { End::Open };
        let mut start = 0;
        while let Some(taken) = take(&buffer[start..], searched, end) {
            assert!(taken > 0, "nothing is taken for ever");
            start += taken;
            searched = 0;
        }
        buffer.drain(..start);
        searched = buffer.len();
        if end == End::Reached {
            break;
        }
    }
    assert!(buffer.is_empty(), "{} bytes are never delivered", buffer.len());
}

fn lines(stream: &[u8], reads: &[usize]) {
    let (mut back, mut goes_on) = (Vec::new(), false);
    follow(stream, reads, |buffer, searched, end| {
        let Some(piece) = line(buffer, searched, end) else {
            assert!(end == End::Open || buffer.is_empty(), "held back at the end");
            assert!(buffer.len() < MAX_PIECE && !buffer.contains(&b'\n'), "a line is held back");
            return None;
        };
        assert!(piece.text.len() <= MAX_PIECE && !piece.text.contains(&b'\n'));
        let newline = piece.taken - piece.text.len();
        assert!(newline == 0 || newline == 1 && buffer.get(piece.text.len()) == Some(&b'\n'));
        if piece.partial {
            assert!(newline == 0 && piece.text.len() >= MAX_PIECE - 3);
        } else {
            assert!(newline == 1 || end == End::Reached && piece.taken == buffer.len());
        }
        back.extend_from_slice(&buffer[..piece.taken]);
        goes_on = piece.partial;
        Some(piece.taken)
    });
    assert!(back == stream, "{} bytes in, {} out", stream.len(), back.len());
    // A stream that ends without a newline ends with a piece that could have gone on.
    assert!(!goes_on || !stream.ends_with(b"\n"));
    if std::str::from_utf8(stream).is_ok() {
        follow(stream, reads, |buffer, searched, end| {
            let piece = line(buffer, searched, end)?;
            assert!(std::str::from_utf8(piece.text).is_ok(), "a character is cut in two");
            Some(piece.taken)
        });
    }
}

fn chunks(stream: &[u8], reads: &[usize]) {
    let is_text = std::str::from_utf8(stream).is_ok();
    let mut back = Vec::new();
    follow(stream, reads, |buffer, _, end| {
        let Some(piece) = chunk(buffer, end) else {
            assert!(buffer.len() <= 3 && (end == End::Open || buffer.is_empty()), "held back");
            return None;
        };
        assert!(!piece.is_empty() && piece.len() <= MAX_CHUNK);
        match piece {
            Chunk::Text(text) => back.extend_from_slice(text.as_bytes()),
            Chunk::Bytes(bytes) => {
                assert!(!is_text, "text was sent as bytes");
                assert!(std::str::from_utf8(bytes).is_err(), "text was sent as bytes");
                back.extend_from_slice(bytes);
            }
        }
        Some(piece.len())
    });
    assert!(back == stream, "{} bytes in, {} out", stream.len(), back.len());
}
