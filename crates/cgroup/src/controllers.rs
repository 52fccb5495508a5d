//! Sets of controllers.
use core::fmt;

/// A set of the kernel's resource controllers, as cgroup.controllers and cgroup.subtree_control list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Controllers(u16);

/// The controllers of cgroup v2 that can be enabled for children, as of Linux 6.18. Controllers without files
/// (perf_event) are enabled everywhere by themselves.
const NAMES: [&str; 9] = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc", "dmem"];

impl Controllers {
    /// No controller.
    pub const NONE: Controllers = Controllers(0);

    /// The controller of a name, as a set of one; nothing for a name that is none.
    pub fn named(name: &str) -> Controllers {
        NAMES.iter().position(|known| *known == name).map_or(Controllers::NONE, |bit| Controllers(1 << bit))
    }

    /// Reads a list as the kernel prints it (`cpuset cpu io memory`). Names that are not known are left out:
    /// nothing here can ask for them.
    pub fn parse(text: &str) -> Controllers {
        text.split_ascii_whitespace().fold(Controllers::NONE, |set, name| set.with(Controllers::named(name)))
    }

    /// The controller that owns a file of a group: `memory` for `memory.max`. The files that every group has
    /// (`cgroup.procs`, `cpu.stat`) belong to none.
    pub fn of_file(file: &str) -> Controllers {
        match file {
            "cpu.stat" | "cpu.pressure" | "io.pressure" | "memory.pressure" | "irq.pressure" => {
                Controllers::NONE
            }
            _ => Controllers::named(file.split_once('.').map_or("", |(controller, _)| controller)),
        }
    }

    /// Both sets together.
    #[must_use]
    pub fn with(self, other: Controllers) -> Controllers {
        Controllers(self.0 | other.0)
    }

    /// What of this set the other lacks.
    #[must_use]
    pub fn without(self, other: Controllers) -> Controllers {
        Controllers(self.0 & !other.0)
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names in the set, in the kernel's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().enumerate().filter(move |(bit, _)| self.0 & (1 << bit) != 0).map(|(_, name)| *name)
    }
}

impl fmt::Display for Controllers {
    /// The names with spaces between them, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (index, name) in self.names().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{name}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_kernels_list_is_read_and_printed_in_its_order() {
        let set = Controllers::parse("pids memory\tcpu perf_event unheard-of\n");
        assert_eq!(set.to_string(), "cpu memory pids");
        assert_eq!(Controllers::parse("").to_string(), "none");
    }

    #[test]
    fn sets_are_joined_and_subtracted() {
        let both = Controllers::named("cpu").with(Controllers::named("memory"));
        assert_eq!(both.without(Controllers::named("cpu")), Controllers::named("memory"));
        assert!(both.without(both).is_empty());
    }

    #[test]
    fn a_file_belongs_to_the_controller_in_its_name() {
        assert_eq!(Controllers::of_file("memory.max").to_string(), "memory");
        assert_eq!(Controllers::of_file("cpu.max").to_string(), "cpu");
        assert_eq!(Controllers::of_file("cpuset.cpus").to_string(), "cpuset");
        assert_eq!(Controllers::of_file("hugetlb.2MB.max").to_string(), "hugetlb");
        for file in ["cgroup.procs", "cpu.stat", "memory.pressure", "strange", "strange.max"] {
            assert!(Controllers::of_file(file).is_empty(), "{file}");
        }
    }
}
