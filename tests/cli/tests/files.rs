//! What a container does to files, and which of the host's it sees.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use cli::{Scratch, report, rootfs, run_in, shell};
use serde_json::Value;

fn place() -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let root = rootfs(&scratch);
    (scratch, root)
}

/// Names, inode numbers, sizes and times of all that is below.
fn tree(path: &Path) -> Vec<(PathBuf, u64, u64, i64, i64)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(path).expect("directory").flatten() {
        let met = entry.metadata().expect("metadata");
        all.push((entry.path(), met.ino(), met.size(), met.mtime(), met.mtime_nsec()));
        if met.is_dir() {
            all.extend(tree(&entry.path()));
        }
    }
    all.sort();
    all
}

#[test]
fn changes_are_kept_where_nothing_else_was_asked_for() {
    let (_scratch, root) = place();
    shell(&[], &root, "echo kept > /tmp/a && rm /etc/group").good();
    assert_eq!(fs::read_to_string(root.join("tmp/a")).expect("kept"), "kept\n");
    assert!(!root.join("etc/group").exists());
}

#[test]
fn changes_to_an_ephemeral_root_are_thrown_away_and_the_directory_is_untouched() {
    let (_scratch, root) = place();
    let before = tree(&root);
    let script = "echo x > /tmp/a && echo x >> /etc/passwd && rm /etc/group && rm -r /var && mkdir /new \
                  && mv /root /moved && chmod 777 /etc && cat /tmp/a && ls /new /moved";
    assert_eq!(shell(&["--ephemeral"], &root, script).good(), "x\n/moved:\n\n/new:");
    assert_eq!(tree(&root), before);
    // And they are gone for the next one.
    assert_eq!(shell(&["--ephemeral"], &root, "ls -d /var /etc/group").good(), "/etc/group\n/var");
}

#[test]
fn a_read_only_root_cannot_be_written_to() {
    let (_scratch, root) = place();
    let before = tree(&root);
    for words in [["write", "/etc/passwd"], ["mkdir", "/tmp/a"], ["mkdir", "/a"]] {
        let ended = run_in(&["--read-only"], &root, &["/bin/probe", words[0], words[1]]);
        let said: Value = serde_json::from_str(&ended.good()).expect("JSON");
        assert_eq!(said["result"], "EROFS", "{words:?}");
    }
    // What is no part of it can.
    let script = "echo x > /dev/shm/a && echo y > /deep/a && cat /dev/shm/a /deep/a";
    fs::create_dir(root.join("deep")).expect("directory");
    assert_eq!(shell(&["--read-only", "--tmpfs", "/deep"], &root, script).good(), "x\ny");
    fs::remove_dir(root.join("deep")).expect("directory");
    assert_eq!(tree(&root).len(), before.len());
}

#[test]
fn a_read_only_root_stays_read_only_when_it_is_ephemeral() {
    let (_scratch, root) = place();
    let ended = run_in(&["--ephemeral", "--read-only"], &root, &["/bin/probe", "mkdir", "/a"]);
    let said: Value = serde_json::from_str(&ended.good()).expect("JSON");
    assert_eq!(said["result"], "EROFS");
}

#[test]
fn a_directory_of_the_host_is_shown() {
    let (scratch, root) = place();
    let shown = scratch.join("shown");
    fs::create_dir(&shown).expect("directory");
    fs::write(shown.join("a"), "of the host\n").expect("file");
    let bind = |rest: &str| format!("{}:{rest}", shown.display());
    // The place is made where it is missing, with what leads to it.
    let out = shell(&["--bind", &bind("/deep/in/it")], &root, "cat /deep/in/it/a; echo b > /deep/in/it/b");
    assert_eq!(out.good(), "of the host");
    assert_eq!(fs::read_to_string(shown.join("b")).expect("written"), "b\n");
    let read_only = run_in(&["-v", &bind("/mnt:ro")], &root, &["/bin/probe", "mkdir", "/mnt/c"]).good();
    assert!(read_only.contains("EROFS"), "{read_only}");
    assert!(!shown.join("c").exists());
    // A later bind of the same place hides an earlier one; a missing place in an ephemeral root stays there.
    shell(&["--ephemeral", "-v", &bind("/only/here")], &root, "cat /only/here/a").good();
    assert!(!root.join("only").exists());
}

