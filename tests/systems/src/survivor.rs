//! A disk after a power cut: a daemon is started on it, in a mount namespace that goes away, and all of it is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use boot::parts::{BUSYBOX, Folder, system_part};
use serde_json::Value;

use crate::verbs::{State, content, files};

/// How long the daemon may take to serve.
const PATIENCE: Duration = Duration::from_secs(20);

/// The daemon on that disk.
pub struct Survivor<'f> {
    daemon: Child,
    folder: &'f Folder,
    /// Where the file system is, seen from outside of its namespace.
    root: PathBuf,
}

impl<'f> Survivor<'f> {
    /// Mounts the file system that begins at a byte of the file, and starts the daemon there.
    ///
    /// # Panics
    /// Where one of them cannot be done.
    #[must_use]
    pub fn start(folder: &'f Folder, disk: &Path, offset: u64) -> Self {
        let place = folder.file("mounted");
        let _ = fs::create_dir(&place);
        for name in ["sock", "sock.lock"] {
            let _ = fs::remove_file(folder.file(name));
        }
        // The mount is the daemon's and its shims' alone.
        let script = format!("mount -t ext4 -o loop,offset={offset} \"$1\" \"$2\" && shift 2 && exec \"$@\"");
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"])
            .arg(disk)
            .arg(&place);
        command.arg(system_part("HUSKD")).args(["--no-console", "--root"]).arg(&place);
        command.arg("--shim").arg(system_part("SHIM"));
        command.arg("--runtime").arg(folder.file("run")).arg("--socket").arg(folder.file("sock"));
        let log = fs::File::create(folder.file("log")).expect("a log");
        let daemon =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("unshare starts");
        let inside = format!("/proc/{}/root{}", daemon.id(), place.display());
        let mut survivor = Self { daemon, folder, root: inside.into() };
        let until = Instant::now() + PATIENCE;
        while UnixStream::connect(folder.file("sock")).is_err() {
            let ended = survivor.daemon.try_wait().expect("a child of ours");
            assert!(ended.is_none() && Instant::now() < until, "huskd does not serve: {}", survivor.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        survivor
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.file("log")).unwrap_or_default()
    }

    fn husk(&self, words: &[&str]) -> String {
        let mut husk = Command::new(system_part("HUSK"));
        husk.arg("--socket").arg(self.folder.file("sock")).args(words).stdin(Stdio::null());
        let done = husk.output().expect("husk starts");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "husk {words:?}: {said}; huskd: {}", self.log());
        String::from_utf8(done.stdout).expect("text")
    }

    /// The names of images and instances.
    #[must_use]
    pub fn names(&self) -> [BTreeSet<String>; 2] {
        [["images", "-q"], ["ls", "-q"]].map(|words| self.husk(&words).lines().map(str::to_owned).collect())
    }

    /// Everything is whole that a state has, and there is nothing else.
    ///
    /// # Panics
    /// Where it is not so.
    pub fn demand(&self, state: &State) {
        let mut used = BTreeSet::new();
        for (name, tags) in &state.images {
            let record = self.record(&format!("images/{name}.json"));
            let layers = strings(&record["layers"]);
            assert_eq!(self.payloads(&layers), *tags, "image {name}");
            used.extend(layers);
        }
        for (name, tags) in &state.instances {
            let record = self.record(&format!("instances/{name}/instance.json"));
            let directory = self.root.join("instances").join(name);
            let layers = strings(&record["layers"]);
            assert_eq!(self.payloads(&layers), *tags, "the layers of instance {name}");
            used.extend(layers);
            if record["files"] == "copy" {
                // What the instance has written since is its own affair.
                tags.iter().for_each(|tag| demand_whole(&directory.join("rootfs"), *tag));
                continue;
            }
            assert!(directory.join("upper").is_dir() && directory.join("work").is_dir(), "instance {name}");
        }
        assert_eq!(self.list("layers"), used, "layers that there are, and those that are used");
        assert_eq!(self.list("tmp"), BTreeSet::new(), "what is half-made");
        let expected: BTreeSet<String> = state.instances.keys().cloned().collect();
        assert_eq!(self.list("instances"), expected, "directories of instances");
    }

    /// It can be worked with.
    ///
    /// # Panics
    /// Where it cannot.
    pub fn use_it(&self, state: &State, archive: &Path) {
        for name in state.instances.keys() {
            self.husk(&["run", name, "/bin/busybox", "true"]);
        }
        let archive = archive.to_str().expect("text");
        self.husk(&["import", archive, "after"]);
        self.husk(&["new", "after", "after"]);
        self.husk(&["run", "after", "/bin/busybox", "true"]);
        self.husk(&["commit", "after", "again"]);
        self.husk(&["rm", "after"]);
        for image in state.images.keys().map(String::as_str).chain(["after", "again"]) {
            self.husk(&["rmi", image]);
        }
        for instance in state.instances.keys() {
            self.husk(&["rm", instance]);
        }
        assert_eq!(self.list("layers"), BTreeSet::new(), "nobody has a layer any more");
    }

    fn record(&self, path: &str) -> Value {
        let text = fs::read(self.root.join(path)).unwrap_or_else(|why| panic!("{path}: {why}"));
        serde_json::from_slice(&text).unwrap_or_else(|why| panic!("{path}: {why}"))
    }

    fn list(&self, directory: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(self.root.join(directory)).expect("a directory of the store");
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect()
    }

    /// The payloads in layers, each of which is whole.
    fn payloads(&self, layers: &[String]) -> BTreeSet<u32> {
        let trees = layers.iter().map(|id| {
            self.record(&format!("layers/{id}/layer.json"));
            self.root.join("layers").join(id).join("fs")
        });
        trees.flat_map(|tree| whole(&tree)).collect()
    }
}

impl Drop for Survivor<'_> {
    fn drop(&mut self) {
        // Instances have ended by themselves.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|one| one.as_str().expect("text").to_owned()).collect()
}

/// The payloads in a tree, each of which is whole, as is busybox.
fn whole(tree: &Path) -> BTreeSet<u32> {
    let busybox = tree.join("bin/busybox");
    if busybox.exists() {
        assert!(fs::read(&busybox).ok() == fs::read(BUSYBOX).ok(), "{}", busybox.display());
    }
    let Ok(entries) = fs::read_dir(tree.join("data")) else { return BTreeSet::new() };
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let tags: BTreeSet<u32> =
        names.map(|name| name.to_str().and_then(|name| name.parse().ok()).expect("a payload")).collect();
    tags.iter().for_each(|tag| demand_whole(tree, *tag));
    tags
}

fn demand_whole(tree: &Path, tag: u32) {
    let path = tree.join("data").join(tag.to_string());
    let entries = fs::read_dir(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let own: BTreeMap<String, Vec<u8>> = entries
        .map(|file| file.expect("a file"))
        .map(|file| (file.file_name().into_string().expect("text"), fs::read(file.path()).expect("a file")))
        .collect();
    let expected: BTreeMap<String, Vec<u8>> =
        files(tag).into_iter().map(|(name, length)| (name, content(tag, length))).collect();
    let lengths: Vec<_> = own.iter().map(|(name, bytes)| (name, bytes.len())).collect();
    assert!(own == expected, "{}: {lengths:?}", path.display());
}
