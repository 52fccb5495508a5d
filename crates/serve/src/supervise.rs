//! Commands write, end, take too long; and are forgotten.

use alloc::format;

use sys::children::Ended;
use sys::event::epoll::EventFlags;
use wire::{OnLimit, answer};

use crate::connection::Manner;
use crate::key::Key;
use crate::ordered::hash;
use crate::outlet::Read;
use crate::proc;
use crate::server::Server;
use crate::session::Remains;
use crate::timers::{Due, Instant, MILLISECOND, now};
use crate::watcher::Wants;

/// How many ended execs are remembered.
const MAX_ENDED: usize = 1024;
/// How many bytes of their output, all together.
const MAX_KEPT: usize = 8 << 20;
/// How long clients have to read what is owed to them when everything ends.
pub const LAST_WORDS: Instant = 1000 * MILLISECOND;
/// Reads of one stream before others get their turn.
const TURN: usize = 4;
/// Reads of a stream whose command has ended: a pipe is empty after a few, a terminal gives 4 KiB at a time.
const DRAIN: usize = 256;

impl Server {
    /// A command has written, or closed an output.
    pub(crate) fn output_is_ready(&mut self, found: Key, number: usize, flags: EventFlags) {
        if !flags.contains(EventFlags::IN)
            && let Some(session) = self.sessions.get_mut(found)
        {
            // It has been closed and is empty: there is nothing to read.
            session.outlets[number].close(&self.poll);
            return self.advance(found);
        }
        for _ in 0..TURN {
            if !self.read_output(found, number) {
                break;
            }
            self.advance(found);
        }
        self.advance(found);
    }

    /// Reads what a command has left in its pipes, as far as there is room.
    pub(crate) fn drain(&mut self, found: Key) {
        for number in 0..2 {
            // Where room has no end, a writer that outlives the command might have none either.
            let mut reads = 0..DRAIN;
            while reads.next().is_some() && self.read_output(found, number) {}
        }
    }

    /// Reads an output once; whether there may be more.
    fn read_output(&mut self, found: Key, number: usize) -> bool {
        let Some(session) = self.sessions.get_mut(found) else { return false };
        let before = session.outlets[number].ring.end();
        let read = session.outlets[number].read(&self.poll, &mut self.scratch, session.allowance.as_mut());
        if let Some(log) = &mut session.log {
            log.write(number, session.outlets[number].ring.from(before));
        }
        if read == Read::Limit {
            session.truncated = true;
            let kills = session.allowance.is_some_and(|allowance| allowance.then == OnLimit::Kill);
            if kills && session.exit.is_none() && session.killed_by.is_none() {
                session.killed_by = Some("max_output");
                self.end_tree(found);
                return false;
            }
        }
        let has_written = session.outlets[number].ring.end() > before;
        if session.exit.is_some() && has_written {
            session.linger_until = Some(now() + session.terms.linger);
            self.schedule(found);
        } else if has_written && session.wants_end_again() {
            self.schedule(found);
        }
        matches!(read, Read::Some | Read::Limit)
    }

    /// A command's pidfd says that its process has ended, which is known already where that was reaped as one of all
    /// children.
    pub(crate) fn process_is_ready(&mut self, found: Key) {
        let Some(session) = self.sessions.get_mut(found) else { return };
        if session.is_orphan {
            return self.orphan_has_ended(found);
        }
        if let Some(ended) = session.reap() {
            self.process_has_ended(found, ended);
        }
    }

    /// A command's process has been reaped. What it wrote is still in its pipes.
    pub(crate) fn process_has_ended(&mut self, found: Key, ended: Ended) {
        let Some(session) = self.sessions.get_mut(found) else { return };
        let pidfd = session.pidfd.take();
        session.ended = Some(ended);
        session.past = pidfd.filter(|_| session.kill_at.is_some() && !proc::is_there());
        if let Some(past) = &session.past {
            self.poll.remove(past);
        }
        self.leaders.remove(session.pid.as_raw_pid());
        self.ending.push(found);
    }

    /// Lets everybody who follows a session have what there is, and reads on where that made room.
    pub(crate) fn advance(&mut self, found: Key) {
        let Some(session) = self.sessions.get_mut(found) else { return };
        let mut watchers = core::mem::take(&mut session.watchers);
        watchers.retain_mut(|watcher| {
            let Some(connection) = self.connections.get_mut(watcher.connection) else { return false };
            watcher.advance(&session.id, &session.outlets, connection);
            if let Some(exit) = &session.exit
                && !watcher.exit_sent
                && watcher.has_all_of_process(&session.outlets)
            {
                watcher.exit_sent = true;
                connection.message(|out| match watcher.wants {
                    Wants::Base => exit.write_base(out),
                    Wants::Events => exit.write(out, &session.id),
                });
                watcher.advance(&session.id, &session.outlets, connection);
            }
            let done = watcher.is_done() || watcher.has_caught_up(&session.outlets);
            if watcher.is_done() && session.remains == Remains::Owed {
                session.remains = Remains::Delivered;
            }
            if done {
                connection.watching.retain(|watched| *watched != found);
                // One request a connection: the base protocol ends it with the answer.
                if connection.manner != Manner::Extended && connection.watching.is_empty() {
                    connection.closing = true;
                }
            }
            if !connection.dirty && (done || !connection.is_flushed()) {
                connection.dirty = true;
                self.dirty.push(watcher.connection);
            }
            !done
        });
        session.watchers = watchers;
        session.settle(found, &self.poll);
        if session.exit.is_some() && session.linger_until.is_none() && session.may_fall_silent() {
            session.linger_until = Some(now() + session.terms.linger);
            let at = session.next_due();
            self.timers.set(Due::Session(found), &mut session.due, at);
        }
        if session.is_over() && session.watchers.is_empty() {
            self.retire(found);
        }
    }

