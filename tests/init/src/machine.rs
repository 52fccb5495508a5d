//! From a bare kernel to a machine as an ordinary init leaves it: file systems, modules, cgroups.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use sys::fs::{Mode, OFlags};
use sys::mount::{self, MountFlags, MountPropagationFlags};
use sys::system::{self, RebootCommand};
use sys::{Errno, process};

use crate::Result;

/// Where the cgroups are.
pub const CGROUPS: &str = "/sys/fs/cgroup";

const GUARDED: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// What is mounted, in this order: type, place, flags, options.
const MOUNTS: &[(&str, &str, MountFlags, &std::ffi::CStr)] = &[
    ("proc", "/proc", GUARDED, c""),
    ("sysfs", "/sys", GUARDED, c""),
    ("devtmpfs", "/dev", MountFlags::NOSUID, c"mode=0755"),
    ("devpts", "/dev/pts", MountFlags::NOSUID.union(MountFlags::NOEXEC), c"gid=5,mode=620,ptmxmode=666"),
    ("tmpfs", "/dev/shm", MountFlags::NOSUID.union(MountFlags::NODEV), c"mode=1777"),
    ("tmpfs", "/run", MountFlags::NOSUID.union(MountFlags::NODEV), c"mode=0755"),
    ("tmpfs", "/tmp", MountFlags::NOSUID.union(MountFlags::NODEV), c"mode=1777"),
    // The options that systemd mounts it with.
    ("cgroup2", CGROUPS, GUARDED, c"nsdelegate,memory_recursiveprot"),
];

/// Puts a bind mount of the first root over that root and makes it the root. The first root has no parent
/// mount, and pivot_root(2) refuses such a root (EINVAL): no container could start. Its copy has a parent.
pub fn leave_initramfs() -> Result<()> {
    let said = |what: &'static str| move |why: Errno| format!("{what}: {why}");
    mount::mount_bind("/", "/tmp").map_err(said("bind / to /tmp"))?;
    process::chdir("/tmp").map_err(said("go to /tmp"))?;
    mount::mount_move(".", "/").map_err(said("move /tmp to /"))?;
    process::chroot(".").map_err(said("chroot to it"))?;
    process::chdir("/").map_err(said("go to /"))
}

/// Mounts everything, and shares the mounts as systemd does: a container that forgets to cut the
/// propagation is seen to leave mounts behind.
pub fn mount_all() -> Result<()> {
    for &(kind, place, flags, options) in MOUNTS {
        if !Path::new(place).exists() {
            fs::create_dir(place).map_err(|why| format!("make {place}: {why}"))?;
        }
        mount::mount(kind, place, kind, flags, options)
            .map_err(|why| format!("mount {kind} on {place}: {why}"))?;
    }
    let all = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
    mount::mount_change("/", all).map_err(|why| format!("share the mounts of /: {why}"))?;
    for (link, target) in [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")]
    {
        std::os::unix::fs::symlink(target, Path::new("/dev").join(link))
            .map_err(|why| format!("link /dev/{link}: {why}"))?;
    }
    Ok(())
}

/// The rest, which can be told about when it goes wrong.
pub fn prepare() -> Result<()> {
    system::sethostname(b"guest").map_err(|why| format!("set the host name: {why}"))?;
    load_modules()?;
    enable_controllers(CGROUPS)?;
    let up = Command::new("/bin/busybox").args(["ip", "link", "set", "lo", "up"]).status();
    match up {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("ip link set lo up: {status}")),
        Err(why) => Err(format!("ip: {why}")),
    }
}

/// Hands all controllers of a cgroup on to its children.
pub fn enable_controllers(cgroup: &str) -> Result<()> {
    let path = format!("{cgroup}/cgroup.controllers");
    let controllers = fs::read_to_string(&path).map_err(|why| format!("read {path}: {why}"))?;
    let wanted: Vec<String> = controllers.split_whitespace().map(|name| format!("+{name}")).collect();
    let path = format!("{cgroup}/cgroup.subtree_control");
    fs::write(&path, wanted.join(" ")).map_err(|why| format!("write {} to {path}: {why}", wanted.join(" ")))
}

/// In the order of their names: the archive numbers them so that each comes after what it needs.
fn load_modules() -> Result<()> {
    let folder = "/bed/modules";
    let entries = fs::read_dir(folder).map_err(|why| format!("read {folder}: {why}"))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let module =
            sys::fs::open(path.as_os_str().as_bytes(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|why| format!("open {}: {why}", path.display()))?;
        match system::finit_module(&module, c"", 0) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(why) => return Err(format!("load {}: {why}", path.display())),
        }
    }
    Ok(())
}

/// Ends the guest. Returns only when the kernel refuses, with the reason.
pub fn power_off() -> String {
    match system::reboot(RebootCommand::PowerOff) {
        Ok(()) => "power off: the kernel went on".to_owned(),
        Err(why) => format!("power off: {why}"),
    }
}
