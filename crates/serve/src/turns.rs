//! Whose turn it is: starting a command takes a hundred times as long as any other request, and all are served by one
//! thread.

use alloc::boxed::Box;

use wire::Exec;

use crate::key::Key;
use crate::machine::Machine;
use crate::server::Server;

/// Commands that are started before others get their turn.
const STARTS: usize = 2;

impl Server {
    /// Starts a command now, or when it is its turn: nobody who asks for less waits for many.
    pub(crate) fn exec_in_turn(&mut self, key: Key, exec: Box<Exec>, machine: &mut dyn Machine) {
        if self.starts < STARTS && self.deferred.is_empty() {
            self.starts += 1;
            return self.exec(key, *exec, machine);
        }
        if let Some(connection) = self.connections.get_mut(key) {
            connection.deferred = Some(exec);
            self.deferred.push_back(key);
        }
    }

    /// The commands whose turn it is, after all else that there was to do.
    pub(crate) fn start_deferred(&mut self, machine: &mut dyn Machine) {
        let mut starts = 0;
        while starts < STARTS {
            let Some(key) = self.deferred.pop_front() else { break };
            let exec = self.connections.get_mut(key).and_then(|connection| connection.deferred.take());
            // Who has gone meanwhile takes nobody's turn.
            if let Some(exec) = exec {
                starts += 1;
                self.exec(key, *exec, machine);
                // What it has asked for after that, and its answers.
                self.take_requests(key, machine);
                self.touch(key);
            }
        }
        self.starts = 0;
    }
}
