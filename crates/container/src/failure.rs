//! What went wrong, and the exit code that says so.

use std::fmt;

use sys::strerror::describe;

/// A failure in one line: what, on what, why, and a hint where one helps.
#[derive(Debug)]
pub struct Failure {
    text: String,
    hint: Option<String>,
    code: u8,
    kind: Kind,
}

/// Whose failure it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// The command line's.
    Usage,
    /// What was to be done.
    Deed,
}

/// The hint where nothing else is known of a command line.
const HELP: &str = "husk help run";

impl Failure {
    /// husk's own: exit code 125.
    pub fn ours(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None, code: 125, kind: Kind::Deed }
    }

    /// What another program of ours has said: the whole line, and the code that goes with it.
    pub fn told(text: impl Into<String>, code: u8) -> Self {
        Self::ours(text).with_code(code)
    }

    /// What the standard library says of a file, in the words of errno(3) alone.
    pub fn io(what: impl fmt::Display, error: &std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => {
                Self::ours(format!("{what}: {}", describe(sys::Errno::from_raw_os_error(number))))
            }
            None => Self::ours(format!("{what}: {error}")),
        }
    }

    /// A command line that makes no sense.
    pub fn usage(text: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, ..Self::ours(text).hint(Some(HELP)) }
    }

    /// The same, where a command line is at fault.
    #[must_use]
    pub fn into_usage(mut self) -> Self {
        self.kind = Kind::Usage;
        self
    }

    /// With an exit code of its own.
    #[must_use]
    pub const fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// The same of another verb than `run`: its help, and 1 or 2 in place of 125, which is for verbs that pass on
    /// the exit code of a command.
    #[must_use]
    pub fn of_verb(mut self, verb: &str) -> Self {
        let passes_on = matches!(verb, "run" | "exec" | "attach");
        // One that says more stays.
        if self.kind == Kind::Usage && self.hint.as_deref().is_none_or(|hint| hint == HELP) {
            self.hint = Some(format!("husk help {verb}").trim_end().to_owned());
        }
        if self.code == 125 && !passes_on {
            self.code = if self.kind == Kind::Usage { 2 } else { 1 };
        }
        self
    }

    /// With what may help.
    #[must_use]
    pub fn hint(self, hint: Option<impl Into<String>>) -> Self {
        Self { hint: hint.map(Into::into), ..self }
    }

    /// With what it happened on before it.
    #[must_use]
    pub fn on(self, what: impl fmt::Display) -> Self {
        Self { text: format!("{what}: {}", self.text), ..self }
    }

    /// The exit code.
    pub const fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names of files and arguments come from anywhere: they must not move the cursor or start a line.
        for character in self.text.chars() {
            match character.is_control() {
                true => write!(f, "{}", character.escape_default())?,
                false => write!(f, "{character}")?,
            }
        }
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " (hint: {hint})"))
    }
}

impl From<spawn::Error> for Failure {
    fn from(error: spawn::Error) -> Self {
        Self {
            text: error.to_string(),
            hint: error.hint().map(String::from),
            code: error.code(),
            kind: Kind::Deed,
        }
    }
}

impl From<oci::Error> for Failure {
    fn from(error: oci::Error) -> Self {
        Self::ours(error.to_string())
    }
}

impl From<cgroup::Error> for Failure {
    fn from(error: cgroup::Error) -> Self {
        let hint = error.hint();
        Self::ours(error.to_string()).hint(hint)
    }
}
