//! minit as the first process of a container that has a cgroup namespace of its own: in the guest, which has all of
//! cgroup v2.

#[path = "process/bed.rs"]
#[allow(dead_code)] // what other tests use
mod bed;
#[path = "process/client.rs"]
#[allow(dead_code)] // as above
mod client;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sys::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};
use sys::thread::UnshareFlags;

use bed::{Running, program, until};
use client::{Connection, Place};

const GROUPS: &str = "/sys/fs/cgroup";
/// Where this suite is, and where its container is.
const OURS: &str = "/sys/fs/cgroup/suite/main/cgroup.procs";
const BOX: &str = "/sys/fs/cgroup/suite/box";

/// Starts minit as process 1 of new namespaces, at the root of a cgroup hierarchy of its own.
#[expect(deprecated, reason = "what is deprecated is unsharing descriptors, and this unshares none")]
fn contained(arguments: &[&str]) -> Running {
    fs::create_dir(BOX).expect("a group");
    fs::write(format!("{BOX}/cgroup.procs"), "0").expect("this process moves there");
    let started = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let flags = UnshareFlags::NEWNS | UnshareFlags::NEWCGROUP | UnshareFlags::NEWPID;
            sys::thread::unshare(flags).expect("namespaces");
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            mount_change("/", private).expect("private mounts");
            // The same file system twice at the same place is refused (mount(2), EBUSY).
            unmount(GROUPS, UnmountFlags::DETACH).expect("the machine's view of groups goes");
            mount("none", GROUPS, "cgroup2", MountFlags::empty(), None)
                .expect("the container's view of groups");
            let script = "mount -t proc none /proc && exec \"$@\"";
            let mut command = Command::new("sh");
            Running::start(command.args(["-c", script, "sh", program()]).args(arguments))
        });
        thread.join().expect("it starts")
    });
    fs::write(OURS, "0").expect("this process moves back");
    started
}

fn ask(path: &str, request: Value) -> Value {
    let mut connection = Connection::to(path);
    connection.send(request);
    connection.next().expect("an answer")
}

fn read(file: &str) -> String {
    fs::read_to_string(format!("{BOX}/{file}")).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn main_command_and_commands_have_groups_and_minit_stands_in_nobodys_way() {
    let place = Place::new();
    let socket = place.socket();
    let mut running = contained(&[
        "--socket",
        &socket,
        "--memory",
        "64m",
        "--pids",
        "20",
        "--cpus",
        "0.5",
        "--",
        "sh",
        "-c",
        "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done",
    ]);
    assert_eq!(running.line(), "1");
    let main = fs::read_dir(format!("{BOX}/commands")).expect("groups of commands").flatten();
    let main = main
        .map(|entry| entry.file_name().into_string().expect("UTF-8"))
        .find(|name| name.starts_with("run-main-"));
    let main = format!("commands/{}", main.expect("a group of the main command"));
    for (file, limit) in [
        ("memory.max", "67108864"),
        ("memory.swap.max", "0"),
        ("pids.max", "20"),
        ("cpu.max", "50000 100000"),
    ] {
        // A kernel without swap accounting has no file for it.
        if file != "memory.swap.max" || Path::new(&format!("{BOX}/{main}/{file}")).exists() {
            assert_eq!(read(&format!("{main}/{file}")).trim(), limit, "{file}");
        }
    }
    assert_eq!(read("cgroup.procs"), "", "nobody is at the root");
    assert!(read("minit/cgroup.procs").lines().count() >= 1, "minit is in a leaf");

    assert_eq!(ask(&socket, json!({"type": "freeze"})), json!({"type": "ok"}));
    until("the main command stands still", || read(&format!("{main}/cgroup.events")).contains("frozen 1"));
    assert_eq!(ask(&socket, json!({"type": "thaw"})), json!({"type": "ok"}));
    until("the main command goes on", || read(&format!("{main}/cgroup.events")).contains("frozen 0"));

    let mut client = Connection::to(&socket);
    client.send(json!({"type": "exec", "id": "bomb", "events": true, "limits": {"memory": "16m"},
        "cmd": "sh", "args": ["-c", "exec tail -c 256m /dev/zero"]}));
    let exit = client.next_of("exit");
    assert_eq!((&exit["signal"], &exit["oom"]), (&json!(9), &json!(true)), "{exit}");

    let stats = ask(&socket, json!({"type": "stats"}));
    assert_eq!(stats["main"]["state"], "running", "{stats}");
    ask(&socket, json!({"type": "shutdown", "grace_ms": 500, "code": 3}));
    assert_eq!(running.end().code, Some(3));
    remove(Path::new(BOX));
}

/// Groups are removed from below.
fn remove(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    until("the group is empty", || fs::remove_dir(group).is_ok());
}
