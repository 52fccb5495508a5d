//! Prepares the arena's files on the machine and enters it.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use super::contestants::Contestant;
use super::{bundle, peers};
use crate::workspace::Workspace;
use crate::{Result, boot, debian, run};

/// The empty folders of the root file system, as an image would have them.
const FOLDERS: &[&str] = &["bin", "dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr", "var"];

/// What the root file system calls busybox by.
const APPLETS: &[&str] = &["true", "sh", "ls", "cat", "mount", "ps", "sleep", "hostname"];

/// The C programs, compiled into the arena, with what the compiler needs to be told besides.
const C_PROGRAMS: &[(&str, &str, &[&str])] = &[
    ("floor", include_str!("floor.c"), &[]),
    ("meter", include_str!("meter.c"), &[]),
    ("load", load::SOURCE, &[]),
    ("true", include_str!("minit/true.c"), &["-nostdlib"]),
    ("says", include_str!("minit/true.c"), &["-nostdlib", "-DSAYS"]),
    ("stamp", include_str!("minit/true.c"), &["-nostdlib", "-DSTAMPS"]),
    ("rest", include_str!("minit/true.c"), &["-nostdlib", "-DRESTS"]),
];

/// What of them is in the root file system too.
const CONTAINED: &[&str] = &["stamp", "rest"];

/// The bundles: the program that each runs, and whether with Docker's profile.
const BUNDLES: &[(&str, &str, Filter)] = &[
    ("bundle", "/bin/true", Filter::None),
    ("bundle-seccomp", "/bin/true", Filter::Docker),
    ("bundle-stamp", "/bin/stamp", Filter::None),
    ("bundle-stamp-seccomp", "/bin/stamp", Filter::Docker),
    ("bundle-rest", "/bin/rest", Filter::Docker),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    None,
    Docker,
}

/// Builds what the chosen ones need and runs `bench inside` with these arguments in the arena.
pub fn perform(workspace: &Workspace, chosen: &[Contestant], args: &[String]) -> Result<ExitCode> {
    let folder = prepare(workspace)?;
    if chosen.iter().any(|contestant| contestant.name.starts_with("husk")) {
        run::shown(workspace.cargo(["build", "--quiet", "--release", "--package", "husk"]))?;
        copy(&release_of(workspace, "husk"), &folder.join("husk"))?;
    }
    enter(&folder, args)
}

/// Builds minit, with and without its api, and runs `bench inside minit` with these arguments in the arena.
pub fn perform_minit(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    let folder = prepare(workspace)?;
    for (options, name) in [(&["--no-default-features"][..], "minit-core"), (&[], "minit")] {
        let mut cargo = workspace.cargo(["build", "--quiet", "--release", "--package", "minit"]);
        cargo.args(["--features", "program"]).args(options);
        run::shown(cargo)?;
        copy(&release_of(workspace, "minit"), &folder.join(name))?;
    }
    // Under the name of tini it is that.
    make_folder(&folder.join("as"))?;
    copy(&folder.join("minit"), &folder.join("as/tini"))?;
    let words: Vec<String> = ["minit".to_owned()].into_iter().chain(args.iter().cloned()).collect();
    enter(&folder, &words)
}

/// Builds what keeps instances and runs `bench inside instances` with these arguments in the arena.
pub fn perform_instances(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    let folder = prepare(workspace)?;
    for program in ["husk", "huskd", "husk-shim"] {
        run::shown(workspace.cargo(["build", "--quiet", "--release", "--package", program]))?;
        copy(&release_of(workspace, program), &folder.join(program))?;
    }
    copy(&boot::debian(workspace)?, &folder.join("debian.tar"))?;
    let disk = folder.join("disk");
    make_disk(&disk)?;
    let words: Vec<String> = ["instances".to_owned()].into_iter().chain(args.iter().cloned()).collect();
    let ended = enter(&folder, &words);
    fs::remove_file(&disk).map_err(|why| format!("{}: {why}", disk.display()))?;
    ended
}

