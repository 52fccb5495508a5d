//! From a directory to an image.

use std::collections::HashSet;
use std::path::Path;

use sys::fd::{AsFd, BorrowedFd};
use sys::fs::{self, AtFlags, Mode, OFlags};

use crate::Config;
use crate::digest::LayerId;
use crate::error::{Error, Result};
use crate::import::{Imported, Work};
use crate::limits::Limits;
use crate::name::Name;
use crate::pack::{Holes, Request, Tree, announce, pack};
use crate::progress::{Phase, Progress, Watch};
use crate::store::Store;
use crate::stream::flow;
use crate::tar::End;
use crate::warnings::Warnings;

impl Store {
    /// An image of these layers (bottom first) and one more, made of what is in overlayfs' upper directory.
    /// Nobody may write there meanwhile. The names of directories that a container has moved are overlayfs'
    /// redirects, which no layer can say: [`commit_flat`](Self::commit_flat) takes them.
    ///
    /// # Errors
    /// The name is taken; a file that no archive of a layer can say (see above, and names that begin with
    /// `.wh.`); the limits; the kernel's.
    pub fn commit_changes(
        &self,
        upper: BorrowedFd<'_>,
        base: &[LayerId],
        (name, config): (&Name, Config),
        limits: &Limits,
        progress: &mut dyn Progress,
    ) -> Result<Imported> {
        let mut work = self.begin(name, limits)?;
        if base.len() >= limits.layers {
            let (count, most) = (base.len() + 1, limits.layers);
            return Err(Error::Archive(format!(
                "an image of {count} layers, and {most} are the limit; make it of the whole tree"
            )));
        }
        for id in base {
            let record = work.pins.keep(id)?;
            let record = record.ok_or_else(|| Error::Invalid(format!("layer {id} is not in the store")))?;
            work.layers.push((id.clone(), record.bytes));
        }
        work.pack(upper, Tree::Layer, &HashSet::new(), progress)?;
        work.publish(name, config, progress)
    }

    /// An image of one layer, made of a tree as programs see it: that of a
    /// [`MergedTree`](crate::MergedTree), or any other.
    ///
    /// # Errors
    /// As [`commit_changes`](Self::commit_changes).
    pub fn commit_flat(
        &self,
        tree: BorrowedFd<'_>,
        (name, config): (&Name, Config),
        limits: &Limits,
        progress: &mut dyn Progress,
    ) -> Result<Imported> {
        let mut work = self.begin(name, limits)?;
        work.pack(tree, Tree::Whole, &HashSet::new(), progress)?;
        work.publish(name, config, progress)
    }

    /// An image of a mounted file system, `/` for instance: this file system only, directories that others are
    /// mounted on are empty in it. The store itself and what is at `exclude` is left out; so are sockets, and
    /// files that vanish meanwhile.
    ///
    /// # Errors
    /// As [`commit_changes`](Self::commit_changes).
    pub fn seed(
        &self,
        directory: &Path,
        name: &Name,
        exclude: &[&Path],
        limits: &Limits,
        progress: &mut dyn Progress,
    ) -> Result<Imported> {
        let mut work = self.begin(name, limits)?;
        let on = directory.display().to_string();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = fs::open(directory, flags, Mode::empty()).map_err(Error::system("open", on))?;
        let own = fs::fstat(self.root()).map_err(Error::system("stat", "the store"))?;
        let mut left_out = HashSet::from([(own.st_dev, own.st_ino)]);
        for path in exclude {
            // What is not there need not be left out.
            if let Ok(stat) = fs::statat(fs::CWD, *path, AtFlags::empty()) {
                left_out.insert((stat.st_dev, stat.st_ino));
            }
        }
        work.pack(root.as_fd(), Tree::Whole, &left_out, progress)?;
        work.publish(name, Config::default(), progress)
    }

    fn begin<'a>(&'a self, name: &Name, limits: &'a Limits) -> Result<Work<'a>> {
        self.demand_free(name)?;
        Work::new(self, limits)
    }
}

impl Work<'_> {
    /// A layer of a directory: what unpacking its archive makes.
    fn pack(
        &mut self,
        root: BorrowedFd<'_>,
        tree: Tree,
        left_out: &HashSet<(u64, u64)>,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let mut watch = Watch::new(progress, Phase::Packing, None);
        let request = Request {
            tree,
            devices: self.limits.devices,
            holes: Holes::Kept,
            names: self.limits.names,
            left_out,
        };
        announce(root, &request, &mut watch)?;
        let mut skipped = Warnings::default();
        let (unpacked, flowed) = flow(
            &mut watch,
            self.limits.archive(),
            |outflow| pack(root, &request, outflow, &mut skipped),
            |intake| self.unpack(intake, End::Marked),
        )?;
        self.warnings.append(skipped);
        self.add(flowed.digest, unpacked)
    }
}
