//! What tests of the programs share: where the programs are, a root file system to run in, a directory that
//! goes away, one call that runs husk to its end, and what it may have left behind.

mod remains;
mod run;
mod table;

pub use remains::{Remains, processes_with};
pub use run::{Ended, husk, husk_run, report, run, run_in, run_with, shell, started, wait, wait_until};
pub use table::{Row, Table};

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The path of one of the project's programs, built if need be: `husk`, `probe`, `minit`. In the guest, and wherever it is
/// set, the environment variable `HUSK_BIN` (`PROBE_BIN` …) says where it is.
///
/// # Panics
/// Where it cannot be built.
pub fn program(name: &str) -> PathBuf {
    if let Some(given) = std::env::var_os(format!("{}_BIN", name.to_uppercase())) {
        return PathBuf::from(given);
    }
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // minit by itself: see its Cargo.toml.
        for packages in [&["husk", "--package", "probe"][..], &["minit", "--features", "program"]] {
            let mut build = Command::new(&cargo);
            build.args(["build", "--quiet", "--package"]).args(packages);
            build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
            assert!(build.status().expect("cargo").success(), "cargo build of {packages:?}");
        }
    });
    // …/debug/deps/NAME-HASH of this test is beside …/debug/husk.
    let test = std::env::current_exe().expect("own path");
    let directory = test.parent().and_then(Path::parent).expect("target directory");
    directory.join(name)
}

/// A static busybox: Debian's busybox-static, or the guest's.
pub fn busybox() -> PathBuf {
    std::env::var_os("BUSYBOX").map_or_else(|| PathBuf::from("/bin/busybox"), PathBuf::from)
}

/// A directory of a test's own, removed with everything in it when this is dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new one, which only its owner may enter.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("husk-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("scratch directory");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A path in it.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Copies a program, by another process: were it open for writing in this one, a child that another thread of the
/// test starts meanwhile would hold it open too, and nobody could execute it (ETXTBSY).
///
/// # Panics
/// Where it cannot be copied.
pub fn copy(program: &Path, to: &Path) {
    let done = Command::new(busybox()).arg("cp").arg(program).arg(to).status().expect("busybox-static");
    assert!(done.success(), "copy {} to {}", program.display(), to.display());
}

/// A root file system with busybox under all its names in /bin, the probe as /bin/probe, passwd and group
/// files, and the usual empty directories.
///
/// # Panics
/// Where it cannot be made.
pub fn rootfs(scratch: &Scratch) -> PathBuf {
    let root = scratch.join("rootfs");
    for directory in ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "var"] {
        std::fs::create_dir_all(root.join(directory)).expect("directory");
    }
    copy(&busybox(), &root.join("bin/busybox"));
    let list = Command::new(busybox()).arg("--list").output().expect("busybox --list");
    for applet in String::from_utf8_lossy(&list.stdout).lines().filter(|name| *name != "busybox") {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).expect("link");
    }
    copy(&program("probe"), &root.join("bin/probe"));
    let passwd = "root:x:0:0::/root:/bin/sh\nwww:x:33:33::/var/www:/bin/sh\n";
    std::fs::write(root.join("etc/passwd"), passwd).expect("passwd");
    std::fs::write(root.join("etc/group"), "root:x:0:\nwww:x:33:\nadm:x:4:www\ntape:x:26:www\n")
        .expect("group");
    root
}
