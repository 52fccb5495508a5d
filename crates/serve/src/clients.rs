//! Clients come, ask, are answered, and go.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sys::Errno;
use sys::event::epoll::EventFlags;
use sys::fd::OwnedFd;
use sys::net::{SocketFlags, accept_with};
use sys::strerror::describe;
use wire::{FrameKind, OnDisconnect, Refusal, Request, SignalNumber, answer};

use crate::connection::{Connection, Framing, Incoming, Manner};
use crate::key::Key;
use crate::listener::Peers;
use crate::machine::Machine;
use crate::poll::Source;
use crate::server::{Server, kin};
use crate::timers::{Due, MILLISECOND, now};
use crate::watcher::Watcher;

/// How long a client has for its first line, and for another after one that was refused.
const PATIENCE: u64 = 5000 * MILLISECOND;
/// How long a client that has used nothing beyond the base protocol may stay after its answer.
const FAREWELL: u64 = 50 * MILLISECOND;
/// Milliseconds until a client is looked at again that cannot be accepted.
const ACCEPT_PAUSE: u32 = 20;
/// Clients that have not asked for anything yet; one more, and the oldest of them has to go.
const MAX_FRESH: usize = 256;
/// Bytes of unfinished requests of all clients together.
const MAX_UNFINISHED: usize = 16 << 20;
/// Descriptors that nothing but control requests gets, and how many of them clients never get.
const RESERVE: usize = 16;
const WITHHELD: usize = 4;
/// What the kernel shows for an id that our user namespace does not have: it might be anybody's.
const OVERFLOW_UID: u32 = 65_534;

impl Server {
    /// A new client of a listener. If there are more, the next wait tells, and others get their turn before.
    pub(crate) fn accept(&mut self, number: usize, machine: &mut dyn Machine) {
        let Some(listener) = self.listeners.get(number) else { return };
        let peers = listener.kind;
        match accept_with(&listener.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok(socket) => {
                if let Some(key) = self.welcome(socket, peers) {
                    // It has most likely sent its request by now.
                    self.connection_is_ready(key, EventFlags::IN, machine);
                }
            }
            Err(Errno::MFILE | Errno::NFILE) => self.make_room(),
            // The client has gone already.
            Err(Errno::CONNABORTED | Errno::INTR | Errno::AGAIN) => {}
            // The kernel is short of memory, or does not allow it. Whoever wants to connect is there still, and would be
            // reported at once.
            Err(_) => sys::clock::sleep(ACCEPT_PAUSE),
        }
    }

    /// No descriptors are left: a client that has asked for nothing goes, or the reserve is touched. The next wait
    /// tells of the new client again.
    fn make_room(&mut self) {
        if self.drop_oldest_fresh("no descriptors are left for clients that ask for nothing") {
            return;
        }
        if self.reserve.len() > WITHHELD {
            self.reserve.pop();
            return;
        }
        // Turned away: a client that waits in vain would be worse.
        self.reserve.pop();
        let turned_away = self.listeners.iter().filter(|listener| {
            accept_with(&listener.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).is_ok()
        });
        if turned_away.count() == 0 {
            // It is not one descriptor that is lacking: see above. The reserve would be given up again for nothing.
            return sys::clock::sleep(ACCEPT_PAUSE);
        }
        self.fill_reserve();
    }

    /// Takes back what was given up, as far as there are descriptors.
    pub(crate) fn fill_reserve(&mut self) {
        let Some(null) = &self.null else { return };
        while self.reserve.len() < RESERVE {
            let Ok(spare) = sys::io::fcntl_dupfd_cloexec(null, 3) else { return };
            self.reserve.push(spare);
        }
    }

    fn drop_oldest_fresh(&mut self, why: &str) -> bool {
        while let Some(key) = self.fresh.pop_front() {
            if self.connections.get(key).is_some_and(|client| client.manner == Manner::New) {
                self.dismiss(key, why);
                return true;
            }
        }
        false
    }

    /// Serves a connection that was made by this side: to the host of a virtual machine, which listens and so
    /// needs not guess when its guest is up (dial-back), or a socket that was inherited. Who is at its other
    /// end is the caller's to know.
    pub fn add_client(&mut self, socket: OwnedFd) {
        let _ = self.take_over(socket);
    }

