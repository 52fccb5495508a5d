//! What a task asks for.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use container::task::{Files, Root};
use instance::{Network, Profile, Writable};

use crate::ground::{Ground, until};

#[test]
fn a_root_of_layers_shows_the_top_one_and_keeps_changes_above_all() {
    let ground = Ground::new();
    let top = ground.directory.join("top,with:marks");
    let (upper, work) = (ground.directory.join("upper"), ground.directory.join("work"));
    for directory in [&top, &top.join("etc"), &upper, &work] {
        fs::create_dir(directory).unwrap();
    }
    fs::write(top.join("etc/passwd"), "root:x:0:0::/:/bin/sh\ntop:x:55:56::/:/bin/sh\n").unwrap();
    let mut task =
        ground.task("id -u; echo kept > /tmp/kept; rm /etc/group; grep ' / ' /proc/mounts; sleep 1000");
    task.root = Root::Layers { lower: vec![top, ground.root.clone()], upper: upper.clone(), work };
    // Of a file that only the merged tree has so.
    task.settings.user = Some("top".into());
    fs::set_permissions(ground.root.join("tmp"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(ground.root.join("etc"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(ground.directory.join("top,with:marks/etc"), fs::Permissions::from_mode(0o777))
        .unwrap();
    let shim = ground.start(&task).unwrap();
    until("it has written", || ground.logged().contains("overlay"));
    assert_eq!(ground.logged().lines().next(), Some("55"));
    assert!(!ground.logged().contains("marks"), "no path of the host is shown: {}", ground.logged());
    assert_eq!(fs::read_to_string(upper.join("tmp/kept")).unwrap(), "kept\n");
    assert!(ground.root.join("etc/group").exists() && !ground.root.join("tmp/kept").exists());
    assert_eq!(
        shim.shell("cat /tmp/kept; ls /etc/group 2>&1 | tail -c 26"),
        "kept\nNo such file or directory\n"
    );
    let mounted = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounted.contains(ground.directory.to_str().unwrap()), "on the host: {mounted}");
}

#[test]
fn hundreds_of_layers_are_not_too_many() {
    let ground = Ground::new();
    let mut lower: Vec<_> =
        (0..300).map(|number| ground.directory.join(format!("a-layer-of-a-long-name-{number}"))).collect();
    for (number, layer) in lower.iter().enumerate() {
        fs::create_dir_all(layer.join("srv")).unwrap();
        fs::write(layer.join("srv").join(number.to_string()), "").unwrap();
    }
    lower.push(ground.root.clone());
    let (upper, work) = (ground.directory.join("upper"), ground.directory.join("work"));
    fs::create_dir(&upper).unwrap();
    fs::create_dir(&work).unwrap();
    let mut task = ground.task("ls /srv | wc -l; ls /proc/self/fd");
    task.root = Root::Layers { lower, upper, work };
    ground.start(&task).unwrap().wait();
    assert_eq!(
        ground.logged(),
        "300\n0\n1\n2\n3\n",
        "and none of their descriptors is left (3 is the listing's own)"
    );
}

#[test]
fn its_files_are_in_place_of_the_images_and_can_be_changed() {
    let ground = Ground::new();
    fs::write(ground.root.join("etc/hosts"), "the image's\n").unwrap();
    let mut task =
        ground.task("cat /etc/hosts /etc/resolv.conf /etc/hostname; echo more >> /etc/hosts; cat /etc/hosts");
    task.files = Files {
        resolv_conf: Some("nameserver ::1\n".into()),
        hosts: Some("::1 localhost\n".into()),
        hostname: Some("name\n".into()),
    };
    ground.start(&task).unwrap().wait();
    assert_eq!(ground.logged(), "::1 localhost\nnameserver ::1\nname\n::1 localhost\nmore\n");
    assert_eq!(fs::read_to_string(ground.root.join("etc/hosts")).unwrap(), "the image's\n");
}

#[test]
fn a_link_that_leads_nowhere_yet_gets_its_file() {
    let ground = Ground::new();
    symlink("../run/resolve/stub.conf", ground.root.join("etc/resolv.conf")).unwrap();
    symlink("/run/hosts", ground.root.join("etc/hosts")).unwrap();
    let mut task = ground.task("cat /etc/resolv.conf /etc/hosts");
    task.files.resolv_conf = Some("nameserver ::1\n".into());
    task.files.hosts = Some("::1 localhost\n".into());
    ground.start(&task).unwrap().wait();
    assert_eq!(ground.logged(), "nameserver ::1\n::1 localhost\n");
}

#[test]
fn a_root_that_is_read_only_cannot_be_written_to() {
    let ground = Ground::new();
    let mut task = ground.task("(echo x > /file) 2>&1; mkdir /tmp/x && echo tmp");
    task.settings.writable = Writable::No;
    task.settings.tmpfs = vec!["/tmp".into()];
    ground.start(&task).unwrap().wait();
    assert_eq!(ground.logged(), "sh: can't create /file: Read-only file system\ntmp\n");
}

#[test]
fn a_private_network_is_what_was_handed_over() {
    let ground = Ground::new();
    let mut task = ground.task("sleep 1000");
    task.settings.net = Network::Private;
    let failure = ground.start(&task).err().expect("a refusal").to_string();
    assert!(failure.contains("descriptor 5"), "{failure}");
    // The network of a process of the test's own.
    let mut holder = std::process::Command::new("unshare").args(["--net", "sleep", "1000"]).spawn().unwrap();
    let path = format!("/proc/{}/ns/net", holder.id());
    let own = fs::metadata("/proc/self/ns/net").unwrap().ino();
    until("it has one", || fs::metadata(&path).is_ok_and(|network| network.ino() != own));
    let network = fs::File::open(&path).unwrap();
    let shim = ground.start_in(&task, Some(&network)).unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
    let inode = network.metadata().unwrap().ino();
    assert_eq!(
        shim.shell("readlink /proc/1/ns/net; readlink /proc/self/ns/net"),
        format!("net:[{inode}]\n").repeat(2)
    );
    assert_eq!(
        shim.shell("ls /sys/class/net; ls /proc/1/fd /proc/self/fd | sort -u"),
        "lo\n\n/proc/1/fd:\n/proc/self/fd:\n0\n1\n2\n3\n"
    );
}

#[test]
fn rootless_is_a_user_namespace() {
    let ground = Ground::new();
    let mut task = ground.task("cat /proc/self/uid_map; sleep 1000");
    task.settings.profile = Profile::Rootless;
    let shim = ground.start(&task).unwrap();
    until("it has written", || ground.logged().contains("4294967295"));
    let own = fs::read_link("/proc/self/ns/user").unwrap();
    let inside =
        shim.shell("readlink /proc/self/ns/user; readlink /proc/1/ns/user; id -u; touch /tmp/x && echo made");
    let lines: Vec<&str> = inside.lines().collect();
    assert_eq!((lines[0], &lines[2..]), (lines[1], &["0", "made"][..]), "{inside}");
    assert_ne!(lines[0], own.to_string_lossy());
}

#[test]
fn unrestricted_is_the_hosts_but_for_mounts_processes_and_groups() {
    let ground = Ground::new();
    let mut task = ground.task("echo $container; sleep 1000");
    task.settings.profile = Profile::Unrestricted;
    let shim = ground.start(&task).unwrap();
    for (kind, is_own) in [
        ("mnt", true),
        ("pid", true),
        ("cgroup", true),
        ("uts", false),
        ("ipc", false),
        ("net", false),
        ("user", false),
    ] {
        let host = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        let inside = shim.shell(&format!("readlink /proc/self/ns/{kind}"));
        assert_eq!(inside.trim() != host.to_string_lossy(), is_own, "{kind}: {inside}");
    }
    let status =
        shim.shell("grep -E 'CapEff|Seccomp:|NoNewPrivs' /proc/self/status; stat -f -c %T /dev /run");
    assert!(status.contains("Seccomp:\t0") && status.contains("NoNewPrivs:\t0"), "{status}");
    assert!(shim.shell("grep ' /dev ' /proc/mounts").contains("devtmpfs"));
    assert!(!shim.shell("cat /proc/mounts").contains(" /run "));
    assert!(ground.logged().contains("husk"));
}

#[test]
fn a_systemd_with_all_rights_does_not_get_the_groups_of_the_host() {
    let ground = Ground::new();
    fs::create_dir_all(ground.root.join("usr/lib")).unwrap();
    fs::create_dir_all(ground.root.join("sbin")).unwrap();
    fs::copy(ground.root.join("bin/busybox"), ground.root.join("usr/lib/systemd")).unwrap();
    symlink("/usr/lib/systemd", ground.root.join("sbin/init")).unwrap();
    let mut task = ground.task("");
    task.settings.command = vec!["/sbin/init".into()];
    task.settings.profile = Profile::Unrestricted;
    let has_groups = fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap();
    match ground.start(&task) {
        Ok(_) => assert!(has_groups, "it was started without a group of its own"),
        Err(failure) => {
            assert!(!has_groups, "{failure}");
            assert!(failure.to_string().contains("systemd needs cgroup v2"), "{failure}");
        }
    }
}

#[test]
fn a_limit_is_kept_or_refused_and_never_ignored() {
    let ground = Ground::new();
    let mut task = ground.task("sleep 1000");
    task.settings.memory = Some("100m".into());
    match ground.start(&task) {
        Ok(_) => {
            let limit = format!("/sys/fs/cgroup/husk/{}/memory.max", task.name);
            assert_eq!(fs::read_to_string(limit).unwrap(), "104857600\n");
        }
        Err(failure) => {
            assert!(!fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap(), "{failure}");
            assert!(failure.to_string().contains("limits need cgroup v2"), "{failure}");
            let shim = ground.run("sleep 1000");
            let refused = shim.client().freeze(None).unwrap_err().to_string();
            assert!(refused.contains("cgroup v2"), "{refused}");
        }
    }
}

#[test]
fn a_container_is_killed_for_memory_as_any_process_whatever_its_daemon_is() {
    const SCORE: &str = "/proc/self/oom_score_adj";
    let ground = Ground::new();
    let before = fs::read_to_string(SCORE).unwrap();
    fs::write(SCORE, "300").unwrap();
    let shim = ground.run("cat /proc/self/oom_score_adj; sleep 1000");
    until("it has written", || ground.logged().contains('\n'));
    let (first, further) = (ground.logged(), shim.shell("cat /proc/self/oom_score_adj"));
    fs::write(SCORE, before).unwrap();
    assert_eq!((first.as_str(), further.as_str()), ("0\n", "0\n"));
}
