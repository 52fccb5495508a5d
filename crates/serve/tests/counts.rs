//! What the server costs, in system calls: they are the same on every machine.

mod client;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command};

use client::{Client, Ground, script_with, wait_until};
use serde_json::json;

/// strace(1), attached to a server.
struct Trace {
    strace: Child,
    log: PathBuf,
}

impl Trace {
    fn of(ground: &Ground) -> Self {
        let log = ground.directory.join("strace");
        let pid = ground.pid().to_string();
        let strace = Command::new("strace").args(["-qq", "-o"]).arg(&log).args(["-p", &pid]).spawn().unwrap();
        let status = format!("/proc/{pid}/status");
        wait_until("strace is attached", || {
            !std::fs::read_to_string(&status).unwrap().contains("TracerPid:\t0\n")
        });
        Self { strace, log }
    }

    /// The names of the calls so far.
    fn end(mut self) -> Vec<String> {
        let pid = sys::process::Pid::from_raw(self.strace.id() as i32).unwrap();
        sys::process::kill_process(pid, sys::process::Signal::TERM).unwrap();
        self.strace.wait().unwrap();
        let text = std::fs::read_to_string(&self.log).unwrap();
        let calls = text.lines().filter(|line| !line.contains("resumed>"));
        calls.filter_map(|line| Some(line.split_once('(')?.0.to_owned())).collect()
    }
}

#[test]
fn a_round_trip_costs_few_system_calls() {
    let ground = Ground::noted();
    let request = "{\"type\":\"exec\",\"cmd\":\"/bin/busybox\",\"args\":[\"true\"]}\n";
    let exec = || {
        let mut client = Client::new(&ground.socket());
        client.stream().write_all(request.as_bytes()).unwrap();
        let lines = client.rest();
        assert!(lines.len() == 1 && lines[0].contains("\"code\":0"), "{lines:?}");
    };
    exec();
    let trace = Trace::of(&ground);
    const ROUNDS: usize = 20;
    (0..ROUNDS).for_each(|_| exec());
    let calls = trace.end();
    let of = |name: &str| calls.iter().filter(|call| *call == name).count();
    // In a build with debug assertions each close is two calls.
    let count = calls.len() - of("fcntl") - of("clock_gettime");
    println!("{} system calls for a round trip", count as f64 / ROUNDS as f64);
    assert!(count <= ROUNDS * 36, "{count} in {ROUNDS} rounds");
    assert!(of("clock_gettime") <= ROUNDS * 14, "{} looks at the clock", of("clock_gettime"));
    assert_eq!((of("clone3"), of("socketpair"), of("pwrite64")), (ROUNDS, 0, 2 * ROUNDS));
    let waits = of("epoll_pwait") + of("epoll_wait");
    assert!(waits <= ROUNDS * 5, "{waits} waits");
}

#[test]
fn who_asks_for_a_hundred_commands_at_once_keeps_nobody_waiting_for_all_of_them() {
    const COMMANDS: usize = 100;
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    let request = |number: usize| {
        let id = number.to_string();
        json!({"type": "exec", "id": id, "events": true, "cmd": "/bin/busybox", "args": ["true"]})
    };
    let requests: String = (0..COMMANDS).map(|number| format!("{}\n", request(number))).collect();
    let trace = Trace::of(&ground);
    client.stream().write_all(requests.as_bytes()).unwrap();
    // In the order in which they were asked for, and none is forgotten.
    for number in 0..COMMANDS {
        assert_eq!(client.until("started").pop().unwrap()["id"], number.to_string());
    }
    let calls = trace.end();
    let rounds = calls.split(|call| call.starts_with("epoll_") && call.ends_with("wait"));
    let most = rounds.map(|calls| calls.iter().filter(|call| *call == "clone3").count()).max().unwrap();
    println!("{most} commands were started in a round");
    // Two that have just been asked for, and two whose turn it is.
    assert!((1..=4).contains(&most), "{most} commands were started in a round");
}

#[test]
fn a_command_is_not_born_with_a_copy_of_all_descriptors_of_the_server() {
    let ground = Ground::new(&[]);
    let clients: Vec<Client> = (0..400)
        .map(|_| {
            let mut client = ground.connect();
            client.send(&json!({"type": "hello"}));
            client.next();
            client
        })
        .collect();
    let answers = ground.ask(&client::script("grep FDSize /proc/self/status").to_string());
    let size = answers[0].split("FDSize:\\t").nth(1).unwrap().split('"').next().unwrap();
    assert!(size.parse::<u32>().unwrap() <= 256, "{answers:?}");
    drop(clients);
}

