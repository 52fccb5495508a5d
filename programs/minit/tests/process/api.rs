//! The two roles together: the api serves, may die, and ends in order.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::{children, exists, program, run, send, status, until};
use crate::client::{Connection, Place, Served};

/// The api's pid, as this machine counts, by way of the first process's.
fn api_of(first: u32) -> u32 {
    let named = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "minit-api")
    };
    let mut found = None;
    until("the api runs", || {
        found = children(first).into_iter().find(named);
        found.is_some()
    });
    found.expect("it was found")
}

/// The first process behind an `unshare` that waits for it.
fn first_of(unshare: u32) -> u32 {
    let mut found = None;
    until("the first process runs", || {
        found = children(unshare).first().copied();
        found.is_some()
    });
    found.expect("it was found")
}

#[test]
fn commands_run_with_the_environment_of_the_main_command() {
    let served = Served::first(&["--env", "COLOUR=blue", "sleep", "1000"]);
    let mut client = served.connect();
    client.send(json!({"type": "exec", "cmd": "sh", "args": ["-c", "echo $COLOUR $PPID; exit 3"]}));
    let line = client.next().expect("a line");
    assert!(
        line["data"].as_str().is_some_and(|line| line.starts_with("blue ") && line != "blue 1"),
        "{line}"
    );
    assert_eq!(client.next().map(|exit| exit["code"].clone()), Some(json!(3)));
    let pong = served.ask(json!({"type": "ping"}));
    assert_eq!(
        (&pong["type"], &pong["pid"]),
        (&json!("pong"), &json!(1)),
        "of process 1, for whom the api speaks"
    );
}

#[test]
fn it_outlives_its_main_command_and_says_how_that_ended() {
    let served = Served::first(&["sh", "-c", "exit 5"]);
    until("the end is told", || {
        served.ask(json!({"type": "stats"}))["main"] == json!({"state": "exited", "code": 5})
    });
    assert_eq!(served.ask(json!({"type": "shutdown", "code": 9})), json!({"type": "ok"}));
    assert_eq!(served.running.end().code, Some(9));
}

#[test]
fn without_a_command_it_serves_until_it_is_told_to_end() {
    let served = Served::first(&[]);
    assert_eq!(served.ask(json!({"type": "stats"}))["main"], json!({"state": "none"}));
    let error = served.ask(json!({"type": "signal_main", "signal": "HUP"}));
    assert_eq!(error["data"], "signal_main: there is no main command");
    served.ask(json!({"type": "shutdown", "code": 0}));
    assert_eq!(served.running.end().code, Some(0));
}

#[test]
fn orphans_of_the_main_command_are_counted_unless_the_kernel_reaps_them() {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).flat_map(str::parse::<u32>);
    let by_the_kernel = (numbers.next(), numbers.next()) >= (Some(6), Some(15));
    let mut served =
        Served::first(&["sh", "-c", "for n in 1 2 3; do (true &); done; sleep 0.5; echo done; sleep 1000"]);
    assert_eq!(served.running.line(), "done");
    let stats = served.ask(json!({"type": "stats"}));
    let reaped = stats.get("orphans_reaped").and_then(Value::as_u64);
    assert_eq!(reaped, (!by_the_kernel).then_some(3), "{stats}");
}

#[test]
fn a_signal_for_the_main_command_reaches_it() {
    let mut served =
        Served::first(&["sh", "-c", "trap 'echo hup' HUP; echo ready; while :; do sleep 0.1; done"]);
    assert_eq!(served.running.line(), "ready");
    assert_eq!(served.ask(json!({"type": "signal_main", "signal": "HUP"})), json!({"type": "ok"}));
    assert_eq!(served.running.line(), "hup");
}

#[test]
fn a_stop_lets_clients_have_the_ends_of_their_commands() {
    for served in [
        Served::first(&["--grace", "10s", "sleep", "1000"]),
        Served::beside(&["--grace", "10s", "sleep", "1000"]),
    ] {
        let mut client = served.connect();
        let script = "trap 'echo told; sleep 0.2; exit 4' TERM; echo ready; while :; do sleep 0.05; done";
        client.send(json!({"type": "exec", "cmd": "sh", "args": ["-c", script], "timeout_ms": 0}));
        assert_eq!(client.next_of("stdout")["data"], "ready");
        let begun = Instant::now();
        served.ask(json!({"type": "shutdown"}));
        assert_eq!(client.next_of("stdout")["data"], "told");
        assert_eq!(client.next_of("exit")["code"], 4);
        let outcome = served.running.end();
        assert_eq!(outcome.code, Some(143), "{}", outcome.err);
        assert!(begun.elapsed() < Duration::from_secs(5), "nobody is waited for when none is left");
    }
}

