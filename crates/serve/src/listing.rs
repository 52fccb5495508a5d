//! What runs, what has run, who waits for it.

use alloc::format;
use alloc::vec::Vec;

use wire::json::Object;
use wire::{ExecId, Filter, Wait, answer};

use crate::key::Key;
use crate::machine::Machine;
use crate::server::Server;
use crate::session::Session;
use crate::timers::{Due, MILLISECOND, now};

impl Server {
    pub(crate) fn list(&mut self, key: Key, filter: &Filter) {
        let mut shown: Vec<&Session> = self.sessions.iter().map(|(_, session)| session).collect();
        shown.retain(|session| {
            filter.id.as_ref().is_none_or(|id| *id == session.id)
                && filter.tag.as_ref().is_none_or(|tag| session.label.tag.as_ref() == Some(tag))
                && filter.running.is_none_or(|running| running == session.exit.is_none())
        });
        shown.sort_by_key(|session| session.started);
        let mut line = Vec::new();
        let mut message = Object::message(&mut line, "execs");
        message.objects("execs", shown.into_iter(), describe);
        message.line();
        self.say(key, |out| out.extend_from_slice(&line));
    }

    pub(crate) fn stats(&mut self, key: Key, machine: &mut dyn Machine) {
        let mut line = Vec::new();
        let mut message = Object::message(&mut line, "stats");
        let running = self.sessions.iter().filter(|(_, session)| session.exit.is_none()).count();
        message.count("api_uptime_secs", self.uptime_secs()).count("execs_running", running as u64);
        message.count("execs_kept", (self.sessions.len() - running) as u64);
        message.count("connections", self.connections.len() as u64);
        message.count("execs_started", self.serial).count("api_orphans_reaped", self.reaped);
        machine.stats(&mut message);
        message.line();
        self.say(key, |out| out.extend_from_slice(&line));
    }

    /// `wait`: one `exit` for each, now or when it comes.
    pub(crate) fn wait(&mut self, key: Key, wait: Wait) {
        let until = wait.timeout_ms.map(|timeout| now() + timeout * MILLISECOND);
        for id in wait.ids {
            let Some(found) = self.find(key, &id) else { continue };
            let Some(session) = self.sessions.get(found) else { continue };
            if let Some(exit) = session.exit.clone() {
                self.say(key, |out| exit.write(out, &id));
            } else if let Some(connection) = self.connections.get_mut(key) {
                connection.waiting.push((id.clone(), until));
                let waiting = self.waiting.entry(id).or_default();
                if !waiting.contains(&key) {
                    waiting.push(key);
                }
            }
        }
        self.schedule_waits(key);
    }

    fn schedule_waits(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let first = connection.waiting.iter().filter_map(|(_, until)| *until).min();
        self.timers.set(Due::Connection(key), &mut connection.due, first);
    }

    /// Waits of a client that have taken too long.
    pub(crate) fn waits_are_due(&mut self, key: Key) {
        let now = now();
        let Some(connection) = self.connections.get_mut(key) else { return };
        let over = |until: &Option<u64>| until.is_some_and(|until| until <= now);
        let expired: Vec<ExecId> =
            connection.waiting.iter().filter(|(_, until)| over(until)).map(|(id, _)| id.clone()).collect();
        connection.waiting.retain(|(_, until)| !over(until));
        for id in expired {
            let text = format!("wait: exec {:?} still runs", id.as_str());
            self.say(key, |out| answer::error(out, Some(&id), &text, Some(125)));
        }
        self.schedule_waits(key);
    }

    /// Tells everybody who waits for a session, or for all of them, that it has ended.
    pub(crate) fn announce_exit(&mut self, found: Key) {
        let Some(session) = self.sessions.get(found) else { return };
        let Some(exit) = &session.exit else { return };
        let id = &session.id;
        let mut told = self.waiting.remove(id).unwrap_or_default();
        for key in &told {
            let Some(connection) = self.connections.get_mut(*key) else { continue };
            let waits = connection.waiting.iter().filter(|(waited, _)| waited == id).count();
            connection.waiting.retain(|(waited, _)| waited != id);
            for _ in 0..waits {
                connection.message(|out| exit.write(out, id));
            }
        }
        for key in &self.subscribers {
            let Some(connection) = self.connections.get_mut(*key) else { continue };
            if connection.takes_output() {
                connection.message(|out| {
                    let mut message = Object::message(out, "event");
                    message.text("event", "exit").text("id", id.as_str());
                    exit.write_fields(&mut message);
                    message.line();
                });
                told.push(*key);
            }
        }
        for key in told {
            self.schedule_waits(key);
            self.touch(key);
        }
    }

    /// Tells subscribers that a session has begun.
    pub(crate) fn announce_start(&mut self, found: Key) {
        let Some(session) = self.sessions.get(found) else { return };
        for key in self.subscribers.clone() {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            // Who does not read misses events, and nothing else.
            if !connection.takes_output() {
                continue;
            }
            connection.message(|out| {
                let mut message = Object::message(out, "event");
                message.text("event", "started").text("id", session.id.as_str());
                message.count("pid", session.number());
                message.line();
            });
            if !connection.dirty {
                connection.dirty = true;
                self.dirty.push(key);
            }
        }
    }

    /// `ack`: these records are not needed any more.
    pub(crate) fn acknowledge(&mut self, key: Key, ids: &[ExecId]) {
        for id in ids {
            let Some(found) = self.find(key, id) else { continue };
            let Some(session) = self.sessions.get(found) else { continue };
            if session.is_over() && session.watchers.is_empty() {
                self.forget(found);
                self.say(key, |out| answer::ok(out, Some(id)));
            } else {
                let text = format!("ack: exec {:?} is not over", id.as_str());
                self.say(key, |out| answer::error(out, Some(id), &text, Some(125)));
            }
        }
    }
}

fn describe(object: &mut Object<'_>, session: &Session) {
    object.text("id", session.id.as_str()).count("pid", session.number());
    if let Some(tag) = &session.label.tag {
        object.text("tag", tag);
    }
    let state = if session.exit.is_some() { "exited" } else { "running" };
    object.text("cmd", &session.label.cmd).text("state", state);
    object.count("started_at", session.label.started_at);
    let [stdout, stderr] = [0, 1].map(|number: usize| session.outlets[number].ring.end());
    let mut bytes = object.object("bytes");
    bytes.count("stdout", stdout).count("stderr", stderr);
    bytes.end();
    object.text("user", &session.label.user);
    if let Some(exit) = &session.exit {
        let mut ended = object.object("exit");
        exit.write_fields(&mut ended);
        ended.end();
    }
}
