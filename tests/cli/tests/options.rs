//! What was asked for on the command line is what the probe sees in the container.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cli::{Scratch, copy, husk_run, program, report, rootfs, run, run_in, shell};
use serde_json::{Value, json};

fn place() -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let root = rootfs(&scratch);
    (scratch, root)
}

/// Options, where to look in the report, and what must be there.
type Row<'r> = (&'r [&'r str], &'r str, Value);

fn check(rows: &[Row<'_>]) {
    let (_scratch, root) = place();
    for (options, pointer, expected) in rows {
        let seen = report(options, &root);
        assert_eq!(seen.pointer(pointer), Some(expected), "{options:?}: {pointer}");
    }
}

#[test]
fn without_options_a_container_is_confined() {
    let (_scratch, root) = place();
    let seen = report(&[], &root);
    for (pointer, expected) in [
        ("/process/pid", json!(1)),
        ("/process/sid", json!(1)),
        ("/no_new_privs", json!(true)),
        ("/seccomp", json!({ "mode": "filter", "filters": 1 })),
        ("/cwd/path", json!("/")),
        ("/ids/groups", json!([])),
        ("/environment/HOME", json!("/root")),
        ("/signals/blocked", json!([])),
        ("/signals/caught", json!([])),
        ("/terminal/open", json!("ENXIO")),
        ("/capabilities/inheritable/names", json!([])),
        ("/capabilities/ambient/names", json!([])),
        ("/capabilities/bounding/hex", json!("00000000a80425fb")),
        ("/capabilities/effective/hex", json!("00000000a80425fb")),
        ("/capabilities/permitted/hex", json!("00000000a80425fb")),
    ] {
        assert_eq!(seen.pointer(pointer), Some(&expected), "{pointer}");
    }
    for id in ["ruid", "euid", "suid", "fsuid", "rgid", "egid", "sgid", "fsgid"] {
        assert_eq!(seen["ids"][id], 0, "{id}");
    }
    // The C library of this test has posix_spawn(3) ignore two signals of its own, 32 and 33.
    let ignored = seen["signals"]["ignored"].as_array().expect("signals");
    assert!(ignored.iter().all(|number| *number == 32 || *number == 33), "{ignored:?}");
    let names = |value: &Value| value.as_object().expect("object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&seen["descriptors"]), ["0", "1", "2"]);
    assert_eq!(names(&seen["environment"]), ["HOME", "PATH"]);
}

#[test]
fn its_namespaces_are_its_own_but_for_the_network() {
    let (_scratch, root) = place();
    let own = |name: &str| {
        let link = fs::read_link(format!("/proc/self/ns/{name}")).expect("namespace");
        let text = link.to_string_lossy().into_owned();
        text.trim_matches(|character: char| !character.is_ascii_digit()).parse::<u64>().expect("number")
    };
    let same = |options: &[&str]| -> BTreeSet<&str> {
        let seen = report(options, &root);
        let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
        kinds.into_iter().filter(|kind| seen["namespaces"][kind] == own(kind)).collect()
    };
    assert_eq!(same(&[]), BTreeSet::from(["net", "time", "user"]));
    assert_eq!(same(&["--net", "host"]), BTreeSet::from(["net", "time", "user"]));
    assert_eq!(same(&["--net", "none"]), BTreeSet::from(["time", "user"]));
}

#[test]
fn a_network_of_its_own_has_nothing_but_lo_which_is_up() {
    let (_scratch, root) = place();
    let lines =
        shell(&["--net", "none"], &root, "ip -o link; ping -c 1 -W 2 127.0.0.1 | grep -c 'bytes from'");
    let text = lines.good();
    let links: Vec<&str> = text.lines().filter(|line| line.contains("mtu")).collect();
    assert!(links.len() == 1 && links[0].contains(" lo: ") && links[0].contains(",UP"), "{text}");
    assert!(text.ends_with("\n1"), "{text}");
}

#[test]
fn users_are_found_by_name_and_by_number() {
    let ids = |uid: u32, gid: u32, groups: &[u32]| {
        json!({
            "ruid": uid, "euid": uid, "suid": uid, "fsuid": uid,
            "rgid": gid, "egid": gid, "sgid": gid, "fsgid": gid, "groups": groups,
        })
    };
    check(&[
        (&["--user", "0"], "/ids", ids(0, 0, &[])),
        (&["-u", "root"], "/ids", ids(0, 0, &[])),
        // By name: the group and the supplementary groups of the files.
        (&["-u", "www"], "/ids", ids(33, 33, &[4, 26])),
        (&["-u", "33"], "/ids", ids(33, 33, &[4, 26])),
        (&["-u", "www:adm"], "/ids", ids(33, 4, &[])),
        (&["-u", "www:7"], "/ids", ids(33, 7, &[])),
        // Numbers (CVE-2026-30892: `1` was taken for 0:0).
        (&["-u", "1"], "/ids", ids(1, 0, &[])),
        (&["-u", "01"], "/ids", ids(1, 0, &[])),
        (&["-u", "1:2"], "/ids", ids(1, 2, &[])),
        (&["-u", "4294967294:4294967294"], "/ids", ids(4_294_967_294, 4_294_967_294, &[])),
        (&["-u", "www"], "/environment/HOME", json!("/var/www")),
        (&["-u", "7"], "/environment/HOME", json!("/")),
        // Who is not root has no capabilities to begin with.
        (&["-u", "7"], "/capabilities/effective/names", json!([])),
        (&["-u", "7"], "/capabilities/permitted/names", json!([])),
        (&["-u", "7"], "/capabilities/bounding/hex", json!("00000000a80425fb")),
        (&["-u", "7", "--cap-drop", "all"], "/capabilities/bounding/names", json!([])),
    ]);
}

#[test]
fn what_is_no_user_is_refused() {
    let (_scratch, root) = place();
    for user in
        ["", ":", "1:", ":1", "-1", "+1", "1:-1", "4294967295", "4294967296", "nobody", "www:none", " 1"]
    {
        let ended = run_in(&["-u", user], &root, &["/bin/true"]);
        assert_eq!((ended.code(), ended.out().as_str()), (125, ""), "{user:?}");
        assert!(ended.err().starts_with("husk: --user "), "{user:?}: {}", ended.err());
    }
}

#[test]
fn the_environment_is_what_was_given() {
    let (_scratch, root) = place();
    let options =
        ["-e", "A=1", "--env", "B=x=y z", "-e", "C=", "-e", "GIVEN", "-e", "A=2", "--env=PATH=/bin"];
    let mut command = husk_run(&options, &root, &["/bin/probe"]);
    command.env("GIVEN", "from outside").env("NOT_GIVEN", "x");
    let seen: Value = serde_json::from_str(&run(&mut command).good()).expect("JSON");
    let expected =
        json!({ "A": "2", "B": "x=y z", "C": "", "GIVEN": "from outside", "HOME": "/root", "PATH": "/bin" });
    assert_eq!(seen["environment"], expected);
}

#[test]
fn places_and_names_are_what_was_asked_for() {
    check(&[
        (&["--workdir", "/var"], "/cwd/path", json!("/var")),
        (&["-w", "/proc/self"], "/cwd/path", json!("/proc/1")),
        (&["--hostname", "web-1.example"], "/hostname", json!("web-1.example")),
        (&["--hostname=a"], "/hostname", json!("a")),
    ]);
}

#[test]
fn a_search_for_the_command_follows_the_path_of_the_container() {
    let (_scratch, root) = place();
    fs::create_dir(root.join("opt")).expect("directory");
    fs::rename(root.join("bin/probe"), root.join("opt/own")).expect("rename");
    assert_eq!(run_in(&[], &root, &["own"]).code(), 127);
    assert_eq!(run_in(&["-e", "PATH=/nowhere:/opt"], &root, &["own"]).code(), 0);
    assert_eq!(run_in(&["-w", "/opt"], &root, &["./own"]).code(), 0);
}

#[test]
fn capabilities_are_added_and_dropped_as_docker_does() {
    let names = |names: &[&str]| json!(names);
    let place = "/capabilities/effective/names";
    check(&[
        (&["--cap-drop", "ALL"], place, names(&[])),
        (&["--cap-drop", "all", "--cap-add", "chown"], place, names(&["CAP_CHOWN"])),
        // ALL comes first wherever it stands.
        (&["--cap-add", "CAP_KILL", "--cap-drop", "ALL"], place, names(&["CAP_KILL"])),
        (&["--cap-add", "SYS_PTRACE"], "/capabilities/effective/hex", json!("00000000a80c25fb")),
        (&["--cap-drop", "MKNOD"], "/capabilities/bounding/hex", json!("00000000a00425fb")),
        (&["--cap-drop", "cap_mknod"], "/capabilities/permitted/hex", json!("00000000a00425fb")),
        (&["--cap-add", "SYS_ADMIN"], "/capabilities/ambient/names", names(&[])),
        (&["--cap-add", "SYS_ADMIN"], "/capabilities/inheritable/names", names(&[])),
    ]);
}

/// The capabilities of this test, which are all that husk can give.
fn own_capabilities() -> String {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("CapEff");
    line.trim().to_owned()
}

#[test]
fn all_capabilities_are_all_that_husk_has() {
    let own = json!(own_capabilities());
    check(&[
        (&["--cap-add", "ALL"], "/capabilities/effective/hex", own.clone()),
        (&["--cap-add", "ALL"], "/capabilities/bounding/hex", own.clone()),
        (&["--privileged"], "/capabilities/effective/hex", own),
    ]);
}

#[test]
fn a_privileged_container_is_held_by_its_namespaces_alone() {
    let (_scratch, root) = place();
    let seen = report(&["--privileged"], &root);
    assert_eq!(seen["no_new_privs"], false);
    assert_eq!(seen["seccomp"]["mode"], "disabled");
    let mounts = seen["mounts"].as_array().expect("mounts");
    let masks: Vec<&Value> = mounts
        .iter()
        .filter(|mount| mount["target"].as_str().is_some_and(|target| target.starts_with("/proc/")))
        .collect();
    assert!(masks.is_empty(), "{masks:?}");
    let sys = mounts.iter().find(|mount| mount["target"] == "/sys").expect("/sys");
    assert!(sys["options"].as_array().expect("options").contains(&json!("rw")), "{sys}");
    assert_eq!(seen["devices"]["kmsg"]["kind"], "char", "the host's devices are there");
    assert_eq!(seen["process"]["pid"], 1);
}

#[test]
fn resource_limits_are_set_as_they_were_given() {
    check(&[
        (&["--rlimit", "nofile=64:128"], "/limits/RLIMIT_NOFILE", json!({ "soft": 64, "hard": 128 })),
        (&["--rlimit", "RLIMIT_CORE=0"], "/limits/RLIMIT_CORE", json!({ "soft": 0, "hard": 0 })),
        (&["--rlimit", "cpu=7:unlimited"], "/limits/RLIMIT_CPU", json!({ "soft": 7, "hard": null })),
        (&["--rlimit", "Stack=-1"], "/limits/RLIMIT_STACK", json!({ "soft": null, "hard": null })),
        (
            &["--rlimit", "fsize=5", "--rlimit", "nproc=50"],
            "/limits/RLIMIT_NPROC",
            json!({ "soft": 50, "hard": 50 }),
        ),
    ]);
}

#[test]
fn a_device_of_the_host_is_shown_where_it_was_asked_for() {
    let numbers = |major: u32, minor: u32| json!([major, minor]);
    let (_scratch, root) = place();
    for (option, name, expected) in
        [("/dev/kmsg", "kmsg", numbers(1, 11)), ("/dev/zero:/dev/nought", "nought", numbers(1, 5))]
    {
        let seen = report(&["--device", option], &root);
        let device = &seen["devices"][name];
        assert_eq!(json!([device["major"], device["minor"]]), expected, "{option}: {device}");
    }
    let read = shell(&["--device", "/dev/zero:/dev/nought"], &root, "head -c 3 /dev/nought | od -An -c");
    assert_eq!(read.good().trim(), r"\0  \0  \0");
}

#[test]
fn the_filter_is_the_one_that_was_asked_for() {
    let (scratch, root) = place();
    let file = scratch.join("no-mkdir.json");
    let profile = r#"{ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls":
        [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 100 }] }"#;
    fs::write(&file, profile).expect("profile");
    let file = file.to_string_lossy().into_owned();
    // What is tried, with which filter, and what the kernel says; 100 is ENETDOWN, which no file system says.
    for (filter, words, expected) in [
        (file.as_str(), &["mkdir", "/tmp/a"][..], "ENETDOWN"),
        ("default", &["mkdir", "/tmp/a"], "ok"),
        ("default", &["unshare", "user"], "EPERM"),
        ("unconfined", &["unshare", "user"], "ok"),
        (file.as_str(), &["unshare", "user"], "ok"),
    ] {
        let mut all = vec!["/bin/probe"];
        all.extend(words);
        let said: Value =
            serde_json::from_str(&run_in(&["--seccomp", filter], &root, &all).good()).expect("JSON");
        assert_eq!(said["result"], expected, "--seccomp {filter}: {words:?}");
    }
    assert_eq!(report(&["--seccomp", "unconfined"], &root)["seccomp"]["mode"], "disabled");
    assert_eq!(report(&["--seccomp", "unconfined"], &root)["no_new_privs"], true);
}

#[test]
fn init_is_minit_from_beside_husk_as_process_one() {
    let (scratch, root) = place();
    let together = scratch.join("bin");
    fs::create_dir(&together).expect("directory");
    let husk = together.join("husk");
    copy(&program("husk"), &husk);
    let run = |script: &str| {
        let mut command = Command::new(&husk);
        command.args(["run", "--init"]).arg(&root).args(["/bin/sh", "-c", script]).stdin(Stdio::null());
        command.output().expect("husk")
    };
    let alone = run("true");
    assert_eq!(alone.status.code(), Some(125));
    let said = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert_eq!(
        said,
        format!("husk: --init: {}: No such file or directory\n", together.join("minit").display())
    );

    copy(&program("minit"), &together.join("minit"));
    let served = run("echo $$; tr '\\0' ' ' </proc/1/cmdline; exit 7");
    assert_eq!(served.status.code(), Some(7), "{served:?}");
    let out = String::from_utf8_lossy(&served.stdout).into_owned();
    let (own, first) = out.split_once('\n').expect("two lines");
    assert_ne!(own, "1");
    assert!(first.starts_with("docker-init -- /bin/sh -c "), "{first}");
}
