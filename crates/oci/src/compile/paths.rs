//! Masked and read-only paths.

use plan::{FileSystem, Kind, Step};
use sys::clone::Namespaces;

use sys::mounts::Attributes;

use super::Context;
use super::mounts::normalise;
use crate::Error;

/// Kernel file systems whose top is the plan's own mount: names below are the kernel's, and one call covers
/// each. Other paths belong to the image, and are found by descriptor.
const TRUSTED: [(&str, FileSystem); 2] = [("proc", FileSystem::Proc), ("sys", FileSystem::Sysfs)];

/// Those of the usual masked paths that are directories, so that the first try is the right one.
const DIRECTORIES: [&str; 6] = ["acpi", "asound", "scsi", "firmware", "devices/virtual/powercap", "fs"];

impl<'a> Context<'a, '_> {
    pub(super) fn covers(&self, place: Option<&str>, steps: &mut Vec<Step<'a>>) -> Result<(), Error> {
        // Where the child may be already comes first.
        for (top, kind) in TRUSTED.into_iter().rev() {
            if self.has_fresh(top) {
                self.trusted(top, kind, place, steps)?;
            }
        }
        for (field, paths) in self.lists() {
            for (number, path) in paths.iter().enumerate() {
                let normal = Self::checked(field, number, path)?;
                if self.trusted_top(&normal).is_some() {
                    continue;
                }
                let path = self.arena.text(field, normal.as_bytes())?;
                steps.push(match field {
                    MASKED => Step::MaskBelow { path },
                    _ => Step::ProtectBelow { path },
                });
            }
        }
        Ok(())
    }

    /// Everything below one kernel file system, entered once.
    fn trusted(
        &self,
        top: &'static str,
        kind: FileSystem,
        place: Option<&str>,
        steps: &mut Vec<Step<'a>>,
    ) -> Result<(), Error> {
        // Sealing concerns everything below: only where nothing is but the covers.
        let alone = !self.spec.mounts.iter().any(|mount| {
            normalise(&mount.destination).is_some_and(|path| path.starts_with(&format!("{top}/")))
        });
        // Sealing ends with the place itself writable again; one that is read-only has nothing to be sealed.
        let sealed = alone && self.is_read_only(top);
        let mut below = Vec::new();
        for (field, paths) in self.lists() {
            for (number, path) in paths.iter().enumerate() {
                let normal = Self::checked(field, number, path)?;
                let Some(name) = normal.strip_prefix(top).and_then(|rest| rest.strip_prefix('/')) else {
                    continue;
                };
                let guess = if DIRECTORIES.contains(&name) { Kind::Directory } else { Kind::File };
                let name = self.arena.text(field, name.as_bytes())?;
                below.push(match field {
                    MASKED => Step::Mask { name, guess },
                    _ if sealed => continue,
                    _ if alone => Step::Split { name },
                    _ => Step::Protect { name },
                });
            }
        }
        if below.iter().any(|step| matches!(step, Step::Split { .. })) {
            below.push(Step::Seal);
        }
        if !below.is_empty() && place != Some(top) {
            steps.push(Step::Enter { target: self.arena.text(top, top.as_bytes())?, expect: kind });
        }
        steps.append(&mut below);
        Ok(())
    }

    fn lists(&self) -> [(&'static str, &[String]); 2] {
        [(MASKED, &self.linux.masked_paths), (READ_ONLY, &self.linux.readonly_paths)]
    }

    fn checked(field: &str, number: usize, path: &str) -> Result<String, Error> {
        normalise(path).filter(|normal| !normal.is_empty()).ok_or_else(|| {
            Error::new(format!("{field}[{number}]"), format!("{path:?} is not an absolute path below /"))
        })
    }

    fn trusted_top(&self, normal: &str) -> Option<&'static str> {
        let (top, _) = normal.split_once('/')?;
        TRUSTED.iter().map(|(name, _)| *name).find(|name| *name == top && self.has_fresh(top))
    }

    /// Whether the last mount on `/top` is a new one of the kernel's file system. A sysfs that shows the
    /// host's network is bound, for want of the right to mount one, and is the kernel's too.
    pub(super) fn has_fresh(&self, top: &str) -> bool {
        let last =
            self.spec.mounts.iter().rev().find(|mount| normalise(&mount.destination).as_deref() == Some(top));
        let kind = if top == "sys" { "sysfs" } else { top };
        last.is_some_and(|mount| {
            mount.kind == kind
                || mount.source == format!("/{top}") && !self.namespaces.contains(Namespaces::NETWORK)
        })
    }
}

impl Context<'_, '_> {
    /// Whether what is mounted on `/top` cannot be written to anyway.
    fn is_read_only(&self, top: &str) -> bool {
        let last =
            self.spec.mounts.iter().rfind(|mount| normalise(&mount.destination).as_deref() == Some(top));
        last.and_then(|mount| super::options::parse(mount.options.iter().map(String::as_str)).ok())
            .is_some_and(|options| options.set.contains(Attributes::READ_ONLY))
    }
}

const MASKED: &str = "linux.maskedPaths";
const READ_ONLY: &str = "linux.readonlyPaths";
