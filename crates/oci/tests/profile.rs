//! What the profiles come to.

use std::path::Path;

use oci::profile::{Confinement, Ids, Network, spec};
use oci::{
    Arena, Caller, CgroupView, Keyring, Lifetime, Nodes, Privilege, RootSource, Setting, Terminal, compile,
};
use plan::{Plan, Standard};
use sys::clone::Namespaces;

/// The namespaces and the steps of a container of a profile, with a terminal.
fn plan(confinement: Confinement) -> (Namespaces, String) {
    let mut spec = spec(confinement, Network::Host, Ids::Caller);
    spec.process.as_mut().expect("a process").args = vec!["/sbin/init".into()];
    let setting = Setting {
        root: RootSource::Directory(Path::new("/image")),
        privilege: Privilege::Full(Caller::Root),
        terminal: Some(Terminal { replace: Standard::ALL }),
        cgroup: CgroupView::Own,
        filter: None,
        keyring: Keyring::Own,
        lifetime: Lifetime::Caller,
        nodes: Nodes::DeadBesideOwnDev,
        program: None,
        host_devices: &[],
        join: &[],
    };
    let arena = Arena::new();
    let compiled = compile(&spec, &setting, &arena).expect("a plan");
    (compiled.namespaces, Plan { steps: &compiled.steps }.to_string())
}

#[test]
fn an_unrestricted_container_has_what_an_init_expects_of_a_machine() {
    let (namespaces, plan) = plan(Confinement::Unrestricted);
    assert_eq!(namespaces, Namespaces::MOUNT.with(Namespaces::PID).with(Namespaces::CGROUP));
    for line in [
        "bind /image as the root\n",
        "mount devtmpfs on /dev (nosuid,noexec)\n",
        "mount sysfs on /sys (nosuid,nodev,noexec)\n",
        "mount cgroup2 on fs/cgroup (nosuid,nodev,noexec)\n",
        "open a terminal for descriptors 0 1 2, bind it on /dev/console\n",
        "effective all; permitted all; inheritable none\n",
    ] {
        assert!(plan.contains(line), "{line:?} is not in\n{plan}");
    }
    for word in ["/run", "/tmp", "hostname", " mask ", "read-only", "seccomp", "no_new_privs", "bounding"] {
        assert!(!plan.contains(word), "{word:?} is in\n{plan}");
    }
}

#[test]
fn a_default_container_has_less() {
    let (namespaces, plan) = plan(Confinement::Default);
    assert!(namespaces.contains(Namespaces::UTS.with(Namespaces::IPC)));
    for line in ["bind /image as the root (nodev)\n", "mount tmpfs on /dev (", "set no_new_privs\n"] {
        assert!(plan.contains(line), "{line:?} is not in\n{plan}");
    }
}
