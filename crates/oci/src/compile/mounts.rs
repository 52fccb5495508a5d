//! `mounts`, and the layers of a container that runs on the host's own files.

use std::ffi::CStr;

use plan::{Bind, FileSystem, Links, Mount, Overlay, Step};
use sys::clone::Namespaces;
use sys::mounts::{Attributes, Depth, Propagation};

use super::options::{Options, parse};
use super::{CgroupView, Context, HostLayer};
use crate::{Error, spec};

/// Files of procfs that may be covered: what emulators of per-container values (lxcfs) put their own over.
const COVERABLE: [&str; 8] = [
    "proc/cpuinfo",
    "proc/diskstats",
    "proc/loadavg",
    "proc/meminfo",
    "proc/stat",
    "proc/swaps",
    "proc/uptime",
    "proc/slabinfo",
];

/// The names of an absolute path without empty ones, `.` and `..`, joined again: what the kernel would make of
/// it where no link is involved. The paths of plans are relative to the root.
pub fn normalise(path: &str) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for name in path.strip_prefix('/')?.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    Some(names.join("/"))
}

impl<'a> Context<'a, '_> {
    /// The mounts in order, and the devices as soon as there is a /dev for them. While the child is in /dev or
    /// in /sys, what goes below it needs no path from the root. Returns where the child is at the end.
    pub(super) fn mounts(&self, steps: &mut Vec<Step<'a>>) -> Result<Option<&'static str>, Error> {
        let own = self.own_devices();
        if own.is_none() && !self.setting.host_devices.is_empty() {
            return Err(Error::new("mounts", "devices need a tmpfs on /dev"));
        }
        let mut place = None;
        for (number, mount) in self.spec.mounts.iter().enumerate() {
            let field = format!("mounts[{number}]");
            let Some((target, step)) = self.one(&field, mount)? else { continue };
            match (step, place.and_then(|top| name_in(top, &target))) {
                (Step::Mount(new), Some(name)) => {
                    let target = self.arena.text(&field, name.as_bytes())?;
                    if place == Some("dev") {
                        steps.push(Step::Directory { name: target, mode: 0o755 });
                    }
                    steps.push(Step::MountInPlace(Mount { target, ..new }));
                }
                (step, _) => {
                    if place.take() == Some("dev") {
                        self.devices(steps)?;
                    }
                    steps.push(step);
                }
            }
            if own == Some(number) {
                steps.push(Step::Enter { target: c"dev", expect: FileSystem::Tmpfs });
                place = Some("dev");
            } else if target == "sys" && mount.kind == "sysfs" && self.has_fresh("sys") {
                steps.push(Step::Enter { target: c"sys", expect: FileSystem::Sysfs });
                place = Some("sys");
            }
        }
        if place == Some("dev") {
            self.devices(steps)?;
        }
        Ok(place)
    }

    /// One mount: where it goes, normalised, and the step; `None` where there is nothing to mount.
    fn one(&self, field: &str, mount: &spec::Mount) -> Result<Option<(String, Step<'a>)>, Error> {
        for (name, list) in [("uidMappings", &mount.uid_mappings), ("gidMappings", &mount.gid_mappings)] {
            if !list.is_empty() {
                return Err(Error::unsupported(format!("{field}.{name}")));
            }
        }
        let mut options = parse(mount.options.iter().map(String::as_str))
            .map_err(|option| Error::unsupported(format!("{field}.options {option}")))?;
        let destination = normalise(&mount.destination).filter(|path| !path.is_empty());
        let Some(destination) = destination else {
            let what = format!("{:?} is not an absolute path below /", mount.destination);
            return Err(Error::new(format!("{field}.destination"), what));
        };
        let is_bind = options.bind.is_some() || matches!(mount.kind.as_str(), "" | "bind" | "none");
        check_proc(field, mount, &destination, is_bind)?;
        // Devices are given one by one, as mounts of their own: elsewhere no node can be opened.
        let has_devices = mount.kind == "devpts" || is_bind && mount.source.starts_with("/dev/");
        if self.dead_nodes() && !has_devices && !options.clear.contains(Attributes::NO_DEVICES) {
            options.set = options.set.with(Attributes::NO_DEVICES);
        }
        let target = self.arena.text(field, destination.as_bytes())?;
        let step = if is_bind {
            Some(self.bind(field, mount, target, &options)?)
        } else {
            self.file_system(field, mount, target, &options)?
        };
        Ok(step.map(|step| (destination, step)))
    }

    fn bind(
        &self,
        field: &str,
        mount: &spec::Mount,
        target: &'a CStr,
        options: &Options,
    ) -> Result<Step<'a>, Error> {
        if mount.source.is_empty() {
            return Err(Error::new(format!("{field}.source"), "is missing"));
        }
        if !options.data.is_empty() {
            let data = String::from_utf8_lossy(&options.data);
            return Err(Error::new(
                format!("{field}.options"),
                format!("{data:?}: a bind has no such option"),
            ));
        }
        Ok(Step::Bind(Bind {
            source: self.arena.text(&format!("{field}.source"), mount.source.as_bytes())?,
            target,
            depth: options.bind.unwrap_or(Depth::One),
            set: options.set,
            clear: options.clear,
            // As runc has it: what is not said otherwise does not propagate in either direction.
            propagation: Some(options.propagation.unwrap_or(Propagation::Private)),
        }))
    }

    fn file_system(
        &self,
        field: &str,
        mount: &spec::Mount,
        target: &'a CStr,
        options: &Options,
    ) -> Result<Option<Step<'a>>, Error> {
        if matches!(options.propagation, Some(Propagation::Shared | Propagation::Slave)) {
            return Err(Error::unsupported(format!("{field}.options propagation of a new file system")));
        }
        let (kind, set) = match mount.kind.as_str() {
            // Without a group of its own the container would look at the host's.
            "cgroup" | "cgroup2" if self.setting.cgroup == CgroupView::Hidden => return Ok(None),
            "cgroup" | "cgroup2" if !self.namespaces.contains(Namespaces::CGROUP) => {
                let what = "a cgroup mount without a cgroup namespace would show the host's groups";
                return Err(Error::new(field, what));
            }
            "cgroup" => ("cgroup2", options.set),
            kind => (kind, options.set),
        };
        let source = if mount.source.is_empty() { kind } else { &mount.source };
        let strict = matches!(target.to_bytes(), b"proc" | b"sys" | b"dev");
        Ok(Some(Step::Mount(Mount {
            kind: self.arena.text(field, kind.as_bytes())?,
            source: self.arena.text(field, source.as_bytes())?,
            target,
            set,
            options: self.arena.text(field, &options.data)?,
            links: if strict { Links::Refused } else { Links::Within },
        })))
    }

    /// The layers of the host in order; the root first where it is one of them.
    pub(super) fn host_root(
        &self,
        layers: &[HostLayer],
        options: &'static CStr,
        set: Attributes,
        steps: &mut Vec<Step<'a>>,
    ) -> Result<(), Error> {
        const FIELD: &str = "root";
        steps.push(Step::Scratch);
        let whole = layers.iter().any(|layer| matches!(layer, HostLayer::CopyOnWrite(path) if path == "/"));
        if !whole {
            steps.push(Step::EmptyRoot { set });
            steps.push(Step::Enter { target: c".", expect: FileSystem::Tmpfs });
        }
        // What is made in the place comes first: an overlay leaves it.
        let in_place = |layer: &HostLayer| matches!(layer, HostLayer::Link(..) | HostLayer::Directory(_));
        let (first, then): (Vec<_>, Vec<_>) = layers.iter().partition(|layer| in_place(layer));
        for (number, layer) in first.into_iter().chain(then).enumerate() {
            let number = u8::try_from(number).map_err(|_| Error::new(FIELD, "has more than 256 parts"))?;
            let below = |path: &str| self.arena.text(FIELD, path.trim_start_matches('/').as_bytes());
            let step = match layer {
                HostLayer::CopyOnWrite(path) if path == "/" => {
                    Step::OverlayRoot { lower: c"/", options, set }
                }
                HostLayer::CopyOnWrite(path) => {
                    let lower = self.arena.text(FIELD, path.as_bytes())?;
                    Step::Overlay(Overlay { lower, target: below(path)?, number, options, set })
                }
                HostLayer::ReadOnly(path) => Step::Bind(Bind {
                    source: self.arena.text(FIELD, path.as_bytes())?,
                    target: below(path)?,
                    depth: Depth::Tree,
                    set: set.with(Attributes::READ_ONLY),
                    clear: Attributes::NONE,
                    propagation: Some(Propagation::Private),
                }),
                HostLayer::Link(path, to) => {
                    Step::Symlink { name: below(path)?, to: self.arena.text(FIELD, to.as_bytes())? }
                }
                HostLayer::Directory(path) => Step::Directory { name: below(path)?, mode: 0o755 },
            };
            steps.push(step);
        }
        Ok(())
    }
}

