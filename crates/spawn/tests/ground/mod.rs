//! The ground that the tests stand on: a directory, a small root file system in it, a caller that does nothing.

// Each test program uses a part of it.
#![allow(dead_code)]

use std::convert::Infallible;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use spawn::{Caller, Pause};
use sys::clone::Child;
use sys::fd::OwnedFd;

/// A directory of a test's own, removed with everything in it when this is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new one.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("spawn-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a scratch directory");
        Self(path)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Its path, as the kernel takes it.
    pub fn text(&self) -> CString {
        CString::new(self.0.as_os_str().as_bytes()).expect("a path")
    }

    /// Makes a file with these permission bits.
    pub fn file(&self, name: &str, content: &[u8], mode: u32) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&path, content).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("its mode");
    }

    /// Makes a directory.
    pub fn directory(&self, name: &str) {
        std::fs::create_dir_all(self.0.join(name)).expect("a directory");
    }

    /// Makes a symbolic link.
    pub fn link(&self, name: &str, to: &str) {
        symlink(to, self.0.join(name)).expect("a link");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Nothing is done while a child waits.
pub struct Bystander;

impl Caller for Bystander {
    type Error = Infallible;

    fn pause(&mut self, _: Pause, _: &Child) -> Result<(), Infallible> {
        Ok(())
    }

    fn terminal(&mut self, _: OwnedFd) {}
}

/// Whether this process may make namespaces; says so where not.
pub fn is_root() -> bool {
    let is_root = sys::process::geteuid().is_root();
    if !is_root {
        println!("skipped: needs root");
    }
    is_root
}
