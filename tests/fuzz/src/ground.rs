//! A store in memory with something beside it that nothing may touch.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use image::{Image, Limits, Name, Source, Store};
use sys::fd::{AsRawFd, OwnedFd};
use sys::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

/// What can be seen of a file; one that was replaced, or written and put back, shows.
type Seen = (u64, u32, (u32, u32), (i64, i64), (i64, i64), Vec<u8>);

pub struct Ground {
    at: PathBuf,
    pub store: Store,
    canary: BTreeMap<PathBuf, Seen>,
    _root: OwnedFd,
}

/// One for all inputs, for one at a time.
pub fn with(run: impl FnOnce(&Ground)) {
    static GROUND: OnceLock<Mutex<Ground>> = OnceLock::new();
    let ground = GROUND.get_or_init(|| Mutex::new(Ground::new()));
    run(&ground.lock().unwrap_or_else(PoisonError::into_inner));
}

impl Ground {
    fn new() -> Self {
        // In no mount table: it goes with the process, however that ends.
        let tmpfs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).expect("root's rights");
        fsconfig_create(&tmpfs).expect("a tmpfs");
        let root = fsmount(&tmpfs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).expect("a mount");
        let at = PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd()));
        fs::create_dir_all(at.join("canary/directory")).expect("memory");
        fs::write(at.join("canary/secret"), "secret").expect("memory");
        fs::write(at.join("canary/directory/inner"), "inner").expect("memory");
        let store = Store::open(&at.join("store")).expect("a store in memory");
        let canary = see(&at.join("canary"));
        Self { at, store, canary, _root: root }
    }

    /// Imports; nothing outside of the store has been touched then, and nothing is half-made.
    pub fn import(&self, source: Source) -> Option<Image> {
        let limits = Limits { bytes: 1 << 20, entries: 1000, layers: 8, reserve: 0, ..Limits::default() };
        let name = Name::parse("fuzzed").expect("a name");
        let imported = self.store.import(source, &name, &limits, &mut ());
        self.check();
        match imported {
            Ok(imported) => Some(imported.image),
            Err(error) => {
                let text = error.to_string();
                assert!(!text.is_empty() && text.len() < 2000, "{text}");
                assert!(
                    text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
                    "{text:?}: not for a terminal"
                );
                assert_eq!(names(&self.at.join("store/images")), Vec::<String>::new(), "{text}");
                assert_eq!(names(&self.at.join("store/layers")), Vec::<String>::new(), "{text}");
                None
            }
        }
    }

    /// Removes all images.
    pub fn clear(&self) {
        for image in self.store.images().expect("images") {
            self.store.remove_image(&image.name).expect("an image");
        }
        self.store.collect(std::collections::BTreeSet::new).expect("layers of nobody");
        assert_eq!(names(&self.at.join("store/layers")), Vec::<String>::new());
        self.check();
    }

    fn check(&self) {
        assert_eq!(see(&self.at.join("canary")), self.canary);
        assert_eq!(names(&self.at), ["canary", "store"]);
        assert_eq!(names(&self.at.join("store")), ["empty", "images", "instances", "layers", "tmp"]);
        for empty in ["tmp", "empty", "instances"] {
            assert_eq!(names(&self.at.join("store").join(empty)), Vec::<String>::new(), "{empty}");
        }
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A tree as it is; what is no directory and no file has its link, or its number.
pub fn see(tree: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut seen = BTreeMap::new();
    let mut waiting = vec![tree.to_path_buf()];
    while let Some(path) = waiting.pop() {
        let metadata = path.symlink_metadata().expect("something in the tree");
        let kind = metadata.file_type();
        let content = if kind.is_dir() {
            waiting.extend(
                fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()),
            );
            Vec::new()
        } else if kind.is_symlink() {
            fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes()
        } else if kind.is_file() {
            fs::read(&path).expect("a file")
        } else {
            metadata.rdev().to_string().into_bytes()
        };
        let times = ((metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec()));
        let owner = (metadata.uid(), metadata.gid());
        let relative = path.strip_prefix(tree).expect("below it").to_path_buf();
        seen.insert(relative, (metadata.ino(), metadata.mode(), owner, times.0, times.1, content));
    }
    seen
}
