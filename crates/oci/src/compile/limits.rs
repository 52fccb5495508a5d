//! `linux.resources`, in the terms of cgroup v2.

use cgroup::{Cpus, Cpuset, Device, IoMax, Key, Limits, Memory, Pids, Weight};

use crate::Error;
use crate::spec::{BlockIo, CpuLimits, MemoryLimits, Resources, Throttle};

const FIELD: &str = "linux.resources";

/// The limits of a group.
pub fn limits(resources: Option<&Resources>) -> Result<Limits, Error> {
    let mut limits = Limits::default();
    let Some(resources) = resources else { return Ok(limits) };
    check(resources)?;
    if let Some(memory) = &resources.memory {
        set_memory(memory, &mut limits)?;
    }
    if let Some(cpu) = &resources.cpu {
        set_cpu(cpu, &mut limits)?;
    }
    if let Some(limit) = resources.pids.as_ref().and_then(|pids| pids.limit) {
        limits.pids_max = Some(match u32::try_from(limit) {
            Ok(count) if count > 0 => Pids::Count(count),
            // 0 and less is unlimited, and so is what no kernel could reach.
            _ => Pids::Max,
        });
    }
    if let Some(io) = &resources.block_io {
        set_io(io, &mut limits)?;
    }
    for (key, value) in &resources.unified {
        let key = Key::new(key).map_err(|error| Error::new(format!("{FIELD}.unified"), error.to_string()))?;
        limits.unified.push((key, value.clone()));
    }
    Ok(limits)
}

fn check(resources: &Resources) -> Result<(), Error> {
    let memory = resources.memory.as_ref();
    let cpu = resources.cpu.as_ref();
    let used = [
        ("devices", !resources.devices.is_empty()),
        ("hugepageLimits", !resources.hugepage_limits.is_empty()),
        ("network", resources.network.is_some()),
        ("rdma", !resources.rdma.is_empty()),
        ("memory.kernel", memory.is_some_and(|memory| memory.kernel.is_some())),
        ("memory.kernelTCP", memory.is_some_and(|memory| memory.kernel_tcp.is_some())),
        ("memory.swappiness", memory.is_some_and(|memory| memory.swappiness.is_some())),
        ("memory.disableOOMKiller", memory.is_some_and(|memory| memory.disable_oom_killer)),
        ("memory.checkBeforeUpdate", memory.is_some_and(|memory| memory.check_before_update == Some(true))),
        ("cpu.realtimeRuntime", cpu.is_some_and(|cpu| cpu.realtime_runtime.is_some())),
        ("cpu.realtimePeriod", cpu.is_some_and(|cpu| cpu.realtime_period.is_some())),
        ("cpu.idle", cpu.is_some_and(|cpu| cpu.idle.is_some())),
        ("blockIO.weightDevice", resources.block_io.as_ref().is_some_and(|io| !io.weight_device.is_empty())),
        ("blockIO.leafWeight", resources.block_io.as_ref().is_some_and(|io| io.leaf_weight.is_some())),
    ];
    match used.into_iter().find(|(_, used)| *used) {
        Some((name, _)) => Err(Error::unsupported(format!("{FIELD}.{name}"))),
        None => Ok(()),
    }
}

/// -1 is unlimited.
fn amount(value: i64) -> Memory {
    u64::try_from(value).map_or(Memory::Max, Memory::Bytes)
}

fn set_memory(memory: &MemoryLimits, limits: &mut Limits) -> Result<(), Error> {
    // 0 is "not set" to the clients that write every field.
    let given = |value: Option<i64>| value.filter(|value| *value != 0);
    limits.memory_max = given(memory.limit).map(amount);
    limits.memory_low = given(memory.reservation).map(amount);
    // The specification counts memory and swap together, cgroup v2 swap alone.
    limits.memory_swap_max = match (given(memory.swap), given(memory.limit)) {
        (None, _) => None,
        (Some(swap), _) if swap < 0 => Some(Memory::Max),
        (Some(swap), Some(limit)) if limit > 0 && swap >= limit => Some(amount(swap - limit)),
        (Some(swap), limit) => {
            let what = match limit {
                Some(limit) => {
                    format!("memory and swap together, {swap}, is less than memory alone, {limit}")
                }
                None => format!("memory and swap together, {swap}, is limited, and memory alone is not"),
            };
            return Err(Error::new(format!("{FIELD}.memory.swap"), what));
        }
    };
    Ok(())
}

fn set_cpu(cpu: &CpuLimits, limits: &mut Limits) -> Result<(), Error> {
    let quota = cpu.quota.filter(|quota| *quota != 0);
    let period = cpu.period.filter(|period| *period != 0);
    if quota.is_some() || period.is_some() {
        let quota_us = quota.and_then(|quota| u64::try_from(quota).ok());
        limits.cpu_max = Some(Cpus { quota_us, period_us: period.unwrap_or(100_000) });
    }
    limits.cpu_burst = cpu.burst;
    limits.cpu_weight = match cpu.shares.filter(|shares| *shares != 0) {
        None => None,
        Some(shares) => Some(weight("cpu.shares", weight_of_shares(shares))?),
    };
    for (name, text, list) in
        [("cpu.cpus", &cpu.cpus, &mut limits.cpuset_cpus), ("cpu.mems", &cpu.mems, &mut limits.cpuset_mems)]
    {
        if !text.is_empty() {
            let parsed = Cpuset::parse(text);
            *list = Some(parsed.map_err(|error| Error::new(format!("{FIELD}.{name}"), error.to_string()))?);
        }
    }
    Ok(())
}

/// The kernel's ranges are 2 to 262144 and 1 to 10000; the usual straight line between them.
fn weight_of_shares(shares: u64) -> u64 {
    let shares = shares.clamp(2, 262_144);
    1 + (shares - 2) * 9_999 / 262_142
}

fn weight(name: &str, value: u64) -> Result<Weight, Error> {
    let what = || format!("{value} is not in 1 to 10000");
    Weight::new(value).ok_or_else(|| Error::new(format!("{FIELD}.{name}"), what()))
}

/// Which of the four rates of a device.
type Rate = fn(&mut IoMax) -> &mut Option<u64>;

fn set_io(io: &BlockIo, limits: &mut Limits) -> Result<(), Error> {
    if let Some(value) = io.weight.filter(|weight| *weight != 0) {
        // blkio.weight is 10 to 1000, io.weight 1 to 10000: the same straight line as crun's and runc's.
        let scaled = 1 + (u64::from(value.clamp(10, 1000)) - 10) * 9_999 / 990;
        limits.io_weight = Some(weight("blockIO.weight", scaled)?);
    }
    let lists: [(&[Throttle], Rate); 4] = [
        (&io.throttle_read_bps_device, |io| &mut io.read_bytes),
        (&io.throttle_write_bps_device, |io| &mut io.write_bytes),
        (&io.throttle_read_iops_device, |io| &mut io.reads),
        (&io.throttle_write_iops_device, |io| &mut io.writes),
    ];
    for (list, field) in lists {
        for throttle in list {
            let device = Device { major: throttle.major, minor: throttle.minor };
            let at = match limits.io_max.iter().position(|one| one.device == device) {
                Some(at) => at,
                None => {
                    let none =
                        IoMax { device, read_bytes: None, write_bytes: None, reads: None, writes: None };
                    limits.io_max.push(none);
                    limits.io_max.len() - 1
                }
            };
            *field(&mut limits.io_max[at]) = Some(throttle.rate);
        }
    }
    Ok(())
}
