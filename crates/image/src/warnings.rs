//! What was left out, for the user to know.

/// How many are kept in words: an archive may give cause for millions.
const KEPT: usize = 100;

/// What was left out of an image, one line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    lines: Vec<String>,
    more: u64,
}

impl Warnings {
    /// One more.
    pub(crate) fn push(&mut self, line: impl FnOnce() -> String) {
        if self.lines.len() < KEPT {
            self.lines.push(line());
        } else {
            self.more += 1;
        }
    }

    /// All of another list.
    pub(crate) fn append(&mut self, other: Self) {
        other.lines.into_iter().for_each(|line| self.push(|| line));
        self.more += other.more;
    }

    /// The first of them.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// How many there are beyond those.
    #[must_use]
    pub fn more(&self) -> u64 {
        self.more
    }
}
