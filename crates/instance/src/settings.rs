//! What an instance is made with, and keeps.

use serde::{Deserialize, Serialize};

/// What an instance is made with. Values are kept as they were written (`512m`, `nofile=1024`): who makes the
/// container parses them, with the same parsers as `husk run ROOTFS`, and so does who accepts them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The command; empty: what the image says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Variables, `NAME=VALUE`, over those of the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// `USER[:GROUP]`, in place of the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Working directory, in place of the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// Host name; none: the instance's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Which network it has.
    pub net: Network,
    /// Ports of the host that lead into a private network: `[ADDRESS:]HOST:CONTAINER[/udp]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<String>,
    /// Most memory, as `512m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Most processor time in processors, as `0.5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<String>,
    /// Most processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<String>,
    /// Processors it may run on, as `0-3,5`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset: Option<String>,
    /// Share of the disks, 1 to 10000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_weight: Option<String>,
    /// Devices of the host, `SRC[:DST]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device: Vec<String>,
    /// Files and directories of the host, `SRC:DST[:OPTIONS]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bind: Vec<String>,
    /// Empty file systems in memory, `DST[:OPTIONS]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tmpfs: Vec<String>,
    /// Capabilities more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<String>,
    /// Capabilities less.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_drop: Vec<String>,
    /// System call filter: `default`, `unconfined`, or a file of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<String>,
    /// Resource limits, `NAME=SOFT[:HARD]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rlimit: Vec<String>,
    /// Whether the root file system can be written to.
    pub writable: Writable,
    /// Its first process.
    pub init: Init,
    /// Whether its first process has a terminal.
    pub terminal: Terminal,
    /// How much it is kept from.
    pub profile: Profile,
    /// When it is started again by itself.
    pub restart: Restart,
    /// The signal that asks it to stop; none: the image's, else what its
    /// first process takes for that: TERM, but to systemd and busybox's init.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// How long it has to stop, in milliseconds; none: 10,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<u64>,
}

/// Which network an instance has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The host's.
    #[default]
    Host,
    /// Its own, with nothing but `lo` in it.
    None,
    /// Its own, with a way out by NAT and an address that other instances reach.
    Private,
}

/// Whether the root file system can be written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Writable {
    /// It can.
    #[default]
    Yes,
    /// It cannot.
    No,
}

/// What the first process of an instance is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// The command.
    #[default]
    Command,
    /// minit, which starts the command, reaps and forwards signals.
    Minit,
}

/// Whether the first process has a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Terminal {
    /// Three pipes.
    #[default]
    None,
    /// A terminal.
    Own,
}

/// How much an instance is kept from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Docker's default capabilities, filter and masked paths, no_new_privs, its own namespaces.
    #[default]
    Default,
    /// All capabilities and devices, no filter; the host's network, ipc and uts. For images with an init of their own.
    Unrestricted,
    /// A user namespace.
    Rootless,
}

/// When an instance is started again by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// When it has ended with another code than 0: at most so many times in a row (0: no limit).
    OnFailure(u32),
    /// Whenever it has ended by itself, and when the daemon starts.
    Always,
    /// As always, but not when the daemon starts if somebody had stopped it.
    UnlessStopped,
}
