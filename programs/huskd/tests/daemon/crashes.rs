//! The daemon and shims are killed at random moments of random verbs. What holds afterwards is not left to chance.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bed::{Bed, await_end, is_alive, signal};
use crate::client::of;

/// xorshift64*
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

/// How many times: 60, or what HUSKD_CRASHES says.
pub fn rounds(usual: u64) -> u64 {
    std::env::var("HUSKD_CRASHES").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// A request for something that changes something.
fn verb(random: &mut Random, bed: &Bed, number: u64) -> Value {
    let name = NAMES[random.below(4) as usize];
    let image = format!("made-{number}");
    match random.below(10) {
        0 | 1 => {
            let settings =
                json!({"command": ["/sbin/init"], "net": (["host", "private"][random.below(2) as usize])});
            json!({"type": "new", "name": name, "image": "box", "settings": settings})
        }
        2..=4 => of("run", name),
        5 => json!({"type": "stop", "name": name, "grace_ms": random.below(2) * 1000}),
        6 => {
            json!({"type": "rm", "name": name, "if_running": (["refuse", "stop"][random.below(2) as usize])})
        }
        7 => json!({"type": "rename", "name": name, "to": NAMES[random.below(4) as usize]}),
        8 => json!({"type": "commit", "name": name, "image": image}),
        _ => json!({"type": "seed", "directory": bed.files(), "image": image}),
    }
}

/// What runs: name and pid of the first process.
fn running(bed: &Bed) -> Vec<(String, i64)> {
    let all = bed.client().done(&json!({"type": "ls", "what": "instances"}));
    let all = all["instances"].as_array().unwrap().clone();
    all.iter().filter_map(|one| Some((one["name"].as_str()?.to_string(), one["pid"].as_i64()?))).collect()
}

fn is_about(request: &Value, name: &str) -> bool {
    request["name"] == name || request["to"] == name
}

#[test]
fn a_daemon_killed_at_any_moment_loses_no_container_and_leaves_nothing_half_made() {
    let mut bed = Bed::apart();
    let mut random = Random(0x5EED);
    for round in 0..rounds(60) {
        // Some that are done, and one that is killed on its way.
        for part in 0..random.below(3) {
            let request = verb(&mut random, &bed, round * 10 + part);
            let _ = bed.client().try_ask(&request, None);
        }
        let before = running(&bed);
        let request = verb(&mut random, &bed, round * 10 + 9);
        let mut client = bed.client();
        client.send(&request, None).unwrap();
        std::thread::sleep(Duration::from_micros(random.below(40_000)));
        bed.kill();
        drop(client);
        for (name, pid) in &before {
            assert!(is_about(&request, name) || is_alive(*pid), "{name} died with the daemon at {request}");
        }
        bed.start();
        settle(&bed);
        bed.check();
        let after = running(&bed);
        for one in &before {
            assert!(
                is_about(&request, &one.0) || after.contains(one),
                "{one:?} is not found after {request}: {after:?}"
            );
        }
        bed.await_ports(private_and_running(&bed));
        check_images(&bed);
    }
}

/// Waits until what was on its way is over: a stop that was asked for goes on with the next daemon.
fn settle(bed: &Bed) {
    let until = std::time::Instant::now() + crate::bed::PATIENCE;
    loop {
        let all = bed.client().done(&json!({"type": "ls", "what": "instances"}));
        let states = all["instances"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap());
        if states.clone().all(|state| state != "stopping" && state != "removing") {
            return;
        }
        assert!(std::time::Instant::now() < until, "{:?}", states.collect::<Vec<_>>());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn private_and_running(bed: &Bed) -> usize {
    let all = bed.client().done(&json!({"type": "ls", "what": "instances"}));
    let all = all["instances"].as_array().unwrap();
    all.iter().filter(|one| !one["address"].is_null()).count()
}

/// Every image that there is can be used; every layer is somebody's.
fn check_images(bed: &Bed) {
    for image in bed.images() {
        let inspected = bed.client().done(&of("inspect", &image));
        for layer in inspected["value"]["layers"].as_array().unwrap() {
            let path = bed.directory.join("root/layers").join(layer.as_str().unwrap());
            assert!(path.join("layer.json").exists() && path.join("fs").exists(), "{image}: {layer}");
        }
        if image.starts_with("made-") {
            bed.client().done(&json!({"type": "rmi", "image": image}));
        }
    }
}

#[test]
fn an_import_that_is_interrupted_leaves_nothing() {
    let mut bed = Bed::new();
    let archive = bed.directory.join("archive.tar");
    bed.pack(&archive);
    let mut random = Random(7);
    for round in 0..rounds(60) / 6 {
        let file = File::open(&archive).unwrap();
        let mut client = bed.client();
        let image = format!("i{round}");
        client.send(&json!({"type": "import", "image": image}), Some(file.as_fd())).unwrap();
        std::thread::sleep(Duration::from_micros(random.below(20_000)));
        if round % 2 == 0 {
            bed.kill();
            bed.start();
        }
        // Else the client goes, and the daemon notices.
        drop(client);
        bed.await_rest(0);
        bed.check();
        if bed.images().contains(&image) {
            bed.client().done(&json!({"type": "rmi", "image": image}));
        }
    }
}

#[test]
fn a_shim_killed_at_any_moment_takes_its_container_along_and_this_is_said() {
    let bed = Bed::new();
    bed.make("web", &["/sbin/init"]);
    let mut random = Random(11);
    let mut lost = 0;
    for _ in 0..rounds(60) / 3 {
        let mut client = bed.client();
        client.send(&of("run", "web"), None).unwrap();
        std::thread::sleep(Duration::from_micros(random.below(30_000)));
        let shims = bed.shims();
        for (_, pid) in &shims {
            signal(*pid, "KILL");
        }
        // Either it was killed before it had said that it runs, and the start came to nothing; or it did run.
        let answer = client.next().expect("an answer");
        if shims.is_empty() {
            bed.client().done(&json!({"type": "stop", "name": "web", "grace_ms": 0}));
        } else if answer["type"] == "ok" {
            lost += 1;
            if let Some(pid) = answer["pid"].as_i64() {
                await_end(pid);
            }
            bed.await_state("web", "exited");
            let inspected = bed.client().done(&of("inspect", "web"));
            let exit = &inspected["value"]["state"]["phase"]["exit"];
            assert_eq!((&exit["code"], &exit["reason"]), (&json!(137), &json!("its shim was lost")));
        }
        settle(&bed);
        bed.check();
    }
    // So that the test is of something: most are killed when they run.
    bed.client().done(&of("run", "web"));
    for (_, pid) in bed.shims() {
        signal(pid, "KILL");
    }
    bed.await_state("web", "exited");
    assert!(bed.log().contains("web: shim_lost"), "{lost}:\n{}", bed.log());
}

#[test]
fn the_end_of_a_container_that_nobody_saw_is_found_by_the_next_daemon() {
    let mut bed = Bed::new();
    bed.make("web", &["/bin/sh", "-c", "sleep 0.3; exit 9"]);
    bed.client().done(&of("run", "web"));
    bed.kill();
    std::thread::sleep(Duration::from_millis(800));
    bed.start();
    assert_eq!(bed.state("web"), "exited");
    assert_eq!(bed.client().done(&of("wait", "web"))["code"], 9);
    bed.check();
}

#[test]
fn a_shim_that_was_lost_while_there_was_no_daemon_is_found_by_the_next() {
    let mut bed = Bed::new();
    let pid = bed.run("web");
    bed.kill();
    for (_, shim) in bed.shims() {
        signal(shim, "KILL");
    }
    await_end(pid);
    bed.start();
    assert_eq!(bed.state("web"), "exited");
    let answer = bed.client().done(&of("wait", "web"));
    assert_eq!((&answer["code"], &answer["reason"]), (&json!(137), &json!("its shim was lost")));
    bed.check();
}
