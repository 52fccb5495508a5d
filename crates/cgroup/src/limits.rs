//! What a group is limited to, and the writes that say so to the kernel.
use crate::controllers::Controllers;
use crate::count::{Pids, Weight};
use crate::cpus::Cpus;
use crate::cpuset::Cpuset;
use crate::invalid::Invalid;
use crate::io::{Device, IoMax};
use crate::memory::Memory;
use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Display;

/// What a group is limited to. Everything is optional; what is `None` or empty is not written, so that the
/// same type serves a new group and the update of an old one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Above this the group is reclaimed from, and then killed from (memory.max).
    pub memory_max: Option<Memory>,
    /// Above this the group is slowed down and reclaimed from (memory.high).
    pub memory_high: Option<Memory>,
    /// Below this the group is reclaimed from last (memory.low).
    pub memory_low: Option<Memory>,
    /// Swap alone, not memory and swap together (memory.swap.max).
    pub memory_swap_max: Option<Memory>,
    /// What an out-of-memory kill takes (memory.oom.group).
    pub memory_oom_group: Option<OomGroup>,
    /// Processor time in each period (cpu.max).
    pub cpu_max: Option<Cpus>,
    /// Share of the processors beside siblings (cpu.weight).
    pub cpu_weight: Option<Weight>,
    /// Unused quota that may be saved up, in microseconds (cpu.max.burst).
    pub cpu_burst: Option<u64>,
    /// Processes and threads (pids.max).
    pub pids_max: Option<Pids>,
    /// Processors (cpuset.cpus).
    pub cpuset_cpus: Option<Cpuset>,
    /// Memory nodes (cpuset.mems).
    pub cpuset_mems: Option<Cpuset>,
    /// Share of all block devices beside siblings (io.weight, or io.bfq.weight where only that exists).
    pub io_weight: Option<Weight>,
    /// Share of single block devices beside siblings (io.weight).
    pub io_device_weights: Vec<(Device, Weight)>,
    /// Throughput of single block devices (io.max).
    pub io_max: Vec<IoMax>,
    /// Any other file of the group with what to write to it, in this order, after the rest.
    pub unified: Vec<(Key, String)>,
}

/// What an out-of-memory kill takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OomGroup {
    /// The process that the kernel picks.
    OneProcess,
    /// Every process of the group at once.
    WholeGroup,
}

/// The name of a file that a limit is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Checks a key of the runtime-spec's `linux.resources.unified`: a file name with a dot in it.
    ///
    /// # Errors
    /// [`Invalid`] for what could be another place than a file of this group, and for files of the group that
    /// are no limits: writing to them would move or kill processes.
    pub fn new(text: &str) -> Result<Key, Invalid> {
        let reason = if text.contains('/') {
            "has a slash"
        } else if text.starts_with('.') {
            "starts with a dot"
        } else if !text.contains('.') {
            "has no dot"
        } else if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
            "has a character other than letters, digits and ._-"
        } else if ["cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze"].contains(&text) {
            "is not a limit"
        } else {
            return Ok(Key(text.to_owned()));
        };
        Err(Invalid {
            quantity: "cgroup file",
            text: text.to_owned(),
            reason: Cow::Borrowed(reason),
            example: "memory.high",
        })
    }

    /// The name of the file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One write to one file of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The file.
    pub file: Cow<'static, str>,
    /// What to write.
    pub value: String,
}

impl Setting {
    /// A setting of one of the files that this crate knows.
    fn of(file: &'static str, value: impl Display) -> Setting {
        Setting { file: Cow::Borrowed(file), value: value.to_string() }
    }
}

impl Limits {
    /// The same, and no swap where memory is limited.
    #[must_use]
    pub fn without_swap(self) -> Self {
        match self.memory_max {
            Some(Memory::Bytes(_)) => Self { memory_swap_max: Some(Memory::Bytes(0)), ..self },
            _ => self,
        }
    }

