//! What husk has open when a container begins must be no way out of it.
//!
//! CVE-2024-21626: a working directory or a command that is named through a descriptor of the runtime's.

use std::os::unix::fs::symlink;
use std::path::Path;

use security::inherited::Inherited;
use security::{Ground, Outcome, attempt, write_program};

/// Numbers that a descriptor of husk's own, or one that it was started with, may have.
const NUMBERS: std::ops::RangeInclusive<u32> = 3..=40;

fn up(ground: &Ground) -> String {
    format!("{}{}", "/..".repeat(20), ground.victim.path().display())
}

#[test]
fn only_standard_descriptors_are_open_inside_whatever_husk_was_started_with() {
    let Some(ground) = Ground::new() else { return };
    let inherited = Inherited::open(ground.victim.path()).expect("twenty descriptors");
    assert!(inherited.numbers().count() >= 20);
    let root = ground.image();
    for options in [&[] as &[&str], &["--ephemeral"], &["-t"], &["--net=none"]] {
        let report = attempt(&mut ground.run(options, &root, &["/bin/probe"])).line();
        let open: Vec<&String> = report["descriptors"].as_object().expect("descriptors").keys().collect();
        assert_eq!(open, ["0", "1", "2"], "{options:?}: {}", report["descriptors"]);
    }
    ground.assert_untouched("descriptors");
}

#[test]
fn working_directory_is_never_one_of_the_hosts() {
    let Some(ground) = Ground::new() else { return };
    let _inherited = Inherited::open(ground.victim.path()).expect("twenty descriptors");
    let root = ground.image();
    for number in NUMBERS {
        let link = root.join("work");
        for target in [
            format!("/proc/self/fd/{number}"),
            format!("/proc/self/fd/{number}{}", up(&ground)),
            format!("/proc/self/fd/{number}/../../.."),
            format!("/proc/1/fd/{number}"),
            format!("/proc/thread-self/fd/{number}"),
            format!("/dev/fd/{number}"),
        ] {
            let _ = std::fs::remove_file(&link).or_else(|_| std::fs::remove_dir(&link));
            symlink(&target, &link).expect("link");
            for directory in ["/work", &target] {
                assert_inside(&ground, &root, directory, &target);
            }
        }
    }
}

/// Refused, or somewhere in the container where the victim is not.
fn assert_inside(ground: &Ground, root: &Path, directory: &str, target: &str) {
    let option = format!("--workdir={directory}");
    let script = "stat -c %n secret ../secret ../../../../etc/hostname 2>/dev/null; exec /bin/probe";
    let mut husk = ground.run(&[&option], root, &["/bin/sh", "-c", script]);
    match attempt(&mut husk) {
        Outcome::Refused(125, _) => {}
        outcome => {
            let line = outcome.line();
            assert_eq!(line["cwd"]["reachable"], true, "{directory} ({target}): {}", line["cwd"]);
        }
    }
}

#[test]
fn command_is_never_one_of_the_hosts() {
    let Some(ground) = Ground::new() else { return };
    let _inherited = Inherited::open(ground.victim.path()).expect("twenty descriptors");
    for options in [&[] as &[&str], &["--ephemeral"], &["--read-only", "-t"]] {
        let found: Vec<String> =
            NUMBERS.flat_map(|number| commands_of_host(&ground, options, number)).collect();
        assert!(
            found.is_empty(),
            "{options:?}: the host's program runs in the container:\n{}",
            found.join("\n")
        );
    }
}

/// Those ways through a descriptor by which a program comes to run that is not in the image.
fn commands_of_host(ground: &Ground, options: &[&str], number: u32) -> Vec<String> {
    let root = ground.image();
    let mut found = Vec::new();
    for target in [
        format!("/proc/self/fd/{number}{}/tool", up(ground)),
        format!("/proc/self/fd/{number}/tool"),
        format!("/proc/self/fd/{number}"),
    ] {
        // A multi-call program goes by its name: `echo`.
        let link = root.join("bin/echo");
        let _ = std::fs::remove_file(&link);
        symlink(&target, &link).expect("link");
        let script = root.join("bin/script");
        write_program(&script, format!("#!{target} true\n").as_bytes()).expect("script");
        for command in [["/bin/echo", "x"], ["echo", "x"], ["/bin/script", "x"], [target.as_str(), "x"]] {
            match attempt(&mut ground.run(options, &root, &command)) {
                Outcome::Refused(125..=127, _) => {}
                outcome => found.push(format!("{command:?} by {target}: {outcome:?}")),
            }
        }
    }
    let _ = std::fs::remove_dir_all(&root);
    found
}
