//! Clients that mean no good, or are broken: refused in words, and nobody else notices.

mod client;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use client::{Client, Ground};
use serde_json::{Value, json};
use serve::{Listener, Way};

fn pings(ground: &Ground) {
    let begun = Instant::now();
    assert_eq!(ground.ask_one(&json!({"type": "ping"}))["type"], "pong");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn the_socket_is_for_its_owner_alone() {
    let ground = Ground::new(&[]);
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(ground.socket()), mode(ground.directory.join("run"))), (0o600, 0o700));
}

#[test]
fn an_error_leaves_the_connection_usable() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    for line in
        ["{", "[]", "{\"type\":\"exec\"}", "{\"type\":\"nope\"}", "\u{1}", "{\"type\":\"exec\",\"cmd\":7}"]
    {
        client.send_line(line);
        let error = client.next();
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(125)), "{line}: {error}");
    }
    client.send(&json!({"type": "ping"}));
    assert_eq!(client.next()["type"], "pong");
}

#[test]
fn a_line_that_is_too_long_ends_its_connection_and_no_other() {
    let ground = Ground::new(&[]);
    let before = ground.status_kb("VmRSS");
    let mut client = ground.connect();
    let piece = vec![b'x'; 1 << 20];
    // The server stops reading and closes: at some point writing fails.
    let mut written = 0;
    while written < 64 << 20 && client.stream().write_all(&piece).is_ok() {
        written += piece.len();
    }
    assert!(written < 64 << 20, "the server has read 64 MiB of one line");
    pings(&ground);
    assert!(ground.status_kb("VmHWM") < before + 6000, "{} KiB", ground.status_kb("VmHWM"));
}

#[test]
fn a_line_that_is_just_too_long_is_told_so() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.stream().write_all(&vec![b' '; wire::MAX_LINE]).unwrap();
    let error = client.next();
    assert!(error["data"].as_str().unwrap().contains("1048576"), "{error}");
    let line = format!("{{\"type\":\"ping\",\"x\":\"{}\"}}", "y".repeat(wire::MAX_LINE - 25));
    assert!(line.len() < wire::MAX_LINE);
    assert!(ground.ask(&line)[0].contains("pong"));
}

#[test]
fn deep_json_is_an_error() {
    let ground = Ground::new(&[]);
    for open in ["[", "{\"a\":"] {
        let line = format!("{{\"type\":\"ping\",\"x\":{}", open.repeat(200_000));
        let error: Value = serde_json::from_str(&ground.ask(&line)[0]).unwrap();
        assert!(error["data"].as_str().unwrap().contains("nested deeper than 127"), "{error}");
    }
    pings(&ground);
}

#[test]
fn a_thousand_clients_that_say_nothing_keep_nobody_out() {
    let ground = Ground::new(&[]);
    let silent: Vec<UnixStream> = (0..1000).map(|_| UnixStream::connect(ground.socket()).unwrap()).collect();
    let mut half: Vec<Client> = (0..200).map(|_| ground.connect()).collect();
    for client in &mut half {
        let _ = client.stream().write_all(b"{\"type\":");
    }
    pings(&ground);
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", ground.pid())).unwrap().count();
    assert!(descriptors < 300, "{descriptors} descriptors");
    drop(silent);
}

