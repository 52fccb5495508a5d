//! What is done for all commands of a round together: to know a tree is a walk, and one walk serves any number of them.

use alloc::vec::Vec;

use sys::children::signal_group_of;

use crate::blind;
use crate::key::Key;
use crate::machine::Machine;
use crate::outlet::Outlet;
use crate::server::{Server, kin};
use crate::supervise::LAST_WORDS;
use crate::timers::{Due, now};
use crate::tree::{self, Root};

const SIGKILL: i32 = 9;

impl Server {
    /// What follows the ends of processes.
    pub(crate) fn settle_ends(&mut self, machine: &mut dyn Machine) {
        if self.ending.is_empty() {
            return;
        }
        let (now, ending) = (now(), core::mem::take(&mut self.ending));
        for found in &ending {
            let Some(session) = self.sessions.get_mut(*found) else { continue };
            if let Some(ended) = session.ended.take() {
                session.note_end(ended, now);
            }
            if let (Some(journal), Some(slot)) = (&mut self.journal, session.slot.take()) {
                journal.clear(slot);
            }
            self.drain(*found);
        }
        if let Some(main) = self.main.as_ref().filter(|main| ending.contains(&main.found)) {
            (main.end)(self, main.found, machine);
        }
        self.count_left(&ending);
        for found in ending {
            self.schedule(found);
            self.announce_exit(found);
            self.advance(found);
        }
        if self.is_stopping && self.leaders.is_empty() && self.end.is_none() {
            self.timers.set(Due::End, &mut self.end, Some(now + LAST_WORDS));
        }
    }

    /// How much of the trees of commands that have ended lives on, where that matters to anybody.
    fn count_left(&mut self, ending: &[Key]) {
        let are_heard = !self.subscribers.is_empty();
        let mut matter: Vec<Key> = Vec::new();
        for found in ending {
            let Some(session) = self.sessions.get_mut(*found) else { continue };
            session.outlets.iter_mut().for_each(Outlet::set_barrier);
            // What was to be ended together with it is gone, or still has its time.
            if session.kill_at.is_some() && session.is_populated() == Some(false) {
                session.kill_at = None;
            }
            let is_asked = session.kill_at.is_some() && session.group.is_none();
            // Of those whose outputs are held by somebody only who knows more than the base protocol is told.
            let is_held = session.outlets.iter().any(|outlet| !outlet.is_closed());
            if is_asked || (is_held && (session.is_named || are_heard)) {
                matter.push(*found);
            }
        }
        if matter.is_empty() {
            return;
        }
        for (number, _) in tree::members(kin!(self), &self.roots(&matter)) {
            let session = self.sessions.get_mut(matter[number]);
            if let Some(exit) = session.and_then(|session| session.exit.as_mut()) {
                exit.left += 1;
            }
        }
        for found in matter {
            if let Some(session) = self.sessions.get_mut(found)
                && session.group.is_none()
                && session.exit.as_ref().is_some_and(|exit| exit.left == 0)
                && session.past.as_ref().is_none_or(|leader| signal_group_of(leader, 0).is_err())
            {
                session.kill_at = None;
            }
        }
    }

    /// The tree of a command is killed at the end of this round.
    pub(crate) fn doom(&mut self, found: Key) {
        if let Some(session) = self.sessions.get_mut(found).filter(|session| !session.is_doomed) {
            session.is_doomed = true;
            self.doomed.push(found);
        }
    }

    /// Asks trees to end, and kills those that were asked before; whether there was one.
    pub(crate) fn end_trees(&mut self) -> bool {
        if self.asked.is_empty() && self.doomed.is_empty() {
            return false;
        }
        let mut asked = Vec::new();
        for found in core::mem::take(&mut self.asked) {
            let Some(session) = self.sessions.get_mut(found) else { continue };
            if session.terms.kill_signal.get() != SIGKILL {
                asked.push(found);
                continue;
            }
            // There is nothing that comes after it.
            session.kill_at = None;
            self.doom(found);
        }
        if !asked.is_empty() {
            let signal_of = |number: usize| {
                let session = self.sessions.get(asked[number]);
                session.map_or(SIGKILL, |session| session.terms.kill_signal.get())
            };
            blind::signal(kin!(self), &self.roots(&asked), &signal_of);
        }
        let doomed = core::mem::take(&mut self.doomed);
        let mut walked = Vec::new();
        for found in &doomed {
            if self.sessions.get(*found).is_some_and(|session| !session.kill_group()) {
                walked.push(*found);
            }
        }
        if !walked.is_empty() {
            blind::kill(kin!(self), &self.roots(&walked));
        }
        for found in doomed {
            if let Some(session) = self.sessions.get_mut(found) {
                session.is_doomed = false;
                if let Some(leader) = session.past.take() {
                    let _ = signal_group_of(leader, SIGKILL);
                }
            }
            self.schedule(found);
            self.advance(found);
        }
        true
    }

    /// What tells the trees of these sessions, all of which there are.
    fn roots(&self, found: &[Key]) -> Vec<Root<'_>> {
        let mut roots = Vec::with_capacity(found.len());
        for found in found {
            if let Some(session) = self.sessions.get(*found) {
                roots.push(session.root(kin!(self)));
            }
        }
        roots
    }
}
