//! Root file systems and commands that cannot work, and machines on which they cannot: one line each, the
//! right exit code, nothing left behind.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cli::{Scratch, Table, husk_run, program, rootfs, run};

fn table() -> Table {
    let scratch = Scratch::new();
    let root = rootfs(&scratch);
    Table { scratch, root }
}

/// A second root file system: busybox, and what `change` makes of it.
fn variant(table: &Table, name: &str, change: impl FnOnce(&Path)) -> PathBuf {
    let root = table.path(name);
    for directory in ["bin", "dev", "etc", "proc", "sys"] {
        fs::create_dir_all(root.join(directory)).expect("directory");
    }
    fs::hard_link(table.root.join("bin/busybox"), root.join("bin/busybox")).expect("link");
    change(&root);
    root
}

/// Replaces a directory of the root file system by a link or a file.
fn replace(root: &Path, name: &str, make: impl FnOnce(&Path)) {
    fs::remove_dir(root.join(name)).expect("directory");
    make(&root.join(name));
}

#[test]
fn a_root_that_is_none_is_refused() {
    let table = table();
    fs::write(table.path("file"), "").expect("file");
    symlink("loop", table.path("loop")).expect("link");
    symlink("nowhere", table.path("dangling")).expect("link");
    let long = format!("/{}", "x/".repeat(3000));
    table.check(&[
        (&["run", "{S}/none", "true"], 125, &["root file system {S}/none", "No such file or directory"]),
        (&["run", "./husk-none", "true"], 125, &["/husk-none", "No such file or directory"]),
        (&["run", "{S}/file", "true"], 125, &["{S}/file", "Not a directory"]),
        (&["run", "{S}/file/x", "true"], 125, &["{S}/file/x", "Not a directory"]),
        (&["run", "{S}/loop", "true"], 125, &["{S}/loop", "symbolic links"]),
        (&["run", "{S}/dangling", "true"], 125, &["{S}/dangling", "No such file or directory"]),
        (&["run", "/dev/null", "true"], 125, &["/dev/null", "Not a directory"]),
        (&["run", &long, "true"], 125, &["too long"]),
        (&["run", "--ephemeral", "{S}/none", "true"], 125, &["{S}/none", "No such file or directory"]),
    ]);
}

#[test]
fn a_command_that_cannot_be_executed_is_126_and_one_that_is_not_there_127() {
    let table = table();
    let bin = |name: &str, content: &[u8], mode: u32| {
        let path = table.root.join("bin").join(name);
        fs::write(&path, content).expect("file");
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("mode");
    };
    // An executable of s390x (machine 22, the other byte order), one that is cut off, one that is empty.
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 22, 0, 0, 0, 1];
    elf.resize(120, 0);
    bin("other", &elf, 0o755);
    bin("cut", b"\x7fELF", 0o755);
    bin("empty", b"", 0o755);
    bin("text", b"echo no first line that names an interpreter\n", 0o755);
    bin("orphan", b"#!/bin/none\n", 0o755);
    bin("plain", b"#!/bin/sh\n", 0o644);
    symlink("loop", table.root.join("bin/loop")).expect("link");
    let name = "x".repeat(300);
    table.check(&[
        (&["run", "{R}", "none"], 127, &["none", "not found"]),
        (&["run", "{R}", "/bin/none"], 127, &["/bin/none", "not found"]),
        (&["run", "{R}", "/none/none"], 127, &["/none/none", "not found"]),
        (&["run", "{R}", "./none"], 127, &["./none", "not found"]),
        (&["run", "{R}", "/etc/passwd/x"], 127, &["/etc/passwd/x", "not found"]),
        (&["run", "{R}", ""], 125, &["no command"]),
        (&["run", "--env", "PATH=", "{R}", "true"], 127, &["true", "not found"]),
        (&["run", "--", "husk-none"], 127, &["husk-none", "not found"]),
        (&["run", "{R}", "/etc"], 126, &["/etc", "not executable"]),
        (&["run", "{R}", "/etc/passwd"], 126, &["/etc/passwd", "not executable"]),
        (&["run", "{R}", "/bin/plain"], 126, &["/bin/plain", "not executable"]),
        (&["run", "{R}", "/bin/other"], 126, &["/bin/other", "architecture"]),
        (&["run", "{R}", "/bin/cut"], 126, &["/bin/cut", "not a program"]),
        (&["run", "{R}", "/bin/empty"], 126, &["/bin/empty", "not a program"]),
        (&["run", "{R}", "/bin/text"], 126, &["/bin/text", "#!"]),
        (&["run", "{R}", "/bin/orphan"], 126, &["/bin/orphan", "interpreter"]),
        (&["run", "{R}", "/bin/loop"], 126, &["/bin/loop", "symbolic links"]),
        (&["run", "{R}", &name], 126, &["too long"]),
        (&["run", "--tmpfs", "/bin", "{R}", "/bin/true"], 127, &["/bin/true", "not found"]),
        (&["run", "--bind", "{R}/bin:/bin:noexec", "{R}", "/bin/busybox"], 126, &["/bin/busybox", "noexec"]),
    ]);
}

