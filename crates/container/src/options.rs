//! What is asked for of a container, whoever asks: a command line, or an instance's settings.

use std::ffi::OsString;

use cgroup::{Cpus, Cpuset, Memory, Pids, Weight};
use oci::profile::{Confinement, Network};
use oci::spec::{Mount, Rlimit};

/// What a container is to be.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The command and its arguments.
    pub command: Vec<OsString>,
    /// The limit on memory, and how it was written.
    pub memory: Option<(Memory, String)>,
    /// The limit on processor time.
    pub cpus: Option<Cpus>,
    /// The limit on processes and threads.
    pub pids: Option<Pids>,
    /// The processors that it may run on.
    pub cpuset: Option<Cpuset>,
    /// Its share of the disks.
    pub io_weight: Option<Weight>,
    /// Whether its root file system can be written to.
    pub writable: Writable,
    /// Mounts, beside or in place of the default ones.
    pub mounts: Vec<Mount>,
    /// Variables, `NAME=VALUE`.
    pub env: Vec<OsString>,
    /// Who the command runs as: `USER[:GROUP]`.
    pub user: Option<String>,
    /// Where the command begins; absolute.
    pub workdir: Option<String>,
    /// What it is called.
    pub hostname: Option<String>,
    /// Whose network it has.
    pub network: Option<Network>,
    /// In order: the capability, and whether it is added or dropped.
    pub capabilities: Vec<(Change, String)>,
    /// The system call filter: `default`, `unconfined`, or a file.
    pub seccomp: Option<OsString>,
    /// How much it is kept from.
    pub confinement: Option<Confinement>,
    /// Devices: (path of the host, path in the container).
    pub devices: Vec<(String, String)>,
    /// Resource limits.
    pub rlimits: Vec<Rlimit>,
}

/// Whether the root file system can be written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Writable {
    /// It can.
    #[default]
    Yes,
    /// It cannot.
    No,
}

/// Adding or dropping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// One more.
    Add,
    /// One less.
    Drop,
}
