//! A machine whose first process is minit, with husk, a disk for its images, and a script that drives it.

pub mod record;
pub mod survivor;
pub mod verbs;

use std::path::PathBuf;
use std::process::Command;

use boot::parts::{BUSYBOX, Folder, part, system_part};
use boot::{Machine, Plan, Root};

/// The size of the disk; most of it is never written to.
const DISK: &str = "3G";

/// What the script begins with: the modules that the disk needs, the disk, and where husk keeps things on it.
const BEGIN: &str =
    "for m in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk overlay
do insmod /lib/modules/*/kernel/$m.ko; done
mkdir -p /var/lib/husk && mount -t ext4 /dev/vda /var/lib/husk
say() { echo \"T $*\"; }
";

/// Runs a script in a machine to its end; what it has said with `say`, line by line.
///
/// # Panics
/// Where the machine hangs, or its kernel panics.
#[must_use]
pub fn run(script: &str) -> Vec<String> {
    let folder = Folder::new();
    let disk = disk(&folder);
    let drive = format!("file={},format=raw,if=none,id=disk,cache=unsafe", disk.display());
    run_with(script, &["-drive", &drive, "-device", "virtio-blk-pci,drive=disk"], &[])
}

/// The same with a disk that QEMU is told of in these words, and with files that are in `/in`.
///
/// # Panics
/// As [`run`].
#[must_use]
pub fn run_with(script: &str, disk: &[&str], files: &[PathBuf]) -> Vec<String> {
    let mut root = Root::usual().with_modules().script("script", &format!("#!/bin/sh\n{BEGIN}{script}\n"));
    root = root.folder("in");
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        root = root.program(&format!("in/{name}"), file);
    }
    for (name, part) in [("husk", "HUSK"), ("huskd", "HUSKD"), ("husk-shim", "SHIM")] {
        root = root.program(&format!("bin/{name}"), system_part(part));
    }
    root = root.program("bin/minit", part("MINIT"));
    let devices = [&["-m", "1024"], disk].concat();
    let arguments = ["--report", "console", "/bin/sh", "/script"];
    let plan = Plan { devices: &devices, ..Plan::pc(root, &arguments) };
    let console = Machine::boot(plan).within(std::time::Duration::from_secs(600)).end();
    let said = console.iter().filter_map(|line| line.strip_prefix("T ")).map(str::to_owned).collect();
    println!("{}", console.join("\n"));
    said
}

/// A disk with the archives of both systems in its folder `in`.
fn disk(folder: &Folder) -> PathBuf {
    let (tree, disk) = (folder.file("tree"), folder.file("disk"));
    std::fs::create_dir_all(tree.join("in")).expect("a folder");
    std::fs::hard_link(system_part("DEBIAN"), tree.join("in/debian.tar"))
        .or_else(|_| std::fs::copy(system_part("DEBIAN"), tree.join("in/debian.tar")).map(drop))
        .expect("the archive of Debian");
    small(folder);
    std::fs::rename(folder.file("small.tar"), tree.join("in/small.tar")).expect("the archive of busybox");
    let mut make = Command::new("mke2fs");
    make.args(["-q", "-t", "ext4", "-d"]).arg(&tree).arg(&disk).arg(DISK);
    assert!(make.status().expect("mke2fs starts").success());
    disk
}

/// A system of busybox alone, as Alpine's is at heart: init, inittab, a shell that is started again.
fn small(folder: &Folder) {
    let tree = folder.file("small");
    for name in ["bin", "sbin", "etc", "dev", "proc", "sys", "tmp", "root", "run"] {
        std::fs::create_dir_all(tree.join(name)).expect("a folder");
    }
    std::fs::copy(BUSYBOX, tree.join("bin/busybox")).expect("busybox");
    std::os::unix::fs::symlink("/bin/busybox", tree.join("sbin/init")).expect("a link");
    for name in ["sh", "cat", "echo", "sleep", "kill", "ps", "touch", "sync"] {
        std::os::unix::fs::symlink("busybox", tree.join("bin").join(name)).expect("a link");
    }
    let inittab = "::sysinit:/bin/touch /run/up\n::respawn:/bin/sleep 1000\n::shutdown:/bin/touch /root/was-shut-down\n";
    std::fs::write(tree.join("etc/inittab"), inittab).expect("a table");
    let mut pack = Command::new("tar");
    pack.arg("-cf").arg(folder.file("small.tar")).arg("-C").arg(&tree).arg(".");
    assert!(pack.status().expect("tar starts").success());
}
