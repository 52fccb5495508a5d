//! `cargo xtask boot`: what the tests in tests/boot boot machines from, and where it is.

use std::fs;
use std::path::PathBuf;

use crate::kernel::{self, KERNELS, modules_in};
use crate::workspace::Workspace;
use crate::{Result, build, run};

/// The modules that the machines can load; what they need is added.
const MODULES: &[&str] = &[
    "virtio_pci",
    "virtio_net",
    "virtio_blk",
    "vmw_vsock_virtio_transport",
    "overlay",
    // Keyboards: what shows them in /dev/input, and one that can be plugged in.
    "evdev",
    "virtio_input",
];

/// The device of a virtual socket as a program of the host, which QEMU by itself does not have without /dev/vhost-vsock.
const VSOCK: (&str, &str) = ("vhost-device-vsock", "0.3.0");

/// Makes it all, and prints a line for each: NAME=PATH.
pub fn prepare(workspace: &Workspace) -> Result<()> {
    let _held = workspace.hold_testbed()?;
    let kernel = KERNELS[0].files(workspace)?;
    let folder = workspace.testbed().join("boot");
    let modules = folder.join("lib/modules").join(&kernel.release);
    fs::create_dir_all(modules.join("kernel")).map_err(|why| format!("make {}: {why}", modules.display()))?;
    for (name, content) in modules_in(&kernel.tree, MODULES)? {
        let to = modules.join(format!("kernel/{name}.ko"));
        fs::write(&to, content).map_err(|why| format!("write {}: {why}", to.display()))?;
    }
    let builtin = kernel::release_folder(&kernel.tree)?.join("modules.builtin");
    fs::copy(&builtin, modules.join("modules.builtin"))
        .map_err(|why| format!("copy {}: {why}", builtin.display()))?;
    let mut depmod = run::command("depmod", ["--basedir"]);
    depmod.arg(&folder).arg(&kernel.release);
    run::output(depmod)?;
    println!("KERNEL={}", kernel.vmlinux.display());
    println!("IMAGE={}", kernel::image(&kernel.tree)?.display());
    println!("MODULES={}", modules.display());
    for (variable, package) in [("MINIT", "minit"), ("STAMP", "stamp")] {
        println!("{variable}={}", program(workspace, package)?.display());
    }
    println!("VSOCK={}", vsock_device(workspace)?.display());
    Ok(())
}

/// The system that runs as an instance: Debian with systemd, without what only people read.
const SYSTEM: [&str; 8] = [
    "--quiet",
    "--variant=minbase",
    "--include=systemd,systemd-sysv",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "bookworm",
];

/// A Debian as an archive, made once. Whoever asks holds the test bed.
pub fn debian(workspace: &Workspace) -> Result<PathBuf> {
    let archive = workspace.testbed().join("debian.tar");
    if !archive.exists() {
        // A run that is ended in the middle leaves no archive under its name.
        let half = workspace.testbed().join("half.tar");
        let mut make = run::command("mmdebstrap", SYSTEM);
        make.arg(&half);
        run::output(make)?;
        fs::rename(&half, &archive).map_err(|why| format!("rename {}: {why}", half.display()))?;
    }
    Ok(archive)
}

/// What tests/systems needs besides: that archive, and the programs that keep instances.
pub fn prepare_systems(workspace: &Workspace) -> Result<()> {
    let _held = workspace.hold_testbed()?;
    println!("DEBIAN={}", debian(workspace)?.display());
    for (variable, package) in [("HUSK", "husk"), ("HUSKD", "huskd"), ("SHIM", "husk-shim")] {
        println!("{variable}={}", program(workspace, package)?.display());
    }
    Ok(())
}

fn program(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let package = workspace.package(name).ok_or_else(|| format!("{name}: no such package"))?;
    let mut cargo = workspace.program_build(package);
    cargo.arg("--release");
    let built = build::artifacts(cargo)?;
    let program = built.into_iter().find(|built| built.target == name && built.kind == "bin");
    program.map(|built| built.executable).ok_or_else(|| format!("cargo built no {name}"))
}

/// Built from the crate registry once, and kept with the kernels.
fn vsock_device(workspace: &Workspace) -> Result<PathBuf> {
    let (name, version) = VSOCK;
    let root = workspace.testbed().join(format!("{name}-{version}"));
    let program = root.join("bin").join(name);
    if !program.exists() {
        let mut cargo = workspace.cargo(["install", "--quiet", "--locked", "--version", version, "--root"]);
        cargo.arg(&root).arg(name);
        run::output(cargo)?;
    }
    Ok(program)
}
