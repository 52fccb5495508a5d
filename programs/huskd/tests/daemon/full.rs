//! A state directory on a disk that is full, in a mount namespace that goes away with it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::bed::{Bed, await_end};
use crate::client::of;

/// Takes all room that there is.
fn fill(ballast: &Path) {
    let mut file = File::options().create(true).append(true).open(ballast).unwrap();
    let mut bytes = vec![1; 1 << 20];
    while !bytes.is_empty() {
        if file.write_all(&bytes).is_err() {
            bytes.truncate(bytes.len() / 2);
        }
    }
}

#[test]
fn on_a_full_disk_instances_are_stopped_and_removed_and_none_forgets_how_it_ended() {
    let Some(place) = std::env::var_os("HUSKD_FULL").map(PathBuf::from) else {
        return on_a_small_disk();
    };
    let runtime = place.with_extension("run");
    let mut bed = Bed::with(&["--runtime", runtime.to_str().unwrap()]);
    for name in ["stopped", "killed", "forced"] {
        bed.run(name);
    }
    bed.make_with("seven", json!({"command": ["/bin/sh", "-c", "read; exit 7"]}));
    let ran = bed.client().done(&json!({"type": "run", "name": "seven", "stdin": "open"}));
    bed.make("large", &["/bin/true"]);
    let ballast = bed.directory.join("root/instances/large/upper/ballast");
    fill(&ballast);
    let refused = bed.client().ask(&json!({"type": "commit", "name": "large", "image": "copy"}));
    assert!(refused["data"].as_str().unwrap().starts_with("commit large as copy: "), "{refused}");
    assert_eq!(bed.client().done(&of("stop", "stopped"))["code"], 0);
    bed.client().done(&json!({"type": "rm", "name": "forced", "if_running": "stop"}));
    fill(&ballast);
    crate::bed::signal(u32::try_from(ran["pid"].as_i64().unwrap()).unwrap(), "KILL");
    await_end(ran["pid"].as_i64().unwrap());
    bed.await_state("seven", "exited");
    // A start would take the place of how it ended, of which nothing else knows.
    let refused = bed.client().ask(&of("run", "seven"));
    assert!(refused["data"].as_str().unwrap().ends_with("No space left on device"), "{refused}");
    fill(&ballast);
    bed.kill();
    bed.start();
    assert_eq!(bed.summary("seven").unwrap()["code"], 137);
    assert_eq!(bed.state("stopped"), "exited");
    assert_eq!(bed.state("forced"), "gone");
    assert!(runtime.join("seven/exit.json").exists(), "nothing else has it");
    bed.client().done(&of("rm", "stopped"));
    assert!(!runtime.join("stopped").exists() && ballast.exists());
    bed.client().done(&of("rm", "large"));
    assert!(!ballast.exists());
    // There is room again: it is written, without anybody asking for it.
    let record = bed.directory.join("root/instances/seven/instance.json");
    let until = std::time::Instant::now() + crate::bed::PATIENCE;
    while !fs::read_to_string(&record).unwrap().contains("\"code\": 137") {
        assert!(std::time::Instant::now() < until, "{}", fs::read_to_string(&record).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    bed.client().done(&of("stop", "killed"));
    assert!(!runtime.join("seven").exists());
    bed.check();
}

/// The test once more in a process of its own, where the temporary directory is small.
fn on_a_small_disk() {
    let place = std::env::temp_dir().join(format!("huskd-full-{}", std::process::id()));
    let runtime = place.with_extension("run");
    fs::create_dir(&place).unwrap();
    let test = "full::on_a_full_disk_instances_are_stopped_and_removed_and_none_forgets_how_it_ended";
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-ec"])
        .arg("mount -t tmpfs -o size=128m none \"$1\"; shift; exec \"$@\"")
        .args(["sh".as_ref(), place.as_os_str()])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--test-threads=1", "--nocapture"])
        .env("HUSKD_FULL", &place)
        .env("TMPDIR", &place)
        .status();
    let _ = fs::remove_dir_all(&runtime);
    fs::remove_dir(&place).unwrap();
    assert!(status.unwrap().success());
}