#[test]
fn a_client_has_five_seconds_for_its_first_line() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.stream().write_all(b"{\"type\":").unwrap();
    let begun = Instant::now();
    let lines = client.rest();
    assert!(begun.elapsed() > Duration::from_millis(4900) && begun.elapsed() < Duration::from_secs(15));
    assert_eq!(lines, [r#"{"type":"error","data":"no request within 5 seconds","code":125}"#]);
}

#[test]
fn another_user_is_refused_in_words() {
    use std::os::unix::process::CommandExt;
    let ground = Ground::new(&["4242"]);
    for path in [ground.directory.join("run"), ground.socket()] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let ping = |uid: u32| {
        let mut command = std::process::Command::new("python3");
        let code = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\ntry: s.sendall(b'{\"type\":\"ping\"}\\n'); s.shutdown(1)\nexcept OSError: pass\nout=b''\ntry:\n while True:\n  part=s.recv(4096)\n  if not part: break\n  out+=part\nexcept OSError: pass\nprint(out.decode())";
        let output = command.args(["-c", code]).arg(ground.socket()).uid(uid).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(ping(4242).contains("pong"));
    for uid in [4243, 65_534] {
        assert!(ping(uid).contains(&format!("permission denied: user {uid} may not connect")), "{uid}");
    }
}

#[test]
fn a_dead_servers_socket_is_replaced_and_a_living_ones_is_not() {
    let ground = Ground::new(&[]);
    let second = Listener::unix(ground.socket().to_str().unwrap(), Way::Closed).unwrap_err();
    assert!(second.contains("Address already in use"), "{second}");
    let path = ground.directory.join("dead");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(Listener::unix(path.to_str().unwrap(), Way::Closed).is_ok());
    let file = ground.directory.join("file");
    std::fs::write(&file, "precious").unwrap();
    assert!(Listener::unix(file.to_str().unwrap(), Way::Closed).unwrap_err().contains("File exists"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}

#[test]
fn a_kill_passes_though_every_descriptor_is_in_use() {
    let ground = Ground::with_limit_on_descriptors(100);
    let mut client = ground.connect();
    let script = "(setsid sleep 60 & echo $!); sleep 60";
    client.send(&client::script_with(script, &json!({"id": "a", "events": true})));
    let daemon = client::text(&client.until("stdout"), "stdout", "");
    // Clients that have used the protocol, and are kept for it.
    let mut others = Vec::new();
    loop {
        let mut other = ground.connect();
        // One that is turned away cannot be written to.
        let _ = other.stream().write_all(b"{\"type\":\"hello\"}\n");
        match other.try_next() {
            Some(_) => others.push(other),
            None => break,
        }
        assert!(others.len() < 100);
    }
    assert!(others.len() > 60, "{}", others.len());
    let error = {
        others[0].send(&json!({"type": "exec", "cmd": "true", "events": true}));
        others[0].next()
    };
    assert!(error["data"].as_str().unwrap().contains("Too many open files"), "{error}");
    others[0].send(&json!({"type": "kill", "id": "a", "signal": "KILL", "scope": "tree"}));
    assert_eq!(others[0].next()["success"], true);
    client::wait_until("its daemon is gone", || !client::is_alive(&daemon));
    assert_eq!(client.until("exit").last().unwrap()["code"], 137);
    drop(others);
    pings(&ground);
}

#[test]
fn a_kill_passes_behind_output_that_nobody_reads() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&client::script_with("yes", &json!({"id": "a", "events": true, "timeout_ms": 0})));
    let bytes = || ground.ask_one(&json!({"type": "list"}))["execs"][0]["bytes"]["stdout"].clone();
    client::wait_until("its output stands still", || {
        let before = bytes();
        std::thread::sleep(Duration::from_millis(50));
        before != 0 && before == bytes()
    });
    client.send(&json!({"type": "kill", "id": "a", "signal": "KILL"}));
    let state = || ground.ask_one(&json!({"type": "list"}))["execs"][0]["state"].clone();
    client::wait_until("it is killed", || state() == "exited");
}

#[test]
fn ten_thousand_half_open_clients_keep_nobody_out() {
    let ground = Ground::new(&[]);
    let mut worst = Duration::ZERO;
    for _ in 0..10 {
        let half: Vec<_> = (0..1000)
            .map(|_| {
                let mut stream = UnixStream::connect(ground.socket()).unwrap();
                let _ = stream.write_all(b"{\"type\":\"exec\"");
                stream
            })
            .collect();
        let begun = Instant::now();
        pings(&ground);
        worst = worst.max(begun.elapsed());
        drop(half);
    }
    assert!(worst < Duration::from_secs(5), "{worst:?}");
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", ground.pid())).unwrap().count();
    assert!(descriptors < 330, "{descriptors} descriptors");
}

#[test]
fn a_client_whose_command_runs_is_none_that_asks_for_nothing() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&client::script("echo up; sleep 1; echo done"));
    assert_eq!(client.next()["data"], "up");
    let silent: Vec<Client> = (0..300).map(|_| ground.connect()).collect();
    let lines = client.rest();
    assert!(lines[0].contains("done") && lines[1].contains("\"code\":0"), "{lines:?}");
    drop(silent);
}
