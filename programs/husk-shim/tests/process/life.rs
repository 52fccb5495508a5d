//! From the start of a container to the end of its shim.

use std::fs;

use husk_client::{Attach, Event, Mode};

use crate::ground::{Ground, exists, until};

#[test]
fn its_exit_code_is_noted_and_nothing_else_is_left() {
    let ground = Ground::new();
    let shim = ground.run("echo out; echo err >&2; read line; exit 42");
    assert_eq!(fs::read_to_string(ground.directory.join("run/pid")).unwrap(), format!("{}\n", shim.pid));
    let mut client = shim.client();
    let running = client.attach("main", Attach::default()).unwrap();
    running.write(&mut client, b"\n").unwrap();
    // It is noted before anybody is told.
    let exit = loop {
        let event = running.next(&mut client).unwrap().expect("its end");
        if let Event::Exit(exit) = event {
            break exit;
        }
    };
    let noted = ground.ended();
    assert_eq!(exit.code, 42);
    assert_eq!((noted.code, noted.signal, noted.oom, noted.pid), (42, None, false, shim.pid));
    shim.wait();
    let mut logged: Vec<String> = ground.logged().lines().map(String::from).collect();
    logged.sort();
    assert_eq!(logged, ["err", "out"]);
}

#[test]
fn the_signal_that_ended_it_is_noted() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    shim.client().signal_main("KILL").unwrap();
    let noted = shim.wait();
    assert_eq!((noted.code, noted.signal), (137, Some(9)));
}

#[test]
fn it_is_asked_to_stop_and_then_made_to() {
    let ground = Ground::new();
    let shim = ground.run("trap 'echo asked; exit 3' TERM; echo up; while :; do sleep 0.05; done");
    until("it runs", || ground.logged().contains("up"));
    shim.client().shutdown(Mode::Exit, Some(10_000), None).unwrap();
    assert_eq!(shim.wait().code, 3);
    assert!(ground.logged().contains("asked"));
    // A first process without a handler is not ended by TERM (pid_namespaces(7)).
    let ground = Ground::new();
    let shim = ground.run("sleep 1000 & sleep 1000");
    shim.client().shutdown(Mode::Exit, Some(200), None).unwrap();
    assert_eq!(shim.wait().signal, Some(9));
}

#[test]
fn a_shim_that_is_killed_takes_its_container_with_it() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000 & sleep 1000");
    let inside = shim.shell("setsid sleep 1000 >/dev/null 2>&1 & ls -d /proc/[0-9]*");
    assert!(inside.contains("/proc/1\n"), "{inside}");
    spawn::end(&shim.child);
    until("the container has ended", || !exists(shim.pid));
    // What is left of it is no obstacle to the next one.
    drop(shim);
    ground.run("exit 5").wait();
    assert_eq!(ground.ended().code, 5);
}

#[test]
fn there_is_one_shim_for_an_instance() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    let second = ground.start(&ground.task("exit 0")).err().expect("a refusal").to_string();
    assert!(second.contains("shim.sock: Address already in use"), "{second}");
    assert_eq!(shim.shell("echo served"), "served\n", "the first one is none the worse");
}

#[test]
fn what_cannot_be_started_is_said_with_its_code_and_leaves_nothing() {
    let ground = Ground::new();
    let mut task = ground.task("");
    for (command, code, words) in [
        ("nothing-of-this-name", 127, "command not found in the container"),
        ("/etc/passwd", 126, "not executable"),
    ] {
        task.settings.command = vec![command.into()];
        let failure = ground.start(&task).err().expect("a refusal");
        assert_eq!(failure.code(), code, "{failure}");
        assert!(failure.to_string().contains(words), "{failure}");
        assert_eq!(fs::read_dir(ground.directory.join("run")).unwrap().count(), 0);
    }
    task.settings.user = Some("nobody-of-this-name".into());
    let failure = ground.start(&task).err().expect("a refusal");
    assert!(failure.to_string().contains("no user \"nobody-of-this-name\""), "{failure}");
}

#[test]
fn an_idle_shim_is_small_and_sleeps() {
    let ground = Ground::new();
    let shim = ground.run("sleep 1000");
    assert_eq!(shim.shell("echo something"), "something\n");
    let status = |field: &str| {
        let path = format!("/proc/{}/status", shim.child.pid.as_raw_pid());
        let text = fs::read_to_string(path).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(field).map(str::trim).map(String::from));
        line.unwrap_or_default()
    };
    let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", shim.child.pid.as_raw_pid())).unwrap();
    let private: u64 = rollup
        .lines()
        .filter(|line| line.starts_with("Private_"))
        .map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap())
        .sum();
    println!("{private} KiB private, {} anonymous", status("RssAnon:"));
    let anonymous: u64 = status("RssAnon:").trim_end_matches(" kB").parse().unwrap();
    assert!(anonymous <= 1024, "{anonymous} KiB of memory of its own");
    let switches = || (status("voluntary_ctxt_switches:"), status("nonvoluntary_ctxt_switches:"));
    // What the end of the exec was followed by.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let before = switches();
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(switches(), before, "it has woken up for nothing");
}
