//! /proc and /sys: what is masked stays empty, what is read-only stays so, and nothing is put in their stead.

use std::os::unix::fs::symlink;

use security::{Ground, Outcome, attempt};

/// Masked paths, as Docker has them.
const MASKED_FILES: &[&str] =
    &["interrupts", "kcore", "keys", "latency_stats", "sched_debug", "timer_list", "timer_stats"];
const MASKED_DIRECTORIES: &[&str] =
    &["/proc/acpi", "/proc/asound", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"];

/// What would change the host. The harmless ones are tried first; an opening for writing alone changes nothing.
const READ_ONLY: &[&str] = &[
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/fs/binfmt_misc/register",
    "/proc/sysrq-trigger",
    "/proc/irq/default_smp_affinity",
    "/proc/irq/0/smp_affinity",
    "/proc/fs/ext4/none",
    "/proc/bus/pci/00/00.0",
    "/sys/kernel/uevent_helper",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/power/state",
];

#[test]
fn masked_files_are_empty_and_swallow_what_is_written() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    for name in MASKED_FILES {
        let path = format!("/proc/{name}");
        let line = attempt(&mut ground.run(&[], &root, &["/bin/probe", "read", &path])).line();
        let empty = line["result"] == "ok" && line["bytes"] == 0;
        assert!(empty || line["result"] == "ENOENT", "{line}");
        if !empty {
            continue;
        }
        // It is the null device itself, so that there is nothing behind it to write to.
        let numbers = attempt(&mut ground.run(&[], &root, &["/bin/stat", "-L", "-c", "%F %t:%T", &path]));
        assert_eq!(numbers.output().trim(), "character special file 1:3", "{path}");
    }
}

#[test]
fn masked_directories_are_empty_and_read_only() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    for path in MASKED_DIRECTORIES {
        let listed = attempt(&mut ground.run(
            &[],
            &root,
            &["/bin/sh", "-c", &format!("ls -A {path} 2>/dev/null; true")],
        ));
        assert_eq!(listed.output(), "", "{path}");
        let made = format!("{path}/made");
        let result = attempt(&mut ground.run(&[], &root, &["/bin/probe", "mkdir", &made])).result();
        assert!(matches!(result.as_str(), "EROFS" | "ENOENT" | "EPERM" | "EACCES"), "{made}: {result}");
    }
}

#[test]
fn kernel_parameters_cannot_be_written() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    for options in [
        &[] as &[&str],
        &["--ephemeral"],
        &["--net=none"],
        &["--cap-add=SYS_ADMIN"],
        &["--seccomp=unconfined"],
    ] {
        for path in READ_ONLY {
            let result = attempt(&mut ground.run(options, &root, &["/bin/probe", "write", path])).result();
            let refused = matches!(result.as_str(), "EROFS" | "ENOENT" | "EACCES" | "EPERM");
            assert!(refused, "{options:?}: {path}: {result}");
        }
        let line = attempt(&mut ground.run(options, &root, &["/bin/probe", "write", READ_ONLY[0]])).result();
        assert_eq!(line, "EROFS", "{options:?}: core_pattern is read-only, not merely forbidden");
    }
}

#[test]
fn masks_cannot_be_taken_away() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    let script = "umount /proc/interrupts; umount -l /proc/sys; umount /sys/firmware; mount -o remount,rw /proc/sys;
        mount -o remount,rw,bind /proc/sys; mount -o remount,rw /sys; mount -t proc proc /tmp; mount -t sysfs s /v;
        mount -t tmpfs t /v; mount --bind /proc /v; mount --move /proc/interrupts /tmp; wc -c < /proc/interrupts";
    for options in [&[] as &[&str], &["--seccomp=unconfined"]] {
        let outcome = attempt(&mut ground.run(options, &root, &["/bin/sh", "-c", script]));
        assert_eq!(outcome.output().trim(), "0", "{options:?}");
        let Outcome::Ran(_, _, err) = &outcome else { panic!("{outcome:?}") };
        assert_eq!(err.lines().count(), 11, "{options:?}: one of eleven was not refused:\n{err}");
    }
    ground.assert_untouched("masks");
}

