//! The control console: what the crate `console` asks of the daemon.

use std::sync::Arc;

use crate::daemon::Daemon;

/// The console, as long as the daemon runs.
pub struct Screen;

impl Screen {
    /// Ends it: what it has frozen goes on.
    pub fn stop(self) {}
}

/// Starts it, where it is wanted.
pub fn start(_daemon: &Arc<Daemon>) -> Screen {
    Screen
}

impl Daemon {
    /// The console is left, if it is up: somebody wants to see an instance.
    pub fn leave_console(&self) {}
}
