//! `events`: what happens, to those who have asked to hear of it.

use alloc::vec::Vec;

use sys::reap::End;
use wire::answer;
use wire::json::Object;

use crate::connection::Manner;
use crate::key::Key;
use crate::machine::{Machine, Watch};
use crate::server::Server;

impl Server {
    /// `events`: from now on the client hears of everything; of a restart of the server even if that was before.
    pub(crate) fn subscribe(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.manner = Manner::Extended;
        let is_new = !core::mem::replace(&mut connection.subscribed, true);
        connection.message(|out| answer::ok(out, None));
        if let Some(found) = self.restarted.filter(|_| is_new) {
            connection.message(|out| event(out, "api_restarted", |message| message.count("execs", found)));
        }
        if is_new {
            self.subscribers.push(key);
        }
        self.touch(key);
    }

    /// A client has gone.
    pub(crate) fn unsubscribe(&mut self, key: Key) {
        self.subscribers.retain(|subscriber| *subscriber != key);
    }

    /// Tells the machine whether orphans are watched: by subscribers, or since one may be a predecessor's exec.
    pub(crate) fn settle_watch(&mut self, machine: &mut dyn Machine) {
        let wanted = match self.subscribers.is_empty() && self.orphaned.is_empty() {
            true => Watch::Off,
            false => Watch::On,
        };
        if core::mem::replace(&mut self.watch, wanted) != wanted {
            machine.watch_orphans(wanted);
        }
    }

    /// Tells subscribers. Who does not read misses events, and nothing else.
    fn announce(&mut self, write: &mut dyn FnMut(&mut Vec<u8>)) {
        for key in &self.subscribers {
            let Some(connection) = self.connections.get_mut(*key) else { continue };
            if !connection.takes_output() {
                continue;
            }
            connection.message_by(write);
            if !connection.dirty {
                connection.dirty = true;
                self.dirty.push(*key);
            }
        }
    }

    /// A command has begun.
    pub(crate) fn announce_start(&mut self, found: Key) {
        if self.subscribers.is_empty() {
            return;
        }
        let Some(session) = self.sessions.get(found) else { return };
        let (id, pid) = (session.id.clone(), session.number());
        self.announce(&mut |out| {
            event(out, "started", |message| message.text("id", id.as_str()).count("pid", pid));
        });
    }

    /// A command has ended: those who wait for it are told, and all who hear of everything.
    pub(crate) fn announce_exit(&mut self, found: Key) {
        let Some(session) = self.sessions.get_mut(found) else { return };
        let told = core::mem::take(&mut session.waiters);
        let Some(exit) = &session.exit else { return };
        let id = &session.id;
        for key in &told {
            let Some(connection) = self.connections.get_mut(*key) else { continue };
            let waits = connection.waiting.iter().filter(|(waited, _)| waited == id).count();
            connection.waiting.retain(|(waited, _)| waited != id);
            for _ in 0..waits {
                connection.message(|out| exit.write(out, id));
            }
        }
        if !self.subscribers.is_empty() {
            let (id, exit) = (id.clone(), exit.clone());
            // Whichever of its processes that was.
            let killed = session.group.as_ref().and_then(|group| group.events().ok()?.oom_kill);
            if exit.oom || killed > Some(0) {
                self.announce(&mut |out| event(out, "oom", |message| message.text("id", id.as_str())));
            }
            self.announce(&mut |out| {
                event(out, "exit", |message| {
                    exit.write_fields(message.text("id", id.as_str()));
                    message
                });
            });
        }
        for key in told {
            self.schedule_waits(key);
            self.touch(key);
        }
    }

    /// An orphan was reaped.
    pub(crate) fn announce_orphan(&mut self, pid: i32, end: End) {
        self.reaped += 1;
        self.announce(&mut |out| {
            event(out, "orphan_reaped", |message| {
                message.integer("pid", pid.into());
                match end {
                    End::Code(code) => message.count("code", code.into()),
                    End::Signal(number) => message.integer("signal", number.into()),
                }
            });
        });
    }
}

/// Writes one `event`.
fn event<'o>(
    out: &'o mut Vec<u8>,
    what: &str,
    members: impl for<'m> FnOnce(&'m mut Object<'o>) -> &'m mut Object<'o>,
) {
    let mut message = begin(out, what);
    members(&mut message);
    message.line();
}

fn begin<'o>(out: &'o mut Vec<u8>, what: &str) -> Object<'o> {
    let mut message = Object::message(out, "event");
    message.text("event", what);
    message
}
