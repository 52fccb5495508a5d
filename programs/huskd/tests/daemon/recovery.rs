//! What a daemon finds when it starts, and what its end leaves.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::bed::{Bed, PATIENCE, await_end, is_alive, signal};
use crate::client::{of, reason};

#[test]
fn the_end_of_the_daemon_is_the_end_of_nothing_else() {
    let mut bed = Bed::new();
    let pid = bed.run("web");
    assert_eq!(bed.end(), Some(0));
    assert!(is_alive(pid));
    assert!(!bed.socket().exists(), "nobody shall wait there");
    bed.start();
    assert_eq!(bed.state("web"), "running");
    assert_eq!(bed.summary("web").unwrap()["pid"], pid);
    assert_eq!(bed.client().done(&of("stop", "web"))["code"], 0);
    bed.check();
}

#[test]
fn policies_start_instances_with_the_daemon() {
    let mut bed = Bed::new();
    for (name, policy) in [("always", "always"), ("unless", "unless-stopped"), ("no", "no")] {
        bed.make_with(name, json!({"command": ["/sbin/init"], "restart": policy}));
        bed.client().done(&of("run", name));
    }
    bed.make_with("stopped", json!({"command": ["/sbin/init"], "restart": "unless-stopped"}));
    bed.make_with("anyway", json!({"command": ["/sbin/init"], "restart": "always"}));
    for name in ["stopped", "anyway"] {
        bed.client().done(&of("run", name));
        bed.await_ready(name);
        bed.client().done(&of("stop", name));
    }
    bed.kill();
    // As after a boot: nothing runs.
    for (_, shim) in bed.shims() {
        signal(shim, "KILL");
    }
    bed.start();
    for name in ["always", "unless", "anyway"] {
        bed.await_state(name, "running");
    }
    assert_eq!((bed.state("stopped"), bed.state("no")), ("exited".into(), "exited".into()));
    bed.check();
}

#[test]
fn two_daemons_do_not_have_one_root() {
    let bed = Bed::new();
    let root = bed.directory.join("root");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_huskd"))
        .args(["--no-console", "--socket", "/nowhere/sock", "--root"])
        .arg(&root)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text, format!("huskd: {}: another huskd has it\n", root.display()));
}

