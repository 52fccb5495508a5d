//! An image as a plain directory.

use std::collections::HashSet;

use sys::fd::BorrowedFd;
use sys::fs;

use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::merged::MergedTree;
use crate::pack::{Holes, Request, Tree, pack};
use crate::progress::{Phase, Progress, Watch};
use crate::store::{Image, Store};
use crate::stream::flow;
use crate::tar::{End, Reader};
use crate::unpack::unpack;
use crate::warnings::Warnings;

impl Store {
    /// Makes the directory `name` in `at`, and in it a copy of the image's whole tree. If it comes to nothing,
    /// what there is of the copy stays: the caller made the place for it, and removes it. When this returns, all of it is on
    /// the disk.
    ///
    /// # Errors
    /// EEXIST where there is something of this name; the limits; the kernel's.
    pub fn make_copy(
        &self,
        image: &Image,
        (at, name): (BorrowedFd<'_>, &str),
        limits: &Limits,
        progress: &mut dyn Progress,
    ) -> Result<Warnings> {
        let tree = MergedTree::new(self, &image.layers)?;
        let mut watch = Watch::new(progress, Phase::Packing, Some(image.size));
        let left_out = HashSet::new();
        let request = Request {
            tree: Tree::Whole,
            devices: limits.devices,
            holes: Holes::Kept,
            names: limits.names,
            left_out: &left_out,
        };
        let (mut warnings, mut skipped) = (Warnings::default(), Warnings::default());
        flow(
            &mut watch,
            limits.archive(),
            |outflow| pack(tree.root(), &request, outflow, &mut skipped),
            |intake| unpack(&mut Reader::new(intake, End::Marked), (at, name), limits, &mut warnings),
        )?;
        warnings.append(skipped);
        // Where the copy gets its name later, it must not have it before it is on the disk.
        fs::syncfs(at).map_err(Error::system("sync", "the copy"))?;
        Ok(warnings)
    }
}
