//! What a group has used.
use crate::decimal::number as decimal;
use crate::files::{self, keyed};
use crate::group::Group;
use crate::pressure::{IoStat, Pressure};
use alloc::string::String;
use sys::fd::{AsFd, BorrowedFd};

/// What a group has used. A value is `None` where the kernel has no such file: the controller is not enabled,
/// or the kernel is older (memory.peak came with 5.19).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Bytes of memory in use (memory.current).
    pub memory_current: Option<u64>,
    /// The most bytes that were in use at once (memory.peak).
    pub memory_peak: Option<u64>,
    /// Bytes of swap in use (memory.swap.current).
    pub swap_current: Option<u64>,
    /// What the memory is used for (memory.stat).
    pub memory: Option<MemoryStat>,
    /// Processor time (cpu.stat, which every group has).
    pub cpu: Option<CpuStat>,
    /// Processes and threads (pids.current).
    pub pids_current: Option<u64>,
    /// The most processes and threads that there were at once (pids.peak, Linux 6.1).
    pub pids_peak: Option<u64>,
    /// Its own limit in bytes (memory.max); `None` also where there is none.
    pub memory_max: Option<u64>,
    /// Its own limit of processes and threads (pids.max); `None` also where there is none.
    pub pids_max: Option<u64>,
    /// What was read and written (io.stat).
    pub io: Option<IoStat>,
    /// Waiting for memory, processors, devices.
    pub pressure: [Option<Pressure>; 3],
}

/// Keys of cpu.stat: times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuStat {
    /// Time on a processor.
    pub usage_usec: u64,
    /// Of it in user mode.
    pub user_usec: u64,
    /// Of it in the kernel.
    pub system_usec: u64,
    /// Periods of cpu.max that have passed; `None` without the cpu controller.
    pub nr_periods: Option<u64>,
    /// Periods in which the quota was used up.
    pub nr_throttled: Option<u64>,
    /// Time for which processes had to wait because of that.
    pub throttled_usec: Option<u64>,
}

/// Keys of memory.stat, in bytes unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryStat {
    /// Anonymous mappings.
    pub anon: u64,
    /// Page cache, tmpfs and shared memory included.
    pub file: u64,
    /// Of it tmpfs and shared memory.
    pub shmem: u64,
    /// Of it mapped into processes.
    pub file_mapped: u64,
    /// Of it not yet written to disk.
    pub file_dirty: u64,
    /// The kernel's own (stacks, page tables, slab); 0 before Linux 5.18.
    pub kernel: u64,
    /// Of it caches of kernel objects.
    pub slab: u64,
    /// Buffers of sockets.
    pub sock: u64,
    /// Page cache that has not been used for long: what can be given back first.
    pub inactive_file: u64,
    /// Page faults, a number.
    pub pgfault: u64,
    /// Page faults that read from disk, a number.
    pub pgmajfault: u64,
}

impl CpuStat {
    /// Reads the text of a cpu.stat; a key that is not there is 0 or `None`.
    pub fn parse(text: &str) -> CpuStat {
        let number = |key| keyed(text, key).unwrap_or(0);
        CpuStat {
            usage_usec: number("usage_usec"),
            user_usec: number("user_usec"),
            system_usec: number("system_usec"),
            nr_periods: keyed(text, "nr_periods"),
            nr_throttled: keyed(text, "nr_throttled"),
            throttled_usec: keyed(text, "throttled_usec"),
        }
    }
}

impl MemoryStat {
    /// Reads the text of a memory.stat; a key that is not there is 0.
    pub fn parse(text: &str) -> MemoryStat {
        let number = |key| keyed(text, key).unwrap_or(0);
        MemoryStat {
            anon: number("anon"),
            file: number("file"),
            shmem: number("shmem"),
            file_mapped: number("file_mapped"),
            file_dirty: number("file_dirty"),
            kernel: number("kernel"),
            slab: number("slab"),
            sock: number("sock"),
            inactive_file: number("inactive_file"),
            pgfault: number("pgfault"),
            pgmajfault: number("pgmajfault"),
        }
    }
}

impl Group {
    /// What the group has used, with everything below it. Each value is read by itself: the group changes
    /// meanwhile, and its removal is no error but leaves values out.
    pub fn stats(&self) -> Stats {
        Stats::read(self.as_fd())
    }
}

impl Stats {
    pub(crate) fn read(dir: BorrowedFd<'_>) -> Stats {
        let text = |file: &str| -> Option<String> { files::read(dir, file).ok() };
        let number = |file: &str| -> Option<u64> { decimal(text(file)?.trim_end()) };
        Stats {
            memory_current: number("memory.current"),
            memory_peak: number("memory.peak"),
            swap_current: number("memory.swap.current"),
            memory: text("memory.stat").as_deref().map(MemoryStat::parse),
            cpu: text("cpu.stat").as_deref().map(CpuStat::parse),
            pids_current: number("pids.current"),
            pids_peak: number("pids.peak"),
            memory_max: number("memory.max"),
            pids_max: number("pids.max"),
            io: text("io.stat").as_deref().map(IoStat::parse),
            pressure: ["memory.pressure", "cpu.pressure", "io.pressure"]
                .map(|file| Pressure::parse(&text(file)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_with_and_without_the_controller() {
        let without = CpuStat::parse("usage_usec 30\nuser_usec 20\nsystem_usec 10\n");
        assert_eq!((without.usage_usec, without.user_usec, without.system_usec), (30, 20, 10));
        assert_eq!(without.nr_throttled, None);
        let with = CpuStat::parse("usage_usec 30\nnr_periods 5\nnr_throttled 2\nthrottled_usec 900\n");
        assert_eq!((with.nr_periods, with.nr_throttled, with.throttled_usec), (Some(5), Some(2), Some(900)));
    }

    #[test]
    fn memory_is_read_by_key_and_not_by_place() {
        let stat = MemoryStat::parse("file 2\nanon 1\nfile_mapped 3\nworkingset_refault_anon 9\npgfault 7\n");
        assert_eq!((stat.anon, stat.file, stat.file_mapped, stat.pgfault, stat.slab), (1, 2, 3, 7, 0));
    }
}
