//! `husk plan`: what an OCI bundle comes to.

use std::path::{Path, PathBuf};

use container::Failure;
use oci::{
    Arena, Caller, CgroupView, Groups, Keyring, Lifetime, Nodes, Privilege, RootSource, Setting, Spec,
    Terminal,
};
use plan::{Plan, Standard};

/// Largest config.json that is read.
const LARGEST: u64 = 16 << 20;

/// The plan of the bundle at `path`, a directory or its config.json, as text.
pub fn print(path: &Path) -> Result<String, Failure> {
    let file = if path.is_dir() { path.join("config.json") } else { path.to_path_buf() };
    let failed = |error: std::io::Error| Failure::io(file.display(), &error);
    let size = std::fs::metadata(&file).map_err(failed)?.len();
    if size > LARGEST {
        return Err(Failure::ours(format!("{}: larger than 16 MiB", file.display())));
    }
    let text = std::fs::read(&file).map_err(failed)?;
    let spec =
        Spec::from_json(&text).map_err(|error| Failure::ours(format!("{}: {error}", file.display())))?;
    let in_file = |error: oci::Error| Failure::ours(format!("{}: {error}", file.display()));
    let root = spec.root.as_ref().map(|root| root.path.clone()).unwrap_or_default();
    let root = file.parent().unwrap_or(Path::new(".")).join(PathBuf::from(root));
    let user = spec.linux.as_ref().is_some_and(|linux| linux.namespaces.iter().any(|one| one.kind == "user"));
    let setting = Setting {
        root: RootSource::Directory(&root),
        privilege: if user { Privilege::Rootless(Groups::Allowed) } else { Privilege::Full(Caller::Root) },
        terminal: spec
            .process
            .as_ref()
            .is_some_and(|process| process.terminal)
            .then_some(Terminal { replace: Standard::ALL }),
        cgroup: CgroupView::Own,
        filter: None,
        keyring: Keyring::Own,
        lifetime: Lifetime::Free,
        nodes: Nodes::DeadBesideOwnDev,
        program: None,
        host_devices: &[],
        join: &[],
    };
    let arena = Arena::new();
    let compiled = oci::compile(&spec, &setting, &arena).map_err(in_file)?;
    Ok(text_of(&compiled))
}

/// A compiled container in words.
pub fn text_of(compiled: &oci::Compiled<'_>) -> String {
    let namespaces: Vec<&str> = sys::clone::Namespaces::NAMES
        .iter()
        .filter(|(kind, _)| compiled.namespaces.contains(*kind))
        .map(|(_, name)| *name)
        .collect();
    let limits: String = compiled
        .limits
        .settings()
        .iter()
        .map(|setting| format!("cgroup: {} = {}\n", setting.file, setting.value))
        .collect();
    format!("namespaces: {}\n{limits}{}", namespaces.join(" "), Plan { steps: &compiled.steps })
}
