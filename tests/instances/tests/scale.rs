//! Many runs, and many at once: what is counted does not grow. `HUSK_CYCLES` and `HUSK_INSTANCES` say how many.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use instances::Ground;
use serde_json::{Value, json};

/// What the daemon has for longer once it has done everything for the first time.
const WARM: usize = 50;
/// What it may grow by, kB: its allocator keeps pieces of a size that it has not needed before.
const ROOM: u64 = 1024;

fn given(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().map_or(usual, |text| text.parse().expect("a number"))
}

/// A connection to the daemon. A descriptor that comes beside an answer is closed by the kernel, since it is read with
/// read(2).
struct Client(BufReader<UnixStream>);

impl Client {
    fn of(ground: &Ground) -> Self {
        Self(BufReader::new(UnixStream::connect(ground.join("s")).expect("huskd listens")))
    }

    /// Asks for something that is done.
    fn done(&mut self, request: &Value) -> Value {
        writeln!(self.0.get_mut(), "{request}").expect("a request");
        let mut line = String::new();
        self.0.read_line(&mut line).expect("an answer");
        let answer: Value =
            serde_json::from_str(&line).unwrap_or_else(|why| panic!("{request}: {line:?}: {why}"));
        assert_eq!(answer["type"], "ok", "{request}: {answer}");
        answer
    }

    fn make(&mut self, name: &str, net: &str) {
        let command = ["/bin/sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait"];
        let settings = json!({"command": command, "net": net});
        self.done(&json!({"type": "new", "name": name, "image": "busybox", "settings": settings}));
    }

    /// The instances that run, each with its first process.
    fn running(&mut self) -> BTreeMap<String, i64> {
        let all = self.done(&json!({"type": "ls", "what": "instances"}));
        let all = all["instances"].as_array().expect("a list").iter();
        let running = all.filter(|one| one["state"] == "running");
        running
            .map(|one| {
                (one["name"].as_str().expect("a name").to_owned(), one["pid"].as_i64().expect("a pid"))
            })
            .collect()
    }
}

/// All that could grow.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Counts {
    descriptors: usize,
    threads: usize,
    /// Below the daemon's root and its runtime directory.
    files: BTreeSet<String>,
    groups: usize,
    mounts: usize,
    /// Interfaces of the daemon's network.
    links: usize,
    children: usize,
}

impl Counts {
    fn of(ground: &Ground) -> Self {
        let process = format!("/proc/{}", ground.daemon_pid());
        let length = |path: &str| fs::read_dir(format!("{process}/{path}")).expect("a process").count();
        let mut files = BTreeSet::new();
        for part in ["root/instances", "root/images", "root/tmp", "root/layers", "run"] {
            // What is in a layer or has been written by an instance does not concern the daemon.
            collect(&ground.join(part), 3, &mut files);
        }
        let mut groups = BTreeSet::new();
        collect(Path::new("/sys/fs/cgroup/husk"), 9, &mut groups);
        let mounts = fs::read_to_string(format!("{process}/mountinfo")).expect("a process").lines().count();
        let links = Command::new("ip")
            .args(["-o", "link"])
            .output()
            .map_or(0, |listed| String::from_utf8_lossy(&listed.stdout).lines().count());
        let children = format!("task/{}/children", ground.daemon_pid());
        let children = fs::read_to_string(format!("{process}/{children}")).unwrap_or_default();
        Self {
            descriptors: length("fd"),
            threads: length("task"),
            files,
            groups: groups.iter().filter(|path| path.ends_with("cgroup.procs")).count(),
            mounts,
            links,
            children: children.split_whitespace().count(),
        }
    }

    /// Waits until it is as it was: what has ended is taken down a moment later.
    fn settle(ground: &Ground, before: &Self) {
        let until = Instant::now() + Duration::from_secs(30);
        let mut now = Self::of(ground);
        while now != *before && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
            now = Self::of(ground);
        }
        assert_eq!(now, *before);
    }
}

fn collect(folder: &Path, depth: usize, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        found.insert(entry.path().display().to_string());
        if depth > 1 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), depth - 1, found);
        }
    }
}

fn memory_kb(ground: &Ground) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", ground.daemon_pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.split_whitespace().next().expect("a number").parse().expect("a number")
}

#[test]
fn runs_and_stops_leave_nothing_that_grows() {
    // The daemon's network is this test's own: it starts on this thread.
    sys::namespace::unshare_network().expect("a network of our own");
    let ground = Ground::with_image();
    let mut client = Client::of(&ground);
    client.make("plain", "host");
    client.make("private", "private");
    let mut cycle = |number: usize| {
        let name = if number.is_multiple_of(10) { "private" } else { "plain" };
        client.done(&json!({"type": "run", "name": name}));
        // Half of them end by themselves, half are killed.
        let grace_ms = if number.is_multiple_of(2) { 10_000 } else { 0 };
        client.done(&json!({"type": "stop", "name": name, "grace_ms": grace_ms}));
    };
    (0..WARM).for_each(&mut cycle);
    // Until what was on its way is over.
    std::thread::sleep(Duration::from_millis(500));
    let (before, memory) = (Counts::of(&ground), memory_kb(&ground));
    let cycles = given("HUSK_CYCLES", 300);
    let begun = Instant::now();
    (0..cycles).for_each(&mut cycle);
    let took = begun.elapsed();
    Counts::settle(&ground, &before);
    let after = memory_kb(&ground);
    println!("{cycles} runs and stops in {took:.1?}; huskd had {memory} kB and has {after} kB");
    println!(
        "{} descriptors, {} threads, {} links, {} groups",
        before.descriptors, before.threads, before.links, before.groups
    );
    assert!(after <= memory + ROOM, "{after} kB, before {memory} kB");
}

#[test]
fn all_that_run_at_once_are_found_by_the_next_daemon() {
    let count = given("HUSK_INSTANCES", 100);
    let mut ground = Ground::with_image();
    let mut client = Client::of(&ground);
    client.make("first", "none");
    client.done(&json!({"type": "run", "name": "first"}));
    client.done(&json!({"type": "rm", "name": "first", "if_running": "stop"}));
    std::thread::sleep(Duration::from_millis(500));
    let before = Counts::of(&ground);
    let names: Vec<String> = (0..count).map(|number| format!("i{number}")).collect();
    for name in &names {
        client.make(name, "none");
        client.done(&json!({"type": "run", "name": name}));
    }
    let running = client.running();
    assert_eq!(running.len(), count);
    ground.replace_daemon();
    let mut client = Client::of(&ground);
    assert_eq!(client.running(), running);
    // Each answers, and ends when it is told to.
    for name in &names {
        client.done(&json!({"type": "connect", "name": name}));
        assert_eq!(client.done(&json!({"type": "stop", "name": name}))["code"], 0, "{name}");
        client.done(&json!({"type": "rm", "name": name}));
    }
    // The new daemon has as much as the old one had, whatever it has found.
    Counts::settle(&ground, &before);
}