/// A new file system; the arena mounts it where it finds it.
fn make_disk(disk: &Path) -> Result<()> {
    if disk.exists() {
        fs::remove_file(disk).map_err(|why| format!("{}: {why}", disk.display()))?;
    }
    let mut make =
        run::command("mke2fs", ["-q", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0"]);
    make.arg(disk).arg("4G");
    run::output(make).map(drop)
}

fn prepare(workspace: &Workspace) -> Result<PathBuf> {
    let me = fs::metadata("/proc/self").map_err(|why| format!("/proc/self: {why}"))?;
    if me.uid() != 0 {
        return Err("bench: needs root, for mounts and cgroups that crun and runc get as well".to_owned());
    }
    debian::install()?;
    let peers = peers::fetch(&workspace.testbed().join("peers"))?;
    let folder = workspace.testbed().join("bench");
    set_up(&folder, &peers)?;
    Ok(folder)
}

fn enter(folder: &Path, args: &[String]) -> Result<ExitCode> {
    let arena = folder.join("arena.sh");
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh"])
        .arg(arena)
        .arg("outside")
        .arg(folder)
        .args(args)
        .status()
        .map_err(|why| format!("unshare: {why}"))?;
    match status.code() {
        Some(0) => Ok(ExitCode::SUCCESS),
        Some(_) => Ok(ExitCode::FAILURE),
        None => Err(format!("the arena: {status}")),
    }
}

fn set_up(folder: &Path, peers: &peers::Peers) -> Result<()> {
    make_folder(folder)?;
    write(&folder.join("arena.sh"), include_str!("arena.sh"))?;
    let link = folder.join("peers");
    if !link.is_symlink() {
        symlink(&peers.root, &link).map_err(|why| format!("{}: {why}", link.display()))?;
    }
    let xtask = std::env::current_exe().map_err(|why| format!("xtask's own path: {why}"))?;
    copy(&xtask, &folder.join("xtask"))?;
    for (name, source, flags) in C_PROGRAMS {
        compile(folder, name, source, flags)?;
    }
    let rootfs = folder.join("rootfs");
    make_rootfs(&rootfs)?;
    for name in CONTAINED {
        copy(&folder.join(name), &rootfs.join("bin").join(name))?;
    }
    let profile =
        fs::read_to_string(&peers.profile).map_err(|why| format!("{}: {why}", peers.profile.display()))?;
    let profile = bundle::resolve_profile(&profile)?;
    for (name, program, filter) in BUNDLES {
        let seccomp = (*filter == Filter::Docker).then(|| profile.clone());
        make_folder(&folder.join(name))?;
        write(&folder.join(name).join("config.json"), &bundle::config(program, seccomp).to_string())?;
    }
    Ok(())
}

fn release_of(workspace: &Workspace, program: &str) -> PathBuf {
    workspace.target.join("x86_64-unknown-linux-gnu/release").join(program)
}

fn compile(folder: &Path, name: &str, source: &str, flags: &[&str]) -> Result<()> {
    let source_file = folder.join(name).with_extension("c");
    write(&source_file, source)?;
    let mut cc = run::command("cc", ["-O2", "-static", "-Wall", "-Wextra", "-Werror"]);
    cc.args(flags).arg("-o").arg(folder.join(name)).arg(source_file);
    run::output(cc).map(drop)
}

fn make_rootfs(rootfs: &Path) -> Result<()> {
    for name in FOLDERS {
        make_folder(&rootfs.join(name))?;
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().map(Path::new).find(|path| path.exists());
    let busybox = busybox.ok_or("busybox: not in /bin or /usr/bin, although busybox-static is installed")?;
    copy(busybox, &rootfs.join("bin/busybox"))?;
    for applet in APPLETS {
        let link = rootfs.join("bin").join(applet);
        if !link.is_symlink() {
            symlink("busybox", &link).map_err(|why| format!("{}: {why}", link.display()))?;
        }
    }
    Ok(())
}

/// A new file in place of the old one: the old one may still be running in another arena.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_file(to).map_err(|why| format!("{}: {why}", to.display()))?;
    }
    fs::copy(from, to).map_err(|why| format!("copying {} to {}: {why}", from.display(), to.display()))?;
    Ok(())
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|why| format!("{}: {why}", path.display()))
}

fn write(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).map_err(|why| format!("{}: {why}", path.display()))
}
