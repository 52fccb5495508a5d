//! How output is cut into messages.

/// A piece of output in `lines` mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line<'a> {
    /// Without the newline.
    pub text: &'a [u8],
    /// How many bytes of the stream it stands for, the newline included.
    pub taken: usize,
    /// Whether the line goes on in the next message.
    pub partial: bool,
}

/// The longest piece of a line.
pub(crate) const MAX_PIECE: usize = 65_536;
/// The most bytes of one message in `chunks` mode.
const MAX_CHUNK: usize = 32_768;

/// Whether more bytes may follow those at hand.
pub(crate) fn held_back(bytes: &[u8]) -> usize {
    // A character has at most four bytes: the start of an unfinished one is among the last three.
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        let length = match byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            0x80..=0xbf => continue,
            _ => return 0,
        };
        return if length > back { back } else { 0 };
    }
    0
}

/// The next line of `bytes`. `searched` says how many of them are known to have no newline. At the `end` of
/// the stream a line needs no newline. `None`: more bytes are needed.
#[must_use]
pub fn line(bytes: &[u8], searched: usize, end: End) -> Option<Line<'_>> {
    let window = &bytes[..bytes.len().min(MAX_PIECE + 1)];
    if let Some(at) = newline(window.get(searched..).unwrap_or_default()) {
        let at = searched + at;
        return Some(Line { text: &bytes[..at], taken: at + 1, partial: false });
    }
    if bytes.len() >= MAX_PIECE {
        let piece = &bytes[..MAX_PIECE];
        let piece = &piece[..MAX_PIECE - held_back(piece)];
        return Some(Line { text: piece, taken: piece.len(), partial: true });
    }
    (end == End::Reached && !bytes.is_empty()).then_some(Line {
        text: bytes,
        taken: bytes.len(),
        partial: false,
    })
}

/// Where the first newline is; eight bytes are looked at together.
fn newline(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (words, _) = bytes.as_chunks::<8>();
    let without = words.iter().take_while(|word| {
        let word = u64::from_le_bytes(**word) ^ (ONES * 10);
        word.wrapping_sub(ONES) & !word & (ONES << 7) == 0
    });
    let start = without.count() * 8;
    bytes[start..].iter().position(|byte| *byte == b'\n').map(|at| start + at)
}

/// Whether a stream has more to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It may.
    Open,
    /// Nothing comes any more, or what comes must not be waited for.
    Reached,
}

/// A piece of output in `chunks` mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chunk<'a> {
    /// Valid UTF-8.
    Text(&'a str),
    /// Anything else.
    Bytes(&'a [u8]),
}

impl Chunk<'_> {
    /// How many bytes of the stream it is.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether it is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The next chunk of `bytes`: at most 32 KiB, a character that is cut in two left for the next one. `None`:
/// more bytes are needed, or there are none.
#[must_use]
pub fn chunk(bytes: &[u8], end: End) -> Option<Chunk<'_>> {
    let piece = &bytes[..bytes.len().min(MAX_CHUNK)];
    let cut = end == End::Open || piece.len() < bytes.len();
    let whole = if cut { &piece[..piece.len() - held_back(piece)] } else { piece };
    match core::str::from_utf8(whole) {
        Ok("") => None,
        Ok(text) => Some(Chunk::Text(text)),
        Err(_) => Some(Chunk::Bytes(piece)),
    }
}
