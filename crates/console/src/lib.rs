//! The control console: a chord of keys, on whichever keyboard, brings a root shell on a virtual terminal of its own,
//! whatever else holds the screen.
//!
//! [`Console::run`] waits in one poll(2) for keyboards, for the end of the shell and for its [`Handle`]. When the
//! chord is pressed it
//!
//! 1. takes the terminal from whoever has it open and shows it, so that nothing switches away from it,
//! 2. has the embedding program freeze what holds the screen ([`Instances::freeze`]),
//! 3. starts the shell there.
//!
//! The screen comes before the freezing: a display server is asked to let go of it, and a frozen one could not answer.
//! When the shell ends, or [`Handle::leave`] is called, the shell's session is ended, the instances are thawed, and the
//! terminal from before is shown again. Where anything goes wrong on the way, what has been done is undone, and one
//! [`Event::Trouble`] says what it was; the console watches on. While it is up, the chord does nothing.
//!
//! # What outlives the shell
//! All processes of its session are hung up, and killed when they do not end within a second. A process that has made
//! a session of its own lives on, as a daemon should, but has lost the terminal: its descriptors are of no use any
//! more. Nobody of these is a child of the embedding program, so that none can become its zombie, unless that program
//! adopts orphans itself (it is process 1, or a subreaper) and does not wait for them.
//!
//! # What outlives the embedding program
//! Killed while the console is up, it leaves the shell, and what was frozen: whoever sits there can mend things, and can
//! switch to other terminals again. The next program takes the terminal over when the chord is pressed.
//!
//! # Who may
//! Whoever can press the keys is root, without a password: the console is for machines whose keyboard is locked away
//! or whose user is their owner.

mod chord;
mod console;
mod error;
mod event;
mod hangup;
mod keyboard;
mod screen;
mod settings;
mod shell;
mod watch;

pub use chord::Chord;
pub use console::{Console, Handle};
pub use error::Error;
pub use event::{Event, Instances};
pub use keyboard::{Answer, Device, Keyboards};
pub use settings::Settings;
pub use sys::vt::Number;
