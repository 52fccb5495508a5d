//! An exec that is followed.

use alloc::collections::VecDeque;
use alloc::string::String;

use wire::json::Object;
use wire::{Frame, FrameKind, Scope};

use crate::client::{Client, Question, Refusal, Until};
use crate::error::Error;
use crate::event::Event;

/// How many bytes of an exec's output the server sends before they are fetched, and how many bytes of its input are
/// on their way at most.
pub const WINDOW: usize = 262_144;
/// The most of a frame of input.
const PIECE: usize = 32_768;

/// An exec that a client follows: a handle, good for the client that gave it. Its events wait in the client, up to
/// [`WINDOW`] bytes of output; then the server waits too, and the command when its pipe is full.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Running {
    pub(crate) number: u32,
    /// Its key: the caller's, or the server's where the caller gave none.
    pub id: String,
    /// The pid of its process, as the server sees it.
    pub pid: u64,
}

/// What the client keeps of it.
#[derive(Debug)]
pub struct Watched {
    pub number: u32,
    pub id: String,
    pub pid: u64,
    queue: VecDeque<Event>,
    /// Bytes that were fetched, and for which no credit has been given back.
    fetched: usize,
    /// Lengths of the pieces of input that it has not taken yet.
    pub sent: VecDeque<usize>,
    pub exited: bool,
    eofs: usize,
}

impl Watched {
    pub fn new(number: u32, id: String, pid: u64) -> Self {
        let (queue, sent) = (VecDeque::new(), VecDeque::new());
        Self { number, id, pid, queue, fetched: 0, sent, exited: false, eofs: 0 }
    }

    pub fn push(&mut self, event: Event) {
        match event {
            Event::Eof { .. } => self.eofs += 1,
            Event::Exit(_) => {
                self.exited = true;
                // Nobody answers for input that nobody can read any more.
                self.sent.clear();
            }
            _ => {}
        }
        self.queue.push_back(event);
    }

    /// An `ok` about it. It may be that of another request about it, while that one's comes later: the sum is the
    /// same.
    pub fn input_was_taken(&mut self) {
        if self.sent.pop_front().is_some() && self.queue.back() != Some(&Event::InputTaken) {
            self.queue.push_back(Event::InputTaken);
        }
    }

    pub fn input_was_refused(&mut self, text: String) {
        self.sent.clear();
        self.queue.push_back(Event::InputRefused { text });
    }

    const fn is_over(&self) -> bool {
        self.exited && self.eofs >= 2
    }
}

impl Client {
    fn watched(&mut self, running: &Running) -> Option<&mut Watched> {
        self.watched.iter_mut().find(|watched| watched.number == running.number)
    }
}

impl Running {
    /// Its next event; `None` when it has ended and both its streams too, and all that was fetched.
    ///
    /// # Errors
    /// [`Error::Lost`], [`Error::Unexpected`].
    pub fn next(&self, client: &mut Client) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.fetched(client)? {
                return Ok(Some(event));
            }
            if self.is_over(client) {
                return Ok(None);
            }
            client.receive(Until::Ever)?;
        }
    }

    /// Its next event, if it has come already ([`Client::receive`]).
    ///
    /// # Errors
    /// As [`Running::next`].
    pub fn fetched(&self, client: &mut Client) -> Result<Option<Event>, Error> {
        let Some(watched) = client.watched(self) else { return Ok(None) };
        let event = watched.queue.pop_front();
        if let Some(Event::Stdout { bytes, .. } | Event::Stderr { bytes, .. }) = &event {
            watched.fetched += bytes.len();
        }
        let fetched = watched.fetched;
        if fetched >= WINDOW / 2 {
            watched.fetched = 0;
            if !watched.is_over() {
                self.credit(client, fetched)?;
            }
        }
        Ok(event)
    }

    /// Whether it has ended, both its streams too, and all its events were fetched. Then it is forgotten here.
    pub fn is_over(&self, client: &mut Client) -> bool {
        let is_over =
            client.watched(self).is_none_or(|watched| watched.is_over() && watched.queue.is_empty());
        if is_over {
            client.watched.retain(|watched| watched.number != self.number);
        }
        is_over
    }

    /// The server may send so many bytes more.
    pub(crate) fn credit(&self, client: &mut Client, bytes: usize) -> Result<(), Error> {
        let offset = bytes as u64;
        client.send_frame(&Frame { kind: FrameKind::Credit, exec: self.number, offset, bytes: &[] }, "credit")
    }

    /// How many bytes [`Running::write`] takes at the moment.
    pub fn room(&self, client: &mut Client) -> usize {
        let sent = client.watched(self).map_or(WINDOW, |watched| watched.sent.iter().sum());
        WINDOW.saturating_sub(sent)
    }

    /// Sends as many of these bytes as there is room for to its standard input, and says how many that were. When
    /// there is room again, an event says so: [`Event::InputTaken`]. A terminal takes keys this way.
    ///
    /// # Errors
    /// [`Error::Lost`]. That it does not read any more is an event: [`Event::InputRefused`].
    pub fn write(&self, client: &mut Client, bytes: &[u8]) -> Result<usize, Error> {
        let room = self.room(client);
        let taken = bytes.get(..room).unwrap_or(bytes);
        for piece in taken.chunks(PIECE) {
            let Some(watched) = client.watched(self).filter(|watched| !watched.exited) else { break };
            watched.sent.push_back(piece.len());
            let frame = Frame { kind: FrameKind::Stdin, exec: self.number, offset: 0, bytes: piece };
            client.send_frame(&frame, "stdin")?;
        }
        Ok(taken.len())
    }

    /// Ends its standard input, behind what was written. On a terminal it is the character for an end of file.
    ///
    /// # Errors
    /// [`Error::Refused`] where it has gone.
    pub fn close_input(&self, client: &mut Client) -> Result<(), Error> {
        self.ask(client, "stdin_close", |_| {})
    }

    /// Its terminal has another size.
    ///
    /// # Errors
    /// [`Error::Refused`] where it has none, or has gone.
    pub fn resize(&self, client: &mut Client, rows: u16, cols: u16) -> Result<(), Error> {
        client.resize(&self.id, rows, cols)
    }

    /// Its terminal has this size, and the program draws its screen again even if it had it before.
    ///
    /// # Errors
    /// As [`Running::resize`].
    pub fn redraw(&self, client: &mut Client, rows: u16, cols: u16) -> Result<(), Error> {
        self.ask(client, "resize", |message| {
            message.count("rows", rows.max(1).into()).count("cols", cols.max(1).into()).yes("redraw");
        })
    }

    /// Sends a signal, by name or number, to its process, its process group, or all that it has started.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is nobody left.
    pub fn kill(&self, client: &mut Client, signal: &str, scope: Scope) -> Result<(), Error> {
        client.kill_exec(&self.id, signal, scope)
    }

    /// Follows it no longer; it goes on.
    ///
    /// # Errors
    /// [`Error::Refused`] where it has gone: then there is nothing left to follow.
    pub fn detach(self, client: &mut Client) -> Result<(), Error> {
        let done = self.ask(client, "detach", |_| {});
        client.watched.retain(|watched| watched.number != self.number);
        done
    }

    fn ask(
        &self,
        client: &mut Client,
        kind: &'static str,
        write: impl FnOnce(&mut Object<'_>),
    ) -> Result<(), Error> {
        client.command(
            &Question { during: kind, kind: "ok", id: Some(&self.id), refusal: Refusal::Named },
            write,
        )
    }
}
