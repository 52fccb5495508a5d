//! `cargo xtask dist`: the programs as they are handed out, with their manual pages, completions and units.

use std::fs;

use crate::workspace::Workspace;
use crate::{Result, build, elf, run};

/// Builds every program in the release profile (static, stripped) and puts it into `dist/bin/`, and the manual
/// pages, completions and systemd's units to where they belong below `dist/`, as below `/usr`.
pub fn pack(workspace: &Workspace) -> Result<()> {
    let bin = workspace.root.join("dist/bin");
    fs::create_dir_all(&bin).map_err(|why| format!("make {}: {why}", bin.display()))?;
    println!("building {} programs", workspace.programs().count());
    let mut all = Vec::new();
    for package in workspace.programs() {
        let mut cargo = workspace.program_build(package);
        cargo.arg("--release");
        all.extend(build::artifacts(cargo)?);
    }
    for built in all {
        let program = fs::read(&built.executable)
            .map_err(|why| format!("read {}: {why}", built.executable.display()))?;
        match elf::is_static(&program) {
            Ok(true) => {}
            Ok(false) => {
                return Err(format!("{}: not static: it names a loader (PT_INTERP)", built.target));
            }
            Err(what) => return Err(format!("{}: {what}", built.target)),
        }
        let to = bin.join(&built.target);
        // Beside it first and renamed then: a program that is running cannot be written to.
        let fresh = bin.join(format!(".{}", built.target));
        fs::copy(&built.executable, &fresh).map_err(|why| format!("write {}: {why}", fresh.display()))?;
        fs::rename(&fresh, &to).map_err(|why| format!("write {}: {why}", to.display()))?;
        println!("dist/bin/{:<12} {:>7} KiB, static", built.target, program.len() / 1024);
    }
    copy_manual(workspace)?;
    write_completions(workspace)?;
    copy_units(workspace)?;
    let mut list = run::command("ls", ["-l"]);
    list.arg(&bin);
    run::shown(list)
}

/// Where each shell looks for what completes the command lines of a program.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "dist/share/bash-completion/completions/husk"),
    ("zsh", "dist/share/zsh/site-functions/_husk"),
    ("fish", "dist/share/fish/vendor_completions.d/husk.fish"),
];

/// The program writes them from its table of verbs.
fn write_completions(workspace: &Workspace) -> Result<()> {
    for (shell, place) in COMPLETIONS {
        let mut husk = std::process::Command::new(workspace.root.join("dist/bin/husk"));
        husk.args(["completion", shell]);
        put(workspace, place, &run::output(husk)?)?;
    }
    Ok(())
}

fn copy_units(workspace: &Workspace) -> Result<()> {
    for name in ["huskd.service", "huskd.socket"] {
        let from = workspace.root.join("packaging/systemd").join(name);
        let unit = fs::read(&from).map_err(|why| format!("read {}: {why}", from.display()))?;
        put(workspace, &format!("dist/lib/systemd/system/{name}"), &unit)?;
    }
    Ok(())
}

fn put(workspace: &Workspace, place: &str, bytes: &[u8]) -> Result<()> {
    let path = workspace.root.join(place);
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(|why| format!("make {}: {why}", directory.display()))?;
    }
    fs::write(&path, bytes).map_err(|why| format!("write {}: {why}", path.display()))?;
    println!("{place}");
    Ok(())
}

fn copy_manual(workspace: &Workspace) -> Result<()> {
    let from = workspace.root.join("docs/man");
    let pages = fs::read_dir(&from).map_err(|why| format!("read {}: {why}", from.display()))?;
    for page in pages {
        let page = page.map_err(|why| format!("read {}: {why}", from.display()))?.path();
        let (Some(name), Some(section)) = (page.file_name(), page.extension()) else { continue };
        let folder = format!("dist/share/man/man{}", section.display());
        let to = workspace.root.join(&folder);
        fs::create_dir_all(&to).map_err(|why| format!("make {}: {why}", to.display()))?;
        let copy = to.join(name);
        fs::copy(&page, &copy).map_err(|why| format!("write {}: {why}", copy.display()))?;
        println!("{folder}/{}", name.display());
    }
    Ok(())
}
