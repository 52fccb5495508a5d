//! Fields that are valid and not performed: each is an error that names it, never passed over.

use crate::Error;
use crate::spec::{Linux, Process, Spec};

pub fn check(spec: &Spec, linux: &Linux) -> Result<(), Error> {
    // The version is the specification's, not a schema's: any 1.x is read the same way.
    if !spec.oci_version.is_empty() && !spec.oci_version.starts_with("1.") {
        return Err(Error::new("ociVersion", format!("{:?} is not 1.x", spec.oci_version)));
    }
    let used = [
        ("hooks", spec.hooks.is_some()),
        ("solaris", spec.solaris.is_some()),
        ("windows", spec.windows.is_some()),
        ("vm", spec.vm.is_some()),
        ("zos", spec.zos.is_some()),
        ("linux.netDevices", linux.net_devices.is_some()),
        ("linux.mountLabel", !linux.mount_label.is_empty()),
        ("linux.intelRdt", linux.intel_rdt.is_some()),
        ("linux.memoryPolicy", linux.memory_policy.is_some()),
        ("linux.personality", linux.personality.is_some()),
        ("linux.timeOffsets", linux.time_offsets.is_some()),
        ("linux.cgroupsPath", !linux.cgroups_path.is_empty()),
        ("linux.devices", !linux.devices.is_empty()),
    ];
    refuse(&used)
}

pub fn check_process(process: Option<&Process>) -> Result<(), Error> {
    let Some(process) = process else { return Ok(()) };
    refuse(&[
        ("process.apparmorProfile", !process.apparmor_profile.is_empty()),
        ("process.selinuxLabel", !process.selinux_label.is_empty()),
        ("process.scheduler", process.scheduler.is_some()),
        ("process.ioPriority", process.io_priority.is_some()),
        ("process.execCPUAffinity", process.exec_cpu_affinity.is_some()),
    ])
}

fn refuse(fields: &[(&str, bool)]) -> Result<(), Error> {
    match fields.iter().find(|(_, used)| *used) {
        Some((field, _)) => Err(Error::unsupported(*field)),
        None => Ok(()),
    }
}
