//! A small image: the probe, a shell, and the usual directories.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::copy_program;

/// What the shell scripts of the tests use.
const APPLETS: &[&str] = &[
    "sh", "cat", "chmod", "cp", "dd", "echo", "id", "kill", "ln", "ls", "mkdir", "mknod", "mount", "sleep",
    "stat", "sync", "touch", "true", "umount", "wc",
];

/// The programs that images get, on the file system where the images will be.
pub struct Programs {
    probe: PathBuf,
    busybox: PathBuf,
}

impl Programs {
    /// Copies them to `directory`.
    ///
    /// # Panics
    /// Where they are not there.
    pub fn new(directory: &Path) -> Self {
        fs::create_dir_all(directory).expect("directory for programs");
        let copy = |from: PathBuf, name: &str| {
            let to = directory.join(name);
            copy_program(&from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
            to
        };
        Self { probe: copy(cli::program("probe"), "probe"), busybox: copy(cli::busybox(), "busybox") }
    }

    /// A static program with many uses.
    pub fn busybox(&self) -> &Path {
        &self.busybox
    }

    /// Makes an image at `root`. Its programs are links to those here: thousands of images are made.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn image(&self, root: &Path) {
        for directory in ["bin", "dev", "etc", "proc", "root", "sys", "tmp", "v/deep", "work"] {
            fs::create_dir_all(root.join(directory)).expect("directory of the image");
        }
        fs::hard_link(&self.probe, root.join("bin/probe")).expect("probe");
        fs::hard_link(&self.busybox, root.join("bin/busybox")).expect("busybox");
        for applet in APPLETS {
            symlink("busybox", root.join("bin").join(applet)).expect("applet");
        }
        fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nwww:x:33:33::/tmp:/bin/sh\n")
            .expect("passwd");
        fs::write(root.join("etc/group"), "root:x:0:\nwww:x:33:\n").expect("group");
        fs::write(root.join("v/file"), "").expect("file");
    }
}
