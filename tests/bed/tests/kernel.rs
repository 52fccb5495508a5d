//! The kernel of the guest has what the suites need.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

const CGROUPS: &str = "/sys/fs/cgroup";

fn busybox() -> String {
    std::env::var("BUSYBOX").expect("init gives every suite the path of busybox")
}

fn shell(script: &str) -> Output {
    Command::new(busybox()).args(["sh", "-ec", script]).output().expect("busybox runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

#[test]
fn cgroup_is_version_2_with_all_controllers() {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let cgroups: Vec<&str> = mounts.lines().filter(|line| line.contains(" /sys/fs/cgroup ")).collect();
    assert_eq!(cgroups.len(), 1);
    assert!(cgroups[0].contains(" - cgroup2 "), "{}", cgroups[0]);
    let handed_on = fs::read_to_string(format!("{CGROUPS}/cgroup.subtree_control")).unwrap();
    for controller in ["cpu", "cpuset", "io", "memory", "pids"] {
        assert!(
            handed_on.split_whitespace().any(|name| name == controller),
            "{controller}: not in {handed_on}"
        );
    }
}

#[test]
fn suite_runs_in_a_cgroup_of_its_own() {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    assert_eq!(own.trim(), "0::/suite/main");
}

#[test]
fn root_can_be_pivoted() {
    let done = shell(
        "busybox unshare -m busybox sh -ec '
            mount --make-rprivate /
            mkdir /tmp/pivot && mount -t tmpfs new /tmp/pivot
            mkdir /tmp/pivot/bin /tmp/pivot/old
            cp /bin/busybox /tmp/pivot/bin/sh && ln -s sh /tmp/pivot/bin/ls
            cd /tmp/pivot && pivot_root . old
            exec chroot . /bin/sh -c \"ls /\"'
        rmdir /tmp/pivot",
    );
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(text(&done.stdout).split_whitespace().collect::<Vec<_>>(), ["bin", "old"]);
}

#[test]
fn process_beyond_its_memory_limit_is_killed() {
    let cgroup = format!("{CGROUPS}/suite/bomb");
    fs::create_dir(&cgroup).unwrap();
    fs::write(format!("{cgroup}/memory.max"), "16M").unwrap();
    let bomb = format!("echo $$ > {cgroup}/cgroup.procs; exec busybox tail -c 256m /dev/zero");
    let done = shell(&bomb);
    let events = fs::read_to_string(format!("{cgroup}/memory.events")).unwrap();
    fs::remove_dir(&cgroup).unwrap();
    assert_eq!(done.status.signal(), Some(9), "{:?}", done.status);
    assert!(events.lines().any(|line| line == "oom_kill 1"), "{events}");
}

#[test]
fn overlay_mounts_and_keeps_changes_in_its_upper_layer() {
    let done = shell(
        "mkdir /tmp/overlay && cd /tmp/overlay && mkdir lower upper work merged
         echo old > lower/file
         mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay merged
         echo new > merged/file
         umount merged
         cat lower/file upper/file
         rm -r /tmp/overlay",
    );
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(text(&done.stdout), "old\nnew");
}

#[test]
fn vsock_is_there() {
    assert!(fs::metadata("/dev/vsock").is_ok());
    let protocols = fs::read_to_string("/proc/net/protocols").unwrap();
    assert!(protocols.contains("AF_VSOCK"), "{protocols}");
}

#[test]
fn user_without_privileges_can_make_a_user_namespace() {
    let done = shell("busybox su tester -s /bin/sh -c 'busybox unshare -U -r busybox id -u'");
    assert_eq!(text(&done.stdout), "0", "{}", text(&done.stderr));
}