    /// When something is due for a session.
    pub(crate) fn schedule(&mut self, found: Key) {
        if let Some(session) = self.sessions.get_mut(found) {
            let at = session.next_due();
            self.timers.set(Due::Session(found), &mut session.due, at);
        }
    }

    pub(crate) fn session_is_due(&mut self, found: Key, now: Instant) {
        let Some(session) = self.sessions.get_mut(found) else { return };
        session.due = None;
        let passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if passed(session.deadline) && session.is_orphan {
            return self.orphan_is_lost(found);
        }
        if passed(session.deadline) {
            session.deadline = None;
            session.timed_out = true;
            session.killed_by = Some("timeout");
            self.tell_timeout(found, now);
            self.end_tree(found);
        }
        let Some(session) = self.sessions.get_mut(found) else { return };
        if passed(session.kill_at) {
            session.kill_at = None;
            self.doom(found);
        }
        let Some(session) = self.sessions.get_mut(found) else { return };
        if passed(session.type_end_at) {
            session.type_end();
        }
        if passed(session.linger_until) {
            session.linger_until = None;
            // If this process had to wait for a processor, something may have come that it has not seen yet.
            for number in 0..2 {
                self.read_output(found, number);
            }
            if let Some(session) =
                self.sessions.get_mut(found).filter(|session| session.linger_until.is_none())
            {
                session
                    .outlets
                    .iter_mut()
                    .filter(|outlet| !outlet.is_held())
                    .for_each(|outlet| outlet.close(&self.poll));
            }
        }
        self.schedule(found);
        self.advance(found);
    }

    fn tell_timeout(&mut self, found: Key, now: Instant) {
        let Some(session) = self.sessions.get(found) else { return };
        let (pid, signal) = (session.number(), session.terms.kill_signal);
        let text = format!(
            "the command exceeded its timeout of {}ms; process {pid} and all that it has started get signal {}, and SIGKILL {}ms later",
            session.terms.timeout_ms,
            signal.get(),
            session.terms.grace / 1_000_000,
        );
        let elapsed = (now - session.started) / 1_000_000;
        let clients: alloc::vec::Vec<Key> =
            session.watchers.iter().map(|watcher| watcher.connection).collect();
        for key in clients {
            self.say(key, |out| answer::timeout(out, &text, signal, elapsed, pid));
        }
    }

    /// Asks a command and all that descends from it to end, and sees to it that it does.
    pub(crate) fn end_tree(&mut self, found: Key) {
        let Some(session) = self.sessions.get_mut(found) else { return };
        self.asked.push(found);
        session.kill_at = Some(now() + session.terms.grace);
        self.schedule(found);
    }

    /// A session is over. It is kept where somebody may come back for it.
    fn retire(&mut self, found: Key) {
        let is_main = self.is_main(found);
        let Some(session) = self.sessions.get_mut(found) else { return };
        self.timers.set(Due::Session(found), &mut session.due, None);
        if let (Some(groups), Some(group)) = (&mut self.groups, session.group.take())
            && !is_main
        {
            groups.remove(group);
        }
        if !session.is_named {
            self.forget(found);
            return;
        }
        if session.remains == Remains::Delivered {
            session.outlets.iter_mut().for_each(|outlet| outlet.ring.release());
        }
        if !self.ended.contains(&found) && !is_main {
            self.ended.push_back(found);
        }
        while self.ended.len() > MAX_ENDED {
            if let Some(oldest) = self.ended.pop_front() {
                self.forget(oldest);
            }
        }
        let kept = |server: &Self, key: Key| {
            server
                .sessions
                .get(key)
                .map_or(0, |session| session.outlets.iter().map(|outlet| outlet.ring.len()).sum::<usize>())
        };
        let mut total: usize = self.ended.iter().map(|key| kept(self, *key)).sum();
        for key in self.ended.clone() {
            if total <= MAX_KEPT {
                break;
            }
            total -= kept(self, key);
            if let Some(session) = self.sessions.get_mut(key).filter(|session| session.watchers.is_empty()) {
                session.outlets.iter_mut().for_each(|outlet| outlet.ring.release());
            }
        }
    }

    /// Nothing is known of a session any more.
    pub(crate) fn forget(&mut self, found: Key) {
        if let Some(mut session) = self.sessions.remove(found) {
            self.timers.set(Due::Session(found), &mut session.due, None);
            self.ids.remove(hash(&session.id), found.bits());
            if session.is_named {
                self.ended.retain(|key| *key != found);
            }
        }
    }
}
