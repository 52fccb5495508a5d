//! The ground that the tests stand on: a parent group of their own, in the machine's cgroup v2.
use cgroup::{Hierarchy, Name, Parent};
use std::process::{Child, Command, Stdio};
use sys::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use sys::process::Pid;
use sys::thread::UnshareFlags;

/// A parent group of one test, removed at its end.
pub struct Ground {
    /// The group.
    pub parent: Parent,
    /// Where it is in the file system.
    pub path: String,
}

impl Ground {
    /// Makes the parent group of one test. `None`, with the reason printed, where there is no cgroup v2 to be
    /// had.
    pub fn prepare(test: &str) -> Option<Ground> {
        let name = format!("husk-test-{}-{test}", std::process::id());
        let parent = Parent::open(hierarchy()?, &Name::new(&name).expect("a name")).expect("a parent group");
        Some(Ground { parent, path: format!("/sys/fs/cgroup/{name}") })
    }

    /// What a file says, read by path: by another way than the code under test takes.
    pub fn text(&self, file: &str) -> String {
        let path = format!("{}/{file}", self.path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")).trim_end().to_owned()
    }

    /// The groups below the parent.
    pub fn groups(&self) -> Vec<String> {
        let entries =
            std::fs::read_dir(&self.path).expect("the parent group").map(|entry| entry.expect("an entry"));
        let groups = entries.filter(|entry| entry.path().is_dir());
        groups.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir(&self.path) {
            eprintln!("{}: {error}", self.path);
        }
    }
}

/// The machine's cgroup v2; where /sys/fs/cgroup has version 1, from a mount that only this thread sees.
fn hierarchy() -> Option<Hierarchy> {
    if !sys::process::geteuid().is_root() {
        println!("skipped: needs root");
        return None;
    }
    Hierarchy::find()
        .or_else(|_| {
            leave_mount_namespace();
            mount("none", "/sys/fs/cgroup", "cgroup2", MountFlags::empty(), None).expect("mount cgroup2");
            Hierarchy::find()
        })
        .inspect_err(|unavailable| println!("skipped: {unavailable}"))
        .ok()
}

/// Gives this thread a mount namespace of its own, from which nothing spreads.
#[expect(deprecated, reason = "what is deprecated is unsharing descriptors, and this unshares none")]
pub fn leave_mount_namespace() {
    sys::thread::unshare(UnshareFlags::NEWNS).expect("a mount namespace");
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).expect("private mounts");
}

/// A child process that does not outlive its test.
pub struct Running(Child);

impl Running {
    /// Starts a command that does nothing visible.
    pub fn start(command: &[&str]) -> Running {
        let mut child = Command::new(command[0]);
        child.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::piped());
        Running(child.spawn().unwrap_or_else(|error| panic!("{}: {error}", command[0])))
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).expect("a process id")
    }

    /// Waits for its end; returns the signal that ended it, and what it wrote.
    pub fn outcome(mut self) -> (Option<i32>, String) {
        use std::io::Read;
        use std::os::unix::process::ExitStatusExt;
        let mut output = String::new();
        let stdout = self.0.stdout.take();
        stdout.expect("its output").read_to_string(&mut output).expect("its output");
        (self.0.wait().expect("its end").signal(), output)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have been waited for already, and then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
