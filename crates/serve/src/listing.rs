//! What runs, what has run, who waits for it.

use alloc::collections::BinaryHeap;
use alloc::format;
use alloc::vec::Vec;

use wire::json::Object;
use wire::{ExecId, Filter, Quoted, Wait, answer};

use crate::key::Key;
use crate::server::Server;
use crate::session::Session;
use crate::timers::{Due, MILLISECOND, now};

impl Server {
    pub(crate) fn list(&mut self, key: Key, filter: &Filter) {
        let is_shown = |session: &Session| {
            filter.id.as_ref().is_none_or(|id| *id == session.id)
                && filter.tag.as_ref().is_none_or(|tag| session.label.tag.as_ref() == Some(tag))
                && filter.state.is_none_or(|state| state == session.state())
        };
        let shown = self.sessions.iter().filter(|(_, session)| is_shown(session));
        let shown: BinaryHeap<_> = shown.map(|(found, session)| (session.started, found.bits())).collect();
        // By a heap, which is less code than the sorts of slices.
        let shown = shown.into_sorted_vec().into_iter();
        let shown = shown.filter_map(|(_, found)| self.sessions.get(Key::from_bits(found)));
        let mut line = Vec::new();
        let mut message = Object::message(&mut line, "execs");
        message.objects("execs", shown, describe);
        message.line();
        self.say(key, |out| out.extend_from_slice(&line));
    }

    /// `wait`: one `exit` for each, now or when it comes.
    pub(crate) fn wait(&mut self, key: Key, wait: Wait) {
        let until = wait.timeout_ms.map(|timeout| now() + timeout * MILLISECOND);
        for id in wait.ids {
            let Some(found) = self.find(key, &id) else { continue };
            let Some(session) = self.sessions.get_mut(found) else { continue };
            if let Some(exit) = session.exit.clone() {
                self.say(key, |out| exit.write(out, &id));
            } else if let Some(connection) = self.connections.get_mut(key) {
                connection.waiting.push((id, until));
                if !session.waiters.contains(&key) {
                    session.waiters.push(key);
                }
            }
        }
        self.schedule_waits(key);
    }

    pub(crate) fn schedule_waits(&mut self, key: Key) {
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
            let text = format!("wait: exec {} still runs", Quoted(id.as_str()));
            self.say(key, |out| answer::error(out, Some(&id), &text, Some(125)));
        }
        self.schedule_waits(key);
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
                let text = format!("ack: exec {} is not over", Quoted(id.as_str()));
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
    object.text("cmd", &session.label.cmd).text("state", session.state().word());
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
