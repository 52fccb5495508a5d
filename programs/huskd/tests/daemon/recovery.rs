//! What a daemon finds when it starts, and what its end leaves.

use serde_json::json;

use crate::bed::{Bed, is_alive};
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
        crate::bed::signal(shim, "KILL");
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

#[test]
fn a_shim_that_does_not_answer_is_ended() {
    let mut bed = Bed::new();
    let pid = bed.run("web");
    bed.kill();
    for (_, shim) in bed.shims() {
        crate::bed::signal(shim, "STOP");
    }
    bed.start();
    crate::bed::await_end(pid);
    assert_eq!(bed.client().done(&of("wait", "web"))["reason"], "its shim was lost");
    bed.check();
}

#[test]
fn a_shim_whose_instance_is_gone_is_ended() {
    let mut bed = Bed::new();
    let pid = bed.run("web");
    bed.kill();
    std::fs::rename(bed.directory.join("root/instances/web"), bed.directory.join("aside")).unwrap();
    bed.start();
    crate::bed::await_end(pid);
    assert!(!bed.directory.join("run/web").exists());
    bed.check();
}
