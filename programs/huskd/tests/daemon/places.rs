//! A runtime directory belongs to one root.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::bed::{Bed, PATIENCE, is_alive, signal};
use crate::client::of;

/// A daemon with another root, which does not start.
fn other(root: &Path, runtime: &Path) -> Output {
    let mut huskd = Command::new(env!("CARGO_BIN_EXE_huskd"));
    huskd.args(["--no-console", "--socket"]).arg(root.with_extension("sock"));
    huskd.arg("--root").arg(root).arg("--runtime").arg(runtime);
    let child = huskd.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (pid, until) = (child.id(), std::time::Instant::now() + PATIENCE);
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| child.wait_with_output().unwrap());
        while !ended.is_finished() {
            if std::time::Instant::now() > until {
                signal(pid, "KILL");
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        ended.join().unwrap()
    })
}

#[test]
fn a_daemon_of_another_root_ends_nothing_in_a_runtime_directory_that_is_not_its_own() {
    let mut bed = Bed::new();
    let pid = bed.run("web");
    let (root, runtime) = (bed.directory.join("other"), bed.directory.join("run"));
    let own = bed.directory.join("root");
    let text = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();
    let beside = other(&root, &runtime);
    let expected = format!(
        "huskd: {}: another huskd has it, the one of {} (hint: huskd --runtime DIR has ",
        runtime.display(),
        own.display()
    );
    assert!(text(&beside).starts_with(&expected), "{}", text(&beside));
    assert_eq!(beside.status.code(), Some(125));
    // Nor when the daemon has ended, and the instance runs on.
    bed.end();
    let after = other(&root, &runtime);
    let expected = format!(
        "huskd: {}: the instances in it, web for one, are those of another root, {} (hint: ",
        runtime.display(),
        own.display()
    );
    assert!(text(&after).starts_with(&expected), "{}", text(&after));
    assert!(is_alive(pid));
    bed.start();
    assert_eq!(bed.summary("web").unwrap()["pid"], pid);
    bed.client().done(&of("stop", "web"));
    bed.check();
}

#[test]
fn what_nobody_has_on_record_is_left_alone() {
    let mut bed = Bed::new();
    let pid = bed.run("web");
    bed.kill();
    std::fs::remove_file(bed.directory.join("run/.root")).unwrap();
    std::fs::rename(bed.directory.join("root/instances/web"), bed.directory.join("web")).unwrap();
    bed.start();
    assert!(is_alive(pid) && bed.log().contains("web: left alone: nothing says whose "), "{}", bed.log());
    bed.end();
    // Nor does that start put it on record: the next one leaves it alone as well.
    bed.start();
    assert!(is_alive(pid), "{}", bed.log());
    bed.end();
    std::fs::rename(bed.directory.join("web"), bed.directory.join("root/instances/web")).unwrap();
    bed.start();
    assert_eq!(bed.summary("web").unwrap()["pid"], pid);
    bed.end();
    // Now it is on record: what has no files any more is of no use to anybody.
    std::fs::remove_dir_all(bed.directory.join("root/instances/web")).unwrap();
    bed.start();
    crate::bed::await_end(pid);
    assert!(bed.log().contains("web: removed, its files are gone"), "{}", bed.log());
    bed.check();
}
