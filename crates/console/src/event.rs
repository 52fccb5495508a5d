//! What the console asks of the program that embeds it, and tells it.

use sys::vt::Number;

use crate::Error;

/// The program that embeds the console: it knows what runs on this machine. All of it is called in the thread that
/// [`Console::run`](crate::Console::run) was called in, which does not look at keyboards meanwhile.
pub trait Instances {
    /// Freezes what holds the screen; returns the names, for the person at the console and for
    /// [`Instances::thaw`].
    ///
    /// # Errors
    /// A line that says what could not be frozen. What was frozen already has been thawed then: the console is not
    /// opened, and does not call `thaw`.
    fn freeze(&mut self) -> Result<Vec<String>, String>;

    /// Thaws what [`Instances::freeze`] has frozen. Some of it may be gone, or thawed, by now.
    ///
    /// # Errors
    /// A line that says what stays frozen. The console is left all the same.
    fn thaw(&mut self, names: &[String]) -> Result<(), String>;

    /// Something has happened that a log should tell.
    fn tell(&mut self, event: &Event);
}

/// What has happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// This keyboard (`event3`) is watched from now on.
    Plugged(String),
    /// This one is gone.
    Unplugged(String),
    /// The console is up.
    Opened {
        /// Where.
        terminal: Number,
        /// What was shown before.
        before: Number,
        /// What is frozen meanwhile.
        frozen: Vec<String>,
    },
    /// It has been left, and everything is as it was before.
    Left {
        /// What is shown now.
        terminal: Number,
    },
    /// Something did not work out; what was done on the way to it has been undone.
    Trouble(Error),
}
