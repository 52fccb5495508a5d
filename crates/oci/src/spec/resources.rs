//! `linux.resources` of a configuration.

use std::collections::BTreeMap;

#[cfg(feature = "json")]
use serde::Deserialize;

use super::Unsupported;

/// Limits, in the terms of cgroup v1 that the specification has kept; -1 is unlimited.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct Resources {
    /// Device access rules.
    pub devices: Vec<DeviceRule>,
    /// Memory.
    pub memory: Option<MemoryLimits>,
    /// CPU.
    pub cpu: Option<CpuLimits>,
    /// Number of processes and threads.
    pub pids: Option<PidsLimit>,
    /// Block devices.
    #[cfg_attr(feature = "json", serde(rename = "blockIO"))]
    pub block_io: Option<BlockIo>,
    /// Huge pages.
    pub hugepage_limits: Vec<Unsupported>,
    /// cgroup v1 only.
    pub network: Option<Unsupported>,
    /// RDMA.
    pub rdma: BTreeMap<String, Unsupported>,
    /// cgroup v2 files and their values.
    pub unified: BTreeMap<String, String>,
}

/// One device access rule.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct DeviceRule {
    /// Allowed or denied.
    pub allow: bool,
    /// `a`, `c`, `b`; empty is `a`.
    #[cfg_attr(feature = "json", serde(rename = "type"))]
    pub kind: String,
    /// Major number; absent or -1: any.
    pub major: Option<i64>,
    /// Minor number; absent or -1: any.
    pub minor: Option<i64>,
    /// Of `r`, `w`, `m`.
    pub access: String,
}

/// Memory, bytes.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct MemoryLimits {
    /// memory.max
    pub limit: Option<i64>,
    /// memory.low
    pub reservation: Option<i64>,
    /// Memory and swap together.
    pub swap: Option<i64>,
    /// cgroup v1 only.
    pub kernel: Option<Unsupported>,
    /// cgroup v1 only.
    #[cfg_attr(feature = "json", serde(rename = "kernelTCP"))]
    pub kernel_tcp: Option<Unsupported>,
    /// cgroup v1 only.
    pub swappiness: Option<Unsupported>,
    /// cgroup v1 only.
    #[cfg_attr(feature = "json", serde(rename = "disableOOMKiller"))]
    pub disable_oom_killer: bool,
    /// cgroup v1 only.
    pub use_hierarchy: Option<bool>,
    /// Refuse a limit below current usage.
    pub check_before_update: Option<bool>,
}

/// CPU time.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct CpuLimits {
    /// Weight of cgroup v1, 2 to 262144.
    pub shares: Option<u64>,
    /// Microseconds in each period.
    pub quota: Option<i64>,
    /// Microseconds saved up.
    pub burst: Option<u64>,
    /// Microseconds.
    pub period: Option<u64>,
    /// Real-time scheduling.
    pub realtime_runtime: Option<Unsupported>,
    /// Real-time scheduling.
    pub realtime_period: Option<Unsupported>,
    /// CPUs, as a list.
    pub cpus: String,
    /// Memory nodes, as a list.
    pub mems: String,
    /// SCHED_IDLE for the group.
    pub idle: Option<i64>,
}

/// Number of processes and threads.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct PidsLimit {
    /// pids.max; 0 or less is unlimited.
    pub limit: Option<i64>,
}

/// Block devices.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct BlockIo {
    /// Weight, 10 to 1000 in terms of cgroup v1.
    pub weight: Option<u16>,
    /// cgroup v1 only.
    pub leaf_weight: Option<u16>,
    /// Weights by device.
    pub weight_device: Vec<Unsupported>,
    /// Bytes read per second.
    pub throttle_read_bps_device: Vec<Throttle>,
    /// Bytes written per second.
    pub throttle_write_bps_device: Vec<Throttle>,
    /// Reads per second.
    #[cfg_attr(feature = "json", serde(rename = "throttleReadIOPSDevice"))]
    pub throttle_read_iops_device: Vec<Throttle>,
    /// Writes per second.
    #[cfg_attr(feature = "json", serde(rename = "throttleWriteIOPSDevice"))]
    pub throttle_write_iops_device: Vec<Throttle>,
}

/// A rate of one device.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct Throttle {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Per second.
    pub rate: u64,
}
