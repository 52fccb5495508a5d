//! What is not done, in words and with a reason.

use std::fs::File;
use std::os::fd::AsFd as _;

use serde_json::{Value, json};

use crate::bed::Bed;
use crate::client::{of, reason};

#[test]
fn every_verb_refuses_what_is_not_there() {
    let bed = Bed::new();
    let mut client = bed.client();
    for verb in ["run", "stop", "pause", "resume", "rm", "wait", "connect", "logs", "inspect"] {
        assert_eq!(reason(&client.ask(&of(verb, "none"))), "not_found", "{verb}");
    }
    let requests = [
        json!({"type": "rename", "name": "none", "to": "x"}),
        json!({"type": "set", "name": "none", "changes": {}}),
        json!({"type": "commit", "name": "none", "image": "x"}),
        json!({"type": "new", "name": "x", "image": "none"}),
        json!({"type": "rmi", "image": "none"}),
        json!({"type": "copy_out", "name": "none", "path": "/"}),
        json!({"type": "copy_in", "name": "none", "path": "/"}),
    ];
    for request in requests {
        let null = File::open("/dev/null").unwrap();
        let answer = client.try_ask(&request, Some(null.as_fd())).unwrap();
        assert_eq!(reason(&answer), "not_found", "{request}");
    }
    let null = File::options().write(true).open("/dev/null").unwrap();
    let export = client.try_ask(&of("export", "none"), Some(null.as_fd())).unwrap();
    assert_eq!(reason(&export), "not_found");
}

#[test]
fn a_name_is_given_once() {
    let bed = Bed::new();
    let mut client = bed.client();
    bed.make("one", &["/sbin/init"]);
    bed.make("two", &["/sbin/init"]);
    let again = json!({"type": "new", "name": "one", "image": "box"});
    assert_eq!(reason(&client.ask(&again)), "exists");
    assert_eq!(reason(&client.ask(&json!({"type": "rename", "name": "one", "to": "two"}))), "exists");
    assert_eq!(reason(&client.ask(&json!({"type": "rename", "name": "one", "to": "one"}))), "exists");
    assert_eq!(reason(&client.ask(&json!({"type": "commit", "name": "one", "image": "box"}))), "exists");
    assert_eq!(
        reason(&client.ask(&json!({"type": "seed", "directory": bed.files(), "image": "box"}))),
        "exists"
    );
    assert_eq!((bed.state("one"), bed.state("two")), ("created".into(), "created".into()));
    bed.check();
}

#[test]
fn what_a_running_instance_gets_with_its_next_start_alone_is_said() {
    let bed = Bed::new();
    bed.run("web");
    let set = |changes: Value| bed.client().done(&json!({"type": "set", "name": "web", "changes": changes}));
    let line = "env, hostname: from the next start of web on, which runs";
    assert_eq!(set(json!({"hostname": "x", "env": ["A=1"], "restart": "always"}))["warnings"], json!([line]));
    assert_eq!(set(json!({"restart": "no", "grace_ms": 5000}))["warnings"], Value::Null);
    bed.client().done(&of("stop", "web"));
    assert_eq!(set(json!({"hostname": "y"}))["warnings"], Value::Null);
}

#[test]
fn to_stop_what_does_not_run_changes_nothing_and_is_no_error() {
    let bed = Bed::new();
    let mut client = bed.client();
    bed.make("web", &["/bin/false"]);
    assert_eq!(client.done(&of("stop", "web"))["code"], Value::Null);
    assert_eq!(bed.state("web"), "created");
    client.done(&of("run", "web"));
    client.done(&of("wait", "web"));
    bed.await_state("web", "exited");
    assert_eq!(client.done(&of("stop", "web"))["code"], 1);
    assert_eq!(reason(&client.ask(&of("stop", "nobody"))), "not_found");
}

#[test]
fn what_is_neither_an_instance_nor_an_image_is_said_to_be_neither() {
    let bed = Bed::new();
    let to = File::create(bed.directory.join("to")).unwrap();
    let answer = bed.client().try_ask(&of("export", "nope"), Some(std::os::fd::AsFd::as_fd(&to))).unwrap();
    assert_eq!(reason(&answer), "not_found");
    assert_eq!(answer["data"], "\"nope\": no instance and no image has this name");
}

