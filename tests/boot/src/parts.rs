//! What machines are made of: `cargo xtask boot` makes it and says where it is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Debian's busybox-static.
pub const BUSYBOX: &str = "/bin/busybox";
/// Debian's tini.
pub const TINI: &str = "/usr/bin/tini-static";

/// The file that `cargo xtask boot` lists under this name: KERNEL, IMAGE (the same, packed), MODULES (a folder), MINIT, STAMP, VSOCK.
///
/// # Panics
/// Where it cannot be made.
#[must_use]
pub fn part(name: &str) -> &'static Path {
    static PARTS: OnceLock<Parts> = OnceLock::new();
    let parts = PARTS.get_or_init(|| make(&["boot"]));
    parts.get(name).unwrap_or_else(|| panic!("cargo xtask boot lists no {name}"))
}

/// The file that `cargo xtask boot systems` lists under this name: DEBIAN (an archive), HUSK, HUSKD, SHIM.
///
/// # Panics
/// Where it cannot be made.
#[must_use]
pub fn system_part(name: &str) -> &'static Path {
    static PARTS: OnceLock<Parts> = OnceLock::new();
    let parts = PARTS.get_or_init(|| make(&["boot", "systems"]));
    parts.get(name).unwrap_or_else(|| panic!("cargo xtask boot systems lists no {name}"))
}

/// minit with a defect that signal 64 meets, built as its package says.
///
/// # Panics
/// Where it cannot be built.
#[must_use]
pub fn broken_minit() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let target = root.join("target/defect");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args([
            "build",
            "--quiet",
            "--package",
            "minit",
            "--features",
            "program,defect",
            "--target-dir",
        ]);
        let built = build.arg(&target).current_dir(root).status().expect("cargo starts");
        assert!(built.success(), "cargo build of minit with a defect");
        target.join("x86_64-unknown-linux-gnu/debug/minit")
    })
}

type Parts = HashMap<String, PathBuf>;

fn make(words: &[&str]) -> Parts {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let made = Command::new(cargo)
        .args(["run", "--quiet", "--package", "xtask", "--"])
        .args(words)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .expect("cargo starts");
    assert!(made.status.success(), "cargo xtask {words:?}: {}", String::from_utf8_lossy(&made.stderr));
    let list = String::from_utf8(made.stdout).expect("paths are text");
    let parts = list.lines().filter_map(|line| line.split_once('='));
    parts.map(|(name, path)| (name.to_owned(), PathBuf::from(path))).collect()
}

/// A folder of its own for a machine's files, short enough for the paths of sockets; removed when it is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("boot-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("a folder for the machine");
        Self(path)
    }

    /// A path in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
