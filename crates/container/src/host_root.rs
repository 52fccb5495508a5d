//! The host's own files as a root file system: every local file system copy on write, nothing of the kernel's
//! or of a running system's (/proc, /sys, /dev, /run).

use std::path::{Path, PathBuf};

use oci::HostLayer;

use crate::Failure;

/// File systems without files of the host's in them.
const KERNELS: [&str; 24] = [
    "proc",
    "sysfs",
    "devtmpfs",
    "devpts",
    "tmpfs",
    "ramfs",
    "cgroup",
    "cgroup2",
    "mqueue",
    "securityfs",
    "debugfs",
    "tracefs",
    "bpf",
    "pstore",
    "configfs",
    "fusectl",
    "hugetlbfs",
    "binfmt_misc",
    "autofs",
    "efivarfs",
    "rpc_pipefs",
    "nsfs",
    "selinuxfs",
    "rootfs",
];

/// Places that every container has its own of.
const OWN: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];

/// One line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
#[derive(Clone, PartialEq, Eq, Debug)]
struct Mounted {
    point: String,
    kind: String,
}

/// The layers for a caller with all rights: an overlay of `/`, and one of each local file system below it.
pub fn layers() -> Result<Vec<HostLayer>, Failure> {
    let mounts = mounts()?;
    let mut layers = vec![HostLayer::CopyOnWrite(String::from("/"))];
    for mount in of_host(&mounts) {
        layers.push(layer(mount));
    }
    Ok(layers)
}

/// The layers for a caller in a user namespace. There an overlay may not be made of a directory that hides
/// something mounted below it, as `/` does; so each directory of `/` gets its own, or is shown read-only.
pub fn layers_by_directory() -> Result<Vec<HostLayer>, Failure> {
    let mounts = mounts()?;
    let failed = |error: std::io::Error| Failure::io("/", &error);
    let mut layers = Vec::new();
    let mut entries: Vec<PathBuf> = std::fs::read_dir("/")
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()).map_err(failed))
        .collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        let Some(text) = path.to_str() else { continue };
        if OWN.contains(&text) || text == "/tmp" {
            layers.push(HostLayer::Directory(text.into()));
        } else if let Ok(to) = std::fs::read_link(&path) {
            layers.push(HostLayer::Link(text.into(), to.to_string_lossy().into_owned()));
        } else if path.is_dir() && std::fs::read_dir(&path).is_ok() {
            let below = format!("{text}/");
            let covered = mounts.iter().any(|mount| mount.point.starts_with(&below));
            layers.push(match covered {
                true => HostLayer::ReadOnly(text.into()),
                false => HostLayer::CopyOnWrite(text.into()),
            });
        }
    }
    Ok(layers)
}

fn layer(mount: &Mounted) -> HostLayer {
    let network = ["nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "virtiofs", "overlay"];
    let whole = Path::new(&mount.point).is_dir();
    match whole && !network.contains(&mount.kind.as_str()) && !mount.kind.starts_with("fuse") {
        true => HostLayer::CopyOnWrite(mount.point.clone()),
        // Such a file system may be no lower layer, or it is one file.
        false => HostLayer::ReadOnly(mount.point.clone()),
    }
}

/// Mounts below `/` with files of the host's, each place once, what lies above before what lies below.
fn of_host(mounts: &[Mounted]) -> Vec<&Mounted> {
    let own = |point: &str| {
        OWN.iter()
            .any(|top| point == *top || point.strip_prefix(top).is_some_and(|rest| rest.starts_with('/')))
    };
    let mut found: Vec<&Mounted> = Vec::new();
    for mount in mounts.iter().filter(|mount| mount.point != "/" && !own(&mount.point)) {
        // A later mount hides an earlier one of the same place.
        found.retain(|earlier| earlier.point != mount.point);
        if !KERNELS.contains(&mount.kind.as_str()) {
            found.push(mount);
        }
    }
    found.sort_by(|left, right| left.point.cmp(&right.point));
    found
}

fn mounts() -> Result<Vec<Mounted>, Failure> {
    let path = "/proc/self/mountinfo";
    let text = std::fs::read(path).map_err(|error| Failure::io(path, &error))?;
    Ok(parse(&String::from_utf8_lossy(&text)))
}

fn parse(mountinfo: &str) -> Vec<Mounted> {
    mountinfo
        .lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            Some(Mounted {
                point: unescape(left.split(' ').nth(4)?),
                kind: right.split(' ').next()?.to_string(),
            })
        })
        .collect()
}

/// Space, tab, newline and backslash are written as `\` and three octal digits.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        match after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &after[3..];
            }
            None => {
                out.push('\\');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_file_systems_are_found_and_the_kernels_are_not() {
        let text = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                    22 21 0:5 / /proc rw - proc proc rw\n\
                    23 21 8:2 / /home rw shared:1 - ext4 /dev/sda2 rw\n\
                    24 21 0:9 / /run/user rw - ext4 none rw\n\
                    25 21 8:3 / /srv/a\\040b rw - xfs /dev/sdb rw\n\
                    26 21 0:7 / /tmp rw - tmpfs tmpfs rw\n\
                    27 21 8:4 / /data rw - ext4 /dev/sdc rw\n\
                    28 21 0:8 / /data rw - tmpfs tmpfs rw\n";
        let mounts = parse(text);
        let points: Vec<&str> = of_host(&mounts).iter().map(|mount| mount.point.as_str()).collect();
        assert_eq!(points, ["/home", "/srv/a b"]);
    }
}
