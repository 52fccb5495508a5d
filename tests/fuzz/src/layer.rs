//! Layers unpacked: links, whiteouts and names that lead elsewhere, in any order.
//!
//! Nothing outside of the store is touched, what fails leaves nothing, no device is made; and what was unpacked is, packed
//! and unpacked once more, the same tree.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Cursor;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use image::{Config, Limits, Name, Source as From};

use crate::archive;
use crate::ground::{self, Ground};
use crate::source::Source;

/// Mode, owner, time, content, and how many names it has.
type Kept = (u32, (u32, u32), (i64, i64), Vec<u8>, u64);

pub fn run(bytes: &[u8]) {
    let archive = archive::of(&mut Source::new(bytes));
    ground::with(|ground| {
        let Some(image) = ground.import(From::Reader(Box::new(Cursor::new(archive)))) else { return };
        let tree = ground.store.layer_paths(&image).remove(0);
        demand_no_devices(&tree);
        packed_again(ground, &tree);
        ground.clear();
    });
}

fn demand_no_devices(tree: &Path) {
    for (path, (_, mode, .., content)) in ground::see(tree) {
        let is_device = matches!(mode & 0o170_000, 0o020_000 | 0o060_000);
        assert!(!is_device || (mode & 0o170_000 == 0o020_000 && content == b"0"), "{}", path.display());
    }
}

fn packed_again(ground: &Ground, tree: &Path) {
    let name = Name::parse("again").expect("a name");
    let upper = File::open(tree).expect("the tree");
    let limits = Limits { reserve: 0, ..Limits::default() };
    let again = ground.store.commit_changes(upper.as_fd(), &[], (&name, Config::default()), &limits, &mut ());
    let again = again.expect("what was unpacked can be packed");
    let other = ground.store.layer_paths(&again.image).remove(0);
    assert_eq!(what_matters(&other), what_matters(tree));
}

/// What a layer keeps of a tree: all but the numbers and the times of inodes, and the times of marks.
fn what_matters(tree: &Path) -> BTreeMap<PathBuf, Kept> {
    let kept = ground::see(tree).into_iter().map(|(path, (_, mode, owner, mtime, _, content))| {
        let metadata = tree.join(&path).symlink_metadata().expect("it was just there");
        let is_mark = mode & 0o170_000 == 0o020_000;
        // The names of a directory are counted by its content; marks are one inode or many.
        let links = if metadata.is_dir() || is_mark { 1 } else { metadata.nlink() };
        (path, (mode, owner, if is_mark { (0, 0) } else { mtime }, content, links))
    });
    kept.collect()
}
