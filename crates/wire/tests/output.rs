//! How output is cut, and frames.

use wire::{Chunk, End, Frame, FrameKind, HEADER, SignalNumber, chunk, line};

#[test]
fn a_line_ends_with_its_newline_or_with_the_stream() {
    let first = line(b"one\ntwo", 0, End::Open).unwrap();
    assert_eq!((first.text, first.taken, first.partial), (&b"one"[..], 4, false));
    assert_eq!(line(b"two", 0, End::Open), None);
    assert_eq!(line(b"two", 0, End::Reached).unwrap().text, b"two");
    assert_eq!(line(b"", 0, End::Reached), None);
    assert_eq!(line(b"\n", 0, End::Open).unwrap().taken, 1);
}

#[test]
fn a_long_line_is_cut_into_pieces_between_characters() {
    let text = "é".repeat(50_000) + "\n";
    let mut bytes = text.as_bytes();
    let mut pieces = Vec::new();
    while let Some(piece) = line(bytes, 0, End::Open) {
        pieces.push((piece.partial, std::str::from_utf8(piece.text).unwrap().to_owned()));
        bytes = &bytes[piece.taken..];
    }
    assert!(bytes.is_empty());
    assert_eq!(pieces.iter().map(|(partial, _)| *partial).collect::<Vec<_>>(), [true, false]);
    assert_eq!(pieces.concat_text() + "\n", text);
}

trait ConcatText {
    fn concat_text(&self) -> String;
}

impl ConcatText for Vec<(bool, String)> {
    fn concat_text(&self) -> String {
        self.iter().map(|(_, text)| text.as_str()).collect()
    }
}

#[test]
fn a_line_of_exactly_the_limit_is_not_cut() {
    let text = [vec![b'x'; 65_536], vec![b'\n']].concat();
    let only = line(&text, 0, End::Open).unwrap();
    assert_eq!((only.text.len(), only.partial), (65_536, false));
}

#[test]
fn chunks_are_text_where_they_can_be_and_hold_a_cut_character_back() {
    let euro = "€".as_bytes();
    assert_eq!(chunk(&euro[..2], End::Open), None);
    assert_eq!(chunk(euro, End::Open), Some(Chunk::Text("€")));
    assert_eq!(chunk(&[b"a", &euro[..2]].concat(), End::Open), Some(Chunk::Text("a")));
    assert_eq!(chunk(&euro[..2], End::Reached), Some(Chunk::Bytes(&euro[..2])));
    assert_eq!(chunk(b"a\xff", End::Open), Some(Chunk::Bytes(b"a\xff")));
    assert_eq!(chunk(b"", End::Reached), None);
}

#[test]
fn chunks_put_together_are_what_went_in() {
    let mut state = 9u64;
    for size in [1, 2, 3, 7, 100, 40_000] {
        let bytes: Vec<u8> = (0..size * 3)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as u8
            })
            .collect();
        let (mut rest, mut back) = (&bytes[..], Vec::new());
        while let Some(piece) = chunk(rest, End::Reached) {
            assert!(piece.len() <= 32_768);
            match piece {
                Chunk::Text(text) => back.extend_from_slice(text.as_bytes()),
                Chunk::Bytes(bytes) => back.extend_from_slice(bytes),
            }
            rest = &rest[piece.len()..];
        }
        assert_eq!(back, bytes);
    }
}

#[test]
fn frames_come_back_as_they_went_out() {
    let mut buffer = Vec::new();
    let frame = Frame { kind: FrameKind::Stdout, exec: 7, offset: u64::MAX - 1, bytes: b"content" };
    frame.write(&mut buffer);
    assert_eq!(buffer.len(), HEADER + 7);
    for length in 0..buffer.len() {
        assert_eq!(Frame::parse(&buffer[..length]), Ok(None), "{length}");
    }
    buffer.push(1);
    assert_eq!(Frame::parse(&buffer), Ok(Some((frame, &[1u8][..]))));
}

#[test]
fn frames_that_are_too_long_or_unknown_are_refused() {
    let mut long = (wire::MAX_FRAME as u32 + 1).to_le_bytes().to_vec();
    long.extend([0; HEADER]);
    assert!(Frame::parse(&long).unwrap_err().to_string().contains("the limit is 1048576"));
    let mut unknown = vec![0; HEADER];
    unknown[4] = 9;
    assert!(Frame::parse(&unknown).unwrap_err().to_string().contains("unknown kind 9"));
}

#[test]
fn signals_have_names_and_numbers() {
    for (text, number) in [
        ("TERM", Some(15)),
        ("SIGTERM", Some(15)),
        ("sigterm", Some(15)),
        ("RTMIN", Some(34)),
        ("SIGRTMIN+3", Some(37)),
        ("RTMAX", Some(64)),
        ("RTMAX-30", Some(34)),
        ("15", Some(15)),
        ("IOT", Some(6)),
        ("", None),
        ("SIG", None),
        ("0", None),
        ("65", None),
        ("+5", None),
        ("-5", None),
        ("RTMIN+31", None),
        ("RTMIN-1", None),
        ("RTMAX-31", None),
        ("RTMAX+1", None),
        ("RTMIN++1", None),
        ("SIG15", None),
    ] {
        assert_eq!(SignalNumber::parse(text).map(SignalNumber::get), number, "{text}");
    }
}

#[test]
fn plain_lines_are_written_as_each_of_them_would_be() {
    use wire::answer::{Origin, Stream, line as one, plain_lines};
    let id = wire::ExecId::new("a \"b\"").unwrap();
    let pieces: [&[u8]; 9] = [
        b"",
        b"x",
        b"seven77",
        b"eight888",
        b"nine99999",
        b"\"",
        b"tab\t",
        b"back\\slash",
        "\u{e9}".as_bytes(),
    ];
    let long = vec![b'l'; 65_537];
    for before in 0..4 {
        for special in pieces.iter().copied().chain([long.as_slice(), &long[1..], b"\xff", b"unfinished"]) {
            for events in [false, true] {
                let mut bytes = b"plain line of some length\n".repeat(before);
                bytes.extend_from_slice(special);
                if special != b"unfinished" {
                    bytes.push(b'\n');
                }
                bytes.extend_from_slice(b"after\n");
                let origin = |offset| events.then_some(Origin { id: &id, offset });
                let mut fast = Vec::new();
                let taken = plain_lines(&mut fast, Stream::Stderr, &bytes, origin(7), usize::MAX);
                let (mut slow, mut at) = (Vec::new(), 0);
                while at < taken {
                    let piece = line(&bytes[at..], 0, End::Open).unwrap();
                    one(&mut slow, Stream::Stderr, &piece, origin(7 + at as u64));
                    at += piece.taken;
                }
                assert!(at == taken && fast == slow, "{before} lines before {special:?}");
                assert!(taken >= before * 26);
            }
        }
    }
    let mut out = Vec::new();
    assert_eq!(plain_lines(&mut out, Stream::Stdout, b"a\nb\nc\n", None, 40), 4, "not beyond the limit");
}
