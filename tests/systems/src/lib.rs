//! A machine whose first process is minit, with husk, a disk for its images, and a script that drives it.

pub mod record;
pub mod survivor;
pub mod verbs;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use boot::parts::{BUSYBOX, Folder, part, system_part};
use boot::{Machine, Plan, Root};

/// The size of the disk; most of it is never written to.
const DISK: &str = "3G";

/// From the first root to the disk: containers cannot be made on the first one, which nothing can take the place of
/// (pivot_root(2)).
const START: &str = "#!/bin/sh
for m in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk overlay
do insmod /lib/modules/*/kernel/$m.ko; done
mount -t devtmpfs dev /dev; mount -t ext4 /dev/vda /new; umount /dev
exec switch_root /new /sbin/init --no-api --report console /bin/sh /script
";

/// The modules that a disk needs.
const MODULES: &str =
    "for m in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk overlay
do insmod /lib/modules/*/kernel/$m.ko; done
";

/// What a script begins with.
const BEGIN: &str = "say() { echo \"T $*\"; }
exec 2>&1
";

/// Runs a script in a machine to its end; what it has said with `say`, line by line.
///
/// # Panics
/// Where the machine hangs, or its kernel panics.
#[must_use]
pub fn run(script: &str) -> Vec<String> {
    let folder = Folder::new();
    let disk = disk(&folder, script);
    let root = Root::usual().with_modules().script("start", START).folder("new");
    let drive = format!("file={},format=raw,if=none,id=disk,cache=unsafe", disk.display());
    let devices = ["-m", "1024", "-drive", &drive, "-device", "virtio-blk-pci,drive=disk"];
    let plan = Plan { init: "/start", devices: &devices, ..Plan::pc(root, &[]) };
    follow(plan)
}

/// The same with a disk that QEMU is told of in these words and nobody has mounted, and with files that are in `/in`. The
/// root is the kernel's first one: no instance can run on it.
///
/// # Panics
/// As [`run`].
#[must_use]
pub fn run_with(script: &str, disk: &[&str], files: &[PathBuf]) -> Vec<String> {
    let mut root =
        Root::usual().with_modules().script("script", &format!("#!/bin/sh\n{MODULES}{BEGIN}{script}\n"));
    root = root.folder("in");
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        root = root.program(&format!("in/{name}"), file);
    }
    for (name, from) in programs() {
        root = root.program(name, from);
    }
    let devices = [&["-m", "1024"], disk].concat();
    follow(Plan {
        devices: &devices,
        ..Plan::pc(root, &["--no-api", "--report", "console", "/bin/sh", "/script"])
    })
}

/// What a machine says with `say` until its end.
fn follow(plan: Plan<'_>) -> Vec<String> {
    let console = Machine::boot(plan).within(Duration::from_secs(600)).end();
    // Shown where the test fails.
    println!("{}", console.join("\n"));
    console.iter().filter_map(|line| line.strip_prefix("T ")).map(str::to_owned).collect()
}

/// The programs that keep instances, and where they are in a machine.
fn programs() -> [(&'static str, &'static Path); 3] {
    [
        ("bin/husk", system_part("HUSK")),
        ("bin/huskd", system_part("HUSKD")),
        ("bin/husk-shim", system_part("SHIM")),
    ]
}

/// A disk with a system of busybox, minit and husk, the script, and the archives of both systems in its folder `in`.
fn disk(folder: &Folder, script: &str) -> PathBuf {
    let (tree, disk) = (folder.file("tree"), folder.file("disk"));
    busybox(&tree);
    std::fs::create_dir_all(tree.join("var/lib/husk")).expect("a folder");
    std::fs::create_dir(tree.join("in")).expect("a folder");
    std::fs::write(tree.join("script"), format!("{BEGIN}{script}\n")).expect("the script");
    let others = [("sbin/init", part("MINIT")), ("in/debian.tar", system_part("DEBIAN"))];
    for (name, from) in programs().into_iter().chain(others) {
        let _ = std::fs::remove_file(tree.join(name));
        std::fs::copy(from, tree.join(name)).expect("a copy");
    }
    small(folder);
    std::fs::copy(folder.file("small.tar"), tree.join("in/small.tar")).expect("the archive of busybox");
    let mut make = Command::new("mke2fs");
    make.args(["-q", "-t", "ext4", "-d"]).arg(&tree).arg(&disk).arg(DISK);
    assert!(make.status().expect("mke2fs starts").success());
    disk
}

/// The folders of a system, and busybox with a link for each of its commands.
fn busybox(tree: &Path) {
    for name in ["bin", "sbin", "etc", "dev", "proc", "sys", "tmp", "root", "run", "var"] {
        std::fs::create_dir_all(tree.join(name)).expect("a folder");
    }
    std::fs::copy(BUSYBOX, tree.join("bin/busybox")).expect("busybox");
    let listed = Command::new(BUSYBOX).arg("--list").output().expect("busybox starts");
    let list = String::from_utf8(listed.stdout).expect("its commands are text");
    for name in list.lines().filter(|name| *name != "busybox") {
        std::os::unix::fs::symlink("busybox", tree.join("bin").join(name)).expect("a link");
    }
    std::os::unix::fs::symlink("/bin/busybox", tree.join("sbin/init")).expect("a link");
}

/// A system of busybox alone, as Alpine's is at heart: init, inittab, a shell that is started again.
fn small(folder: &Folder) {
    let tree = folder.file("small");
    busybox(&tree);
    let inittab = "::sysinit:/bin/touch /run/up\n::respawn:/bin/sleep 1000\n::shutdown:/bin/touch /root/was-shut-down\n";
    std::fs::write(tree.join("etc/inittab"), inittab).expect("a table");
    let mut pack = Command::new("tar");
    pack.arg("-cf").arg(folder.file("small.tar")).arg("-C").arg(&tree).arg(".");
    assert!(pack.status().expect("tar starts").success());
}
