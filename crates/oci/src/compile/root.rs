//! What the root file system is made of, and when it becomes `/`.

use std::path::Path;

use plan::{Layers, Step};
use sys::mounts::{Attributes, Propagation};

use super::{Context, Privilege, RootSource};
use crate::Error;

impl<'a> Context<'a, '_> {
    /// The mount namespace is a copy of the host's: nothing may propagate out of it.
    pub(super) fn root(&self, steps: &mut Vec<Step<'a>>) -> Result<(), Error> {
        steps.push(Step::Propagate(match self.linux.rootfs_propagation.as_str() {
            "" | "private" | "rprivate" | "unbindable" | "runbindable" => Propagation::Private,
            "slave" | "rslave" | "shared" | "rshared" => Propagation::Slave,
            other => {
                let what = format!("{other:?} is no propagation");
                return Err(Error::new("linux.rootfsPropagation", what));
            }
        }));
        // Devices come from /dev alone, where each is bound: nodes that lie about in an image, or are made
        // by mknod, cannot be opened.
        let set = if self.dead_nodes() { Attributes::NO_DEVICES } else { Attributes::NONE };
        let options = match self.setting.privilege {
            Privilege::Full(_) => c"",
            // The trusted.* attributes that overlays use by default may not be set in a user namespace.
            Privilege::Rootless(_) => c",userxattr",
        };
        match self.setting.root {
            RootSource::Directory(path) => {
                steps.push(Step::Root { path: self.arena.path("root.path", path)?, set });
            }
            RootSource::Ephemeral(path) => {
                steps.push(Step::Scratch);
                let lower = self.arena.path("root.path", path)?;
                steps.push(Step::OverlayRoot { lower, options, set });
            }
            RootSource::Layers { lower, upper, work } => self.layers(lower, upper, work, set, steps)?,
            RootSource::Host(layers) => self.host_root(layers, options, set, steps)?,
        }
        Ok(())
    }

    /// Layers are to mean the same wherever they are used: nothing is put into one that only this kernel, or
    /// only these layers below it, give a meaning to (the kernel's overlayfs.rst: inode index, redirects,
    /// metadata only copy up).
    fn layers(
        &self,
        lower: &[&Path],
        upper: &Path,
        work: &Path,
        set: Attributes,
        steps: &mut Vec<Step<'a>>,
    ) -> Result<(), Error> {
        const FIELD: &str = "root";
        if matches!(self.setting.privilege, Privilege::Rootless(_)) {
            // In a user namespace the attributes that say so are not looked at, and what a layer hides would show.
            return Err(Error::new(FIELD, "layers need root: in a user namespace a root is a directory"));
        }
        if lower.is_empty() {
            return Err(Error::new(FIELD, "there is no layer"));
        }
        let lower: Vec<&std::ffi::CStr> =
            lower.iter().map(|path| self.arena.path(FIELD, path)).collect::<Result<_, _>>()?;
        steps.push(Step::Scratch);
        steps.push(Step::Layers(Layers {
            lower: self.arena.slice(&lower),
            upper: self.arena.path(FIELD, upper)?,
            work: self.arena.path(FIELD, work)?,
            options: c",index=off,redirect_dir=off,metacopy=off",
            set,
        }));
        Ok(())
    }

    /// Once everything below the root is in place it becomes `/`.
    pub(super) fn enter(&self, steps: &mut Vec<Step<'a>>) -> Result<(), Error> {
        if self.spec.root.as_ref().is_some_and(|root| root.readonly) {
            steps.push(Step::SetRoot { set: Attributes::READ_ONLY });
        }
        steps.push(Step::Pivot);
        match self.linux.rootfs_propagation.as_str() {
            "shared" | "rshared" => steps.push(Step::PropagateRoot(Propagation::Shared)),
            "slave" | "rslave" => steps.push(Step::PropagateRoot(Propagation::Slave)),
            "unbindable" | "runbindable" => steps.push(Step::PropagateRoot(Propagation::Unbindable)),
            _ => {}
        }
        Ok(())
    }
}
