//! `linux` of a configuration, resources apart.

#[cfg(feature = "json")]
use serde::Deserialize;

use super::{IdMapping, Resources, Unsupported};

/// What is Linux's own.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct Linux {
    /// Devices besides the default ones.
    pub devices: Vec<Device>,
    /// Network devices moved into the container.
    pub net_devices: Option<Unsupported>,
    /// Map of the user namespace.
    pub uid_mappings: Vec<IdMapping>,
    /// Map of the user namespace.
    pub gid_mappings: Vec<IdMapping>,
    /// Kernel parameters that belong to a namespace, dotted names.
    pub sysctl: std::collections::BTreeMap<String, String>,
    /// Limits.
    pub resources: Option<Resources>,
    /// Where its cgroup is.
    pub cgroups_path: String,
    /// Namespaces, new and joined.
    pub namespaces: Vec<Namespace>,
    /// System call filter.
    pub seccomp: Option<Seccomp>,
    /// Propagation of `/`.
    pub rootfs_propagation: String,
    /// Paths that are hidden.
    pub masked_paths: Vec<String>,
    /// Paths that cannot be written to.
    pub readonly_paths: Vec<String>,
    /// SELinux label of the mounts.
    pub mount_label: String,
    /// Cache and bandwidth allocation.
    pub intel_rdt: Option<Unsupported>,
    /// NUMA policy.
    pub memory_policy: Option<Unsupported>,
    /// Execution domain.
    pub personality: Option<Unsupported>,
    /// Clock offsets of a time namespace.
    pub time_offsets: Option<Unsupported>,
}

/// One namespace.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(default))]
pub struct Namespace {
    /// `mount`, `pid`, `network`, `ipc`, `uts`, `user`, `cgroup`, `time`
    #[cfg_attr(feature = "json", serde(rename = "type"))]
    pub kind: String,
    /// The one to join; empty: a new one.
    pub path: String,
}

/// One device node.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct Device {
    /// Where, absolute in the container.
    pub path: String,
    /// `c`, `b`, `u`, `p`
    #[cfg_attr(feature = "json", serde(rename = "type"))]
    pub kind: String,
    /// Major number.
    pub major: i64,
    /// Minor number.
    pub minor: i64,
    /// Permission bits.
    pub file_mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
}

/// System call filter (seccomp(2)).
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct Seccomp {
    /// For what no rule matches.
    pub default_action: String,
    /// Errno of the default action.
    pub default_errno_ret: Option<u32>,
    /// `SCMP_ARCH_…`
    pub architectures: Vec<String>,
    /// `SECCOMP_FILTER_FLAG_…`
    pub flags: Vec<String>,
    /// Socket of a supervisor.
    pub listener_path: String,
    /// What it is told.
    pub listener_metadata: String,
    /// Rules.
    pub syscalls: Vec<SyscallRule>,
}

/// One rule of a filter.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct SyscallRule {
    /// System calls.
    pub names: Vec<String>,
    /// `SCMP_ACT_…`
    pub action: String,
    /// Errno of the action.
    pub errno_ret: Option<u32>,
    /// All of them must hold.
    pub args: Vec<SyscallArgument>,
}

/// One condition on an argument.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct SyscallArgument {
    /// Which argument, from 0.
    pub index: u32,
    /// Compared with this.
    pub value: u64,
    /// Of a masked comparison: compared with this after masking.
    pub value_two: u64,
    /// `SCMP_CMP_…`
    pub op: String,
}

#[cfg(feature = "json")]
impl Seccomp {
    /// Reads a filter in the form that `linux.seccomp` has.
    ///
    /// # Errors
    /// What is wrong with it, with line and column.
    pub fn from_json(text: &[u8]) -> Result<Self, serde_json::Error> {
        super::from_json(text)
    }
}
