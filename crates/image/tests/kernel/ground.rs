//! A store in a directory of its own, with something beside it that nothing may touch.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use image::{Error, Imported, Limits, Name, Source, Store, Warnings};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// What can be seen of a file: an inode that was replaced, or written and put back, shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub inode: u64,
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime: (i64, i64),
    pub ctime: (i64, i64),
    pub content: Vec<u8>,
}

pub struct Ground {
    pub at: PathBuf,
    pub store: Store,
    canary: BTreeMap<PathBuf, Seen>,
}

/// An archive that was taken.
pub struct Taken {
    pub ground: Ground,
    pub warnings: Warnings,
    /// The tree of its one layer.
    pub tree: PathBuf,
}

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

impl Ground {
    /// In memory where that keeps all that a layer has: each import waits for the disk.
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        Self::within(if keeps_attributes(memory) { memory } else { Path::new("/tmp") })
    }

    /// On a disk, for what a file system may do in its own way.
    pub fn on_disk() -> Self {
        Self::within(Path::new("/tmp"))
    }

    /// In a directory.
    pub fn within(place: &Path) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let at = place.join(format!("husk-image-{}-{number}", std::process::id()));
        fs::create_dir_all(at.join("canary/directory")).unwrap();
        fs::write(at.join("canary/secret"), "secret").unwrap();
        fs::write(at.join("canary/directory/inner"), "inner").unwrap();
        std::os::unix::fs::symlink("secret", at.join("canary/link")).unwrap();
        let store = Store::open(&at.join("store")).unwrap();
        let canary = see(&at.join("canary"));
        Self { at, store, canary }
    }

    pub fn canary(&self) -> String {
        self.at.join("canary").display().to_string()
    }

    pub fn import(&self, bytes: Vec<u8>, as_name: &str, limits: &Limits) -> Result<Imported, Error> {
        let imported =
            self.store.import(Source::Reader(Box::new(Cursor::new(bytes))), &name(as_name), limits, &mut ());
        self.check();
        imported
    }

    /// Nothing outside of the store has been touched, and nothing is half-made.
    pub fn check(&self) {
        assert_eq!(see(&self.at.join("canary")), self.canary);
        assert_eq!(names(&self.at), ["canary", "store"]);
        assert_eq!(names(&self.at.join("store")), ["empty", "images", "instances", "layers", "tmp"]);
        for empty in ["tmp", "empty", "instances"] {
            assert!(names(&self.at.join("store").join(empty)).is_empty(), "{empty}");
        }
    }

    pub fn layers(&self) -> Vec<String> {
        names(&self.at.join("store/layers"))
    }
}

/// Whether files there can have attributes of users: a tmpfs can since Linux 6.6.
fn keeps_attributes(place: &Path) -> bool {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let probe = place.join(format!("husk-image-probe-{}-{number}", std::process::id()));
    let is_made = fs::write(&probe, "").is_ok();
    let is_kept = is_made && sys::fs::setxattr(&probe, "user.a", b"b", sys::fs::XattrFlags::empty()).is_ok();
    let _ = fs::remove_file(probe);
    is_kept
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.at);
    }
}

/// Imports what has to be refused for this reason, and sees that nothing has come of it.
#[track_caller]
pub fn refused(bytes: Vec<u8>, words: &str) {
    refused_within(bytes, &Limits::default(), words);
}

#[track_caller]
pub fn refused_within(bytes: Vec<u8>, limits: &Limits, words: &str) {
    let ground = Ground::new();
    let error = ground.import(bytes, "hostile", limits).expect_err("it was taken").to_string();
    assert!(error.contains(words), "{error}");
    assert!(!error.contains('\n'), "{error}");
    assert!(ground.layers().is_empty());
    assert!(names(&ground.at.join("store/images")).is_empty());
}

/// Imports what has to be taken; an archive that names the canary's path gets it from the ground.
#[track_caller]
pub fn taken_from(make: impl FnOnce(&str) -> Vec<u8>) -> Taken {
    let ground = Ground::new();
    let bytes = make(&ground.canary());
    let Imported { image, warnings } = ground.import(bytes, "hostile", &Limits::default()).unwrap();
    let tree = ground.store.layer_paths(&image).remove(0);
    Taken { ground, warnings, tree }
}

#[track_caller]
pub fn taken(bytes: Vec<u8>) -> Taken {
    taken_from(|_| bytes)
}

impl Taken {
    /// Names, kinds and contents: `d NAME`, `f NAME=CONTENT`, `l NAME>TARGET`, `w NAME` (a whiteout),
    /// `o NAME` (an opaque directory), `c`, `b`, `p`.
    pub fn list(&self) -> Vec<String> {
        list(&self.tree)
    }
}

pub fn list(tree: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut waiting = vec![tree.to_path_buf()];
    while let Some(path) = waiting.pop() {
        let metadata = match path.symlink_metadata() {
            // overlayfs lists the whiteouts of a directory that only one layer has, and does not find them.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            other => other.unwrap(),
        };
        let kind = metadata.file_type();
        let shown =
            path.strip_prefix(tree).unwrap().as_os_str().as_encoded_bytes().escape_ascii().to_string();
        if kind.is_dir() {
            if !shown.is_empty() {
                lines.push(format!("{} {shown}", if is_opaque(&path) { 'o' } else { 'd' }));
            } else if is_opaque(&path) {
                lines.push("o .".to_owned());
            }
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if kind.is_symlink() {
            lines.push(format!("l {shown}>{}", fs::read_link(&path).unwrap().display()));
        } else if kind.is_file() {
            let content = fs::read(&path).unwrap();
            lines.push(format!("f {shown}={}", content[..content.len().min(20)].escape_ascii()));
        } else if kind.is_char_device() {
            lines.push(format!("{} {shown}", if metadata.rdev() == 0 { 'w' } else { 'c' }));
        } else {
            lines.push(format!("{} {shown}", if kind.is_block_device() { 'b' } else { 'p' }));
        }
    }
    lines.sort();
    lines
}

pub fn is_opaque(path: &Path) -> bool {
    xattr(path, "trusted.overlay.opaque").as_deref() == Some(b"y")
}

pub fn xattr(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 1000];
    let length = sys::fs::lgetxattr(path, name, value.as_mut_slice()).ok()?;
    value.truncate(length);
    Some(value)
}

pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Everything in a tree, the root included.
pub fn see(tree: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut seen = BTreeMap::new();
    let mut waiting = vec![tree.to_path_buf()];
    while let Some(path) = waiting.pop() {
        let metadata = path.symlink_metadata().unwrap();
        let content = if metadata.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            Vec::new()
        } else if metadata.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else if metadata.is_file() {
            fs::read(&path).unwrap()
        } else {
            metadata.rdev().to_string().into_bytes()
        };
        let of = Seen {
            inode: metadata.ino(),
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
            content,
        };
        seen.insert(path.strip_prefix(tree).unwrap().to_path_buf(), of);
    }
    seen
}
