//! Calls of the daemon that write to the disk fail, one at a time. Whatever a verb was answered is so: in the list, on the
//! disk, and to the next daemon.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::{Bed, PATIENCE, signal};
use crate::client::of;

/// strace(1), which lets a call of every thread of the daemon fail: the `at`th of each. Threads are a client's each.
struct Fault(Child);

impl Fault {
    fn new(bed: &Bed, call: &str, at: usize) -> Self {
        let pid = bed.daemon_pid();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-p", &pid.to_string(), "-e", &format!("trace={call}")]);
        strace.args(["-e", &format!("inject={call}:error=EIO:when={at}")]);
        let child = strace.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("strace");
        let is_traced = || {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        };
        let until = Instant::now() + PATIENCE;
        while !is_traced() {
            assert!(Instant::now() < until, "strace does not trace");
            std::thread::sleep(Duration::from_millis(1));
        }
        Self(child)
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        // So that it lets go of what it traces.
        signal(self.0.id(), "TERM");
        let _ = self.0.wait();
    }
}

/// Instances, each with its settings, and images with their layers.
type World = BTreeMap<String, Value>;

fn world(bed: &Bed) -> World {
    let mut client = bed.client();
    let mut world = World::new();
    let all = client.done(&json!({"type": "ls", "what": "instances"}));
    for one in all["instances"].as_array().unwrap() {
        let name = one["name"].as_str().unwrap();
        let value = client.done(&of("inspect", name))["value"].clone();
        world.insert(
            format!("instance {name}"),
            json!([value["settings"], value["layers"], value["state"]["phase"]["is"]]),
        );
    }
    for name in bed.images() {
        let layers = client.done(&of("inspect", &name))["value"]["layers"].clone();
        for layer in layers.as_array().unwrap() {
            let path = bed.directory.join("root/layers").join(layer.as_str().unwrap());
            assert!(path.join("layer.json").exists() && path.join("fs").exists(), "{name} lacks {layer}");
        }
        world.insert(format!("image {name}"), layers);
    }
    world
}

/// The names on the disk, as [`world`] has them.
fn on_disk(bed: &Bed) -> Vec<String> {
    let root = bed.directory.join("root");
    let names = |part: &str, kind: &str| {
        let entries = fs::read_dir(root.join(part)).unwrap().flatten();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        entries.map(|entry| format!("{kind} {}", name(entry).trim_end_matches(".json"))).collect::<Vec<_>>()
    };
    let mut all = [names("images", "image"), names("instances", "instance")].concat();
    all.sort();
    all
}

/// What is asked for, and what undoes it.
fn verbs(bed: &Bed) -> [(Value, Option<Value>); 7] {
    let new = json!({"type": "new", "name": "new", "image": "box"});
    let seed = json!({"type": "seed", "directory": bed.directory.join("more"), "image": "seeded"});
    let set = |memory: Value| json!({"type": "set", "name": "old", "changes": {"memory": memory}});
    let rename = |name: &str, to: &str| json!({"type": "rename", "name": name, "to": to});
    [
        (new.clone(), Some(of("rm", "new"))),
        (rename("old", "other"), Some(rename("other", "old"))),
        (set(json!("64m")), Some(set(Value::Null))),
        (of("rm", "gone"), Some(json!({"type": "new", "name": "gone", "image": "box"}))),
        (seed.clone(), Some(json!({"type": "rmi", "image": "seeded"}))),
        (
            json!({"type": "commit", "name": "old", "image": "committed"}),
            Some(json!({"type": "rmi", "image": "committed"})),
        ),
        (json!({"type": "rmi", "image": "kept"}), None),
    ]
}

#[test]
fn what_a_verb_is_answered_is_so_whichever_write_to_the_disk_fails() {
    let mut bed = Bed::new();
    fs::create_dir(bed.directory.join("more")).unwrap();
    fs::write(bed.directory.join("more/file"), "content").unwrap();
    bed.make("old", &["/bin/true"]);
    bed.make("gone", &["/bin/true"]);
    bed.client().done(&json!({"type": "seed", "directory": bed.files(), "image": "kept"}));
    let mut failures = 0;
    for (request, undo) in verbs(&bed) {
        for call in ["fsync", "syncfs"] {
            for at in 1..=12 {
                let before = world(&bed);
                let fault = Fault::new(&bed, call, at);
                let answer = bed.client().ask(&request);
                drop(fault);
                let what = format!("{request} with {call} {at} failing: {answer}");
                let after = world(&bed);
                let names: Vec<String> = after.keys().cloned().collect();
                assert_eq!(names, on_disk(&bed), "{what}");
                assert_eq!(answer["type"] == "error", before == after, "{what}\n{}", bed.log());
                bed.await_rest(0);
                bed.check();
                bed.end();
                bed.start();
                assert_eq!(world(&bed), after, "{what}: after a restart");
                if answer["type"] == "error" {
                    failures += 1;
                    continue;
                }
                if let Some(undo) = &undo {
                    bed.client().done(undo);
                }
                // Beyond its last write nothing is left to fail.
                break;
            }
        }
    }
    assert!(failures >= 15, "{failures} failures");
}
