//! The husk binary is not within reach of what it runs (CVE-2019-5736).

use std::fs;
use std::path::Path;

use security::victim::checksum;
use security::{Ground, Outcome, attempt, copy_program, write_program};

fn program(path: &Path, text: &str) {
    write_program(path, text.as_bytes()).expect("script");
}

/// The sum of husk's file, and when it changed last.
fn state(ground: &Ground) -> (u64, i64, i64) {
    use std::os::unix::fs::MetadataExt;
    let found = fs::metadata(ground.program()).expect("husk");
    (checksum(&fs::read(ground.program()).expect("husk")), found.ctime(), found.ctime_nsec())
}

#[test]
fn image_whose_interpreter_is_its_runtime_changes_nothing() {
    let Some(ground) = Ground::new() else { return };
    let before = state(&ground);
    let root = ground.image();
    for (name, interpreter) in [
        ("plain", "/proc/self/exe"),
        ("run", "/proc/self/exe run"),
        ("version", "/proc/self/exe version"),
        ("first", "/proc/1/exe"),
        ("thread", "/proc/thread-self/exe"),
    ] {
        let script = root.join("bin").join(name);
        program(&script, &format!("#!{interpreter}\n"));
        let path = format!("/bin/{name}");
        for options in [&[] as &[&str], &["--ephemeral"], &["--cap-add=ALL", "--cap-drop=SYS_RESOURCE"]] {
            match attempt(&mut ground.run(options, &root, &[&path, "/", "/bin/true"])) {
                Outcome::Refused(125..=127, _) => {}
                Outcome::Ran(code, out, _) => {
                    assert!(code != 0 || out.starts_with("husk"), "{name}: {code} {out}")
                }
                other => panic!("{name}: {other:?}"),
            }
            assert_eq!(state(&ground), before, "{interpreter}, {options:?}");
        }
    }
    ground.assert_untouched("interpreters");
}

#[test]
fn container_that_writes_to_every_executable_it_sees_changes_nothing_of_hosts() {
    let Some(ground) = Ground::new() else { return };
    let before = state(&ground);
    let root = ground.image();
    // The programs of other images are the same files: this one gets its own.
    for name in ["busybox", "probe"] {
        let path = root.join("bin").join(name);
        let copy = root.join("copy");
        copy_program(&path, &copy).and_then(|_| fs::rename(&copy, &path)).expect("own program");
    }
    let script = "for round in 1 2 3 4 5 6 7 8; do
        for exe in /proc/[0-9]*/exe /proc/self/exe /proc/1/exe; do
            exec 9<$exe 2>/dev/null && dd if=/dev/zero of=/proc/self/fd/9 bs=1 count=1 conv=notrunc 2>/dev/null
            dd if=/dev/zero of=$exe bs=1 count=1 conv=notrunc 2>/dev/null
        done
    done; echo done";
    std::thread::scope(|scope| {
        let starts = scope.spawn(|| {
            // Starts beside it: their children, for a moment, are copies of husk.
            (0..40).for_each(|_| drop(attempt(&mut ground.run(&[], &root, &["/bin/true"]))));
        });
        for _ in 0..4 {
            let outcome = attempt(&mut ground.run(&[], &root, &["/bin/sh", "-c", script]));
            assert!(matches!(outcome, Outcome::Ran(..)), "{outcome:?}");
        }
        starts.join().expect("starts");
    });
    assert_eq!(state(&ground), before);
    ground.assert_untouched("writes to executables");
}

#[test]
fn every_process_a_container_sees_runs_a_file_of_its_image() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    let script = "ls -l /proc/[0-9]*/exe; ls -d /proc/[0-9]* | wc -l";
    let outcome = attempt(&mut ground.run(&[], &root, &["/bin/sh", "-c", script]));
    let links: Vec<&str> = outcome.output().lines().filter_map(|line| line.split(" -> ").nth(1)).collect();
    assert!(!links.is_empty(), "{outcome:?}");
    assert!(links.iter().all(|link| *link == "/bin/busybox"), "{links:?}");
}
