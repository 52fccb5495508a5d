//! Containers of `husk run`, many at once.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cli::Scratch;

/// A small root file system: busybox as `sh`, `true`, `false`, `sleep`.
///
/// # Panics
/// Where it cannot be made.
pub fn rootfs(scratch: &Scratch) -> PathBuf {
    let root = scratch.join("rootfs");
    for directory in ["bin", "dev", "proc", "sys"] {
        std::fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    cli::copy(&cli::busybox(), &root.join("bin/busybox"));
    for name in ["sh", "true", "false", "sleep"] {
        symlink("busybox", root.join("bin").join(name)).expect("a link");
    }
    root
}

/// Many containers of one root file system.
#[derive(Debug)]
pub struct Crowd<'c> {
    /// The root file system.
    pub rootfs: &'c Path,
    /// How many containers there are in all.
    pub containers: usize,
    /// How many at the same time.
    pub at_once: usize,
}

impl Crowd<'_> {
    /// Runs them. Each says its number and leaves with a code of its own.
    ///
    /// # Panics
    /// Where one of them says or leaves with something else.
    pub fn run(&self) {
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..self.at_once {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= self.containers {
                            return;
                        }
                        check(number, &self.one(number));
                    }
                });
            }
        });
    }

    fn one(&self, number: usize) -> Output {
        let script = format!("echo {number}; exit {}", number % 100);
        Command::new(cli::program("husk"))
            .args(["run", "--hostname", &format!("n{number}")])
            .arg(self.rootfs)
            .args(["sh", "-c", &script])
            .stdin(Stdio::null())
            .output()
            .expect("husk")
    }
}

fn check(number: usize, output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().and_then(|code| usize::try_from(code).ok());
    assert_eq!(text(&output.stderr), "", "container {number}");
    assert_eq!((code, text(&output.stdout)), (Some(number % 100), format!("{number}\n")));
}
