//! Frames: the same whatever pieces they come in, and what is written is what is read.

use wire::{Frame, FrameKind, HEADER, MAX_FRAME, Refusal};

use crate::source::Source;

/// A frame that does not borrow its buffer.
#[derive(PartialEq, Eq, Debug)]
struct Whole {
    kind: FrameKind,
    exec: u32,
    offset: u64,
    bytes: Vec<u8>,
}

impl Whole {
    fn of(frame: &Frame<'_>) -> Self {
        let Frame { kind, exec, offset, bytes } = *frame;
        Self { kind, exec, offset, bytes: bytes.to_vec() }
    }
}

pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let cuts: [usize; 4] = std::array::from_fn(|_| usize::from(source.byte()) % 40 + 1);
    let stream = source.rest();
    let mut whole = Vec::new();
    let (left, ended) = take(stream, &mut whole);
    let (mut pieces, mut buffer, mut end) = (Vec::new(), Vec::new(), None);
    let mut rest = stream;
    for cut in cuts.iter().cycle() {
        let (piece, behind) = rest.split_at((*cut).min(rest.len()));
        buffer.extend_from_slice(piece);
        let (left, fault) = take(&buffer, &mut pieces);
        buffer.drain(..buffer.len() - left);
        rest = behind;
        end = fault;
        if rest.is_empty() || end.is_some() {
            break;
        }
    }
    assert_eq!(pieces, whole);
    assert_eq!(end, ended);
    // What could not be followed any more was not looked at to its end.
    assert!(end.is_some() || buffer.len() == left, "{} bytes left of {left}", buffer.len());
    written_back(stream, &whole, left);
}

/// Takes every frame; how much is left, and why nothing more can be.
fn take(mut buffer: &[u8], frames: &mut Vec<Whole>) -> (usize, Option<Refusal>) {
    loop {
        match Frame::parse(buffer) {
            Ok(Some((frame, rest))) => {
                assert_eq!(buffer.len(), HEADER + frame.bytes.len() + rest.len());
                assert!(frame.bytes.len() <= MAX_FRAME);
                frames.push(Whole::of(&frame));
                buffer = rest;
            }
            Ok(None) => return (buffer.len(), None),
            Err(refusal) => {
                assert!(buffer.len() >= HEADER, "refused before the header was there");
                let text = refusal.to_string();
                assert!(text.starts_with("a frame ") && !text.contains('\n'), "{text}");
                return (buffer.len(), Some(refusal));
            }
        }
    }
}

fn written_back(stream: &[u8], frames: &[Whole], left: usize) {
    let mut out = Vec::new();
    for Whole { kind, exec, offset, bytes } in frames {
        Frame { kind: *kind, exec: *exec, offset: *offset, bytes }.write(&mut out);
    }
    assert_eq!(out, stream[..stream.len() - left]);
}