    /// The same; how the connection is known here.
    pub(crate) fn take_over(&mut self, socket: OwnedFd) -> Option<Key> {
        let _ = sys::io::ioctl_fionbio(&socket, true);
        let mut connection = Connection::new(socket);
        // It speaks when it likes: nobody else could use its place.
        connection.manner = Manner::Extended;
        self.take_in(connection)
    }

    fn welcome(&mut self, socket: OwnedFd, peers: Peers) -> Option<Key> {
        let mut connection = Connection::new(socket);
        if let Err(why) = self.admit(&connection, peers) {
            let refusal = Refusal::new(why);
            connection.message(|out| refusal.write(out));
            connection.flush();
            return None;
        }
        self.take_in(connection)
    }

    fn take_in(&mut self, mut connection: Connection) -> Option<Key> {
        connection.interest = EventFlags::IN;
        let key = self.connections.insert(connection);
        let connection = self.connections.get_mut(key)?;
        if self.poll.add(&connection.fd, Source::Connection(key), EventFlags::IN).is_err() {
            self.connections.remove(key);
            return None;
        }
        if connection.manner != Manner::New {
            return Some(key);
        }
        self.timers.set(Due::Connection(key), &mut connection.due, Some(now() + PATIENCE));
        self.fresh.push_back(key);
        while self.fresh.len() > MAX_FRESH {
            let oldest = self.fresh.front().and_then(|oldest| self.connections.get(*oldest));
            if oldest.is_some_and(|oldest| oldest.manner == Manner::New) {
                self.drop_oldest_fresh("too many clients that ask for nothing");
            } else {
                self.fresh.pop_front();
            }
        }
        Some(key)
    }

    /// Whether a client may ask for anything at all.
    fn admit(&self, connection: &Connection, peers: Peers) -> Result<(), String> {
        match peers {
            Peers::Users => {
                let uid = sys::peers::user(&connection.fd)
                    .map_err(|errno| format!("who connects is not known: {}", describe(errno)))?;
                let allowed = uid == 0 || uid == self.uid || self.settings.allowed_users.contains(&uid);
                if uid == OVERFLOW_UID || !allowed {
                    return Err(format!("permission denied: user {uid} may not connect"));
                }
                Ok(())
            }
            Peers::Machines => match sys::vsock::peer(&connection.fd) {
                Ok(sys::vsock::HOST) => Ok(()),
                Ok(cid) => Err(format!("permission denied: machine {cid} may not connect, only the host")),
                Err(errno) => Err(format!("who connects is not known: {}", describe(errno))),
            },
        }
    }

    /// Something has happened at a client's socket.
    pub(crate) fn connection_is_ready(&mut self, key: Key, flags: EventFlags, machine: &mut dyn Machine) {
        if flags.intersects(EventFlags::IN | EventFlags::HUP) {
            self.read_requests(key, machine);
        }
        let Some(connection) = self.connections.get_mut(key) else { return };
        if flags.intersects(EventFlags::HUP | EventFlags::ERR) && connection.takes_requests() {
            connection.broken = true;
        }
        self.touch(key);
    }

    fn read_requests(&mut self, key: Key, machine: &mut dyn Machine) {
        while let Some(connection) = self.connections.get_mut(key).filter(|client| !client.ended) {
            if !connection.takes_requests() || !connection.read(&mut self.scratch) {
                break;
            }
            self.take_requests(key, machine);
            let unfinished = self.connections.get(key).map_or(0, Connection::unfinished);
            if unfinished > 65_536 && self.unfinished() > MAX_UNFINISHED {
                self.dismiss(key, "the server holds 16 MiB of unfinished requests");
            }
            if unfinished == 0 {
                // A client that sends whole requests and waits has no more now: the next event tells.
                break;
            }
        }
        self.take_requests(key, machine);
    }

    fn unfinished(&self) -> usize {
        self.connections.iter().map(|(_, client)| client.unfinished()).sum()
    }

