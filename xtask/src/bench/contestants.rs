//! Who is measured, and with which command line.

use std::path::Path;

use crate::Result;

/// A runtime with the command that runs `true` in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contestant {
    /// The name in the tables.
    pub name: &'static str,
    /// What it is, for the heading.
    pub about: &'static str,
    /// The command line, inside the arena; `{n}` is a number that no other run has.
    command: &'static [&'static str],
}

/// Everyone, in the order of the tables. The names are those that `report` judges by.
///
/// The peers' bundles are equal to what `husk run` gives by default; `-seccomp` is Docker's profile, which
/// `husk run` has by default as well.
pub const ALL: &[Contestant] = &[
    Contestant {
        name: "floor",
        about: "static C: clone3, mounts, pivot_root, cgroup, exec, and nothing else",
        command: &["/bench/floor", "/bench/rootfs", "/sys/fs/cgroup/floor-{n}", "/bin/true"],
    },
    Contestant {
        name: "bwrap",
        about: "bubblewrap, the same namespaces; no cgroup, no masked paths, no seccomp",
        command: &[
            "/usr/bin/bwrap",
            "--unshare-pid",
            "--unshare-uts",
            "--unshare-ipc",
            "--unshare-cgroup",
            "--hostname",
            "bench",
            "--bind",
            "/bench/rootfs",
            "/",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--mqueue",
            "/dev/mqueue",
            "--ro-bind",
            "/sys",
            "/sys",
            "/bin/true",
        ],
    },
    Contestant {
        name: "crun",
        about: "crun run, without seccomp",
        command: &["/usr/bin/crun", "--root", "/run/crun", "run", "--bundle", "/bench/bundle", "crun-{n}"],
    },
    Contestant {
        name: "runc",
        about: "runc run, without seccomp",
        command: &["/usr/sbin/runc", "--root", "/run/runc", "run", "--bundle", "/bench/bundle", "runc-{n}"],
    },
    Contestant {
        name: "husk-unconfined",
        about: "husk run --seccomp unconfined",
        command: &["/bench/husk", "run", "--seccomp", "unconfined", "/bench/rootfs", "/bin/true"],
    },
    Contestant {
        name: "crun-seccomp",
        about: "crun run, with Docker's seccomp profile",
        command: &[
            "/usr/bin/crun",
            "--root",
            "/run/crun",
            "run",
            "--bundle",
            "/bench/bundle-seccomp",
            "crun-{n}",
        ],
    },
    Contestant {
        name: "runc-seccomp",
        about: "runc run, with Docker's seccomp profile",
        command: &[
            "/usr/sbin/runc",
            "--root",
            "/run/runc",
            "run",
            "--bundle",
            "/bench/bundle-seccomp",
            "runc-{n}",
        ],
    },
    Contestant {
        name: "husk",
        about: "husk run, its default, with seccomp",
        command: &["/bench/husk", "run", "/bench/rootfs", "/bin/true"],
    },
];

impl Contestant {
    /// The command line of run number `n`.
    pub fn command(&self, n: usize) -> Vec<String> {
        self.command.iter().map(|word| word.replace("{n}", &n.to_string())).collect()
    }

    /// Whether its program is in the arena; husk is not while it is not built.
    pub fn is_present(&self) -> bool {
        Path::new(self.command[0]).exists()
    }
}

/// Refuses names that no contestant has.
pub fn check_names(names: &[String]) -> Result<()> {
    match names.iter().find(|name| ALL.iter().all(|contestant| contestant.name != name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let known: Vec<&str> = ALL.iter().map(|contestant| contestant.name).collect();
            Err(format!("bench --only {name}: not known; there are {}", known.join(", ")))
        }
    }
}

/// The contestants of those names, all if there are none, in the order of the tables.
pub fn choose(names: &[String]) -> Vec<Contestant> {
    ALL.iter()
        .filter(|contestant| names.is_empty() || names.iter().any(|name| name == contestant.name))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_gets_a_name_of_its_own() {
        let crun = choose(&["crun".to_owned()])[0];
        assert_eq!(crun.command(7).last().unwrap(), "crun-7");
    }

    #[test]
    fn the_choice_keeps_the_order_of_the_tables() {
        let names = ["runc", "floor"].map(str::to_owned);
        let chosen: Vec<&str> = choose(&names).iter().map(|contestant| contestant.name).collect();
        assert_eq!(chosen, ["floor", "runc"]);
        assert_eq!(choose(&[]).len(), ALL.len());
    }
}
