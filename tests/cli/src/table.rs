//! A table of bad inputs: each is one line that says what, on what and why, and leaves nothing behind.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Remains, Scratch, husk, run};

/// The words after `husk`, the exit code, and what the one line must have in it.
///
/// In a word `{R}` stands for the root file system and `{S}` for the scratch directory.
pub type Row<'r> = (&'r [&'r str], i32, &'r [&'r str]);

/// Where the rows are tried.
#[derive(Debug)]
pub struct Table {
    /// The directory that goes away.
    pub scratch: Scratch,
    /// A root file system that has all it needs.
    pub root: PathBuf,
}

impl Table {
    /// Tries all rows.
    ///
    /// # Panics
    /// With every row that is not as it says.
    pub fn check(&self, rows: &[Row<'_>]) {
        let wrong: Vec<String> = rows
            .iter()
            .filter_map(|(words, code, parts)| {
                let words = words.iter().map(|word| self.fill(OsStr::new(word)));
                self.refuses(husk().args(words), *code, parts).err()
            })
            .collect();
        assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    }

    /// Replaces `{R}` and `{S}`.
    pub fn fill(&self, word: &OsStr) -> OsString {
        let mut bytes = word.as_bytes().to_vec();
        for (mark, path) in [(b"{R}", self.root.as_path()), (b"{S}", self.scratch.path())] {
            while let Some(at) = bytes.windows(3).position(|window| window == mark) {
                bytes.splice(at..at + 3, path.as_os_str().as_bytes().iter().copied());
            }
        }
        OsString::from_vec(bytes)
    }

    /// Runs a command that must be refused.
    ///
    /// # Errors
    /// What is not as it should be, and the command.
    pub fn refuses(&self, command: &mut Command, code: i32, parts: &[&str]) -> Result<(), String> {
        command.env(Remains::MARK, self.scratch.path());
        let before = Remains::of(&self.scratch);
        let ended = run(command);
        let after = Remains::of(&self.scratch);
        let err = ended.err();
        let mut wrong = Vec::new();
        if ended.code() != code {
            wrong.push(format!("exit code {} and not {code}", ended.code()));
        }
        if !ended.stdout.is_empty() {
            wrong.push(format!("said on standard output {:?}", ended.out()));
        }
        if !err.starts_with("husk: ") || !err.ends_with('\n') || err.lines().count() != 1 {
            wrong.push(String::from("not one line of husk's"));
        }
        if err.len() > 8000 || err.trim_end().chars().any(char::is_control) {
            wrong.push(String::from("too long, or with control characters"));
        }
        for part in parts {
            let part = self.fill(OsStr::new(part)).to_string_lossy().into_owned();
            if !err.contains(&part) {
                wrong.push(format!("does not say {part:?}"));
            }
        }
        if before != after {
            wrong.push(format!("left behind: {}", difference(&before, &after)));
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(format!("{}: {}\n    {}", shown(command), wrong.join("; "), err.trim_end())),
        }
    }

    /// A path in the scratch directory.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.scratch.join(name)
    }
}

fn difference(before: &Remains, after: &Remains) -> String {
    let (before, after) = (format!("{before:#?}"), format!("{after:#?}"));
    let new: Vec<&str> = after.lines().filter(|line| !before.contains(line)).map(str::trim).collect();
    let gone: Vec<&str> = before.lines().filter(|line| !after.contains(line)).map(str::trim).collect();
    format!("{new:?}, gone {gone:?}")
}

fn shown(command: &Command) -> String {
    let text = format!("{command:?}");
    text.chars().take(300).collect()
}
