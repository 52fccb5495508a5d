//! The life of an instance, verb by verb.

use std::fs::File;
use std::io::Read as _;
use std::time::Instant;

use serde_json::json;

use crate::bed::{Bed, await_end, is_alive};
use crate::client::{of, reason};

#[test]
fn an_instance_is_made_run_stopped_and_removed() {
    let bed = Bed::new();
    let mut client = bed.client();
    bed.make("web", &["/sbin/init"]);
    assert_eq!(bed.state("web"), "created");
    let answer = client.done(&of("run", "web"));
    let pid = answer["pid"].as_i64().unwrap();
    assert!(is_alive(pid));
    assert_eq!(answer["state"], "running");
    assert_eq!(client.passed.len(), 1, "a connection to its shim");
    bed.await_ready("web");
    bed.check();
    assert_eq!(client.done(&of("stop", "web"))["code"], 0);
    await_end(pid);
    assert_eq!(bed.state("web"), "exited");
    bed.check();
    client.done(&of("rm", "web"));
    assert_eq!(bed.state("web"), "gone");
    assert!(!bed.directory.join("root/instances/web").exists());
    assert!(!bed.directory.join("run/web").exists());
}

#[test]
fn the_connection_that_run_passes_speaks_the_protocol_of_shims() {
    let bed = Bed::new();
    bed.make("web", &["/sbin/init"]);
    let mut client = bed.client();
    client.done(&of("run", "web"));
    let mut shim = husk_client::Client::over(client.passed.remove(0)).unwrap();
    let exec = husk_client::Exec::new("/bin/echo").arg("hello");
    let listed = shim.list(husk_client::Filter { id: Some("main"), ..Default::default() }).unwrap();
    assert_eq!(listed.len(), 1);
    drop(exec);
    client.done(&of("connect", "web"));
    bed.await_ready("web");
    assert_eq!(client.passed.len(), 1);
    client.done(&of("stop", "web"));
    assert_eq!(reason(&client.ask(&of("connect", "web"))), "state");
}

#[test]
fn a_command_may_be_another_this_once() {
    let bed = Bed::new();
    let mut client = bed.client();
    bed.make("web", &["/bin/false"]);
    client.done(&json!({"type": "run", "name": "web", "command": ["/bin/sh", "-c", "exit 7"]}));
    assert_eq!(client.done(&of("wait", "web"))["code"], 7);
    client.done(&of("run", "web"));
    bed.await_state("web", "exited");
    assert_eq!(client.done(&of("wait", "web"))["code"], 1);
}

#[test]
fn who_waits_is_told_of_the_end_and_who_has_gone_is_not_waited_for() {
    let bed = Bed::new();
    bed.run("web");
    let mut waiting = bed.client();
    waiting.send(&of("wait", "web"), None).unwrap();
    let mut gone = bed.client();
    gone.send(&of("wait", "web"), None).unwrap();
    drop(gone);
    bed.client().done(&json!({"type": "stop", "name": "web", "grace_ms": 0}));
    let answer = waiting.next().unwrap();
    assert_eq!((&answer["code"], &answer["signal"]), (&json!(137), &json!(9)));
}

#[test]
fn what_an_instance_writes_is_in_its_log() {
    let bed = Bed::new();
    let mut client = bed.client();
    bed.make("web", &["/bin/sh", "-c", "echo out; echo err >&2"]);
    assert_eq!(client.done(&of("logs", "web"))["rotated"], json!([]));
    let never = File::from(client.passed.remove(0));
    assert_eq!(never.metadata().unwrap().len(), 0);
    client.done(&of("run", "web"));
    client.done(&of("wait", "web"));
    client.passed.clear();
    let answer = client.done(&of("logs", "web"));
    assert_eq!(answer["rotated"], json!([]));
    assert!(never.metadata().unwrap().len() > 0, "who followed it from the begin sees it");
    let mut text = String::new();
    File::from(client.passed.remove(0)).read_to_string(&mut text).unwrap();
    assert!(text.contains("stdout F out\n") && text.contains("stderr F err\n"), "{text}");
}

