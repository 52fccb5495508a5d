//! What people type who come from docker(1) and podman(1).

use std::fs;
use std::time::{Duration, Instant};

use cli::run;
use instances::Ground;

/// An instance whose process 1 takes no notice of TERM, running.
fn stubborn(ground: &Ground, name: &str) {
    ground.good(&[
        "new",
        name,
        "busybox",
        "--grace",
        "2s",
        "--",
        "/bin/sh",
        "-c",
        "while :; do sleep 1; done",
    ]);
    ground.good(&["run", "-d", name]);
}

#[test]
fn several_are_stopped_and_removed_side_by_side() {
    let ground = Ground::with_image();
    let names = ["a", "b", "c"];
    for name in names {
        stubborn(&ground, name);
    }
    let asked = Instant::now();
    ground.good(&["stop", "a", "b", "c"]);
    // One after another they would take six seconds.
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert_eq!(ground.good(&["wait", "a", "b", "c"]), "137\n137\n137");
    for name in names {
        ground.good(&["run", "-d", name]);
    }
    let asked = Instant::now();
    ground.good(&["rm", "-f", "a", "b", "c"]);
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert_eq!(ground.good(&["ls", "-q"]), "");
}

#[test]
fn no_time_to_stop_is_a_kill() {
    let ground = Ground::with_image();
    for name in ["a", "b"] {
        stubborn(&ground, name);
        ground.good(&["set", name, "--grace", "1m"]);
    }
    let asked = Instant::now();
    ground.good(&["stop", "-t", "0", "a"]);
    ground.good(&["rm", "-f", "--grace", "0", "b"]);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(ground.good(&["ls", "-q"]), "a");
}

#[test]
fn a_copy_to_where_nothing_can_be_says_so_however_much_it_is() {
    let ground = Ground::with_image();
    ground.good(&["new", "c", "busybox"]);
    let large = ground.join("large");
    fs::write(&large, vec![b'x'; 2_000_000]).unwrap();
    let long = format!("c:/tmp/{}", "x".repeat(300));
    for (to, part) in [
        ("c:/etc/passwd/x", "Not a directory"),
        ("c:/nodir/y", "No such file or directory"),
        (&long, "File name too long"),
    ] {
        // The daemon may close the pipe before it has answered, or after.
        for _ in 0..5 {
            let ended = run(&mut ground.husk(&["cp", large.to_str().unwrap(), to]));
            assert!(
                ended.code() == 1 && ended.err().contains(part),
                "{to}: {}: {}",
                ended.code(),
                ended.err()
            );
        }
    }
}

/// Waits until there is no instance.
fn until_nothing_is_left(ground: &Ground) {
    cli::wait_until("the instance is removed", Duration::from_secs(20), || {
        ground.good(&["ls", "-q"]).is_empty()
    });
}

#[test]
fn a_command_in_an_image_leaves_its_exit_code_and_nothing_else() {
    let ground = Ground::with_image();
    for number in 0..10 {
        let script = format!("echo number {number}; exit {number}");
        let ended = run(&mut ground.husk(&["run", "--rm", "busybox", "/bin/sh", "-c", &script]));
        assert_eq!((ended.code(), ended.out()), (number, format!("number {number}\n")), "{}", ended.err());
        assert_eq!(ground.good(&["ls", "-q"]), "");
    }
    let line =
        ["run", "--rm", "-i", "--name", "web", "--hostname", "box", "-e", "A=b", "--net", "none", "busybox"];
    let words = [&line[..], &["--", "/bin/sh", "-c", "hostname; echo $A; cat"]].concat();
    let ended = cli::run_with(&mut ground.husk(&words), b"through");
    assert_eq!((ended.code(), ended.out().as_str()), (0, "box\nb\nthrough"), "{}", ended.err());
    let ended = run(&mut ground.husk(&["run", "--rm", "busybox", "/bin/none"]));
    assert_eq!(ended.code(), 127, "{}", ended.err());
    assert_eq!(ground.good(&["ls", "-q"]), "");
}

#[test]
fn what_is_removed_at_its_end_is_so_whoever_has_gone_by_then() {
    let mut ground = Ground::with_image();
    let name = ground.good(&["run", "--rm", "-d", "busybox", "sleep", "1"]);
    assert!(name.starts_with("run-") && ground.good(&["ls", "-q"]) == name, "{name}");
    until_nothing_is_left(&ground);
    // husk is killed.
    let mut child = ground.husk(&["run", "--rm", "--name", "web", "busybox", "sleep", "2"]).spawn().unwrap();
    cli::wait_until("it runs", Duration::from_secs(20), || ground.good(&["ls"]).contains("running"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(ground.good(&["ls"]).contains("running"));
    until_nothing_is_left(&ground);
    // The daemon is killed.
    ground.good(&["run", "--rm", "-d", "busybox", "sleep", "3"]);
    ground.replace_daemon();
    until_nothing_is_left(&ground);
    // It is stopped.
    ground.good(&["run", "--rm", "-d", "--name", "web", "busybox", "sleep", "1000"]);
    ground.good(&["stop", "-t", "0", "web"]);
    assert_eq!(ground.good(&["ls", "-q"]), "");
}

#[test]
fn an_image_in_place_of_an_instance_is_told_apart() {
    let ground = Ground::with_image();
    ground.good(&["import", ground.join("busybox.tar").to_str().unwrap(), "box:1"]);
    for (line, part) in [
        (&["run", "busybox", "true"][..], "husk new NAME busybox makes an instance, husk run --rm busybox"),
        (&["run", "box:1", "true"], "husk run --rm box:1"),
        (&["run", "--rm", "busybix"], "did you mean busybox?"),
        (&["run", "--rm", "--privileged", "busybox"], "--profile unrestricted"),
        (&["run", "--rm", "--restart", "always", "busybox"], "not started again"),
        (&["run", "--rm", "-p", "80:80", "busybox"], "--net private"),
    ] {
        let ended = run(&mut ground.husk(line));
        assert!(ended.code() != 0 && ended.err().contains(part), "{line:?}: {}", ended.err());
    }
    assert_eq!(ground.good(&["ls", "-q"]), "");
}
