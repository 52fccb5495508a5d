//! Where a test runs: a mount namespace and a directory of its own, with the victim in it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use cli::Scratch;
use sys::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount_change};
use sys::thread::UnshareFlags;

use crate::copy_program;
use crate::image::Programs;
use crate::victim::Victim;

/// The user that tests without root run as.
pub const USER: u32 = 1000;

/// A test's surroundings. What is mounted in them by mistake is seen in [`Ground::assert_untouched`].
pub struct Ground {
    /// The tree that must not change.
    pub victim: Victim,
    programs: Programs,
    husk: PathBuf,
    mounts: Mutex<String>,
    memory: Mutex<Vec<PathBuf>>,
    count: AtomicU32,
    scratch: Scratch,
}

impl Ground {
    /// For the calling thread, and the processes that it starts. `None`, with the reason printed, where we
    /// are not root.
    ///
    /// # Panics
    /// Where something is missing.
    pub fn new() -> Option<Self> {
        if !sys::process::geteuid().is_root() {
            println!("skipped: needs root, for device nodes, owners and a mount namespace");
            return None;
        }
        begin();
        let scratch = Scratch::new();
        // Without root, too, the images have to be within reach.
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).expect("mode of the scratch");
        own_mounts();
        let programs = Programs::new(&scratch.join("programs"));
        let husk = scratch.join("husk");
        copy_program(&cli::program("husk"), &husk).expect("copy of husk");
        let victim = Victim::new(scratch.join("victim"), programs.busybox());
        let volume = scratch.join("volume");
        fs::create_dir(&volume).expect("volume");
        fs::write(volume.join("file"), "of the volume\n").expect("file of the volume");
        let (mounts, memory) = (Mutex::new(mounts()), Mutex::default());
        Some(Self { victim, programs, husk, mounts, memory, count: AtomicU32::new(0), scratch })
    }

    /// A path in the test's directory.
    pub fn join(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// A directory with a file in it, to be bound.
    pub fn volume(&self) -> PathBuf {
        self.scratch.join("volume")
    }

    /// The copy of husk that is run.
    pub fn program(&self) -> &Path {
        &self.husk
    }

    /// A volume in memory: a tmpfs, as a container's own /dev is.
    ///
    /// # Panics
    /// Where it cannot be mounted.
    pub fn volume_in_memory(&self, name: &str) -> PathBuf {
        let path = self.scratch.join(name);
        fs::create_dir(&path).expect("directory of the volume");
        sys::mount::mount(c"tmpfs", &path, c"tmpfs", MountFlags::empty(), None).expect("tmpfs");
        self.memory.lock().expect("volumes").push(path.clone());
        *self.mounts.lock().expect("mounts") = mounts();
        path
    }

    /// A static program with many uses, outside of every image.
    pub fn busybox(&self) -> &Path {
        self.programs.busybox()
    }

    /// A new image.
    pub fn image(&self) -> PathBuf {
        let root = self.scratch.join(format!("root{}", self.count.fetch_add(1, Ordering::Relaxed)));
        self.programs.image(&root);
        root
    }

    /// `husk run` with options, an image and a command.
    pub fn run(&self, options: &[&str], root: &Path, command: &[&str]) -> Command {
        let mut husk = Command::new(&self.husk);
        husk.arg("run").args(options).arg(root).args(command);
        husk
    }

    /// The same by a user who is not root, and whose the image then is.
    ///
    /// # Panics
    /// Where the image's owner cannot be changed.
    pub fn run_as_user(&self, options: &[&str], root: &Path, command: &[&str]) -> Command {
        use std::os::unix::process::CommandExt;
        give(root);
        let mut husk = self.run(options, root, command);
        husk.uid(USER).gid(USER);
        husk
    }

    /// Nothing may have happened outside of the containers: to the victim, to the volume's neighbours, to the
    /// mounts.
    ///
    /// # Panics
    /// Where something did.
    pub fn assert_untouched(&self, when: &str) {
        let changes = self.victim.changes();
        assert!(changes.is_empty(), "{when}: the victim has changed:\n{}", changes.join("\n"));
        assert_eq!(mounts(), *self.mounts.lock().expect("mounts"), "{when}: the host's mounts have changed");
    }
}

/// The group below which husk makes one for each container, where there is cgroup v2. It stays, for the next.
const GROUPS: &str = "/sys/fs/cgroup/husk";

/// How many grounds there are, and whether the group was there before the first of them.
static LIVING: Mutex<(usize, bool)> = Mutex::new((0, false));

/// One ground more.
fn begin() {
    let mut living = LIVING.lock().unwrap_or_else(PoisonError::into_inner);
    if living.0 == 0 {
        living.1 = Path::new(GROUPS).exists();
    }
    living.0 += 1;
}

/// One ground less: the last one leaves the machine as the first one found it. No container starts meanwhile.
fn end() {
    let mut living = LIVING.lock().unwrap_or_else(PoisonError::into_inner);
    living.0 -= 1;
    if living.0 == 0 && !living.1 {
        // Not empty if a container that is none of ours runs.
        let _ = fs::remove_dir(GROUPS);
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        end();
        for path in self.memory.lock().into_iter().flat_map(|paths| paths.clone()) {
            // The namespace ends with the thread; this only lets the directory be removed.
            let _ = sys::mount::unmount(&path, UnmountFlags::DETACH);
        }
    }
}

/// A mount namespace whose mounts are shared among themselves: a container that forgot to make its own private
/// would be seen here.
#[expect(deprecated, reason = "what is deprecated is unsharing descriptors, and this unshares none")]
fn own_mounts() {
    sys::thread::unshare(UnshareFlags::NEWNS).expect("a mount namespace");
    let all = MountPropagationFlags::REC;
    mount_change(c"/", MountPropagationFlags::PRIVATE | all).expect("private mounts");
    mount_change(c"/", MountPropagationFlags::SHARED | all).expect("shared mounts");
}

/// The mounts of the calling thread.
fn mounts() -> String {
    fs::read_to_string("/proc/thread-self/mountinfo").expect("mountinfo")
}

/// Gives a tree to [`USER`]; what it links to stays whose it is.
fn give(top: &Path) {
    let _ = std::os::unix::fs::lchown(top, Some(USER), Some(USER));
    let Ok(found) = top.symlink_metadata() else { return };
    if found.is_dir() {
        let entries = fs::read_dir(top).into_iter().flatten().flatten();
        // The programs are links to files that other images have too.
        entries.filter(|entry| entry.file_name() != "bin").for_each(|entry| give(&entry.path()));
        let _ = chown(top.join("bin"), Some(USER), Some(USER)).is_ok();
    }
}
