//! What can be chosen.

use std::ffi::CString;

use sys::vt::Number;

use crate::Chord;

/// What can be chosen about a console.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The keys that bring it.
    pub chord: Chord,
    /// The virtual terminal that it is on. Nothing else may use it.
    pub terminal: Number,
    /// The path of the shell, which becomes a login shell.
    pub shell: CString,
}

/// Ctrl+Alt+J, terminal 63, /bin/sh.
impl Default for Settings {
    fn default() -> Self {
        Self { chord: Chord::DEFAULT, terminal: Number::LAST, shell: c"/bin/sh".to_owned() }
    }
}
