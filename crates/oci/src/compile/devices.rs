//! /dev: a tmpfs that allows no devices, on which each device of the container is bound.
//!
//! A device can be opened only through a mount that allows it. The container's root and its /dev do not, so
//! that a node in an image, or one made by mknod(2), is dead; what is bound here is what it has. This needs
//! no eBPF filter, and works without root and without cgroups.

use std::os::unix::ffi::OsStrExt as _;

use plan::{Console, Step};

use super::mounts::normalise;
use super::{Context, Nodes};
use crate::Error;

/// The devices that the specification promises (config-linux.md, Default Devices): name, major, minor.
const DEFAULT: [(&std::ffi::CStr, &std::ffi::CStr, (u32, u32)); 6] = [
    (c"null", c"/dev/null", (1, 3)),
    (c"zero", c"/dev/zero", (1, 5)),
    (c"full", c"/dev/full", (1, 7)),
    (c"random", c"/dev/random", (1, 8)),
    (c"urandom", c"/dev/urandom", (1, 9)),
    (c"tty", c"/dev/tty", (5, 0)),
];

impl<'a> Context<'a, '_> {
    /// Which mount makes /dev a tmpfs of the plan's, rather than the host's own: the last one there.
    pub(super) fn own_devices(&self) -> Option<usize> {
        let last = self
            .spec
            .mounts
            .iter()
            .rposition(|mount| normalise(&mount.destination).as_deref() == Some("dev"))?;
        (self.spec.mounts[last].kind == "tmpfs").then_some(last)
    }

    /// Whether the terminal is /dev/console too: where /dev is a mount of the plan's own.
    pub(super) fn console(&self) -> Console {
        let on_dev = |mount: &&crate::spec::Mount| normalise(&mount.destination).as_deref() == Some("dev");
        match self.spec.mounts.iter().rfind(on_dev).map(|mount| mount.kind.as_str()) {
            Some("tmpfs" | "devtmpfs") => Console::Bound,
            _ => Console::Absent,
        }
    }

    /// Whether device nodes of the image, and those that mknod(2) makes, are to be dead.
    pub(super) fn dead_nodes(&self) -> bool {
        self.setting.nodes == Nodes::Dead || self.own_devices().is_some()
    }

    /// In /dev: the devices, and the links that belong there.
    pub(super) fn devices(&self, steps: &mut Vec<Step<'a>>) -> Result<(), Error> {
        for (name, source, number) in DEFAULT {
            // The null device also covers masked files: it must be the real one.
            let expect = (name == c"null").then_some(number);
            steps.push(Step::Device { name, source, expect });
        }
        let links = [
            (c"fd", c"/proc/self/fd"),
            (c"stdin", c"/proc/self/fd/0"),
            (c"stdout", c"/proc/self/fd/1"),
            (c"stderr", c"/proc/self/fd/2"),
            (c"ptmx", c"pts/ptmx"),
        ];
        steps.extend(links.map(|(name, to)| Step::Symlink { name, to }));
        for (source, target) in self.setting.host_devices {
            let field = format!("device {}", source.display());
            let normal = normalise(target);
            let Some(name) = normal.as_deref().and_then(|path| path.strip_prefix("dev/")) else {
                return Err(Error::new(field, format!("{target:?} is not below /dev")));
            };
            for (end, _) in name.match_indices('/') {
                let name = self.arena.text(&field, &name.as_bytes()[..end])?;
                steps.push(Step::Directory { name, mode: 0o755 });
            }
            steps.push(Step::Device {
                name: self.arena.text(&field, name.as_bytes())?,
                source: self.arena.text(&field, source.as_os_str().as_bytes())?,
                expect: None,
            });
        }
        Ok(())
    }
}