#[test]
fn files_last_over_runs_and_renames_and_settings_change() {
    let bed = Bed::new();
    let mut client = bed.client();
    bed.make("web", &["/bin/sh", "-c", "cat /kept || echo first > /kept; hostname"]);
    for _ in 0..2 {
        client.done(&of("run", "web"));
        client.done(&of("wait", "web"));
        bed.await_state("web", "exited");
    }
    client.done(&json!({"type": "rename", "name": "web", "to": "site"}));
    assert_eq!((bed.state("web"), bed.state("site")), ("gone".into(), "exited".into()));
    client.done(&json!({"type": "set", "name": "site", "changes": {"hostname": "other", "memory": null}}));
    client.done(&of("run", "site"));
    client.done(&of("wait", "site"));
    let log = std::fs::read_to_string(bed.directory.join("root/instances/site/log")).unwrap();
    let lines: Vec<&str> = log.lines().filter_map(|line| line.split(" F ").nth(1)).collect();
    let expected =
        ["cat: can't open '/kept': No such file or directory", "web", "first", "web", "first", "other"];
    let mut seen = lines.clone();
    seen.sort_unstable();
    let mut wanted = expected;
    wanted.sort_unstable();
    assert_eq!(seen, wanted);
}

#[test]
fn a_copy_has_files_of_its_own() {
    let bed = Bed::new();
    let mut client = bed.client();
    client.done(&json!({"type": "new", "name": "own", "image": "box", "files": "copy",
        "settings": {"command": ["/bin/sh", "-c", "echo x > /made"]}}));
    client.done(&of("run", "own"));
    assert_eq!(client.done(&of("wait", "own"))["code"], 0);
    assert!(bed.directory.join("root/instances/own/rootfs/made").exists());
    bed.await_state("own", "exited");
    client.done(&of("rm", "own"));
    bed.check();
}

#[test]
fn an_instance_that_fails_is_started_again_as_often_as_its_policy_says() {
    let bed = Bed::new();
    bed.make_with(
        "bad",
        json!({"command": ["/bin/sh", "-c", "echo run; exit 3"], "restart": {"on-failure": 2}}),
    );
    let mut events = bed.client();
    events.send(&json!({"type": "events"}), None).unwrap();
    // The subscription is there once something is heard.
    bed.client().done(&of("run", "bad"));
    let mut seen = Vec::new();
    while let Some(event) = events.next() {
        let word = event["event"].as_str().unwrap().to_string();
        seen.push(word.clone());
        if word == "gave_up" {
            break;
        }
    }
    assert_eq!(seen.iter().filter(|word| *word == "restarting").count(), 2, "{seen:?}");
    bed.await_state("bad", "exited");
    let log = std::fs::read_to_string(bed.directory.join("root/instances/bad/log")).unwrap();
    assert_eq!(log.matches("F run").count(), 3);
}

#[test]
fn an_instance_that_waits_for_its_restart_can_be_stopped() {
    let bed = Bed::new();
    bed.make_with("bad", json!({"command": ["/bin/false"], "restart": "always"}));
    let mut client = bed.client();
    client.done(&of("run", "bad"));
    let since = Instant::now();
    loop {
        if bed.state("bad") == "restarting" && client.ask(&of("stop", "bad"))["type"] == "ok" {
            break;
        }
        assert!(since.elapsed() < crate::bed::PATIENCE);
    }
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(bed.state("bad"), "exited");
    bed.check();
}

#[test]
fn an_instance_that_runs_is_removed_by_force_alone() {
    let bed = Bed::new();
    let pid = bed.run("web");
    let mut client = bed.client();
    assert_eq!(reason(&client.ask(&of("rm", "web"))), "state");
    client.done(&json!({"type": "rm", "name": "web", "if_running": "stop"}));
    await_end(pid);
    assert_eq!(bed.state("web"), "gone");
    bed.check();
}