#[test]
fn places_that_are_links_or_files_are_no_mount_points() {
    let table = table();
    let outside = table.path("outside");
    fs::create_dir(&outside).expect("directory");
    for name in ["proc", "sys", "dev"] {
        variant(&table, &format!("link-{name}"), |root| {
            replace(root, name, |place| symlink(&outside, place).expect("link"));
        });
        variant(&table, &format!("file-{name}"), |root| {
            replace(root, name, |place| fs::write(place, "").expect("file"));
        });
    }
    table.check(&[
        (&["run", "{S}/link-proc", "/bin/busybox"], 125, &["/proc", "symbolic link"]),
        (&["run", "{S}/link-sys", "/bin/busybox"], 125, &["/sys", "symbolic link"]),
        (&["run", "{S}/link-dev", "/bin/busybox"], 125, &["/dev", "symbolic link"]),
        (&["run", "{S}/file-proc", "/bin/busybox"], 125, &["/proc", "Not a directory"]),
        (&["run", "{S}/file-sys", "/bin/busybox"], 125, &["/sys", "Not a directory"]),
        (&["run", "{S}/file-dev", "/bin/busybox"], 125, &["/dev", "Not a directory"]),
    ]);
    assert_eq!(fs::read_dir(outside).expect("directory").count(), 0, "something was made outside");
}

#[test]
fn files_of_users_that_are_no_files_are_refused_at_once() {
    let table = table();
    let made = |command: &mut Command| assert!(command.status().expect("runs").success());
    variant(&table, "fifo", |root| made(Command::new("mkfifo").arg(root.join("etc/passwd"))));
    variant(&table, "directory", |root| fs::create_dir(root.join("etc/passwd")).expect("directory"));
    variant(&table, "device", |root| symlink("/dev/zero", root.join("etc/passwd")).expect("link"));
    variant(&table, "huge", |root| {
        fs::File::create(root.join("etc/passwd"))
            .and_then(|file| file.set_len(1 << 40))
            .expect("a file with a hole");
    });
    variant(&table, "loop", |root| symlink("passwd", root.join("etc/passwd")).expect("link"));
    variant(&table, "garbage", |root| {
        fs::write(root.join("etc/passwd"), "www:x:99999999999:1\n\n::::\n").expect("file")
    });
    table.check(&[
        (&["run", "-u", "www", "{S}/fifo", "/bin/busybox"], 125, &["etc/passwd", "not a regular file"]),
        (&["run", "-u", "www", "{S}/directory", "/bin/busybox"], 125, &["etc/passwd", "not a regular file"]),
        // The link leads to a place in the image, where no such device is.
        (&["run", "-u", "www", "{S}/device", "/bin/busybox"], 125, &["www", "/etc/passwd"]),
        (&["run", "-u", "www", "{S}/huge", "/bin/busybox"], 125, &["etc/passwd", "4 MiB"]),
        (&["run", "-u", "www", "{S}/loop", "/bin/busybox"], 125, &["etc/passwd", "symbolic links"]),
        (&["run", "-u", "www", "{S}/garbage", "/bin/busybox"], 125, &["www", "/etc/passwd"]),
    ]);
}

/// A script in a mount namespace of its own, which ends with husk; `$H`, `$R`, `$S` as above.
fn apart(table: &Table, script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["-m", "/bin/sh", "-ec", script]).stdin(Stdio::null());
    command.env("H", program("husk")).env("R", &table.root).env("S", table.scratch.path());
    command
}

