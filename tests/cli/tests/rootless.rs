//! Without root: a user namespace does instead.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cli::{Scratch, husk, program, rootfs, run};
use serde_json::{Value, json};

/// Who runs husk here: `tester` of the guest, nobody in particular on a host.
const CALLER: u32 = 1000;

struct Place {
    scratch: Scratch,
    root: PathBuf,
    husk: PathBuf,
}

impl Place {
    /// A root file system of the caller's own, and a husk where the caller finds it.
    fn new() -> Self {
        let scratch = Scratch::new();
        let root = rootfs(&scratch);
        let husk = scratch.join("husk");
        cli::copy(&program("husk"), &husk);
        fs::set_permissions(&husk, PermissionsExt::from_mode(0o755)).expect("mode");
        give(scratch.path());
        Self { scratch, root, husk }
    }

    /// husk as the caller, with nothing in its environment but PATH and a directory for its records.
    fn husk(&self) -> Command {
        let mut command = Command::new(&self.husk);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("XDG_RUNTIME_DIR", self.scratch.path());
        // Without root's groups too: std gives them up with the user.
        command.stdin(Stdio::null()).current_dir("/").gid(CALLER).uid(CALLER);
        command
    }

    fn report(&self, options: &[&str]) -> Value {
        let said = run(self.husk().arg("run").args(options).arg(&self.root).arg("/bin/probe")).good();
        serde_json::from_str(&said).expect("JSON")
    }
}

/// Gives a tree to the caller, links included.
fn give(path: &Path) {
    let met = fs::symlink_metadata(path).expect("metadata");
    if met.is_symlink() {
        return;
    }
    chown(path, Some(CALLER), Some(CALLER)).expect("chown");
    if met.is_dir() {
        for entry in fs::read_dir(path).expect("directory").flatten() {
            give(&entry.path());
        }
    }
}

#[test]
fn the_caller_is_root_in_the_container_and_nobody_else_outside() {
    let place = Place::new();
    let seen = place.report(&[]);
    assert_eq!(seen["process"]["pid"], 1);
    assert_eq!((&seen["ids"]["euid"], &seen["ids"]["egid"]), (&json!(0), &json!(0)));
    assert_eq!(seen["uid_map"][0], json!([0, CALLER, 1]));
    assert_eq!(seen["gid_map"][0], json!([0, CALLER, 1]));
    assert_eq!(seen["no_new_privs"], true);
    assert_eq!(seen["seccomp"]["mode"], "filter");
    assert_eq!(seen["capabilities"]["effective"]["hex"], "00000000a80425fb");
    let numbers: Vec<&String> = seen["descriptors"].as_object().expect("descriptors").keys().collect();
    assert_eq!(numbers, ["0", "1", "2"]);
    let made = place.root.join("tmp/made");
    let script = ["/bin/sh", "-c", "echo x > /tmp/made"];
    run(place.husk().arg("run").arg(&place.root).args(script)).good();
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(made).expect("made"));
    assert_eq!(owner, CALLER);
}

#[test]
fn namespaces_files_and_processes_are_its_own() {
    let place = Place::new();
    let script = "echo $$; hostname | cut -c1-5; ps -o pid | tail -n +2 | wc -l; cat /dev/null && test -w /dev/null \
                  && mount | grep -c ' /proc '; ls /proc/1/root >/dev/null && echo ok";
    let out = run(place.husk().arg("run").arg(&place.root).args(["/bin/sh", "-c", script])).good();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((lines[0], lines[1], lines[3], lines[4]), ("1", "husk-", "1", "ok"), "{out}");
    assert!(lines[2].trim().parse::<u32>().expect("number") <= 5, "{out}");
}

#[test]
fn exit_codes_are_the_same_as_with_root() {
    let place = Place::new();
    for (words, code) in [
        (&["/bin/sh", "-c", "exit 42"][..], 42),
        (&["/bin/true"], 0),
        (&["/nowhere"], 127),
        (&["/etc/passwd"], 126),
        (&["/bin/probe", "exit", "255"], 255),
    ] {
        let ended = run(place.husk().arg("run").arg(&place.root).args(words));
        assert_eq!(ended.code(), code, "{words:?}: {ended:?}");
    }
}

