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