#[test]
fn a_lock_that_a_child_of_a_killed_daemon_has_for_a_moment_is_waited_for() {
    let mut bed = Bed::new();
    bed.end();
    let lock = bed.directory.join("root/lock");
    let flock = || std::process::Command::new("flock");
    let mut child = flock().arg(&lock).args(["sleep", "0.5"]).spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    while flock().arg("-n").arg(&lock).arg("true").status().unwrap().success() {
        assert!(Instant::now() < until, "nobody has the lock");
    }
    bed.start();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_record_that_is_damaged_is_left_alone_and_said() {
    let mut bed = Bed::new();
    bed.make("web", &["/sbin/init"]);
    bed.make("other", &["/sbin/init"]);
    bed.make("unfinished", &["/sbin/init"]);
    bed.end();
    let path = bed.directory.join("root/instances/web/instance.json");
    std::fs::write(&path, "{\"version\":1").unwrap();
    // Somebody's work: without it, the record would be what a power cut leaves of an instance that nobody was told of.
    std::fs::write(path.with_file_name("upper/file"), "").unwrap();
    std::fs::write(bed.directory.join("root/instances/unfinished/instance.json"), "").unwrap();
    std::fs::create_dir(bed.directory.join("root/instances/half")).unwrap();
    std::fs::create_dir(bed.directory.join("root/tmp/new-x")).unwrap();
    bed.start();
    assert_eq!((bed.state("web"), bed.state("other")), ("gone".into(), "created".into()));
    assert!(bed.log().contains("web: left alone: read "), "{}", bed.log());
    assert!(path.exists());
    for gone in ["half", "unfinished"] {
        assert!(!bed.directory.join("root/instances").join(gone).exists(), "{gone}");
    }
    let again = json!({"type": "new", "name": "web", "image": "box"});
    assert_eq!(reason(&bed.client().ask(&again)), "exists");
    // Nobody knows which layers it needs.
    let layers = || std::fs::read_dir(bed.directory.join("root/layers")).unwrap().count();
    let before = layers();
    bed.client().done(&of("rm", "other"));
    bed.client().done(&json!({"type": "rmi", "image": "box"}));
    assert_eq!(layers(), before);
    bed.check();
}

/// The number of an instance's shim.
fn shim_of(bed: &Bed, name: &str) -> u32 {
    bed.shims().into_iter().find(|(of, _)| of == name).expect("a shim").1
}

#[test]
fn a_shim_that_hangs_delays_no_other_is_said_and_comes_back() {
    let mut bed = Bed::new();
    let names: Vec<String> = (0..20).map(|number| format!("i{number}")).collect();
    let pids: Vec<i64> = names.iter().map(|name| bed.run(name)).collect();
    let hanging = shim_of(&bed, "i7");
    bed.kill();
    signal(hanging, "STOP");
    let since = Instant::now();
    bed.start();
    let started = since.elapsed();
    eprintln!("a daemon with 20 shims, one of which hangs, serves after {started:?}");
    // What a shim has before the daemon goes on without it is 2 s; with the machine's own load, and not one shim more.
    assert!(started < Duration::from_secs(6), "the daemon serves after {started:?}");
    for (name, pid) in names.iter().zip(&pids).filter(|(name, _)| *name != "i7") {
        let mut client = bed.client();
        assert_eq!(client.done(&of("connect", name))["pid"], *pid, "{name}");
        assert_eq!(client.passed.len(), 1);
    }
    let since = Instant::now();
    bed.client().done(&json!({"type": "stop", "name": "i3", "grace_ms": 0}));
    bed.client().done(&of("run", "i3"));
    assert!(since.elapsed() < Duration::from_secs(5), "stop and run of another take {:?}", since.elapsed());
    // What hangs is said, and why, wherever somebody asks for it.
    let summary = bed.summary("i7").unwrap();
    let why = format!("its shim, process {hanging}, does not answer");
    assert_eq!((&summary["state"], &summary["reason"]), (&json!("unreachable"), &json!(why)));
    assert!(bed.log().contains(&format!("i7: unreachable, reason {why}")), "{}", bed.log());
    for verb in ["connect", "pause", "run", "rm"] {
        let refused = bed.client().ask(&of(verb, "i7"));
        assert_eq!(reason(&refused), "state", "{verb}");
        assert_eq!(refused["data"], format!("instance i7: {why}"), "{verb}");
        assert!(refused["hint"].as_str().unwrap().starts_with("husk stop i7 "), "{verb}");
    }
    signal(hanging, "CONT");
    bed.await_state("i7", "running");
    assert_eq!(bed.client().done(&of("connect", "i7"))["pid"], pids[7]);
    assert!(is_alive(pids[7]) && bed.log().contains("i7: reachable"), "{}", bed.log());
    bed.check();
}

#[test]
fn what_cannot_be_reached_can_be_stopped_and_removed() {
    let mut bed = Bed::new();
    bed.make_with("again", json!({"command": ["/sbin/init"], "restart": "always"}));
    bed.client().done(&of("run", "again"));
    let pids = [bed.run("web"), bed.run("other")];
    bed.client().done(&json!({"type": "set", "name": "other", "changes": {"grace_ms": 100}}));
    bed.kill();
    for (_, shim) in bed.shims() {
        signal(shim, "STOP");
    }
    bed.start();
    let stopped = bed.client().done(&json!({"type": "stop", "name": "web", "grace_ms": 100}));
    assert_eq!((&stopped["code"], bed.state("web")), (&json!(137), "exited".into()));
    assert_eq!(bed.client().done(&of("wait", "web"))["reason"], "its shim was lost");
    bed.client().done(&json!({"type": "stop", "name": "again", "grace_ms": 100}));
    assert_eq!(bed.state("again"), "exited");
    bed.client().done(&json!({"type": "rm", "name": "other", "if_running": "stop"}));
    assert_eq!(bed.state("other"), "gone");
    for pid in pids {
        await_end(pid);
    }
    bed.check();
}

#[test]
fn a_start_that_hangs_is_found_by_the_next_daemon_and_goes_on() {
    let mut bed = Bed::new();
    bed.make("web", &["/bin/sleep", "1000"]);
    let other = bed.run("other");
    // A shim opens its log before it starts anything, and of a FIFO that nobody reads this never returns.
    let log = bed.directory.join("root/instances/web/log");
    assert!(std::process::Command::new("mkfifo").arg(&log).status().unwrap().success());
    let mut client = bed.client();
    client.send(&of("run", "web"), None).unwrap();
    let until = Instant::now() + PATIENCE;
    while !bed.directory.join("run/web/starting").exists() {
        assert!(Instant::now() < until, "no shim:\n{}", bed.log());
        std::thread::sleep(Duration::from_millis(2));
    }
    bed.kill();
    drop(client);
    bed.start();
    assert_eq!(bed.client().done(&of("connect", "other"))["pid"], other);
    let summary = bed.summary("web").unwrap();
    let why = format!("its shim, process {}, has not said yet that it has started", shim_of(&bed, "web"));
    assert_eq!((&summary["state"], &summary["reason"]), (&json!("unreachable"), &json!(why)));
    let _reader = std::fs::File::open(&log).unwrap();
    bed.await_state("web", "running");
    bed.check();
}

#[test]
fn a_shim_whose_instance_is_gone_is_ended() {
    let mut bed = Bed::new();
    let pid = bed.run("web");
    bed.kill();
    std::fs::rename(bed.directory.join("root/instances/web"), bed.directory.join("aside")).unwrap();
    bed.start();
    await_end(pid);
    assert!(!bed.directory.join("run/web").exists());
    bed.check();
}

#[test]
fn what_was_to_be_removed_at_its_end_stays_once_it_is_given_another_name() {
    let mut bed = Bed::new();
    bed.make("first", &["/sbin/init"]);
    let mut client = bed.client();
    client.done(&json!({"type": "new", "name": "web", "image": "box", "at_end": "remove"}));
    let set = json!({"type": "set", "name": "web", "changes": {"restart": "always"}});
    assert_eq!(reason(&bed.client().ask(&set)), "invalid");
    bed.client().done(&json!({"type": "rename", "name": "web", "to": "kept"}));
    drop(client);
    bed.kill();
    bed.start();
    assert_eq!((bed.state("web"), bed.state("kept")), ("gone".into(), "created".into()));
    bed.check();
}
