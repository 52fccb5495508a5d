//! Binary frames: `u32 length, u8 kind, u32 exec, u64 offset, bytes`, little-endian. The length is that of the
//! bytes alone.

use alloc::format;
use alloc::vec::Vec;

use crate::{MAX_LINE, Refusal};

/// Bytes before the content of a frame.
pub const HEADER: usize = 17;

/// The most content that a frame of a client has, and any frame of a stream.
pub const MAX_FRAME: usize = MAX_LINE;

/// The most content of an answer that a client takes: a list of all processes of a large machine.
pub const MAX_ANSWER: usize = 64 << 20;

/// What a frame holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum FrameKind {
    /// One message, as without frames.
    Json = 0,
    /// Bytes for standard input; none is its end.
    Stdin = 1,
    /// Bytes of standard output; none is its end.
    Stdout = 2,
    /// Bytes of standard error; none is its end.
    Stderr = 3,
    /// `offset` more bytes of this exec may be sent.
    Credit = 4,
}

/// One frame of a buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// What it holds.
    pub kind: FrameKind,
    /// Number of the exec on this connection, from `started`.
    pub exec: u32,
    /// Offset of the first byte in its stream; for credit, the number of bytes.
    pub offset: u64,
    /// The content.
    pub bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the start of `buffer`, and what is behind it; `None` while it is not whole.
    ///
    /// # Errors
    /// A frame longer than [`MAX_FRAME`], or of an unknown kind: the stream cannot be followed any more.
    pub fn parse(buffer: &'a [u8]) -> Result<Option<(Self, &'a [u8])>, Refusal> {
        Self::parse_within(buffer, MAX_FRAME)
    }

    /// The same of a server, for a client.
    ///
    /// # Errors
    /// A frame longer than [`MAX_ANSWER`], or of an unknown kind.
    pub fn parse_answer(buffer: &'a [u8]) -> Result<Option<(Self, &'a [u8])>, Refusal> {
        Self::parse_within(buffer, MAX_ANSWER)
    }

    fn parse_within(buffer: &'a [u8], limit: usize) -> Result<Option<(Self, &'a [u8])>, Refusal> {
        let Some((header, rest)) = buffer.split_first_chunk::<HEADER>() else { return Ok(None) };
        let [l0, l1, l2, l3, kind, e0, e1, e2, e3, o0, o1, o2, o3, o4, o5, o6, o7] = *header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > limit {
            return Err(Refusal::new(format!("a frame has {length} bytes; the limit is {limit}")));
        }
        let kind = match kind {
            0 => FrameKind::Json,
            1 => FrameKind::Stdin,
            2 => FrameKind::Stdout,
            3 => FrameKind::Stderr,
            4 => FrameKind::Credit,
            other => return Err(Refusal::new(format!("a frame is of the unknown kind {other}"))),
        };
        let Some((bytes, rest)) = rest.split_at_checked(length) else { return Ok(None) };
        let exec = u32::from_le_bytes([e0, e1, e2, e3]);
        let offset = u64::from_le_bytes([o0, o1, o2, o3, o4, o5, o6, o7]);
        Ok(Some((Self { kind, exec, offset, bytes }, rest)))
    }

    /// Appends the frame to a buffer. Content beyond [`MAX_FRAME`] is the caller's to cut.
    pub fn write(&self, out: &mut Vec<u8>) {
        let length = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.push(self.kind as u8);
        out.extend_from_slice(&self.exec.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(self.bytes);
    }
}