#[test]
fn who_does_not_end_within_the_grace_is_killed_and_its_client_is_told_before_the_end() {
    for served in [Served::first(&["sleep", "1000"]), Served::beside(&["sleep", "1000"]), Served::first(&[])]
    {
        let mut client = served.connect();
        client.send(json!({"type": "exec", "id": "one", "events": true, "cmd": "sh", "timeout_ms": 0,
            "args": ["-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"]}));
        assert_eq!(client.next_of("stdout")["data"], "ready");
        let begun = Instant::now();
        served.ask(json!({"type": "shutdown", "grace_ms": 500}));
        let mut rest = Vec::new();
        while let Some(message) = client.next() {
            rest.push(message);
        }
        let of = |kind: &str| rest.iter().find(|message| message["type"] == kind);
        let exit = of("exit").unwrap_or_else(|| panic!("no exit: {rest:?}"));
        assert_eq!(
            (&exit["code"], &exit["signal"], &exit["killed_by"]),
            (&json!(137), &json!(9), &json!("shutdown"))
        );
        assert!(of("eof").is_some(), "{rest:?}");
        let outcome = served.running.end();
        assert!(outcome.code.is_some(), "{outcome:?}");
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(5), "{took:?}");
    }
}

#[test]
fn a_main_command_that_ignores_the_stop_does_not_keep_the_ends_of_others_from_clients() {
    let mut served = Served::first(&["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]);
    assert_eq!(served.running.line(), "ready");
    let mut client = served.connect();
    client.send(json!({"type": "exec", "cmd": "sleep", "args": ["1000"], "timeout_ms": 0, "events": true}));
    client.next_of("started");
    served.ask(json!({"type": "shutdown", "grace_ms": 0}));
    assert_eq!(client.next_of("exit")["signal"], 9);
    assert_eq!(served.running.end().code, Some(137));
}

#[test]
fn a_killed_api_is_there_again_and_knows_what_runs() {
    let served = Served::first(&["sleep", "1000"]);
    let first = first_of(served.running.pid());
    let mut client = served.connect();
    client.send(json!({"type": "exec", "id": "one", "events": true, "cmd": "sh", "timeout_ms": 0,
        "args": ["-c", "trap 'exit 6' TERM; echo ready; while :; do sleep 0.05; done"]}));
    let pid = client.next_of("started")["pid"].clone();
    client.next_of("stdout");
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let api = api_of(first);
        send("KILL", api);
        let begun = Instant::now();
        let mut again = served.connect();
        again.send(json!({"type": "list"}));
        // A connection that the dead one had not accepted is lost with it.
        while again.next().is_none() {
            again = served.connect();
            again.send(json!({"type": "list"}));
        }
        slowest = slowest.max(begun.elapsed());
        until("the next one runs", || api_of(first) != api);
    }
    let execs = served.ask(json!({"type": "list"}))["execs"].clone();
    assert_eq!(
        (&execs[0]["id"], &execs[0]["pid"], &execs[0]["state"]),
        (&json!("one"), &pid, &json!("orphaned")),
        "{execs}"
    );
    let killed = served.ask(json!({"type": "kill", "id": "one", "scope": "leader"}));
    assert_eq!(killed["success"], true, "{killed}");
    let exit = served.ask(json!({"type": "wait", "id": "one", "timeout_ms": 5000}));
    assert_eq!((&exit["type"], &exit["code"]), (&json!("exit"), &json!(6)), "{exit}");
    assert!(slowest < Duration::from_millis(1000), "{slowest:?}");
    assert!(served.running.end_by("TERM").err.contains("the api has ended (signal 9)"));
}

#[test]
fn orphans_are_told_to_those_who_listen() {
    let served = Served::first(&["sleep", "1000"]);
    let mut listener = served.connect();
    listener.send(json!({"type": "events"}));
    assert_eq!(listener.next_of("ok")["type"], "ok");
    let mut client = served.connect();
    // Not the api's to reap: a child of the main command's namespace that loses its parent.
    client.send(json!({"type": "exec", "cmd": "sh", "args": ["-c", "(sleep 0.1; exit 7) & exit 0"]}));
    client.next_of("exit");
    let told = |message: &Value| message["event"] == "orphan_reaped" && message["code"] == 7;
    let begun = Instant::now();
    while !told(&listener.next_of("event")) {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_socket_that_cannot_be_had_is_a_warning_and_the_command_decides_the_end() {
    let outcome = run(Command::new(program()).args(["--socket", "/proc/none/socket", "sh", "-c", "exit 3"]));
    assert_eq!(outcome.code, Some(3), "{}", outcome.err);
    assert!(
        outcome.err.starts_with("minit: warning: no clients by this way: make /proc/none: "),
        "{}",
        outcome.err
    );
    assert_eq!(run(Command::new(program()).args(["--socket", "/proc/none/socket"])).code, Some(125));
}

#[test]
fn an_inherited_socket_is_served() {
    let place = Place::new();
    let path = place.socket();
    let script = format!(
        "import os,socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.bind({path:?})\ns.listen()\n\
         os.dup2(s.fileno(),7,True)\nos.execv(sys.argv[1],sys.argv[1:])"
    );
    let mut command = Command::new("python3");
    command.args(["-c", &script, program(), "--socket", "none", "--listen-fd", "7", "sleep", "1000"]);
    let running = crate::bed::Running::start(&mut command);
    let mut client = Connection::to(&path);
    client.send(json!({"type": "exec", "cmd": "sh", "args": ["-c", "ls /proc/self/fd | wc -l"]}));
    // 0, 1, 2 and that of ls itself.
    assert_eq!(client.next_of("stdout")["data"], "4");
    assert_eq!(running.end_by("TERM").code, Some(143));
}

#[test]
fn the_socket_is_its_owners_alone() {
    let served = Served::beside(&["sleep", "1000"]);
    let mode = std::fs::metadata(served.place.socket()).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn users_that_are_allowed_are_let_in_and_no_others() {
    let place = Place::new();
    let directory = place.socket();
    let socket = format!("{directory}/socket");
    let script = "umask 077; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, program(), "--socket", &socket, "--allow-uid", "1000", "sleep", "1000"]);
    let running = crate::bed::Running::start(&mut command);
    until("it listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    let mode = |path: &str| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&socket)), (0o711, 0o666));
    // Where it is built others may not look.
    let copy = std::path::Path::new(&directory).with_file_name("minit");
    std::fs::copy(program(), &copy).expect("a copy");
    let ping_as = |user: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]).arg(&copy);
        run(command.args(["ping", "--socket", &socket]))
    };
    let allowed = ping_as("1000");
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    let refused = ping_as("1001");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("permission denied: user 1001 may not connect"), "{refused:?}");
    assert_eq!(running.end_by("TERM").code, Some(143));
}

#[test]
fn the_socket_file_goes_with_the_server_unless_it_is_anothers_by_then() {
    for served in [Served::first(&["sleep", "1000"]), Served::beside(&["sleep", "1000"])] {
        let path = served.place.socket();
        let Served { running, place } = served;
        assert_eq!(running.end_by("TERM").code, Some(143));
        assert!(!std::fs::exists(&path).expect("its directory is there"));
        drop(place);
    }
    let Served { running, place } = Served::beside(&["sleep", "1000"]);
    std::fs::remove_file(place.socket()).expect("it is there");
    let _other = std::os::unix::net::UnixListener::bind(place.socket()).expect("it is free");
    assert_eq!(running.end_by("TERM").code, Some(143));
    assert!(std::fs::exists(place.socket()).expect("its directory is there"));
}

#[test]
fn what_is_a_machines_is_refused_elsewhere_and_what_is_lacking_is_named() {
    // In UTS namespaces of their own: were it not refused, the machine of these tests would not be renamed.
    let place = Place::new();
    let mut command = Command::new("unshare");
    command.args(["--uts", "--pid", "--fork", "--kill-child", "--mount-proc", program(), "--socket"]);
    let running = crate::bed::Running::start(command.args([&place.socket(), "sleep", "1000"]));
    let mut client = Connection::to(&place.socket());
    client.send(json!({"type": "resume", "hostname": "other"}));
    let refused = client.next_of("error");
    assert_eq!(refused["data"], "resume: minit is not the first process of a machine here");
    assert_eq!(running.end_by("TERM").code, Some(143));
    let served = Served::beside(&["sleep", "1000"]);
    let error =
        served.ask(json!({"type": "exec", "cmd": "true", "events": true, "limits": {"memory": "64m"}}));
    let text = error["data"].as_str().unwrap_or_default();
    assert!(text.ends_with("to make one in: minit is not the first process here"), "{error}");
}

#[test]
fn idle_neither_role_wakes_up_and_both_take_little_memory() {
    let served = Served::first(&["sleep", "1000"]);
    assert_eq!(served.ask(json!({"type": "ping"}))["type"], "pong");
    let first = first_of(served.running.pid());
    let api = api_of(first);
    std::thread::sleep(Duration::from_millis(1500));
    let switches = || [first, api].map(|pid| status(pid, "voluntary_ctxt_switches"));
    let before = switches();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(switches(), before);
}

#[test]
fn the_first_process_outlives_everything_but_its_end() {
    let served = Served::first(&["sleep", "1000"]);
    let first = first_of(served.running.pid());
    for signal in ["HUP", "USR1", "PIPE", "ALRM", "CHLD", "STOP", "CONT"] {
        // From outside its namespace.
        send(signal, api_of(first));
        send("CONT", api_of(first));
    }
    assert!(exists(first));
    assert_eq!(served.ask(json!({"type": "ping"}))["type"], "pong");
}

#[test]
fn on_a_machine_of_others_it_cannot_end_that() {
    let served = Served::beside(&["sleep", "1000"]);
    let answer = served.ask(json!({"type": "shutdown", "mode": "poweroff"}));
    assert_eq!(answer["data"], "shutdown: minit is not process 1 here: only the mode \"exit\" is possible");
}
