//! Clients that mean no good, or do not know what they do.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::bed::Bed;
use crate::client::{Client, of, reason};

fn send(client: &mut Client, bytes: &[u8]) -> Option<Value> {
    client.socket.write_all(bytes).unwrap();
    client.next()
}

#[test]
fn a_line_that_is_no_request_is_answered_and_the_next_one_heard() {
    let bed = Bed::new();
    let mut client = bed.client();
    let lines: [&[u8]; 9] = [
        b"{\n",
        b"{}\n",
        b"{\"type\":\"fly\"}\n",
        b"{\"type\":\"run\"}\n",
        b"{\"type\":\"run\",\"name\":5}\n",
        b"{\"type\":\"run\",\"name\":\"../x\"}\n",
        b"{\"type\":\"run\",\"name\":\"x\xff\"}\n",
        b"{\"type\":\"ping\"} x\n",
        b"\n",
    ];
    for line in lines {
        let answer = send(&mut client, line).expect("an answer");
        assert_eq!(reason(&answer), "invalid", "{:?}", String::from_utf8_lossy(line));
    }
    client.done(&json!({"type": "ping"}));
}

#[test]
fn nesting_without_end_ends_nothing() {
    let bed = Bed::new();
    let mut client = bed.client();
    let line = format!("{{\"type\":\"set\",\"name\":\"x\",\"changes\":{{\"a\":{}\n", "[".repeat(500_000));
    assert_eq!(reason(&send(&mut client, line.as_bytes()).unwrap()), "invalid");
    bed.client().done(&json!({"type": "ping"}));
}

#[test]
fn a_line_without_end_is_cut_off() {
    let bed = Bed::new();
    let before = memory_kb(&bed);
    let mut client = bed.client();
    // The daemon stops reading at a megabyte, and says why.
    let _ = client.socket.write_all(&vec![b'{'; 16 << 20]);
    let answer = client.next().expect("an answer");
    assert_eq!(reason(&answer), "invalid");
    assert!(client.next().is_none());
    assert!(memory_kb(&bed) < before + 8 * 1024, "{} kB, before {before}", memory_kb(&bed));
    bed.client().done(&json!({"type": "ping"}));
}

/// What the daemon has for itself alone.
pub fn memory_kb(bed: &Bed) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", bed.daemon_pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_thousand_connections_are_served_and_leave_nothing() {
    let bed = Bed::new();
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", bed.daemon_pid())).unwrap().count();
    let before = descriptors();
    let limit = sys::process::getrlimit(sys::process::Resource::Nofile);
    let more = sys::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    sys::process::setrlimit(sys::process::Resource::Nofile, more).unwrap();
    let mut clients: Vec<Client> = (0..1000).map(|_| bed.client()).collect();
    for client in &mut clients {
        client.done(&json!({"type": "ping"}));
    }
    drop(clients);
    let until = std::time::Instant::now() + crate::bed::PATIENCE;
    while descriptors() > before {
        assert!(std::time::Instant::now() < until, "{} descriptors, before {before}", descriptors());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_client_that_does_not_read_stops_nobody() {
    let bed = Bed::new();
    let mut deaf = bed.client();
    bed.make("web", &["/sbin/init"]);
    deaf.socket.set_nonblocking(true).unwrap();
    // Answers fill its socket, until the daemon does not read any more either.
    let line = format!("{}\n", of("inspect", "web"));
    while deaf.socket.write(line.as_bytes()).is_ok() {}
    bed.client().done(&of("run", "web"));
    bed.client().done(&of("stop", "web"));
}

#[test]
fn the_socket_is_for_root_or_for_a_group() {
    let bed = Bed::new();
    let mode = |bed: &Bed| std::fs::metadata(bed.socket()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&bed), 0o600);
    let bed = Bed::with(&["--group", "daemon"]);
    assert_eq!(mode(&bed), 0o660);
    let group = std::fs::read_to_string("/etc/group").unwrap();
    let number = group.lines().find_map(|line| line.strip_prefix("daemon:x:")).unwrap();
    let number: u32 = number.split(':').next().unwrap().parse().unwrap();
    assert_eq!(std::fs::metadata(bed.socket()).unwrap().gid(), number);
    assert_eq!(std::fs::metadata(bed.directory.join("root")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn descriptors_that_nobody_asked_for_are_closed() {
    let bed = Bed::new();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut client = bed.client();
    use std::os::fd::AsFd as _;
    client.try_ask(&json!({"type": "ping"}), Some(theirs.as_fd())).unwrap();
    drop(theirs);
    // At its end once the daemon has closed its copy.
    ours.set_read_timeout(Some(crate::bed::PATIENCE)).unwrap();
    assert_eq!(ours.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn who_wanted_a_change_is_in_the_log() {
    let bed = Bed::new();
    bed.run("web");
    bed.client().done(&of("stop", "web"));
    let own = format!("by uid 0 pid {}", std::process::id());
    for word in ["box: imported", "web: created", "web: started", "web: stopping"] {
        let line = bed.log().lines().find(|line| line.contains(word)).map(String::from);
        assert!(line.as_ref().is_some_and(|line| line.ends_with(&own)), "{word}: {line:?}");
    }
}
