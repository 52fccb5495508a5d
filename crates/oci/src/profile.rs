//! The default profile: what a container of `husk run` is unless it is told otherwise. The same capabilities,
//! masked and read-only paths as Docker's.

use crate::spec::{CapabilityNames, IdMapping, Linux, Mount, Namespace, Process, Root, Spec};

/// The capabilities that a container keeps (Docker's fourteen).
pub const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// What of the kernel's files would tell about the host, or about its hardware. Docker also lists
/// /proc/sched_debug and /proc/timer_stats, which no kernel since 5.14 has.
pub const MASKED_PATHS: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/scsi",
    "/proc/timer_list",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// What of the kernel's files would change the host.
pub const READ_ONLY_PATHS: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Whose network a container has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Network {
    /// The host's.
    Host,
    /// Its own, with nothing but `lo` in it.
    None,
}

/// How much a container is kept from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Confinement {
    /// The default profile.
    Default,
    /// Nothing but its namespaces: all capabilities, the host's devices, no mask, no filter.
    Privileged,
    /// What an image with an init of its own expects of a machine: all capabilities, the host's devtmpfs, host name,
    /// network and message queues; its own mounts, processes and cgroups. /run and /tmp are left to its init.
    Unrestricted,
}

/// Who makes the container: the maps of its user namespace, if it has one of its own.
#[derive(Clone, Copy, Debug)]
pub enum Ids<'a> {
    /// Root, in the caller's user namespace.
    Caller,
    /// A user namespace with these maps.
    Mapped {
        /// Users.
        uids: &'a [IdMapping],
        /// Groups.
        gids: &'a [IdMapping],
    },
}

/// The specification of a default container, to be changed before it is compiled.
#[must_use]
pub fn spec(confinement: Confinement, network: Network, ids: Ids<'_>) -> Spec {
    let rootless = matches!(ids, Ids::Mapped { .. });
    let mut kinds = vec!["mount", "pid", "cgroup"];
    if confinement != Confinement::Unrestricted {
        kinds.extend(["uts", "ipc"]);
    }
    kinds.extend((network == Network::None).then_some("network"));
    kinds.extend(rootless.then_some("user"));
    let (uid_mappings, gid_mappings) = match ids {
        Ids::Caller => (Vec::new(), Vec::new()),
        Ids::Mapped { uids, gids } => (uids.to_vec(), gids.to_vec()),
    };
    let texts = |list: &[&str]| list.iter().map(|text| String::from(*text)).collect::<Vec<_>>();
    let confined = confinement == Confinement::Default;
    Spec {
        oci_version: String::from("1.3.0"),
        process: Some(Process {
            cwd: String::from("/"),
            capabilities: Some(capabilities(confinement)),
            no_new_privileges: confined,
            ..Process::default()
        }),
        root: Some(Root::default()),
        mounts: mounts(confinement, network, ids),
        linux: Some(Linux {
            uid_mappings,
            gid_mappings,
            namespaces: kinds
                .into_iter()
                .map(|kind| Namespace { kind: kind.into(), path: String::new() })
                .collect(),
            masked_paths: if confined { texts(&MASKED_PATHS) } else { Vec::new() },
            readonly_paths: if confined { texts(&READ_ONLY_PATHS) } else { Vec::new() },
            ..Linux::default()
        }),
        ..Spec::default()
    }
}

fn capabilities(confinement: Confinement) -> CapabilityNames {
    let names: Vec<String> = match confinement {
        Confinement::Default => CAPABILITIES.iter().map(|name| String::from(*name)).collect(),
        Confinement::Privileged | Confinement::Unrestricted => {
            sys::privilege::Capabilities::ALL.names().map(String::from).collect()
        }
    };
    CapabilityNames {
        bounding: names.clone(),
        effective: names.clone(),
        permitted: names,
        // Nothing is handed on by inheritance (CVE-2022-29162).
        inheritable: Vec::new(),
        ambient: Vec::new(),
    }
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.into(),
        kind: kind.into(),
        source: source.into(),
        options: options.iter().map(|option| String::from(*option)).collect(),
        ..Mount::default()
    }
}

fn mounts(confinement: Confinement, network: Network, ids: Ids<'_>) -> Vec<Mount> {
    let confined = confinement == Confinement::Default;
    // The group `tty` can be given to terminals only where it is mapped.
    let tty_mapped = match ids {
        Ids::Caller => true,
        Ids::Mapped { gids, .. } => {
            gids.iter().any(|map| (map.container_id..map.container_id.saturating_add(map.size)).contains(&5))
        }
    };
    let mut devpts = vec!["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
    devpts.extend(tty_mapped.then_some("gid=5"));
    let access = if confined { "ro" } else { "rw" };
    // A sysfs shows the network of who mounts it, and only its owner may mount one.
    let sys = match (ids, network) {
        (Ids::Mapped { .. }, Network::Host) => {
            mount("/sys", "bind", "/sys", &["rbind", "nosuid", "nodev", "noexec", access])
        }
        _ => mount("/sys", "sysfs", "sysfs", &["nosuid", "nodev", "noexec", access]),
    };
    vec![
        mount("/proc", "proc", "proc", &["nosuid", "nodev", "noexec"]),
        match confinement {
            Confinement::Default => {
                mount("/dev", "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec", "mode=755", "size=65536k"])
            }
            Confinement::Privileged => mount("/dev", "bind", "/dev", &["rbind"]),
            // No option of a file system: there is one devtmpfs, and it would be the host's that is changed.
            Confinement::Unrestricted => mount("/dev", "devtmpfs", "devtmpfs", &["nosuid", "noexec"]),
        },
        mount("/dev/pts", "devpts", "devpts", &devpts),
        mount("/dev/shm", "tmpfs", "shm", &["nosuid", "nodev", "noexec", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "nodev", "noexec"]),
        sys,
        mount("/sys/fs/cgroup", "cgroup2", "cgroup", &["nosuid", "nodev", "noexec", access]),
    ]
}
