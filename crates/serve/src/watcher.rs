//! From an exec's output to one client's messages.

use wire::answer::{self, Origin};
use wire::{End, ExecId, Frame, FrameKind, Output, chunk, line};

use crate::connection::{Connection, Framing};
use crate::key::Key;
use crate::outlet::Outlet;
use crate::session::STREAMS;

/// What a client gets of an exec.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wants {
    /// Output and `exit` as the base protocol has them.
    Base,
    /// With offsets, `eof`, and all that `exit` tells.
    Events,
}

/// How far a client has got with an exec.
#[derive(Debug)]
pub struct Watcher {
    pub connection: Key,
    pub output: Output,
    pub wants: Wants,
    /// Number of the exec on this connection.
    pub number: u32,
    /// Whether it gets what is yet to come.
    pub follows: bool,
    /// Offsets of what it gets next.
    pub at: [u64; 2],
    /// How many bytes from there have no newline.
    pub searched: [usize; 2],
    /// With frames: how many bytes it takes yet.
    pub credit: u64,
    pub eof_sent: [bool; 2],
    pub exit_sent: bool,
}

impl Watcher {
    pub const fn new(connection: Key, output: Output, wants: Wants, number: u32) -> Self {
        Self {
            connection,
            output,
            wants,
            number,
            follows: true,
            at: [0; 2],
            searched: [0; 2],
            credit: 0,
            eof_sent: [false; 2],
            exit_sent: false,
        }
    }

    /// Puts in line for the client what it takes.
    pub fn advance(&mut self, id: &ExecId, outlets: &[Outlet; 2], connection: &mut Connection) {
        if self.output == Output::Nowhere || self.output == Output::Descriptors {
            for number in 0..2 {
                self.at[number] = outlets[number].ring.end();
                self.end_of(number, id, outlets, connection);
            }
            return;
        }
        // A turn each, so that a stream that never pauses does not keep the other waiting.
        while connection.takes_output() {
            let moved = [0, 1].map(|number| self.step(number, id, outlets, connection));
            if moved == [false; 2] {
                break;
            }
        }
        // What waits for room is looked at again when there is some.
        connection.is_held_up |= !connection.takes_output();
        for number in 0..2 {
            self.end_of(number, id, outlets, connection);
        }
    }

    /// Up to some messages of one stream; whether there was one.
    fn step(
        &mut self,
        number: usize,
        id: &ExecId,
        outlets: &[Outlet; 2],
        connection: &mut Connection,
    ) -> bool {
        const TURN: usize = 64;
        let outlet = &outlets[number];
        if self.at[number] < outlet.ring.start() {
            self.jump(number, id, outlet.ring.start(), connection);
        }
        if self.plain_lines(number, id, outlet, connection) {
            return true;
        }
        for turn in 0..TURN {
            if !connection.takes_output() || !self.one(number, id, outlet, connection) {
                return turn > 0;
            }
        }
        true
    }

    /// Lines that need nothing but their quotes, some kilobytes of them; whether there were any.
    fn plain_lines(
        &mut self,
        number: usize,
        id: &ExecId,
        outlet: &Outlet,
        connection: &mut Connection,
    ) -> bool {
        const TURN: usize = 16_384;
        let is_line = self.output == Output::Lines && connection.framing == Framing::Lines;
        if !is_line || self.searched[number] > 0 {
            return false;
        }
        let (bytes, offset) = (outlet.ring.from(self.at[number]), self.at[number]);
        let origin = (self.wants == Wants::Events).then_some(Origin { id, offset });
        let stream = STREAMS[number];
        let taken =
            connection.messages(TURN, |out, limit| answer::plain_lines(out, stream, bytes, origin, limit));
        self.at[number] += taken as u64;
        taken > 0
    }

    /// What it has missed is said, and passed over.
    fn jump(&mut self, number: usize, id: &ExecId, to: u64, connection: &mut Connection) {
        if self.wants == Wants::Events {
            let from = self.at[number];
            connection.message(|out| answer::gap(out, id, STREAMS[number], from, to));
        }
        self.at[number] = to;
        self.searched[number] = 0;
    }

    fn one(&mut self, number: usize, id: &ExecId, outlet: &Outlet, connection: &mut Connection) -> bool {
        let bytes = outlet.ring.from(self.at[number]);
        if bytes.is_empty() {
            return false;
        }
        // The last line of a process that has ended is not kept back for a newline that cannot come.
        let finished = outlet.is_closed() || (outlet.has_reached_barrier() && !self.exit_sent);
        let end = if finished { End::Reached } else { End::Open };
        let offset = self.at[number];
        let origin = (self.wants == Wants::Events).then_some(Origin { id, offset });
        let taken = if connection.framing == Framing::Frames {
            self.frame(number, bytes, connection)
        } else if self.output == Output::Chunks {
            let Some(piece) = chunk(bytes, end) else { return false };
            connection.message(|out| answer::chunk(out, STREAMS[number], piece, origin));
            piece.len()
        } else {
            let Some(piece) = line(bytes, self.searched[number], end) else {
                self.searched[number] = bytes.len();
                return false;
            };
            connection.message(|out| answer::line(out, STREAMS[number], &piece, origin));
            piece.taken
        };
        self.at[number] += taken as u64;
        self.searched[number] = 0;
        taken > 0
    }

    /// With frames a stream is exact bytes, as far as the client's credit goes.
    fn frame(&mut self, number: usize, bytes: &[u8], connection: &mut Connection) -> usize {
        const MOST: usize = 32_768;
        let credit = usize::try_from(self.credit).unwrap_or(usize::MAX);
        let bytes = &bytes[..bytes.len().min(MOST).min(credit)];
        if !bytes.is_empty() {
            let kind = if number == 0 { FrameKind::Stdout } else { FrameKind::Stderr };
            connection.frame(&Frame { kind, exec: self.number, offset: self.at[number], bytes });
            self.credit -= bytes.len() as u64;
        }
        bytes.len()
    }

    fn end_of(&mut self, number: usize, id: &ExecId, outlets: &[Outlet; 2], connection: &mut Connection) {
        let outlet = &outlets[number];
        let at_end = outlet.is_closed() && self.at[number] >= outlet.ring.end();
        if at_end && !self.eof_sent[number] {
            self.eof_sent[number] = true;
            if self.wants == Wants::Events {
                let offset = self.at[number];
                connection.message(|out| answer::eof(out, id, STREAMS[number], offset));
            }
        }
    }

    /// Whether it has got everything that the process itself wrote.
    pub fn has_all_of_process(&self, outlets: &[Outlet; 2]) -> bool {
        (0..2).all(|number| {
            let outlet = &outlets[number];
            self.eof_sent[number] || outlet.barrier.is_some_and(|barrier| self.at[number] >= barrier)
        })
    }

    /// Whether nothing is owed to it any more.
    pub fn is_done(&self) -> bool {
        self.exit_sent && self.eof_sent == [true; 2]
    }

    /// Whether it has got all that is there, and wants no more.
    pub fn has_caught_up(&self, outlets: &[Outlet; 2]) -> bool {
        !self.follows && (0..2).all(|number| self.at[number] >= outlets[number].ring.end())
    }
}