    /// The requests that are whole, as long as their answers find room.
    pub(crate) fn take_requests(&mut self, key: Key, machine: &mut dyn Machine) {
        while let Some(connection) = self.connections.get_mut(key) {
            if !connection.takes_requests() {
                return;
            }
            if connection.framing == Framing::Frames {
                if !self.take_frame(key, machine) {
                    return;
                }
                continue;
            }
            let line = match connection.line() {
                Ok(Some(line)) => line,
                Ok(None) if connection.ended => match connection.rest() {
                    rest if rest.trim_ascii().is_empty() => return,
                    rest => rest,
                },
                Ok(None) => return,
                Err(()) => {
                    connection.message(|out| Refusal::too_long().write(out));
                    connection.closing = true;
                    // What is left of the line is not read: the socket is closed under it.
                    self.touch(key);
                    return;
                }
            };
            self.take_line(key, &line, machine);
        }
    }

    fn take_line(&mut self, key: Key, line: &[u8], machine: &mut dyn Machine) {
        if let Some(connection) = self.connections.get_mut(key)
            && connection.waiting.is_empty()
        {
            self.timers.set(Due::Connection(key), &mut connection.due, None);
        }
        match Request::parse(line) {
            Ok(request) => {
                if let Some(connection) = self.connections.get_mut(key)
                    && connection.manner == Manner::New
                {
                    connection.manner = Manner::Base;
                }
                self.answer(key, request, machine);
            }
            Err(refusal) => self.refuse(key, &refusal),
        }
    }

    /// One frame; whether there was one.
    fn take_frame(&mut self, key: Key, machine: &mut dyn Machine) -> bool {
        let Some(connection) = self.connections.get_mut(key) else { return false };
        match connection.take_frame() {
            Ok(None) => return false,
            Ok(Some(frame)) => match frame.kind {
                FrameKind::Json => self.take_line(key, &frame.bytes, machine),
                _ => self.take_stream_frame(key, &frame),
            },
            Err(refusal) => {
                connection.message(|out| refusal.write(out));
                connection.closing = true;
                self.touch(key);
                return false;
            }
        }
        true
    }

    /// Bytes for a command's input, or credit for its output.
    fn take_stream_frame(&mut self, key: Key, frame: &Incoming) {
        let watched = self.connections.get(key).map(|client| client.watching.clone());
        let found = watched.unwrap_or_default().into_iter().find(|found| {
            let Some(session) = self.sessions.get_mut(*found) else { return false };
            let own = |watcher: &&mut Watcher| watcher.connection == key && watcher.number == frame.exec;
            let Some(watcher) = session.watchers.iter_mut().find(own) else { return false };
            if frame.kind == FrameKind::Credit {
                watcher.credit = watcher.credit.saturating_add(frame.offset);
            }
            true
        });
        let id = found.and_then(|found| self.sessions.get(found)).map(|session| session.id.clone());
        match (found, id, frame.kind) {
            (Some(found), _, FrameKind::Credit) => self.advance(found),
            (_, Some(id), FrameKind::Stdin) if frame.bytes.is_empty() => self.close_input(key, &id),
            (_, Some(id), FrameKind::Stdin) => self.feed(key, &id, &frame.bytes),
            // Credit for an exec that has just ended says nothing any more.
            (None, _, FrameKind::Credit) => {}
            _ => self.complain(key, "a frame is for an exec that this connection does not follow"),
        }
    }

    /// Answers that a request is not done.
    pub(crate) fn refuse(&mut self, key: Key, refusal: &Refusal) {
        self.say(key, |out| refusal.write(out));
        if refusal.is_answer() {
            return self.answered(key);
        }
        self.expect_more(key);
    }

    /// The client may ask for more. One that is not known to do so is closed after a while.
    pub(crate) fn expect_more(&mut self, key: Key) {
        self.expect_within(key, PATIENCE);
    }

    /// A request has been answered, which is all that a client of the base protocol wants.
    pub(crate) fn answered(&mut self, key: Key) {
        self.expect_within(key, FAREWELL);
    }