    /// The writes that these limits are, in the order in which to make them.
    pub fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        let mut set = |file: &'static str, value: Option<String>| {
            settings.extend(value.map(|value| Setting { file: Cow::Borrowed(file), value }));
        };
        // The way of the out-of-memory kill comes before the limit that can cause one, and the limit on swap
        // before that on memory: a lower memory.max must not push into swap what is not to be swapped.
        set(
            "memory.oom.group",
            self.memory_oom_group.map(|group| u8::from(group == OomGroup::WholeGroup).to_string()),
        );
        set("memory.low", self.memory_low.map(|memory| memory.to_string()));
        set("memory.high", self.memory_high.map(|memory| memory.to_string()));
        set("memory.swap.max", self.memory_swap_max.map(|memory| memory.to_string()));
        set("memory.max", self.memory_max.map(|memory| memory.to_string()));
        set("cpu.max", self.cpu_max.map(|cpus| cpus.to_string()));
        set("cpu.max.burst", self.cpu_burst.map(|burst| burst.to_string()));
        set("cpu.weight", self.cpu_weight.map(|weight| weight.to_string()));
        set("pids.max", self.pids_max.map(|pids| pids.to_string()));
        // Nodes before processors: a process that is moved to processors of another node finds its memory
        // there.
        set("cpuset.mems", self.cpuset_mems.as_ref().map(ToString::to_string));
        set("cpuset.cpus", self.cpuset_cpus.as_ref().map(ToString::to_string));
        set("io.weight", self.io_weight.map(|weight| weight.to_string()));
        // The kernel takes one device in each write.
        for (device, weight) in &self.io_device_weights {
            settings.push(Setting::of("io.weight", format!("{device} {weight}")));
        }
        settings.extend(self.io_max.iter().map(|limit| Setting::of("io.max", limit)));
        for (key, value) in &self.unified {
            settings.push(Setting { file: Cow::Owned(key.as_str().to_owned()), value: value.clone() });
        }
        settings
    }

    /// The controllers without which these limits cannot be written.
    pub fn required_controllers(&self) -> Controllers {
        let settings = self.settings();
        settings.iter().fold(Controllers::NONE, |set, setting| set.with(Controllers::of_file(&setting.file)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(limits: &Limits) -> Vec<String> {
        limits.settings().iter().map(|setting| format!("{}={}", setting.file, setting.value)).collect()
    }

    #[test]
    fn no_limits_write_nothing_and_need_no_controller() {
        assert!(Limits::default().settings().is_empty());
        assert!(Limits::default().required_controllers().is_empty());
    }

    #[test]
    fn each_limit_is_written_to_its_file_in_an_order_that_holds() {
        let device = Device { major: 8, minor: 0 };
        let limits = Limits {
            memory_max: Some(Memory::Bytes(1 << 29)),
            memory_high: Some(Memory::Bytes(1 << 28)),
            memory_low: Some(Memory::Bytes(0)),
            memory_swap_max: Some(Memory::Bytes(0)),
            memory_oom_group: Some(OomGroup::WholeGroup),
            cpu_max: Cpus::parse("0.5").ok(),
            cpu_weight: Weight::new(50),
            cpu_burst: Some(1000),
            pids_max: Some(Pids::Count(64)),
            cpuset_cpus: Cpuset::parse("0-1").ok(),
            cpuset_mems: Cpuset::parse("0").ok(),
            io_weight: Weight::new(200),
            io_device_weights: [(device, Weight::new(300).expect("a weight"))].into(),
            io_max: [IoMax { device, read_bytes: Some(9), write_bytes: None, reads: None, writes: None }]
                .into(),
            unified: [(Key::new("hugetlb.2MB.max").expect("a key"), "0".into())].into(),
        };
        assert_eq!(
            written(&limits),
            [
                "memory.oom.group=1",
                "memory.low=0",
                "memory.high=268435456",
                "memory.swap.max=0",
                "memory.max=536870912",
                "cpu.max=50000 100000",
                "cpu.max.burst=1000",
                "cpu.weight=50",
                "pids.max=64",
                "cpuset.mems=0",
                "cpuset.cpus=0-1",
                "io.weight=200",
                "io.weight=8:0 300",
                "io.max=8:0 rbps=9",
                "hugetlb.2MB.max=0",
            ]
        );
        assert_eq!(limits.required_controllers().to_string(), "cpuset cpu io memory hugetlb pids");
    }

    #[test]
    fn only_the_controllers_of_the_asked_limits_are_required() {
        let limits = Limits { pids_max: Some(Pids::Max), ..Limits::default() };
        assert_eq!(limits.required_controllers().to_string(), "pids");
        let key = Key::new("cgroup.max.depth").expect("a key");
        let limits = Limits { unified: [(key, "3".into())].into(), ..Limits::default() };
        assert!(limits.required_controllers().is_empty());
    }

    #[test]
    fn keys_that_leave_the_group_or_are_no_limits_are_refused() {
        for (text, reason) in [
            ("", "has no dot"),
            ("memory", "has no dot"),
            ("..", "starts with a dot"),
            (".x", "starts with a dot"),
            ("../memory.max", "has a slash"),
            ("sub/memory.max", "has a slash"),
            ("memory.max\n", "has a character other than letters, digits and ._-"),
            ("memory.max\0", "has a character other than letters, digits and ._-"),
            ("cgroup.procs", "is not a limit"),
            ("cgroup.kill", "is not a limit"),
        ] {
            assert_eq!(Key::new(text).expect_err(text).reason, reason, "{text:?}");
        }
        for text in ["memory.max", "hugetlb.2MB.max", "io.bfq.weight", "hugetlb.1GB.rsvd.max"] {
            assert_eq!(Key::new(text).expect(text).as_str(), text);
        }
    }
}