#[test]
fn options_of_a_bind_are_the_mounts() {
    let (scratch, root) = place();
    let shown = scratch.join("shown");
    fs::create_dir(&shown).expect("directory");
    let rows: [(&str, &[&str], &[&str]); 5] = [
        ("", &["rw", "nodev"], &["nosuid", "noexec", "ro"]),
        (":ro,nosuid,noexec", &["ro", "nosuid", "noexec", "nodev"], &["rw"]),
        (":dev", &["rw"], &["nodev"]),
        (":nosuid,noatime", &["rw", "nosuid", "noatime"], &["noexec"]),
        (":bind,rprivate", &["rw"], &[]),
    ];
    for (options, with, without) in rows {
        let bind = format!("{}:/mnt{options}", shown.display());
        let seen = report(&["--bind", &bind], &root);
        let mounts = seen["mounts"].as_array().expect("mounts");
        let mount = mounts.iter().find(|mount| mount["target"] == "/mnt").expect("the bind");
        let has =
            |option: &str| mount["options"].as_array().expect("options").iter().any(|one| one == option);
        for option in with {
            assert!(has(option), "{bind}: no {option}: {mount}");
        }
        for option in without {
            assert!(!has(option), "{bind}: {option}: {mount}");
        }
        assert_eq!(mount["propagation"], Value::Array(Vec::new()), "{bind}");
    }
}

#[test]
fn a_file_of_the_host_is_shown_as_a_file() {
    let (scratch, root) = place();
    let file = scratch.join("hosts");
    fs::write(&file, "127.0.0.1 localhost\n").expect("file");
    for place in ["/etc/hosts", "/etc/passwd", "/new/hosts"] {
        let bind = format!("{}:{place}:ro", file.display());
        let out = shell(&["--bind", &bind], &root, &format!("cat {place}; echo x >> {place}"));
        assert_eq!(out.out(), "127.0.0.1 localhost\n", "{place}");
        assert_ne!(out.code(), 0, "{place} was written to");
    }
    assert_eq!(fs::read_to_string(&file).expect("file"), "127.0.0.1 localhost\n");
    // What was made as a mount point is an empty file, no copy.
    assert_eq!(fs::read(root.join("new/hosts")).expect("mount point"), b"");
}

#[test]
fn a_relative_source_is_one_of_the_callers() {
    let (scratch, root) = place();
    fs::create_dir(scratch.join("here")).expect("directory");
    fs::write(scratch.join("here/a"), "a\n").expect("file");
    let mut command = cli::husk_run(&["-v", "./here:/mnt"], Path::new("./rootfs"), &["/bin/cat", "/mnt/a"]);
    assert_eq!(cli::run(command.current_dir(scratch.path())).good(), "a");
    assert!(root.exists());
}

#[test]
fn a_link_in_the_root_leads_a_bind_nowhere_but_into_the_root() {
    let (scratch, root) = place();
    let (shown, outside) = (scratch.join("shown"), scratch.join("outside"));
    fs::create_dir(&shown).expect("directory");
    fs::create_dir(&outside).expect("directory");
    fs::write(shown.join("a"), "a\n").expect("file");
    symlink(&outside, root.join("link")).expect("link");
    let bind = format!("{}:/link/mnt", shown.display());
    let ended = shell(&["--bind", &bind], &root, "cat /link/mnt/a");
    assert!(ended.code() == 125 || ended.out() == "a\n", "{ended:?}");
    assert_eq!(fs::read_dir(&outside).expect("directory").count(), 0, "something was made outside");
}

#[test]
fn a_tmpfs_is_empty_and_as_large_as_it_was_asked_to_be() {
    let (_scratch, root) = place();
    let script = "ls -A /var; stat -c %a /var; df -k /var | tail -1 | awk '{ print $2 }'; echo x > /var/a";
    fs::write(root.join("var/hidden"), "").expect("file");
    let out = shell(&["--tmpfs", "/var:size=2m,mode=1770"], &root, script);
    assert_eq!(out.good(), "1770\n2048");
    assert!(!root.join("var/a").exists());
    let seen = report(&["--tmpfs", "/var:noexec"], &root);
    let mounts = seen["mounts"].as_array().expect("mounts");
    let mount = mounts.iter().find(|mount| mount["target"] == "/var").expect("tmpfs");
    assert_eq!(mount["kind"], "tmpfs");
    for option in ["nosuid", "nodev", "noexec"] {
        assert!(mount["options"].as_array().expect("options").iter().any(|one| one == option), "{mount}");
    }
}

#[test]
fn mount_points_that_are_missing_are_made() {
    let (_scratch, root) = place();
    for directory in ["proc", "sys", "dev"] {
        fs::remove_dir(root.join(directory)).expect("directory");
    }
    assert_eq!(shell(&[], &root, "ls -d /proc/1 /sys/kernel /dev/null").good().lines().count(), 3);
}