/// Whoever gets CAP_SYS_ADMIN may mount, and therefore unmask: that is what the option says. Its mounts end with
/// its mount namespace.
#[test]
fn mounts_of_a_container_that_may_mount_stay_in_it() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    let script = "umount /proc/interrupts && mount -t tmpfs t /v && mount --make-rshared / && mkdir /v/made && echo done";
    let outcome = attempt(&mut ground.run(&["--cap-add=SYS_ADMIN"], &root, &["/bin/sh", "-c", script]));
    assert_eq!(outcome.output(), "done\n", "{outcome:?}");
    assert!(!root.join("v/made").exists());
    ground.assert_untouched("its mounts");
}

/// CVE-2019-16884: a volume on /proc would say what the runtime and its service manager believe.
#[test]
fn volume_on_proc_is_refused() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    let volume = ground.volume();
    for target in [
        "/proc",
        "/proc/",
        "//proc",
        "/proc/.",
        "/x/../proc",
        "/proc/self",
        "/proc/self/attr",
        "/proc/1",
        "/proc/sys",
    ] {
        for option in [format!("--bind={}:{target}", volume.display()), format!("--tmpfs={target}")] {
            let outcome = attempt(&mut ground.run(&[&option], &root, &["/bin/probe"]));
            assert!(matches!(outcome, Outcome::Refused(125, _)), "{option}: {outcome:?}");
        }
    }
    ground.assert_untouched("volumes on /proc");
}

/// What is mounted on and below /proc, or why that cannot be told.
fn mounted_on_proc(outcome: &Outcome) -> Vec<String> {
    let line = outcome.line();
    let Some(mounts) = line["mounts"].as_array() else { return vec![format!("no procfs: {line}")] };
    let mounts =
        mounts.iter().filter(|mount| mount["target"].as_str().is_some_and(|to| to.starts_with("/proc")));
    mounts.map(|mount| format!("{} {} {}", mount["target"], mount["kind"], mount["root"])).collect()
}

/// The same by a link that the image holds where the volume should go (CVE-2019-19921, CVE-2023-28642).
#[test]
fn volume_that_a_link_leads_to_proc_is_refused() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    let volume = ground.volume();
    let usual = mounted_on_proc(&attempt(&mut ground.run(&[], &root, &["/bin/probe"])));
    assert!(usual.len() > 5, "{usual:?}");
    for to in [
        "/proc",
        "../../proc",
        "/proc/self",
        "/proc/self/attr",
        "/proc/thread-self/attr",
        "/proc/1",
        "/proc/sys",
        "/proc/irq",
    ] {
        let link = root.join("link");
        symlink(to, &link).expect("link");
        for option in [
            format!("--bind={}:/link", volume.display()),
            String::from("--tmpfs=/link"),
            format!("--bind={}:/link/attr", volume.display()),
            format!("--bind={}:/link/sys", volume.display()),
        ] {
            let outcome = attempt(&mut ground.run(&[&option], &root, &["/bin/probe"]));
            if !matches!(outcome, Outcome::Refused(125, _)) {
                assert_eq!(mounted_on_proc(&outcome), usual, "{option} with a link to {to}");
            }
        }
        std::fs::remove_file(&link).expect("link");
    }
    ground.assert_untouched("links to /proc");
}

#[test]
fn cgroups_of_the_host_cannot_be_changed() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    for path in ["/sys/fs/cgroup/made", "/sys/fs/cgroup/../../made", "/sys/made"] {
        let result = attempt(&mut ground.run(&[], &root, &["/bin/probe", "mkdir", path])).result();
        assert_ne!(result, "ok", "{path}");
    }
    for path in ["/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/cgroup.kill"]
    {
        let result = attempt(&mut ground.run(&[], &root, &["/bin/probe", "write", path])).result();
        assert_ne!(result, "ok", "{path}");
    }
}
