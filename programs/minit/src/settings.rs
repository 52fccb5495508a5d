//! All that the command line and the environment come to, before anything is done.

use core::ffi::CStr;

use plan::Limit;
use sys::exec::Argument;
use sys::machine::Ending;
use sys::privilege::Capabilities;
use sys::tally::Tally;

use crate::boot::Standing;
use crate::first::decide::{Leftovers, OnExit, OnStop, OnSuspend, Policy};

/// How many `--env` there can be. They live on the stack of the first process.
pub const MOST_CHANGES: usize = 64;
/// How many `--allow-uid` and how many `--allow-env` there can be.
pub const MOST_ALLOWED: usize = 16;
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
    pub const fn contains(&self, code: u8) -> bool {
        // Four words of 64 bits are 256 codes.
        self.0[code as usize / 64] >> (code % 64) & 1 == 1
    }

    /// The set as words.
    #[must_use]
    pub const fn words(self) -> [u64; 4] {
        self.0
    }

    /// A set from its words.
    #[must_use]
    pub const fn from_words(words: [u64; 4]) -> Self {
        Self(words)
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

/// Where the unix socket of the api is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Socket<'a> {
    /// At [`DEFAULT_SOCKET`].
    Default,
    /// At this path.
    At(&'a CStr),
    /// There is none.
    None,
}

/// Where clients find the api unless something else is said.
pub const DEFAULT_SOCKET: &CStr = c"/run/minit.sock";

/// How the api is reached, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Service<'a> {
    /// Whether there is to be one at all, if it can be reached.
    pub is_wanted: bool,
    /// Its unix socket.
    pub socket: Socket<'a>,
    /// Its vsock port.
    pub vsock: Option<u32>,
    /// Where it connects to by itself: context id and port.
    pub dial: Option<(u32, u32)>,
    /// A listening socket that was inherited.
    pub listen: Option<u16>,
    /// Users that may connect besides root and our own.
    pub users: [Option<u32>; MOST_ALLOWED],
    /// Variables that requests may set although they are refused by default.
    pub variables: [Option<&'a CStr>; MOST_ALLOWED],
}

impl Service<'_> {
    /// What there is under the names of programs that have no api.
    pub const NONE: Self = Self {
        is_wanted: false,
        socket: Socket::Default,
        vsock: None,
        dial: None,
        listen: None,
        users: [None; MOST_ALLOWED],
        variables: [None; MOST_ALLOWED],
    };

    /// Whether an api can be reached in any way.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        let elsewhere = self.vsock.is_some() || self.dial.is_some() || self.listen.is_some();
        self.is_wanted && (elsewhere || self.socket != Socket::None)
    }
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
    /// What was said about the end of the main command; the policy has what that comes to.
    pub on_exit: Option<OnExit>,
    /// The api.
    pub service: Service<'a>,
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
    /// What minit is to those around it.
    pub standing: Standing,
    /// What is done before it is started.
    pub boot: crate::boot::Wanted<'a>,
    /// A file of further words.
    pub config: Option<&'a CStr>,
    /// What is executed in place of a first process that has a defect.
    pub crash: Option<&'a CStr>,
    /// Limits of the main command's cgroup, in the words of its user: memory, processors, processes.
    pub limits: [Option<&'a CStr>; 3],
    /// The main command, with its end mark; empty where there is none.
    pub command: &'a [Argument<'a>],
    /// How many orphans the first process has reaped, where there is an api to ask.
    pub reaped: Tally,
}

impl<'a> Settings<'a> {
    /// What is done where nothing is said, under this name.
    #[must_use]
    pub fn new(name: &'a CStr) -> Self {
        let dialect = dialect(name);
        Self {
            dialect,
            name,
            policy: Policy {
                on_exit: OnExit::Exit,
                on_stop: OnStop::Shutdown,
                on_suspend: OnSuspend::Suspend,
                leftovers: Leftovers::Clear,
                grace: 10_000,
            },
            on_exit: None,
            service: Service {
                is_wanted: dialect == Dialect::Minit && cfg!(feature = "api"),
                ..Service::NONE
            },
            rewrites: Rewrites::none(),
            audience: Audience::Group,
            place: Place::SessionOrGroup,
            remapped: Codes::default(),
            same_signal: false,
            parent_death: None,
            subreaper: Subreaper::IfNotFirst,
            verbosity: 0,
            warn_of_reaped: false,
            identity: Identity::default(),
            changes: Changes { clear: false, set: [None; MOST_CHANGES] },
            standing: Standing::Beside,
            boot: crate::boot::Wanted::default(),
            config: None,
            crash: None,
            limits: [None; 3],
            command: &[],
            reaped: Tally::NONE,
        }
    }

    /// What follows from everything that was said.
    pub fn complete(&mut self, standing: Standing) {
        self.standing = standing;
        let default = match standing {
            Standing::Machine if !self.command.is_empty() => OnExit::Machine(Ending::PowerOff),
            // To stay is for the sake of clients.
            _ if self.service.is_reachable() => OnExit::Stay,
            _ => OnExit::Exit,
        };
        self.policy.on_exit = self.on_exit.unwrap_or(default);
        if self.service.is_reachable() {
            self.reaped = Tally::shared();
        }
    }
}

/// Who is called so; by the last part of the name.
#[must_use]
pub fn dialect(name: &CStr) -> Dialect {
    match name.to_bytes().rsplit(|byte| *byte == b'/').next() {
        Some(b"tini" | b"tini-static" | b"docker-init") => Dialect::Tini,
        Some(b"dumb-init") => Dialect::DumbInit,
        Some(b"catatonit" | b"podman-init") => Dialect::Catatonit,
        _ => Dialect::Minit,
    }
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

    #[test]
    fn the_name_decides_who_it_is() {
        for (name, expected) in [
            (c"tini", Dialect::Tini),
            (c"/usr/bin/tini-static", Dialect::Tini),
            (c"/sbin/docker-init", Dialect::Tini),
            (c"./dumb-init", Dialect::DumbInit),
            (c"catatonit", Dialect::Catatonit),
            (c"/run/podman-init", Dialect::Catatonit),
            (c"/sbin/init", Dialect::Minit),
            (c"", Dialect::Minit),
        ] {
            assert_eq!(dialect(name), expected, "{name:?}");
        }
    }
}