#[test]
fn a_state_that_does_not_allow_it_is_named() {
    let bed = Bed::new();
    let mut client = bed.client();
    bed.make("web", &["/sbin/init"]);
    for verb in ["pause", "resume", "wait", "connect"] {
        assert_eq!(reason(&client.ask(&of(verb, "web"))), "state", "{verb}");
    }
    client.done(&of("run", "web"));
    let again = client.ask(&of("run", "web"));
    assert_eq!(reason(&again), "state");
    assert_eq!(again["data"], "instance web: runs already (it is running)");
    assert_eq!(again["hint"], "husk attach web, or husk exec web COMMAND");
    for request in [of("rm", "web"), of("resume", "web"), json!({"type": "rename", "name": "web", "to": "x"})]
    {
        assert_eq!(reason(&client.ask(&request)), "state", "{request}");
    }
    bed.await_ready("web");
    client.done(&of("stop", "web"));
}

#[test]
fn settings_that_make_no_container_are_refused_before_there_is_one() {
    let bed = Bed::new();
    let mut client = bed.client();
    let wrong = [
        json!({"memory": "much"}),
        json!({"cpus": "-1"}),
        json!({"bind": ["relative:/x"]}),
        json!({"device": ["/etc/passwd"]}),
        json!({"publish": ["80"]}),
        json!({"publish": ["8080:80"]}),
        json!({"net": "private", "publish": ["x:80"]}),
        json!({"net": "private", "publish": ["8080:80", "127.0.0.1:8080:81"]}),
        json!({"net": "private", "profile": "rootless"}),
        json!({"memory": "1k"}),
        json!({"user": "-1"}),
        json!({"user": "99999999999"}),
        json!({"seccomp": "/etc/passwd"}),
        json!({"rlimit": ["bogus=1"]}),
        json!({"rlimit": ["nofile=10:5"]}),
        json!({"tmpfs": ["/x:size=huge"]}),
        json!({"fly": true}),
        json!({"command": "sh"}),
    ];
    for settings in wrong {
        let request = json!({"type": "new", "name": "web", "image": "box", "settings": settings});
        assert_eq!(reason(&client.ask(&request)), "invalid", "{settings}");
    }
    assert_eq!(bed.state("web"), "gone");
    bed.make("web", &["/sbin/init"]);
    let change = |changes: Value| json!({"type": "set", "name": "web", "changes": changes});
    for changes in [
        json!({"memory": "much"}),
        json!({"memory": "1k"}),
        json!({"rlimit": ["bogus=1"]}),
        json!({"fly": null}),
        json!({"net": "moon"}),
    ] {
        assert_eq!(reason(&client.ask(&change(changes))), "invalid");
    }
}

#[test]
fn a_command_that_cannot_be_started_has_the_exit_code_of_shells_and_changes_nothing() {
    let bed = Bed::new();
    let mut client = bed.client();
    bed.make("web", &["/no/such"]);
    let answer = client.ask(&of("run", "web"));
    assert_eq!((reason(&answer), &answer["exit"]), ("failed", &json!(127)));
    let answer = client.ask(&json!({"type": "run", "name": "web", "command": ["/etc/passwd"]}));
    assert_eq!((reason(&answer), &answer["exit"]), ("failed", &json!(126)));
    assert_eq!(bed.state("web"), "created");
    bed.make("none", &[]);
    assert_eq!(reason(&client.ask(&of("run", "none"))), "invalid");
    bed.check();
}

#[test]
fn what_comes_by_a_descriptor_is_missed() {
    let bed = Bed::new();
    let mut client = bed.client();
    bed.make("web", &["/sbin/init"]);
    for request in [
        json!({"type": "import", "image": "x"}),
        json!({"type": "export", "name": "web"}),
        json!({"type": "copy_out", "name": "web", "path": "/"}),
        json!({"type": "copy_in", "name": "web", "path": "/"}),
    ] {
        let answer = client.ask(&request);
        assert_eq!(reason(&answer), "invalid", "{request}");
        assert!(answer["data"].as_str().unwrap().contains("descriptor"), "{answer}");
    }
}

