//! An instance that is removed at its end, and who has made it: as long as that connection is open the instance stays, so
//! that it can be asked how it ended and what it wrote.

use std::sync::Arc;

use crate::daemon::Daemon;
use crate::effects::remove_at_end;
use crate::seat::Seat;

/// Keeps an instance there, whether it has ended or not.
pub struct Hold {
    daemon: Arc<Daemon>,
    seat: Arc<Seat>,
}

impl Hold {
    /// From here on.
    pub fn new(daemon: &Arc<Daemon>, seat: Arc<Seat>) -> Self {
        seat.hold();
        Self { daemon: daemon.clone(), seat }
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_tuple("Hold").field(self.seat.name()).finish()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Before the turn is taken: who ends the instance looks at it with the turn in hand, and one of us comes last.
        self.seat.let_go();
        if let Some(turn) = self.seat.take_at_last() {
            remove_at_end(&self.daemon, &turn);
        }
    }
}
