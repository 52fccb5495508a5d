//! All that the command line and the environment come to, before anything is done.

use core::ffi::CStr;

use plan::Limit;
use sys::exec::Argument;
use sys::privilege::Capabilities;

use crate::decide::Policy;

/// How many `--env` there can be. They live on the stack of the first process.
pub const MOST_CHANGES: usize = 64;
/// How many `--rlimit` there can be: one for each limit.
pub const MOST_LIMITS: usize = 16;

/// The command line was answered, with a text that was asked for or with why it is not obeyed: nothing is to be
/// started, and this is the exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answered(pub u8);

/// Which program it is, by the name that it was called by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// Itself.
    Minit,
    /// tini, docker-init
    Tini,
    /// dumb-init
    DumbInit,
    /// catatonit, podman-init
    Catatonit,
}

/// Whom signals are passed on to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// The main command's process group.
    Group,
    /// The main command alone.
    Process,
}

/// Where the main command is put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A session of its own, with the terminal if it was ours.
    Session,
    /// A session of its own if the terminal of ours goes with it; else a group of its own, in the foreground if
    /// ours was. To signals the group is as exact, and a session costs a third of a millisecond: with it the
    /// scheduler makes a group too (CONFIG_SCHED_AUTOGROUP).
    SessionOrGroup,
    /// A process group of its own, in the foreground if ours was.
    Group,
    /// Our own group.
    Same,
}

/// Whether orphans of the main command fall to us although we are not the first process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subreaper {
    /// No.
    No,
    /// They do.
    Yes,
    /// They do, unless we are the first process, to which they fall anyway.
    IfNotFirst,
}

/// What signals become on their way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rewrites([u8; 65]);

impl Rewrites {
    /// Each stays what it is.
    #[must_use]
    pub fn none() -> Self {
        Self([u8::MAX; 65])
    }

    /// Signal `from` becomes `to`; 0 is none.
    pub fn set(&mut self, from: i32, to: i32) {
        if let (Ok(from), Ok(to)) = (usize::try_from(from), u8::try_from(to))
            && let Some(place) = self.0.get_mut(from)
        {
            *place = to;
        }
    }

    /// The same, unless something else was said of `from`.
    pub fn set_if_unset(&mut self, from: i32, to: i32) {
        if self.get(from).is_none() {
            self.set(from, to);
        }
    }

    /// What `from` was said to become; `None` where nothing was.
    #[must_use]
    pub fn get(&self, from: i32) -> Option<i32> {
        let to = usize::try_from(from).ok().and_then(|from| self.0.get(from))?;
        (*to != u8::MAX).then_some(i32::from(*to))
    }

    /// What `from` becomes; `None` where it is dropped.
    #[must_use]
    pub fn apply(&self, from: i32) -> Option<i32> {
        match self.get(from) {
            Some(0) => None,
            Some(to) => Some(to),
            None => Some(from),
        }
    }
}

/// A set of exit codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Codes([u64; 4]);

impl Codes {
    /// Adds one.
    pub fn add(&mut self, code: u8) {
        if let Some(word) = self.0.get_mut(usize::from(code / 64)) {
            *word |= 1 << (code % 64);
        }
    }

    /// Whether it is in the set.
    #[must_use]
    pub fn contains(&self, code: u8) -> bool {
        self.0.get(usize::from(code / 64)).is_some_and(|word| word >> (code % 64) & 1 == 1)
    }
}

/// What the main command is to be, besides its arguments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity<'a> {
    /// User, by name or number.
    pub user: Option<&'a CStr>,
    /// Group, by name or number.
    pub group: Option<&'a CStr>,
    /// Supplementary groups, comma-separated.
    pub groups: Option<&'a CStr>,
    /// Ambient capabilities.
    pub ambient: Option<Capabilities>,
    /// All that the bounding set keeps.
    pub bounding: Option<Capabilities>,
    /// PR_SET_NO_NEW_PRIVS
    pub no_new_privileges: bool,
    /// Limits.
    pub limits: [Option<Limit>; MOST_LIMITS],
    /// File mode mask.
    pub umask: Option<u32>,
    /// Nice value.
    pub nice: Option<i32>,
    /// What is written to oom_score_adj.
    pub oom_score: Option<&'a CStr>,
    /// Working directory.
    pub directory: Option<&'a CStr>,
}

/// The environment of the main command: ours, changed.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'a> {
    /// Whether ours is left out.
    pub clear: bool,
    /// `NAME=VALUE`
    pub set: [Option<&'a CStr>; MOST_CHANGES],
}

/// Everything.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// Which program it is.
    pub dialect: Dialect,
    /// What it was called.
    pub name: &'a CStr,
    /// What it does.
    pub policy: Policy,
    /// What signals become.
    pub rewrites: Rewrites,
    /// Whom they go to.
    pub audience: Audience,
    /// Where the main command is put.
    pub place: Place,
    /// Exit codes that become 0.
    pub remapped: Codes,
    /// Whether it dies of the signal that the main command died of.
    pub same_signal: bool,
    /// Signal that we get when our parent ends.
    pub parent_death: Option<i32>,
    /// Whether orphans fall to us.
    pub subreaper: Subreaper,
    /// How much is told: 0 nothing but errors.
    pub verbosity: i64,
    /// Whether a reaped orphan is told of.
    pub warn_of_reaped: bool,
    /// What the main command is to be.
    pub identity: Identity<'a>,
    /// Its environment.
    pub changes: Changes<'a>,
    /// The main command, with its end mark; empty where there is none.
    pub command: &'a [Argument<'a>],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_rewritten_dropped_or_left() {
        let mut rewrites = Rewrites::none();
        rewrites.set(15, 3);
        rewrites.set(2, 0);
        rewrites.set_if_unset(15, 9);
        rewrites.set(99, 1);
        assert_eq!([15, 2, 1, 64].map(|from| rewrites.apply(from)), [Some(3), None, Some(1), Some(64)]);
    }

    #[test]
    fn codes_are_a_set() {
        let mut codes = Codes::default();
        codes.add(0);
        codes.add(255);
        assert_eq!([0, 1, 64, 254, 255].map(|code| codes.contains(code)), [true, false, false, false, true]);
    }
}
