//! Looks into whatever appears in its pid namespace, as early as can be, and says what is not the container's.
//!
//! It needs CAP_SYS_PTRACE. What appears is stopped by its number, which is known beforehand, looked at from all sides,
//! and let go.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;

use serde_json::json;
use sys::process::{Pid, Signal, kill_process};

/// As much of a piece of memory as is looked through.
const LARGEST: u64 = 4 << 20;

/// Says each thing once that is foreign, and from time to time how many it has looked at before they were their programs.
/// Never returns. `marker`, written backwards, is what whoever starts things here has in memory.
pub fn watch(marker: &str) -> ! {
    let marker: Vec<u8> = marker.bytes().rev().collect();
    let own = Own::read();
    let (mut early, mut seen) = (0_u64, 0_u64);
    super::attempt::say(&json!({ "watches": true }));
    loop {
        // The numbers are given in their order.
        let next = last() + 1;
        let Some(pid) = (0..1_000).find_map(|_| signal(next, Signal::STOP).then_some(next)) else { continue };
        let mut foreign = BTreeSet::new();
        if own.look(pid, &marker, &mut foreign) {
            early += 1;
        }
        signal(pid, Signal::CONT);
        seen += 1;
        for what in foreign {
            super::attempt::say(&json!({ "foreign": what, "pid": pid }));
        }
        if seen.is_multiple_of(20) {
            super::attempt::say(&json!({ "seen": seen, "early": early }));
        }
    }
}

/// The number of the process or thread that was born last in this pid namespace.
fn last() -> i32 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.rsplit(' ').next().and_then(|number| number.trim().parse().ok()).unwrap_or_default()
}

fn signal(pid: i32, signal: Signal) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// What the watcher itself has, and everything in the container may have.
struct Own {
    root: (u64, u64),
    status: Vec<String>,
    namespaces: Vec<Option<String>>,
}

const NAMESPACES: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

impl Own {
    fn read() -> Self {
        Self { root: place("/").unwrap_or_default(), status: status("self"), namespaces: namespaces("self") }
    }

    /// Whether it was not its program yet. Something that ends meanwhile has nothing that is foreign.
    fn look(&self, pid: i32, marker: &[u8], foreign: &mut BTreeSet<String>) -> bool {
        let folder = format!("/proc/{pid}");
        let mut say = |what: String| foreign.insert(what);
        let link = |name: &str| fs::read_link(format!("{folder}/{name}")).ok();
        let exe = link("exe").unwrap_or_default().to_string_lossy().into_owned();
        let is_early = exe.starts_with("/memfd:");
        if !matches!(exe.as_str(), "" | "/bin/busybox" | "/memfd:husk (deleted)") {
            say(format!("exe {exe}"));
        }
        // Later it is a file of the container's own: one that is open for writing here nobody else could execute.
        if is_early && File::options().write(true).open(format!("{folder}/exe")).is_ok() {
            say("exe can be written to".into());
        }
        for name in ["root", "cwd"] {
            if place(&format!("{folder}/{name}/")).is_some_and(|place| place != self.root) {
                say(format!("{name} {:?}", link(name)));
            }
        }
        for entry in fs::read_dir(format!("{folder}/fd")).into_iter().flatten().flatten() {
            let number = entry.file_name().to_string_lossy().into_owned();
            let Some(target) = link(&format!("fd/{number}")) else { continue };
            let target = target.to_string_lossy().into_owned();
            let own = ["pipe:", "/dev/null", "/dev/pts/"].iter().any(|start| target.starts_with(start));
            if !own || !matches!(number.as_str(), "0" | "1" | "2") {
                say(format!("descriptor {number} {target}"));
            }
        }
        if fs::read(format!("{folder}/environ")).is_ok_and(|text| contains(&text, marker)) {
            say("environ".into());
        }
        if is_early {
            for (line, own) in status(&pid.to_string()).iter().zip(&self.status) {
                if line != own {
                    say(format!("status {line:?}, not {own:?}"));
                }
            }
        }
        for (name, (one, own)) in
            NAMESPACES.iter().zip(namespaces(&pid.to_string()).iter().zip(&self.namespaces))
        {
            if one.is_some() && one != own {
                say(format!("namespace {name}"));
            }
        }
        for what in memory(&folder, marker, is_early) {
            say(what);
        }
        // It may have become its program while it was looked at, and not the other way round.
        is_early && link("exe").is_some_and(|exe| exe.to_string_lossy().starts_with("/memfd:"))
    }
}

fn place(path: &str) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// What confines a process; nothing where it has ended.
fn status(pid: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let confines = ["Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:", "Seccomp:", "Seccomp_filters:"];
    let confines = |line: &&str| confines.iter().any(|start| line.starts_with(start));
    text.lines().filter(confines).map(str::to_string).collect()
}

fn namespaces(pid: &str) -> Vec<Option<String>> {
    let link = |name| fs::read_link(format!("/proc/{pid}/ns/{name}")).ok();
    NAMESPACES.iter().map(|name| link(name).map(|link| link.to_string_lossy().into_owned())).collect()
}

/// Looks through all memory that can be read: what is mapped, and the marker.
fn memory(folder: &str, marker: &[u8], is_early: bool) -> Vec<String> {
    let mut foreign = Vec::new();
    let maps = fs::read_to_string(format!("{folder}/maps")).unwrap_or_default();
    let Ok(mut memory) = File::open(format!("{folder}/mem")) else { return foreign };
    for line in maps.lines() {
        let name = line.splitn(6, ' ').nth(5).unwrap_or_default().trim();
        if is_early
            && !matches!(name, "" | "/memfd:husk (deleted)" | "/memfd:notes (deleted)" | "/bin/busybox")
            && !name.starts_with('[')
        {
            foreign.push(format!("mapping {name}"));
        }
        let ends = line.split([' ', '-']).map_while(|word| u64::from_str_radix(word, 16).ok());
        let [start, end] = ends.take(2).collect::<Vec<_>>()[..] else { continue };
        let mut bytes = Vec::new();
        if memory.seek(SeekFrom::Start(start)).is_ok() {
            // What cannot be read, such as the kernel's own page, is nobody's.
            let _ = (&mut memory).take((end - start).min(LARGEST)).read_to_end(&mut bytes);
        }
        if contains(&bytes, marker) {
            foreign.push(format!("memory {name}"));
        }
    }
    foreign
}

fn contains(bytes: &[u8], marker: &[u8]) -> bool {
    bytes.windows(marker.len()).any(|window| window == marker)
}