#[test]
fn a_machine_that_cannot_freeze_says_so() {
    if std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        eprintln!("skipped: this machine can");
        return;
    }
    let bed = Bed::new();
    bed.run("web");
    let mut client = bed.client();
    assert_eq!(reason(&client.ask(&of("pause", "web"))), "unsupported");
    let commit = client.ask(&json!({"type": "commit", "name": "web", "image": "x"}));
    assert_eq!(reason(&commit), "unsupported");
    let text = "instance web: cannot be frozen: no cgroup v2 at /sys/fs/cgroup: ";
    assert!(commit["data"].as_str().unwrap().starts_with(text), "{commit}");
    let hint = commit["hint"].as_str().unwrap();
    assert!(hint.starts_with("stop it first: husk stop web; or ") && hint.contains("cgroup"), "{hint}");
    assert_eq!(bed.state("web"), "running");
}

#[test]
fn what_the_machine_lacks_is_said_when_an_instance_is_made_or_changed_and_refused_when_it_runs() {
    let bed = Bed::new();
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let there = bed.directory.to_str().unwrap();
    let gone = format!("{there}/gone:/data");
    let settings = json!({
        "command": ["/bin/true"], "bind": [gone, format!("{there}:/there")], "device": ["/dev/none", "/dev/shm"],
        "seccomp": "/no/such", "net": "private", "publish": [format!("{port}:80")], "init": "minit",
    });
    let new = json!({"type": "new", "name": "web", "image": "box", "settings": settings});
    let made = bed.client().done(&new);
    let minit = std::path::Path::new(env!("CARGO_BIN_EXE_huskd")).with_file_name("minit");
    let mut expected = vec![
        format!("bind {gone}: {there}/gone: No such file or directory"),
        "device /dev/none: /dev/none: No such file or directory".into(),
        "device /dev/shm: /dev/shm is no device".into(),
        "seccomp /no/such: /no/such: No such file or directory".into(),
    ];
    let warnings = |answer: &Value| -> Vec<String> {
        serde_json::from_value(answer.get("warnings").cloned().unwrap_or(json!([]))).unwrap()
    };
    let mut said = warnings(&made);
    let of_port = said.iter().position(|line| line.starts_with("publish ")).expect("the port");
    assert!(said.remove(of_port).contains("the port is in use by "), "{made}");
    if !minit.exists() {
        expected.push(format!("init minit: {}: No such file or directory", minit.display()));
    }
    assert_eq!(said, expected);
    // It is there all the same, and what is not mended is refused when it is needed.
    assert_eq!(bed.state("web"), "created");
    let changes = json!({"device": null, "seccomp": null, "net": null, "publish": null, "init": null});
    let changed = bed.client().done(&json!({"type": "set", "name": "web", "changes": changes}));
    assert_eq!(warnings(&changed), Vec::<String>::new());
    let refused = bed.client().ask(&of("run", "web"));
    assert!(refused["data"].as_str().unwrap().contains("gone"), "{refused}");
    // What was there before is not said again when something else is changed.
    let set = |changes: Value| bed.client().done(&json!({"type": "set", "name": "web", "changes": changes}));
    assert_eq!(warnings(&set(json!({"hostname": "x"}))), Vec::<String>::new());
    assert_eq!(warnings(&set(json!({"bind": [gone]}))).len(), 1);
    std::fs::create_dir(format!("{there}/gone")).unwrap();
    assert_eq!(warnings(&set(json!({"bind": [gone]}))), Vec::<String>::new());
    bed.client().done(&of("run", "web"));
    bed.await_state("web", "exited");
    // Limits need groups that can have them.
    let limited = warnings(&set(json!({"memory": "64m", "pids": "10"})));
    match container_groups() {
        true => assert_eq!(limited, Vec::<String>::new()),
        false => assert!(limited[0].starts_with("memory, pids: limits need cgroup v2: "), "{limited:?}"),
    }
    // What no machine can do is refused at once.
    let rootless = json!({"net": "private", "profile": "rootless"});
    let refused = bed.client().ask(&json!({"type": "set", "name": "web", "changes": rootless}));
    assert_eq!(reason(&refused), "invalid");
}

/// Whether the machine has cgroup v2 alone.
fn container_groups() -> bool {
    std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}
