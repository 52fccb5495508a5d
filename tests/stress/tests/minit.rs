//! Thousands of processes under minit, as process 1 of a pid namespace and as it is shipped.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use cli::Scratch;
use load::First;
use load::process::{children, descriptors, zombies};
use serde_json::json;
use stress::{Deadline, Pings, Served, alone, load, release, time_until};

/// Commands that live at the same time.
const LIVE: usize = 10_000;
/// Connections that they are started by.
const CONNECTIONS: usize = 20;
const ORPHANS: usize = 100_000;
const TREE: usize = 1000;

#[test]
fn a_hundred_thousand_orphans_are_reaped_by_the_kernel_and_by_waiting() {
    let _alone = alone();
    let _deadline = Deadline::of("orphans", Duration::from_secs(300));
    let scratch = Scratch::new();
    // Under the name of tini it waits for each, as it does on kernels that cannot do it for it.
    let tini = scratch.join("tini");
    cli::copy(release("minit"), &tini);
    for init in [vec![release("minit").as_os_str(), OsStr::new("--no-api")], vec![tini.as_os_str()]] {
        let count = ORPHANS.to_string();
        let workload = [OsStr::new("--"), load().as_os_str(), OsStr::new("orphans"), OsStr::new(&count)];
        let command: Vec<&OsStr> = init.into_iter().chain(workload).collect();
        let mut first = First::start(load(), &command).expect("it starts");
        assert_eq!(first.line().as_deref(), Ok("ready\n"));
        let begun = Instant::now();
        first.go().expect("it waits");
        assert_eq!(first.line().as_deref(), Ok("done\n"));
        let took = begun.elapsed();
        // Not every one of the last has ended when its parent says that it is done.
        let left = time_until("only the main command is left", Duration::from_secs(10), || {
            children(first.pid).len() == 1
        });
        println!("{:?}: {ORPHANS} orphans in {took:.2?}, the last was gone after {left:.2?}", command[0]);
    }
}

#[test]
fn a_tree_of_a_thousand_sessions_is_killed_at_once() {
    /// The goal is 50 ms on a machine that does nothing else.
    const BOUND: Duration = Duration::from_millis(1000);
    let _alone = alone();
    let _deadline = Deadline::of("a tree", Duration::from_secs(120));
    let served = Served::new();
    let api = served.first.api().expect("it serves");
    let mut times = Vec::new();
    for round in 0..5 {
        let id = format!("tree-{round}");
        let mut client = served.run(&id, &["tree", &TREE.to_string()], &json!({}));
        assert_eq!(client.message_of("stdout").expect("it is ready")["data"], "ready");
        assert!(children(api).len() > TREE / 2, "its orphans are the api's");
        let begun = Instant::now();
        let killed = served.ask(&json!({"type": "kill", "id": id, "scope": "tree", "signal": "KILL"}));
        assert_eq!(killed["success"], true, "{killed}");
        time_until("all are gone", Duration::from_secs(20), || children(api).is_empty());
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    println!("{TREE} processes: killed and reaped after {times:.2?} (goal 50 ms)");
    assert!(times[times.len() / 2] <= BOUND, "{times:.2?}");
}

#[test]
fn a_zombie_does_not_stay_while_a_hundred_commands_stream() {
    const COMMANDS: usize = 100;
    const EACH: usize = 100;
    /// The goal is 5 ms at p99.9; two processors are shared by a hundred commands and by this test here.
    const BOUND: Duration = Duration::from_millis(250);
    let _alone = alone();
    let _deadline = Deadline::of("zombies", Duration::from_secs(120));
    let served = Served::new();
    let api = served.first.api().expect("it serves");
    let clients: Vec<_> = (0..COMMANDS)
        .map(|number| served.run(&number.to_string(), &["stream", &EACH.to_string()], &json!({})))
        .collect();
    let readers: Vec<_> = clients
        .into_iter()
        .map(|mut client| std::thread::spawn(move || client.message_of("exit").map(|exit| exit["code"] == 0)))
        .collect();
    let (mut seen, mut ages) = (std::collections::BTreeMap::new(), Vec::new());
    while !readers.iter().all(std::thread::JoinHandle::is_finished) {
        let now = Instant::now();
        let there = [zombies(api), zombies(served.first.pid)].concat();
        for pid in &there {
            seen.entry(*pid).or_insert(now);
        }
        let gone: Vec<u32> = seen.keys().copied().filter(|pid| !there.contains(pid)).collect();
        ages.extend(gone.into_iter().filter_map(|pid| seen.remove(&pid)).map(|since| now - since));
    }
    assert!(readers.into_iter().all(|reader| reader.join().expect("no panic") == Ok(true)));
    ages.sort_unstable();
    let ended = COMMANDS * EACH;
    // Most are reaped before they are seen at all.
    let oldest = ages.iter().rev().nth(ended / 1000).copied().unwrap_or_default();
    println!("{ended} orphans, {} seen as zombies, p99.9 {oldest:.2?} (goal 5 ms)", ages.len());
    assert!(oldest <= BOUND, "{oldest:?}");
    time_until("no zombie is left", Duration::from_secs(5), || zombies(api).is_empty());
}

#[test]
fn ten_thousand_commands_live_at_once_and_are_ended_at_once() {
    /// The goal for a ping is 2 ms.
    const PING: Duration = Duration::from_millis(50);
    let _alone = alone();
    let _deadline = Deadline::of("live commands", Duration::from_secs(400));
    let served = Served::new();
    let api = served.first.api().expect("it serves");
    // A command has three descriptors in the api, one without output.
    let room = (descriptors(api).expect("a limit").saturating_sub(LIVE + 200) / 2).min(LIVE);
    let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| served.connect()).collect();
    let begun = Instant::now();
    for number in 0..LIVE {
        let client = &mut clients[number % CONNECTIONS];
        let output = if number < room { "lines" } else { "none" };
        let request = json!({"type": "exec", "id": number.to_string(), "events": true, "cmd": load(),
            "args": ["rest"], "timeout_ms": 0, "output": output});
        client.send(&request.to_string()).expect("it is taken");
        client.message_of("started").expect("it starts");
    }
    let took = begun.elapsed();
    assert_eq!(children(api).len(), LIVE);
    let pings = Pings::of(&served);
    std::thread::sleep(Duration::from_secs(2));
    let p99 = pings.p99();
    println!("{LIVE} commands, {room} with outputs, started in {took:.2?}; ping p99 {p99:.2?} (goal 2 ms)");
    assert!(p99 <= PING, "{p99:?}");
    let begun = Instant::now();
    // Without a grace the end may come before the answer.
    clients[0].send(r#"{"type":"shutdown","grace_ms":0}"#).expect("it is taken");
    time_until("process 1 has ended", Duration::from_secs(60), || {
        !std::path::Path::new(&format!("/proc/{api}")).exists()
    });
    println!("ended after {:.2?}", begun.elapsed());
}
