//! Dial-back: where this side connects, a host that listens need not guess when its guest is up. A connection that ends
//! is followed by another, and so is one that does not come about, after a while.

use sys::event::epoll::EventFlags;
use sys::fd::OwnedFd;
use sys::net::sockopt::socket_error;

use crate::key::Key;
use crate::poll::Source;
use crate::server::Server;
use crate::timers::{Due, Instant, MILLISECOND, now};

/// From a connection's end, or the first failure, to the next attempt.
const SHORTEST: u64 = 50 * MILLISECOND;
/// Between attempts while nobody listens.
const LONGEST: u64 = 1000 * MILLISECOND;

/// Whom this side calls, and how that stands.
#[derive(Debug)]
pub struct Dial {
    machine: u32,
    port: u32,
    /// A connection that is being made.
    calling: Option<OwnedFd>,
    /// The one that there is.
    connection: Option<Key>,
    delay: u64,
    due: Option<Instant>,
}

impl Dial {
    pub const fn new((machine, port): (u32, u32)) -> Self {
        Self { machine, port, calling: None, connection: None, delay: SHORTEST, due: None }
    }
}

impl Server {
    /// Begins to connect, if this is to be done at all.
    pub(crate) fn dial(&mut self) {
        let Some(dial) = self.dial.as_mut().filter(|_| !self.is_stopping) else { return };
        dial.due = None;
        let calling = sys::vsock::connect(dial.machine, dial.port);
        match calling
            .and_then(|socket| self.poll.add(&socket, Source::Dial, EventFlags::OUT).map(|()| socket))
        {
            Ok(socket) => dial.calling = Some(socket),
            Err(_) => self.dial_later(),
        }
    }

    /// The connection has come about, or has not.
    pub(crate) fn dial_is_ready(&mut self) {
        let Some(dial) = &mut self.dial else { return };
        let Some(socket) = dial.calling.take() else { return };
        self.poll.remove(&socket);
        if !matches!(socket_error(&socket), Ok(Ok(()))) {
            return self.dial_later();
        }
        dial.delay = SHORTEST;
        let connection = self.take_over(socket);
        match &mut self.dial {
            Some(dial) if connection.is_some() => dial.connection = connection,
            _ => self.dial_later(),
        }
    }

    /// A connection has ended: another is made if it was this one.
    pub(crate) fn dial_after(&mut self, ended: Key) {
        if let Some(dial) = self.dial.as_mut().filter(|dial| dial.connection == Some(ended)) {
            dial.connection = None;
            self.dial_later();
        }
    }

    fn dial_later(&mut self) {
        let Some(dial) = &mut self.dial else { return };
        let at = now() + dial.delay;
        dial.delay = (dial.delay * 2).min(LONGEST);
        self.timers.set(Due::Dial, &mut dial.due, Some(at));
    }
}