    fn expect_within(&mut self, key: Key, patience: u64) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.manner != Manner::Extended {
            connection.manner = Manner::Base;
            self.timers.set(Due::Connection(key), &mut connection.due, Some(now() + patience));
        }
    }

    /// The client uses more than the base protocol.
    pub(crate) fn extend(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.manner = Manner::Extended;
        }
    }

    /// Puts an answer in line.
    pub(crate) fn say(&mut self, key: Key, mut write: impl FnMut(&mut Vec<u8>)) {
        self.say_by(key, &mut write);
    }

    /// One for all messages: a copy for each of them would be a tenth of this crate.
    fn say_by(&mut self, key: Key, write: &mut dyn FnMut(&mut Vec<u8>)) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.message_by(write);
        }
        self.touch(key);
    }

    /// `error` about one thing.
    pub(crate) fn complain(&mut self, key: Key, text: &str) {
        self.say(key, |out| answer::error(out, None, text, Some(125)));
        self.expect_more(key);
    }

    /// The client is looked at when this round is over.
    pub(crate) fn touch(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key)
            && !connection.dirty
        {
            connection.dirty = true;
            self.dirty.push(key);
        }
    }

    /// Tells a client why, and lets it go.
    fn dismiss(&mut self, key: Key, why: &str) {
        self.say(key, |out| Refusal::new(why.into()).write(out));
        if let Some(connection) = self.connections.get_mut(key) {
            connection.closing = true;
        }
    }

    /// A client has taken too long.
    pub(crate) fn connection_is_due(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.due = None;
        if connection.waiting.iter().any(|(_, until)| until.is_some()) {
            self.waits_are_due(key);
            return;
        }
        match connection.manner {
            Manner::New => self.dismiss(key, "no request within 5 seconds"),
            Manner::Base if connection.watching.is_empty() => {
                connection.closing = true;
                self.touch(key);
            }
            _ => {}
        }
    }

    /// Sends what is in line, goes on with what waited for room, and lets those go that are done.
    pub(crate) fn flush(&mut self, machine: &mut dyn Machine) {
        // Sending makes room, room brings more to send: until nothing more fits or comes.
        while let Some(key) = self.dirty.pop() {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            connection.dirty = false;
            connection.flush();
            if connection.is_held_up && connection.is_flushed() && !connection.broken {
                connection.is_held_up = false;
                for session in connection.watching.clone() {
                    self.advance(session);
                }
            }
            self.take_requests(key, machine);
            let Some(connection) = self.connections.get_mut(key) else { continue };
            if connection.dirty {
                continue;
            }
            let idle = connection.watching.is_empty()
                && connection.waiting.is_empty()
                && connection.deferred.is_none();
            let done = connection.closing || (connection.ended && idle && !connection.subscribed);
            if connection.broken || (done && connection.is_flushed()) {
                self.leave(key);
                continue;
            }
            let wanted = connection.wanted();
            if wanted != connection.interest
                && self.poll.change(&connection.fd, Source::Connection(key), wanted).is_ok()
            {
                connection.interest = wanted;
            }
        }
    }

    /// A client is gone; its commands go on, unless they were told otherwise.
    fn leave(&mut self, key: Key) {
        let Some(mut connection) = self.connections.remove(key) else { return };
        if self.reserve.len() < RESERVE {
            self.fill_reserve();
        }
        self.timers.set(Due::Connection(key), &mut connection.due, None);
        self.dial_after(key);
        if connection.subscribed {
            self.unsubscribe(key);
        }
        for (id, _) in &connection.waiting {
            let found = self.session_of(id);
            if let Some(session) = found.and_then(|found| self.sessions.get_mut(found)) {
                session.waiters.retain(|waits| *waits != key);
            }
        }
        for watched in connection.watching {
            let kin = kin!(self);
            let Some(session) = self.sessions.get_mut(watched) else { continue };
            session.watchers.retain(|watcher| watcher.connection != key);
            if session.watchers.is_empty() && session.exit.is_none() {
                match session.terms.on_disconnect {
                    OnDisconnect::Keep => {}
                    OnDisconnect::Kill => {
                        session.killed_by = Some("disconnect");
                        self.end_tree(watched);
                    }
                    OnDisconnect::Hup => {
                        let _ = session.signal_group(kin, SignalNumber::HUP);
                    }
                }
            }
            self.advance(watched);
        }
    }
}
