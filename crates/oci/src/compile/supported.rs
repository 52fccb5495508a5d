//! Fields that are valid and not performed: each is an error that names it, never passed over.

use crate::Error;
use crate::spec::{Linux, Spec};

pub fn check(spec: &Spec, linux: &Linux) -> Result<(), Error> {
    // The version is the specification's, not a schema's: any 1.x is read the same way.
    if !spec.oci_version.is_empty() && !spec.oci_version.starts_with("1.") {
        return Err(Error::new("ociVersion", format!("{:?} is not 1.x", spec.oci_version)));
    }
    let process = spec.process.as_ref();
    let used = [
        ("hooks", spec.hooks.is_some()),
        ("solaris", spec.solaris.is_some()),
        ("windows", spec.windows.is_some()),
        ("vm", spec.vm.is_some()),
        ("zos", spec.zos.is_some()),
        ("process.apparmorProfile", process.is_some_and(|process| !process.apparmor_profile.is_empty())),
        ("process.selinuxLabel", process.is_some_and(|process| !process.selinux_label.is_empty())),
        ("process.scheduler", process.is_some_and(|process| process.scheduler.is_some())),
        ("process.ioPriority", process.is_some_and(|process| process.io_priority.is_some())),
        ("process.execCPUAffinity", process.is_some_and(|process| process.exec_cpu_affinity.is_some())),
        ("linux.netDevices", linux.net_devices.is_some()),
        ("linux.mountLabel", !linux.mount_label.is_empty()),
        ("linux.intelRdt", linux.intel_rdt.is_some()),
        ("linux.memoryPolicy", linux.memory_policy.is_some()),
        ("linux.personality", linux.personality.is_some()),
        ("linux.timeOffsets", linux.time_offsets.is_some()),
        ("linux.cgroupsPath", !linux.cgroups_path.is_empty()),
        ("linux.devices", !linux.devices.is_empty()),
    ];
    match used.into_iter().find(|(_, used)| *used) {
        Some((field, _)) => Err(Error::unsupported(field)),
        None => Ok(()),
    }
}
