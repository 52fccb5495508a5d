//! The guest's root file system: an archive that the kernel unpacks into memory.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cpio::Archive;
use crate::kernel::Files;
use crate::workspace::Workspace;
use crate::{Result, elf, run};

/// Where Debian's busybox-static puts its program.
const BUSYBOX: &str = "/bin/busybox";

/// Users of the guest: one beside root, with ids to map, for what runs without privileges.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\ntester:x:1000:1000::/tmp:/bin/sh\n\
                      nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n";
const GROUP: &str = "root:x:0:\ntester:x:1000:\nnogroup:x:65534:\n";
const IDS: &str = "tester:100000:65536\n";

/// A program for the guest.
pub struct Program {
    /// Its name in the guest: `husk` is /bin/husk, and the suites find it by HUSK_BIN.
    pub name: String,
    /// Where it was built.
    pub path: PathBuf,
}

/// A suite for the guest.
pub struct Suite {
    /// `package::target`, or the package alone for its unit tests.
    pub name: String,
    /// Where it was built.
    pub path: PathBuf,
}

/// What goes into a guest.
pub struct Content {
    /// The first process.
    pub init: PathBuf,
    /// Programs under /bin.
    pub programs: Vec<Program>,
    /// The suites, in the order in which they run.
    pub suites: Vec<Suite>,
    /// A shell command to run instead of the suites.
    pub shell: Option<String>,
}

/// Writes the archive to `to` and returns its size in bytes.
///
/// Paths that init knows: /bed/modules/NN-NAME.ko (loaded in the order of their names), /bed/suites (a line
/// each: name, tab, program), /bed/environment (a line each: NAME=value), /bed/shell (a command).
pub fn write(workspace: &Workspace, kernel: &Files, content: &Content, to: &Path) -> Result<usize> {
    let mut archive = Archive::default();
    for folder in [
        "bin",
        "sbin",
        "dev",
        "etc",
        "proc",
        "root",
        "run",
        "sys",
        "tmp",
        "usr",
        "var",
        "bed",
        "bed/modules",
        "bed/suites.d",
    ] {
        archive.folder(folder);
    }
    archive.symlink("usr/bin", "../bin");
    archive.symlink("var/run", "../run");
    archive.file("etc/passwd", PASSWD.as_bytes());
    archive.file("etc/group", GROUP.as_bytes());
    archive.file("etc/subuid", IDS.as_bytes());
    archive.file("etc/subgid", IDS.as_bytes());
    archive.file("etc/hostname", b"guest\n");
    archive.program("init", &stripped(workspace, &content.init)?);
    add_busybox(&mut archive)?;
    let mut environment = format!("PATH=/bin:/sbin\nHOME=/root\nTMPDIR=/tmp\nBUSYBOX={BUSYBOX}\n");
    for program in &content.programs {
        archive.program(&format!("bin/{}", program.name), &stripped(workspace, &program.path)?);
        let variable = program.name.to_uppercase().replace('-', "_");
        environment.push_str(&format!("{variable}_BIN=/bin/{}\n", program.name));
    }
    archive.file("bed/environment", environment.as_bytes());
    for (number, (name, module)) in kernel.modules.iter().enumerate() {
        archive.file(&format!("bed/modules/{number:02}-{name}.ko"), module);
    }
    let mut list = String::new();
    for (number, suite) in content.suites.iter().enumerate() {
        let path = format!("bed/suites.d/{number:02}");
        archive.program(&path, &stripped(workspace, &suite.path)?);
        list.push_str(&format!("{}\t/{path}\n", suite.name));
    }
    archive.file("bed/suites", list.as_bytes());
    if let Some(command) = &content.shell {
        archive.file("bed/shell", command.as_bytes());
    }
    let bytes = archive.finish();
    fs::write(to, &bytes).map_err(|why| format!("write {}: {why}", to.display()))?;
    Ok(bytes.len())
}

/// busybox and a link for each of its commands.
fn add_busybox(archive: &mut Archive) -> Result<()> {
    let busybox = fs::read(BUSYBOX).map_err(|why| format!("read {BUSYBOX}: {why}"))?;
    // The package busybox has a dynamic program at the same path, which is of no use in the guest.
    if elf::is_static(&busybox) != Ok(true) {
        return Err(format!("{BUSYBOX}: not static; install busybox-static instead of busybox"));
    }
    archive.program("bin/busybox", &busybox);
    for command in run::text(run::command(BUSYBOX, ["--list"]))?.lines().filter(|name| *name != "busybox") {
        archive.symlink(&format!("bin/{command}"), "busybox");
    }
    Ok(())
}

/// The program without symbols and line tables, which are most of its size; and it must be static, because
/// the guest has no libraries.
fn stripped(workspace: &Workspace, path: &Path) -> Result<Vec<u8>> {
    let to = workspace.testbed().join("stripped");
    let mut strip = run::command("strip", ["-o"]);
    strip.arg(&to).arg(path);
    run::output(strip)?;
    let program = fs::read(&to).map_err(|why| format!("read {}: {why}", to.display()))?;
    match elf::is_static(&program) {
        Ok(true) => Ok(program),
        Ok(false) => Err(format!("{}: not static, so it cannot run in the guest", path.display())),
        Err(what) => Err(format!("{}: {what}", path.display())),
    }
}
