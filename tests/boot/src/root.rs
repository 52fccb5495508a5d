//! The root file system of a machine: an archive in memory.

use std::process::Command;

use xtask::cpio::Archive;

use crate::parts::{BUSYBOX, part};

/// The archive, being filled.
#[derive(Default)]
pub struct Root(Archive);

impl Root {
    /// minit as /init, and busybox: no folder but /bin, so that every mount point is missing.
    #[must_use]
    pub fn bare() -> Self {
        let mut root = Self::default();
        root.0.folder("bin");
        let root = root.program("bin/busybox", BUSYBOX.as_ref()).program("init", part("MINIT"));
        root.link("bin/sh", "busybox")
    }

    /// With a link for each of busybox's commands, and the folders that every root file system has.
    ///
    /// # Panics
    /// Where busybox does not list its commands.
    #[must_use]
    pub fn usual() -> Self {
        let listed = Command::new(BUSYBOX).arg("--list").output().expect("busybox starts");
        let list = String::from_utf8(listed.stdout).expect("its commands are text");
        let mut root = Self::bare();
        for folder in ["dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var"] {
            root.0.folder(folder);
        }
        let commands = list.lines().filter(|name| !["busybox", "sh"].contains(name));
        commands.fold(root, |root, name| root.link(&format!("bin/{name}"), "busybox"))
    }

    /// The modules of the kernel too.
    ///
    /// # Panics
    /// Where one cannot be read.
    #[must_use]
    pub fn with_modules(mut self) -> Self {
        let modules = part("MODULES");
        let release = modules.file_name().expect("a release").to_str().expect("it is text");
        let to = format!("lib/modules/{release}");
        ["lib", "lib/modules", &to, &format!("{to}/kernel")].into_iter().for_each(|path| self.0.folder(path));
        for folder in ["", "kernel/"] {
            for entry in std::fs::read_dir(modules.join(folder)).expect("the modules").flatten() {
                if entry.path().is_file() {
                    let name = entry.file_name().into_string().expect("it is text");
                    let content = std::fs::read(entry.path()).expect("a module");
                    self.0.file(&format!("{to}/{folder}{name}"), &content);
                }
            }
        }
        self
    }

    /// Another file that may be read.
    #[must_use]
    pub fn file(mut self, path: &str, content: &str) -> Self {
        self.0.file(path, content.as_bytes());
        self
    }

    /// Another program.
    ///
    /// # Panics
    /// Where it cannot be read.
    #[must_use]
    pub fn program(mut self, path: &str, from: &std::path::Path) -> Self {
        let content = std::fs::read(from).unwrap_or_else(|why| panic!("{}: {why}", from.display()));
        self.0.program(path, &content);
        self
    }

    /// A program whose text is known.
    #[must_use]
    pub fn script(mut self, path: &str, content: &str) -> Self {
        self.0.program(path, content.as_bytes());
        self
    }

    /// A folder.
    #[must_use]
    pub fn folder(mut self, path: &str) -> Self {
        self.0.folder(path);
        self
    }

    /// A symbolic link.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.0.symlink(path, target);
        self
    }

    /// The archive.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0.finish()
    }
}