/// `target` as a name in the place: directly below /dev, and the directories that sysfs has for mounts.
fn name_in<'t>(top: &str, target: &'t str) -> Option<&'t str> {
    let name = target.strip_prefix(top)?.strip_prefix('/')?;
    let known = top == "dev" && !name.contains('/') || top == "sys" && name == "fs/cgroup";
    known.then_some(name)
}

/// What is mounted on or below /proc could make a file that a runtime or a service manager trusts say what it
/// likes (CVE-2019-16884).
fn check_proc(field: &str, mount: &spec::Mount, destination: &str, is_bind: bool) -> Result<(), Error> {
    let refused = match destination {
        "proc" => is_bind && mount.source != "/proc" || !is_bind && mount.kind != "proc",
        below => below.starts_with("proc/") && !COVERABLE.contains(&below),
    };
    match refused {
        true => {
            let what =
                format!("{:?}: /proc must be a procfs with nothing mounted below it", mount.destination);
            Err(Error::new(format!("{field}.destination"), what))
        }
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_as_the_kernel_would() {
        for (path, expected) in [
            ("/", Some("")),
            ("/a//b/./c/", Some("a/b/c")),
            ("/a/../../b", Some("b")),
            ("a", None),
            ("", None),
        ] {
            assert_eq!(normalise(path).as_deref(), expected, "{path}");
        }
    }
}