#[test]
fn to_run_one_may_be_to_stop_the_others() {
    let bed = Bed::new();
    bed.run("one");
    bed.run("two");
    bed.make("three", &["/sbin/init"]);
    bed.client().done(&json!({"type": "run", "name": "three", "others": "stop"}));
    let states = ["one", "two", "three"].map(|name| bed.state(name));
    assert_eq!(states, ["exited", "exited", "running"]);
    bed.check();
}

#[test]
fn an_instance_with_a_private_network_has_an_address_while_it_runs() {
    let bed = Bed::apart();
    bed.make_with("web", json!({"command": ["/sbin/init"], "net": "private"}));
    bed.make_with("db", json!({"command": ["/sbin/init"], "net": "private"}));
    let mut client = bed.client();
    client.done(&of("run", "web"));
    client.done(&of("run", "db"));
    bed.await_ready("web");
    bed.await_ready("db");
    let address = |name| bed.summary(name).unwrap()["address"].as_str().map(String::from);
    let (web, db) = (address("web").unwrap(), address("db").unwrap());
    assert!(web.starts_with("10.231.") && db.starts_with("10.231.") && web != db, "{web} {db}");
    bed.await_ports(2);
    client.done(&of("stop", "web"));
    client.done(&of("rm", "web"));
    // What it had when it was started is removed, whatever it is to have next.
    client.done(&json!({"type": "set", "name": "db", "changes": {"net": "host"}}));
    client.done(&of("stop", "db"));
    assert_eq!(address("db"), None);
    bed.await_ports(0);
    assert!(!bed.links().contains("husk0"), "the bridge goes with the last of them: {}", bed.links());
}

#[test]
fn a_system_that_powers_itself_off_stays_off_and_one_that_reboots_comes_again() {
    let bed = Bed::new();
    let mut client = bed.client();
    for verb in ["poweroff", "halt"] {
        let command = ["/bin/busybox", verb, "-f"];
        bed.make_with(verb, json!({"command": command, "cap_add": ["SYS_BOOT"], "restart": "always"}));
        client.done(&of("run", verb));
        let ended = client.done(&of("wait", verb));
        assert_eq!((&ended["code"], &ended["reason"]), (&json!(130), &json!("it has powered itself off")));
        bed.await_state(verb, "exited");
        // Longer than the first delay of the policy.
        std::thread::sleep(std::time::Duration::from_millis(500));
        let summary = bed.summary(verb).unwrap();
        assert_eq!((&summary["state"], &summary["reboot"]), (&json!("exited"), &json!("power_off")));
    }
    let script = "test -e /again && exec /sbin/init; : > /again; exec /bin/busybox reboot -f";
    bed.make_with("again", json!({"command": ["/bin/sh", "-c", script], "cap_add": ["SYS_BOOT"]}));
    client.done(&of("run", "again"));
    bed.await_ready("again");
    // Though its policy is never to restart it. Its init may be faster than who has started it.
    bed.await_state("again", "running");
    assert!(bed.log().contains("again: restarting"), "{}", bed.log());
    // What is asked to stop stays, whatever it makes of that.
    client.done(&of("stop", "again"));
    assert_eq!(bed.state("again"), "exited");
    bed.check();
}

#[test]
fn no_signal_from_outside_is_taken_for_a_power_off() {
    let bed = Bed::new();
    bed.make("web", &["/bin/sleep", "1000"]);
    let pid = bed.client().done(&of("run", "web"))["pid"].as_u64().unwrap().try_into().unwrap();
    for name in ["INT", "HUP"] {
        crate::bed::signal(pid, name);
    }
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(bed.state("web"), "running", "process 1 gets no signal that it has no handler for");
    bed.client().done(&json!({"type": "stop", "name": "web", "grace_ms": 0}));
    assert_eq!(bed.summary("web").unwrap().get("reboot"), None);
}