#[test]
fn a_file_system_that_takes_nothing_is_refused_with_what_to_do() {
    let table = table();
    variant(&table, "bare", |root| {
        for name in ["dev", "proc", "sys"] {
            fs::remove_dir(root.join(name)).expect("directory");
        }
    });
    fs::create_dir(table.path("mnt")).expect("directory");
    let read_only = "mount --bind \"$S/bare\" \"$S/bare\"; mount -o remount,bind,ro \"$S/bare\";";
    let mut command = apart(&table, &format!("{read_only} exec \"$H\" run \"$S/bare\" /bin/busybox true"));
    table.refuses(&mut command, 125, &["/proc", "Read-only file system", "--ephemeral"]).unwrap();
    // What the hint says helps.
    let words = "exec \"$H\" run --ephemeral \"$S/bare\" /bin/busybox echo works";
    assert_eq!(run(&mut apart(&table, &format!("{read_only} {words}"))).good(), "works");
    let full = "mount -t tmpfs -o size=3m tmpfs \"$S/mnt\"; mkdir \"$S/mnt/bin\"; cp \"$R/bin/busybox\" \"$S/mnt/bin\"; \
                mount -o remount,nr_inodes=3 \"$S/mnt\"; exec \"$H\" run \"$S/mnt\" /bin/busybox true";
    table.refuses(&mut apart(&table, full), 125, &["/proc", "No space left on device"]).unwrap();
}

#[test]
fn without_privileges_and_without_user_namespaces_it_is_said_what_is_missing() {
    let table = table();
    // root without a single capability.
    let mut command = Command::new("setpriv");
    command.args(["--inh-caps", "-all", "--bounding-set", "-all"]).arg(program("husk")).arg("run");
    command.arg(&table.root).arg("/bin/true").stdin(Stdio::null());
    table.refuses(&mut command, 125, &["Operation not permitted", "CAP_SYS_ADMIN"]).unwrap();
}

#[test]
fn a_limit_that_cannot_be_kept_is_an_error_and_not_ignored() {
    // Of a machine without cgroup v2: a mount namespace in which there is none at the usual place.
    let table = table();
    for option in ["--memory=64m", "--cpus=0.5", "--pids=10", "--cpuset=0", "--io-weight=50"] {
        let script =
            format!("mount -t tmpfs tmpfs /sys/fs/cgroup; exec \"$H\" run {option} \"$R\" /bin/true");
        table
            .refuses(&mut apart(&table, &script), 125, &["limits need cgroup v2", "/sys/fs/cgroup"])
            .unwrap();
    }
    // Without limits nothing is missing.
    let script = "mount -t tmpfs tmpfs /sys/fs/cgroup; exec \"$H\" run \"$R\" /bin/echo works";
    assert_eq!(run(&mut apart(&table, script)).good(), "works");
}

#[test]
fn a_controller_that_is_missing_is_named() {
    // A cgroup v2 whose controllers are used by cgroup v1, as on a hybrid machine; or one with all of them.
    let table = table();
    let own = "umount -R /sys/fs/cgroup 2>/dev/null || :; mount -t cgroup2 none /sys/fs/cgroup;";
    let controllers = run(&mut apart(&table, &format!("{own} cat /sys/fs/cgroup/cgroup.controllers"))).good();
    let rows =
        [("memory", "--memory=64m"), ("cpu", "--cpus=0.5"), ("pids", "--pids=10"), ("cpuset", "--cpuset=0")];
    for (controller, option) in rows {
        let script = format!("{own} exec \"$H\" run {option} \"$R\" /bin/echo works");
        if controllers.split_whitespace().any(|one| one == controller) {
            assert_eq!(run(&mut apart(&table, &script)).good(), "works");
        } else {
            table.refuses(&mut apart(&table, &script), 125, &[controller, "controller"]).unwrap();
        }
    }
    let script = format!("{own} exec \"$H\" run \"$R\" /bin/echo works");
    assert_eq!(run(&mut apart(&table, &script)).good(), "works");
    // The hierarchy is the machine's: as it was before, unless others have containers in it now.
    let _ = run(&mut apart(&table, &format!("{own} rmdir /sys/fs/cgroup/husk")));
}

#[test]
fn an_output_that_takes_nothing_does_not_change_the_exit_code() {
    let table = table();
    let full = || fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    let mut command = husk_run(&["--hostname", "-"], &table.root, &["/bin/true"]);
    assert_eq!(command.stderr(full()).status().expect("runs").code(), Some(125));
    let mut command = husk_run(&["--plan"], &table.root, &["/bin/true"]);
    let ended = command.stdout(full()).stderr(Stdio::piped()).output().expect("runs");
    assert_eq!(ended.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("No space left on device"));
}