#[test]
fn options_work_as_far_as_one_id_goes() {
    let place = Place::new();
    let before: Vec<_> =
        fs::read_dir(&place.root).expect("directory").flatten().map(|one| one.path()).collect();
    let options = ["--ephemeral", "--net", "none", "--hostname", "own", "--tmpfs", "/var", "-e", "A=1"];
    let script =
        "hostname; echo $A; touch /new /var/x && ls /new; ip -o link | wc -l; ip link | grep -c ',UP'";
    let out =
        run(place.husk().arg("run").args(options).arg(&place.root).args(["/bin/sh", "-c", script])).good();
    assert_eq!(out, "own\n1\n/new\n1\n1");
    let after: Vec<_> =
        fs::read_dir(&place.root).expect("directory").flatten().map(|one| one.path()).collect();
    assert_eq!(before.len(), after.len());
    let bind = format!("{}:/mnt:ro", place.scratch.path().display());
    let out =
        run(place.husk().args(["run", "-v", &bind]).arg(&place.root).args(["/bin/probe", "mkdir", "/mnt/a"]));
    assert!(out.good().contains("EROFS"));
    let out =
        run(place.husk().args(["run", "--read-only"]).arg(&place.root).args(["/bin/probe", "mkdir", "/a"]));
    assert!(out.good().contains("EROFS"));
    let out = run(place.husk().args(["run", "-t"]).arg(&place.root).arg("/bin/tty"));
    assert_eq!(out.out(), "/dev/pts/0\r\n");
}

#[test]
fn an_id_that_is_not_mapped_is_an_error_that_says_so() {
    let place = Place::new();
    let ended = run(place.husk().args(["run", "-u", "4000000000"]).arg(&place.root).arg("/bin/true"));
    assert_eq!((ended.code(), ended.out().as_str()), (125, ""));
    assert!(ended.err().contains("4000000000") && ended.err().lines().count() == 1, "{}", ended.err());
}

#[test]
fn the_hosts_own_root_works_without_root_too() {
    let place = Place::new();
    // Directories of others can be changed by nobody who is not them: not even in a copy, with one id.
    let script = "echo $$; id -u; touch /made /tmp/made && echo made; exit 3";
    let ended = run(place.husk().args(["run", "--", "/bin/sh", "-c", script]));
    assert_eq!((ended.code(), ended.out().as_str(), ended.err().as_str()), (3, "1\n0\nmade\n", ""));
    assert!(!Path::new("/made").exists() && !Path::new("/tmp/made").exists());
    // What the caller may not read is not readable inside either.
    let ended = run(place.husk().args(["run", "--", "/bin/cat", "/etc/shadow"]));
    assert_ne!(ended.code(), 0, "{}", ended.out());
}

#[test]
fn the_old_root_is_gone_without_root_too() {
    let place = Place::new();
    let root = place.root.to_str().expect("UTF-8");
    let words = ["busybox", "stat", "-c", "%d:%i", "/", "/.."];
    for front in [&["run", root][..], &["run", "--ephemeral", root], &["run", "--"]] {
        let out = run(place.husk().args(front).args(words)).good();
        let (own, above) = out.split_once('\n').expect("two lines");
        assert_eq!(own, above, "{front:?}: something lies above the root");
    }
}

#[test]
fn the_end_of_husk_is_the_end_of_the_container_without_root_too() {
    let place = Place::new();
    let mark = place.scratch.path().file_name().expect("name").to_string_lossy().into_owned();
    let script = format!(": {mark}; echo ready; sleep 1000; :");
    let mut command = place.husk();
    command.arg("run").arg(&place.root).args(["/bin/sh", "-c", &script]);
    let (mut child, _, _output) = cli::started(&mut command);
    child.kill().expect("SIGKILL");
    child.wait().expect("wait");
    cli::wait_until("the end", std::time::Duration::from_secs(1), || {
        cli::processes_with("cmdline", mark.as_bytes()).is_empty()
    });
}

#[test]
fn a_root_that_the_caller_may_not_enter_is_an_error_that_says_so() {
    let place = Place::new();
    let closed = place.scratch.join("closed");
    fs::create_dir(&closed).expect("directory");
    fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).expect("mode");
    for path in [closed.clone(), closed.join("below")] {
        let ended = run(place.husk().arg("run").arg(&path).arg("/bin/true"));
        assert_eq!((ended.code(), ended.out().as_str()), (125, ""), "{}", path.display());
        assert!(
            ended.err().contains("Permission denied") && ended.err().lines().count() == 1,
            "{}",
            ended.err()
        );
    }
    // root may, of course; the program is then what is missing.
    assert_eq!(run(husk().arg("run").arg(&closed).arg("/bin/true")).code(), 127);
}
