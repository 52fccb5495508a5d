//! Standing still: cgroup.freeze.
use crate::deadline::Deadline;
use crate::error::Error;
use crate::events::State;
use crate::group::Group;
use core::time::Duration;

/// The file that stops and continues a group.
pub(crate) const FREEZE: &str = "cgroup.freeze";

impl Group {
    /// Stops every process in the group and below, and waits until all of them stand still.
    ///
    /// # Errors
    /// [`Error`] of action `Wait` with ETIMEDOUT when some process does not stop within `patience`: it sleeps
    /// uninterruptibly. The group stays as asked for then, and [`Group::thaw`] takes it back.
    pub fn freeze(&self, patience: Duration) -> Result<(), Error> {
        self.write(FREEZE, "1")?;
        self.wait(State::FROZEN, Deadline::after(patience))
    }

    /// Lets every process run again, and waits until they do.
    ///
    /// # Errors
    /// [`Error`] of action `Wait` with ETIMEDOUT when a group above is frozen and keeps this one so.
    pub fn thaw(&self, patience: Duration) -> Result<(), Error> {
        self.write(FREEZE, "0")?;
        self.wait(State::THAWED, Deadline::after(patience))
    }
}
