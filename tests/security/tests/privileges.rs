//! What a process in a container may do, by default and as it was asked for.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use security::{Ground, attempt, copy_program};
use serde_json::Value;

/// Docker's fourteen.
const DEFAULT: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SYS_CHROOT",
    "CAP_MKNOD",
    "CAP_AUDIT_WRITE",
    "CAP_SETFCAP",
];

/// The names in the five sets, in the order inheritable, ambient, effective, permitted, bounding.
fn sets(report: &Value) -> [Vec<String>; 5] {
    ["inheritable", "ambient", "effective", "permitted", "bounding"].map(|set| {
        let names =
            report["capabilities"][set]["names"].as_array().unwrap_or_else(|| panic!("{set}: {report}"));
        names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    })
}

/// CVE-2022-29162, CVE-2022-27650, CVE-2025-27612.
#[test]
fn inheritable_and_ambient_sets_are_empty_and_the_others_as_asked() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    let without = |name: &str| DEFAULT.into_iter().filter(|one| *one != name).collect::<Vec<_>>();
    let with_admin = [&DEFAULT[..11], &["CAP_SYS_ADMIN"], &DEFAULT[11..]].concat();
    for (options, expected) in [
        (&[] as &[&str], DEFAULT.to_vec()),
        (&["--cap-drop=ALL"], Vec::new()),
        (&["--cap-drop=ALL", "--cap-add=KILL"], vec!["CAP_KILL"]),
        (&["--cap-drop=net_raw"], without("CAP_NET_RAW")),
        (&["--cap-add=CAP_SYS_ADMIN"], with_admin),
        (&["--ephemeral", "--cap-drop=mknod"], without("CAP_MKNOD")),
    ] {
        let [inheritable, ambient, effective, permitted, bounding] =
            sets(&attempt(&mut ground.run(options, &root, &["/bin/probe"])).line());
        assert_eq!((inheritable.len(), ambient.len()), (0, 0), "{options:?}");
        assert_eq!((&effective, &permitted), (&bounding, &bounding), "{options:?}");
        assert_eq!(bounding, expected, "{options:?}");
    }
    let user = [&["--user=1000"] as &[&str], &["--user=1000", "--cap-add=SYS_ADMIN"]];
    for options in user {
        let [inheritable, ambient, effective, permitted, _] =
            sets(&attempt(&mut ground.run(options, &root, &["/bin/probe"])).line());
        let all = [inheritable, ambient, effective, permitted].concat();
        assert_eq!(
            all,
            Vec::<String>::new(),
            "{options:?}: a user has none unless a program gives it to them"
        );
    }
}

#[test]
fn program_with_set_id_bits_or_capabilities_of_its_own_gains_nothing() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    let program = root.join("bin/raised");
    copy_program(&root.join("bin/probe"), &program).expect("program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o6755)).expect("set-id bits");
    let capable = root.join("bin/capable");
    copy_program(&root.join("bin/probe"), &capable).expect("program");
    // struct vfs_cap_data of linux/capability.h, revision 2: effective, and CAP_SETUID permitted. With one
    // that is not in the bounding set the kernel would refuse to run it at all.
    let mut attribute = [0u8; 20];
    attribute[..4].copy_from_slice(&0x0200_0001u32.to_le_bytes());
    attribute[4..8].copy_from_slice(&(1u32 << 7).to_le_bytes());
    let set = sys::fs::setxattr(&capable, c"security.capability", &attribute, sys::fs::XattrFlags::empty());
    set.expect("file capabilities");
    for path in ["/bin/raised", "/bin/capable"] {
        for options in [&["--user=1000:1000"] as &[&str], &["--user=1000:1000", "--seccomp=unconfined"]] {
            let report = attempt(&mut ground.run(options, &root, &[path])).line();
            let ids = ["ruid", "euid", "suid", "fsuid", "rgid", "egid", "sgid", "fsgid"]
                .map(|id| &report["ids"][id]);
            assert!(ids.iter().all(|id| **id == 1000), "{path}, {options:?}: {}", report["ids"]);
            assert_eq!(report["no_new_privs"], true);
            assert_eq!(sets(&report)[2], Vec::<String>::new(), "{path}, {options:?}: effective");
        }
    }
}

#[test]
fn default_filter_refuses_what_dockers_does() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    let report = attempt(&mut ground.run(&[], &root, &["/bin/probe"])).line();
    assert_eq!(report["seccomp"]["mode"], "filter");
    for namespace in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"] {
        let command = ["/bin/probe", "unshare", namespace];
        for options in [&[] as &[&str], &["--user=1000"], &["--net=none"]] {
            let result = attempt(&mut ground.run(options, &root, &command)).result();
            assert_eq!(result, "EPERM", "unshare {namespace}, {options:?}");
        }
    }
    let off = attempt(&mut ground.run(&["--seccomp=unconfined"], &root, &["/bin/probe"])).line();
    assert_eq!(off["seccomp"]["mode"], "disabled", "a control: the mode is not always the same");
}

#[test]
fn processes_of_the_host_are_neither_seen_nor_reached() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    let own = std::process::id().to_string();
    let script =
        format!("ls -d /proc/[0-9]*; kill -0 {own} 2>/dev/null && echo reached; kill -9 -1; echo alive");
    let outcome = attempt(&mut ground.run(&[], &root, &["/bin/sh", "-c", &script]));
    let lines: Vec<&str> = outcome.output().lines().collect();
    assert!(lines.contains(&"alive") && !lines.contains(&"reached"), "{lines:?}");
    assert!(!lines.contains(&format!("/proc/{own}").as_str()), "{lines:?}");
    assert!(lines.len() < 5, "{lines:?}");
}

#[test]
fn environment_of_the_caller_is_not_the_containers() {
    let Some(ground) = Ground::new() else { return };
    let root = ground.image();
    for options in [&[] as &[&str], &["-t"], &["--env=GIVEN=1"]] {
        let mut husk = ground.run(options, &root, &["/bin/probe"]);
        husk.env("SECRET", "x").env("LD_PRELOAD", "/evil.so").env("HUSK_X", "x");
        let report = attempt(&mut husk).line();
        let names: Vec<&String> = report["environment"].as_object().expect("environment").keys().collect();
        let known = ["GIVEN", "HOME", "PATH", "TERM"];
        assert!(names.iter().all(|name| known.contains(&name.as_str())), "{options:?}: {names:?}");
    }
}
