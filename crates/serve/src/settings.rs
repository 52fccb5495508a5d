//! What a server is told when it starts.

use alloc::string::String;
use alloc::vec::Vec;

use cgroup::Parent;
use sys::fd::OwnedFd;
use sys::process::{Pid, Rlimit};
use wire::Words;

/// What a server is told when it starts.
#[derive(Debug)]
pub struct Settings {
    /// What `pong` says.
    pub version: String,
    /// The process that the server speaks for, and when that started on the monotonic clock: what `pong` says too,
    /// where it is not the server itself.
    pub speaks_for: Option<(Pid, u64)>,
    /// The variables that every command gets unless its request replaces them, as `NAME=VALUE`.
    pub environment: Words,
    /// Users that may connect, besides root and the server's own.
    pub allowed_users: Vec<u32>,
    /// Variables that requests may set although they are refused by default.
    pub allowed_variables: Vec<String>,
    /// A machine and a port of it to which the server connects by itself, and again when that connection has ended
    /// (vsock(7)).
    pub dial: Option<(u32, u32)>,
    /// The cgroup in which every command gets one of its own, where there is cgroup v2.
    pub groups: Option<Parent>,
    /// Where there is none: why, in words.
    pub no_groups: String,
    /// Who reaps the orphans that commands leave behind.
    pub orphans: Orphans,
    /// A file without a name (memfd_create(2)) in which running commands are noted. Where somebody keeps it, and
    /// gives it to the next server, that one knows them.
    pub journal: Option<OwnedFd>,
    /// The limit on descriptors that commands get unless their request says another (RLIMIT_NOFILE), where it is
    /// not the server's own.
    pub nofile: Option<Rlimit>,
}

/// Who reaps the orphans that commands leave behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Orphans {
    /// The server: it becomes a subreaper (PR_SET_CHILD_SUBREAPER), which is also how it finds all of a
    /// command's tree where there is no cgroup.
    Ours,
    /// Somebody above.
    Others,
    /// The main command that the server adopts, which is the first process of the pid namespace that all commands are
    /// started in.
    Main,
}

/// Variables that a command has whatever the server has.
const DEFAULTS: [(&[u8], &[u8]); 3] =
    [(b"PATH", crate::start::DEFAULT_PATH), (b"HOME", b"/"), (b"TERM", b"xterm")];

impl Settings {
    /// The environment with PATH, HOME and TERM in it.
    pub(crate) fn complete(&mut self) {
        for (name, value) in DEFAULTS {
            let has = self.environment.iter().any(|word| {
                word.to_bytes().strip_prefix(name).is_some_and(|rest| rest.first() == Some(&b'='))
            });
            if !has {
                // Neither part has a NUL in it.
                let _ = self.environment.push(&[name, b"=", value]);
            }
        }
    }
}