#[test]
fn an_idle_server_with_live_commands_does_not_wake_up() {
    let ground = Ground::new(&[]);
    for number in 0..20 {
        let fields = json!({"id": format!("{number}"), "events": true, "detach": true, "timeout_ms": 0});
        ground.ask_one(&script_with("sleep 60", &fields));
    }
    let mut client = ground.connect();
    client.send(&json!({"type": "hello"}));
    client.next();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let trace = Trace::of(&ground);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let mut calls = trace.end();
    calls.retain(|call| call != "clock_gettime");
    assert!(calls.len() <= 1, "no more than the wait it was found in: {calls:?}");
    ground.kill_children();
}

#[test]
fn the_walk_down_a_tree_depends_on_the_tree_and_not_on_the_crowd() {
    let ground = Ground::new(&[]);
    for number in 0..200 {
        let fields = json!({"id": format!("{number}"), "events": true, "detach": true, "timeout_ms": 0});
        ground.ask_one(&json!({"type": "exec", "cmd": "/bin/busybox", "args": ["sleep", "60"], "id": fields["id"], "detach": true, "timeout_ms": 0}));
    }
    let mut client = ground.connect();
    client.send(&script_with(
        "(setsid sleep 60 &) ; sleep 60 & echo up; wait",
        &json!({"id": "tree", "events": true}),
    ));
    client.until("stdout");
    let trace = Trace::of(&ground);
    ground.ask_one(&json!({"type": "kill", "id": "tree", "signal": "KILL", "scope": "tree"}));
    client.until("exit");
    let calls = trace.end();
    let opened = calls.iter().filter(|call| *call == "openat").count();
    assert!((3..60).contains(&opened), "{opened} files were opened");
    ground.kill_children();
}

/// Runs a script that leaves a hundred daemons: each has left its session, and lost its parent.
fn hundred_daemons(ground: &Ground, id: &str) -> Client {
    let mut client = ground.connect();
    let script = "i=0; while [ $i -lt 100 ]; do (setsid sleep 60 >/dev/null 2>&1 &); i=$((i+1)); done; echo up; sleep 60";
    client.send(&script_with(script, &json!({"id": id, "events": true})));
    client.until("stdout");
    client
}

#[test]
fn a_process_that_is_killed_with_its_tree_costs_few_system_calls() {
    let ground = Ground::new(&[]);
    let mut client = hundred_daemons(&ground, "tree");
    wait_until("they have lost their parents", || ground.children().len() == 101);
    let trace = Trace::of(&ground);
    ground.ask_one(&json!({"type": "kill", "id": "tree", "signal": "KILL", "scope": "tree"}));
    client.until("exit");
    wait_until("all are gone", || ground.children().is_empty());
    let calls = trace.end();
    let of = |name: &str| calls.iter().filter(|call| *call == name).count();
    let rounds = of("epoll_pwait") + of("epoll_wait");
    println!("{} files and {} waits for 101 processes in {rounds} rounds", of("openat"), of("waitid"));
    // Its mark; and a wait that tells whether it has ended by then, or else its children. It is reaped once; a round that
    // finds nobody more costs one wait, too.
    assert!(of("openat") <= 2 * 101 + 8, "{} files were opened", of("openat"));
    assert!(of("waitid") <= 2 * 101 + 2 * rounds, "{} waits in {rounds} rounds", of("waitid"));
    // An orphan is ours, and keeps its number until it is reaped: only the command itself has a pidfd.
    assert_eq!((of("kill"), of("pidfd_open"), of("pidfd_send_signal")), (100, 0, 1));
}

#[test]
fn one_walk_serves_all_commands_that_end_at_once() {
    const COMMANDS: usize = 200;
    let ground = Ground::new(&[]);
    let mut leaving = ground.connect();
    for number in 0..COMMANDS {
        let fields = json!({"id": format!("{number}"), "events": true, "on_disconnect": "kill", "kill_signal": "KILL"});
        let mut request = script_with("", &fields);
        request["args"] = json!(["sleep", "60"]);
        leaving.send(&request);
        leaving.until("started");
    }
    let mut watching = hundred_daemons(&ground, "other");
    wait_until("they have lost their parents", || ground.children().len() == COMMANDS + 101);
    let trace = Trace::of(&ground);
    drop(leaving);
    wait_until("they have ended", || ground.children().len() == 101);
    let calls = trace.end();
    let opened = calls.iter().filter(|call| *call == "openat").count();
    println!("{opened} files for {COMMANDS} commands beside 100 daemons of another");
    // Each one's children when it is killed; the children of the server and the marks of the daemons a few times.
    assert!(opened <= COMMANDS + 6 * 203, "{opened} files were opened");
    ground.ask_one(&json!({"type": "kill", "id": "other", "signal": "KILL", "scope": "tree"}));
    watching.until("exit");
}
