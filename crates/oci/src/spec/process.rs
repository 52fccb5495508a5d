//! `process` of a configuration.

use std::ffi::OsString;

#[cfg(feature = "json")]
use serde::Deserialize;

use super::Unsupported;

/// What is run, and as whom.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct Process {
    /// Whether it gets a terminal.
    pub terminal: bool,
    /// The terminal's size.
    pub console_size: Option<ConsoleSize>,
    /// Working directory, absolute.
    pub cwd: String,
    /// Environment, `NAME=value`.
    #[cfg_attr(feature = "json", serde(deserialize_with = "texts"))]
    pub env: Vec<OsString>,
    /// The command. Arguments of a command line need not be UTF-8; those of a file are.
    #[cfg_attr(feature = "json", serde(deserialize_with = "texts"))]
    pub args: Vec<OsString>,
    /// Windows only.
    pub command_line: String,
    /// Resource limits.
    pub rlimits: Vec<Rlimit>,
    /// AppArmor profile.
    pub apparmor_profile: String,
    /// Capability sets; absent: none at all.
    pub capabilities: Option<CapabilityNames>,
    /// PR_SET_NO_NEW_PRIVS
    pub no_new_privileges: bool,
    /// oom_score_adj of proc(5)
    pub oom_score_adj: Option<i32>,
    /// SELinux label.
    pub selinux_label: String,
    /// Scheduling policy.
    pub scheduler: Option<Unsupported>,
    /// I/O priority.
    pub io_priority: Option<Unsupported>,
    /// CPU affinity of an exec.
    #[cfg_attr(feature = "json", serde(rename = "execCPUAffinity"))]
    pub exec_cpu_affinity: Option<Unsupported>,
    /// Who it is.
    pub user: User,
}

/// Rows and columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(default))]
pub struct ConsoleSize {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// User and groups, by number.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// File mode creation mask.
    pub umask: Option<u32>,
    /// Supplementary groups.
    pub additional_gids: Vec<u32>,
    /// Windows only.
    pub username: String,
}

/// One resource limit.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(default))]
pub struct Rlimit {
    /// `RLIMIT_…`
    #[cfg_attr(feature = "json", serde(rename = "type"))]
    pub kind: String,
    /// Hard limit; 2^64-1 is unlimited.
    pub hard: u64,
    /// Soft limit; 2^64-1 is unlimited.
    pub soft: u64,
}

/// The five sets, by the names of capabilities(7).
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(default))]
pub struct CapabilityNames {
    /// Bounding set.
    pub bounding: Vec<String>,
    /// Effective set.
    pub effective: Vec<String>,
    /// Inheritable set.
    pub inheritable: Vec<String>,
    /// Permitted set.
    pub permitted: Vec<String>,
    /// Ambient set.
    pub ambient: Vec<String>,
}

#[cfg(feature = "json")]
fn texts<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<OsString>, D::Error> {
    let texts = Option::<Vec<String>>::deserialize(deserializer)?;
    Ok(texts.unwrap_or_default().into_iter().map(OsString::from).collect())
}
