//! Machines that lack something: each thing costs only what needs it.

use std::process::Command;

use boot::parts::Folder;
use boot::{Machine, Plan, Root};

fn has(console: &[String], text: &str) -> bool {
    console.iter().any(|line| line.contains(text))
}

#[test]
fn nothing_is_mounted_where_that_was_asked_for() {
    let script = "echo here; /bin/busybox ls /proc; /bin/busybox ls -d /sys/*";
    let arguments = ["--mount", "none", "--report", "console", "/bin/sh", "-c", script];
    let console = Machine::boot(Plan::pc(Root::usual(), &arguments)).end();
    assert!(has(&console, "ls: /sys/*: No such file or directory"), "{console:#?}");
    assert!(has(&console, "here") && has(&console, "minit: exit 1"), "{console:#?}");
    assert!(has(&console, "reboot: Power down"), "{console:#?}");
}

#[test]
fn a_mount_that_fails_is_a_warning_with_its_consequence() {
    // Files stand where folders should be.
    let root = Root::bare().file("run", "").file("proc", "").file("etc", "");
    let arguments = ["--no-api", "--report", "console", "/bin/sh", "-c", "exit 4"];
    let console = Machine::boot(Plan::pc(root, &arguments)).end();
    for line in [
        "minit: warning: /proc: Not a directory: what asks about processes fails",
        "minit: warning: /run: Not a directory: sockets go to the root file system",
    ] {
        assert!(console.iter().any(|seen| seen == line), "{line}: {console:#?}");
    }
    assert_eq!(console.iter().filter(|line| line.contains("warning")).count(), 2, "{console:#?}");
    assert!(has(&console, "minit: exit 4") && has(&console, "reboot: Power down"), "{console:#?}");
}

#[test]
fn an_option_that_is_not_known_is_said_and_the_machine_ends_with_the_code_for_that() {
    let arguments = ["--report", "console", "--colour=blue", "/bin/sh", "-c", "echo never"];
    let console = Machine::boot(Plan::pc(Root::usual(), &arguments)).end();
    let said = "minit: --colour: no such option (minit --help)";
    assert!(console.iter().any(|line| line == said), "{console:#?}");
    assert!(console.iter().any(|line| line == "minit: exit 125"), "{console:#?}");
    assert!(has(&console, "reboot: Power down") && !has(&console, "never"), "{console:#?}");
    assert!(!has(&console, "panic"), "{console:#?}");
}

/// A disk of 8 MiB with the given folders on it, and a machine whose first shell makes it the root and becomes minit.
fn from_disk(folder: &Folder, folders: &[&str], flags: &str, arguments: &str) -> Vec<String> {
    let (tree, disk) = (folder.file("tree"), folder.file("disk"));
    for name in ["bin", "sbin"].iter().chain(folders) {
        std::fs::create_dir_all(tree.join(name)).expect("a folder");
    }
    std::fs::copy(boot::parts::BUSYBOX, tree.join("bin/busybox")).expect("busybox");
    std::os::unix::fs::symlink("busybox", tree.join("bin/sh")).expect("a link");
    std::fs::copy(boot::parts::part("MINIT"), tree.join("sbin/init")).expect("minit");
    let mut make = Command::new("mke2fs");
    make.args(["-q", "-t", "ext4", "-d"]).arg(&tree).arg(&disk).arg("8M");
    assert!(make.status().expect("mke2fs starts").success());
    // The modules are loaded by minit too, from the first root.
    let script = format!(
        "#!/bin/sh\nif [ $$ != 1 ]; then exec /bin/busybox true; fi\n\
         for m in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk; do \
         insmod /lib/modules/*/kernel/$m.ko; done\n\
         mount -t devtmpfs dev /dev; mount -t ext4 -o {flags} /dev/vda /new; umount /dev\n\
         exec switch_root /new /sbin/init --no-api --report console {arguments}\n"
    );
    let root = Root::usual().with_modules().script("start", &script).folder("new");
    let drive = format!("file={},format=raw,if=none,id=disk", disk.display());
    let devices = ["-drive", &drive, "-device", "virtio-blk-pci,drive=disk"];
    Machine::boot(Plan { init: "/start", devices: &devices, ..Plan::pc(root, &[]) }).end()
}

#[test]
fn a_read_only_root_is_enough_and_what_it_has_no_place_for_is_said() {
    let folder = Folder::new();
    let arguments = "/bin/sh -c 'echo on > /tmp/file && busybox cat /tmp/file; echo x > /etc/file; exit 6'";
    let console = from_disk(&folder, &["dev", "proc", "sys", "tmp", "etc"], "ro", arguments);
    assert!(has(&console, "minit: warning: /run: Read-only file system: sockets go to"), "{console:#?}");
    assert_eq!(console.iter().filter(|line| line.contains("warning")).count(), 1, "{console:#?}");
    assert!(console.iter().any(|line| line == "on"), "{console:#?}");
    assert!(has(&console, "/etc/file: Read-only file system"), "{console:#?}");
    assert!(has(&console, "minit: exit 6") && has(&console, "reboot: Power down"), "{console:#?}");
}

#[test]
fn a_full_disk_ends_nothing_and_is_clean_after_the_end() {
    let folder = Folder::new();
    let arguments = "/bin/sh -c 'busybox echo kept > /etc/kept; busybox dd if=/dev/zero of=/etc/full bs=64k; \
                     echo more > /etc/more; exit 8'";
    let folders = ["dev", "proc", "sys", "tmp", "etc", "run"];
    let console = from_disk(&folder, &folders, "rw", arguments);
    assert!(has(&console, "No space left on device"), "{console:#?}");
    assert!(!has(&console, "warning"), "{console:#?}");
    assert!(has(&console, "minit: exit 8") && has(&console, "reboot: Power down"), "{console:#?}");
    let disk = folder.file("disk");
    let state = Command::new("dumpe2fs").arg("-h").arg(&disk).output().expect("dumpe2fs starts");
    let state = String::from_utf8_lossy(&state.stdout).into_owned();
    assert!(
        state.lines().any(|line| line.split_whitespace().eq(["Filesystem", "state:", "clean"])),
        "{state}"
    );
    assert!(!state.contains("needs_recovery"), "{state}");
    let kept =
        Command::new("debugfs").args(["-R", "cat /etc/kept"]).arg(&disk).output().expect("debugfs starts");
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "kept\n");
}
