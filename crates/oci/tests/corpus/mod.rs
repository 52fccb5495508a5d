//! The corpus of configurations in `tests/plans`, and what each is compiled with.
//!
//! A configuration says in its annotations what a specification cannot say: `plan.root` is `directory` (or
//! absent), `ephemeral`, `layers`, `host` or `host-by-directory`; `plan.groups` is `denied`; `plan.caller` is `other` than root; `plan.cgroup` is `hidden`;
//! `plan.lifetime` is `caller`; `plan.terminal` lists descriptors; `plan.devices` lists `SOURCE:TARGET`;
//! `plan.keyring` is `caller`; `plan.nodes` is `beside-own-dev`; `plan.program` is a program of the host;
//! `plan.join` lists namespaces to be entered; `plan.exec` says that the process enters a container of this
//! specification that runs.

// Each test program uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};

use oci::{
    Arena, Caller, CgroupView, Compiled, Entry, Error, Groups, HostLayer, Keyring, Lifetime, Nodes,
    Privilege, RootSource, Setting, Spec, Terminal,
};
use plan::{Plan, Standard};
use sys::clone::Namespaces;
use sys::fd::AsFd as _;

/// One configuration.
pub struct Config {
    /// Its name: the file's, without the ending.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub text: Vec<u8>,
}

/// All of them, by name.
pub fn all() -> Vec<Config> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/plans");
    let entries = fs::read_dir(&folder).expect("tests/plans");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut configs: Vec<Config> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .map(|path| Config {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            text: fs::read(&path).expect("a configuration"),
            path,
        })
        .collect();
    configs.sort_by(|one, other| one.name.cmp(&other.name));
    configs
}

/// The specifications of the corpus that are JSON of the right types.
pub fn specs() -> Vec<(String, Spec)> {
    let parsed = |config: Config| Spec::from_json(&config.text).ok().map(|spec| (config.name, spec));
    all().into_iter().filter_map(parsed).collect()
}

/// Compiles with the setting that the annotations ask for, and hands on what comes of it.
pub fn compile_with<T>(spec: &Spec, then: impl FnOnce(Result<Compiled<'_>, Error>) -> T) -> T {
    let note = |key: &str| spec.annotations.get(key).map_or("", String::as_str);
    let path = PathBuf::from("/bundle").join(spec.root.as_ref().map_or("", |root| root.path.as_str()));
    let layers = layers(note("plan.root"));
    let devices: Vec<(&Path, &str)> = note("plan.devices")
        .split(',')
        .filter_map(|pair| pair.split_once(':'))
        .map(|(source, target)| (Path::new(source), target))
        .collect();
    // What descriptors stand for is not looked at before a plan is performed.
    let descriptor = fs::File::open("/dev/null").expect("/dev/null");
    let kinds =
        Namespaces::NAMES.iter().filter(|(_, name)| note("plan.join").split(',').any(|one| one == *name));
    let join: Vec<_> = kinds.map(|(kind, _)| (*kind, descriptor.as_fd())).collect();
    let setting = Setting {
        root: match note("plan.root") {
            "ephemeral" => RootSource::Ephemeral(&path),
            "layers" => RootSource::Layers {
                lower: &[Path::new("/layers/b,:/fs"), Path::new("/layers/a/fs")],
                upper: Path::new("/instances/one/upper"),
                work: Path::new("/instances/one/work"),
            },
            "host" | "host-by-directory" => RootSource::Host(&layers),
            _ => RootSource::Directory(&path),
        },
        privilege: privilege(spec),
        terminal: terminal(spec),
        cgroup: if note("plan.cgroup") == "hidden" { CgroupView::Hidden } else { CgroupView::Own },
        filter: None,
        keyring: if note("plan.keyring") == "caller" { Keyring::Caller } else { Keyring::Own },
        lifetime: if note("plan.lifetime") == "caller" { Lifetime::Caller } else { Lifetime::Free },
        nodes: if note("plan.nodes") == "beside-own-dev" { Nodes::DeadBesideOwnDev } else { Nodes::Dead },
        program: spec.annotations.get("plan.program").map(Path::new),
        host_devices: &devices,
        join: &join,
    };
    let arena = Arena::new();
    if note("plan.exec").is_empty() {
        return then(oci::compile(spec, &setting, &arena));
    }
    let entry = Entry {
        container: descriptor.as_fd(),
        joined: join.iter().fold(Namespaces::NONE, |all, (kind, _)| all.with(*kind)),
        privilege: setting.privilege,
        terminal: setting.terminal,
        filter: None,
        keyring: setting.keyring,
        passed: [descriptor.as_fd(); 3],
    };
    then(oci::compile_exec(&spec.process.clone().unwrap_or_default(), spec, &entry, &arena))
}

fn privilege(spec: &Spec) -> Privilege {
    let linux = spec.linux.as_ref();
    let mapped = linux.is_some_and(|linux| linux.namespaces.iter().any(|one| one.kind == "user"));
    let denied = spec.annotations.get("plan.groups").is_some_and(|value| value == "denied");
    match (mapped, denied) {
        (false, _) if spec.annotations.get("plan.caller").is_some_and(|value| value == "other") => {
            Privilege::Full(Caller::Other)
        }
        (false, _) => Privilege::Full(Caller::Root),
        (true, false) => Privilege::Rootless(Groups::Allowed),
        (true, true) => Privilege::Rootless(Groups::Denied),
    }
}

fn terminal(spec: &Spec) -> Option<Terminal> {
    match spec.annotations.get("plan.terminal") {
        Some(list) => {
            let numbers = list.split(',').filter_map(|number| number.parse::<u8>().ok());
            Some(Terminal { replace: Standard(numbers.fold(0, |all, number| all | 1 << number)) })
        }
        None => {
            let wanted = spec.process.as_ref().is_some_and(|process| process.terminal);
            wanted.then_some(Terminal { replace: Standard::ALL })
        }
    }
}

fn layers(root: &str) -> Vec<HostLayer> {
    let usr = HostLayer::CopyOnWrite(String::from("/usr"));
    match root {
        "host" => {
            vec![HostLayer::CopyOnWrite(String::from("/")), usr, HostLayer::ReadOnly(String::from("/boot"))]
        }
        "host-by-directory" => vec![
            usr,
            HostLayer::Link(String::from("/bin"), String::from("usr/bin")),
            HostLayer::ReadOnly(String::from("/etc")),
            HostLayer::Directory(String::from("/tmp")),
        ],
        _ => Vec::new(),
    }
}

/// A compiled configuration in words: namespaces, maps, limits, steps.
pub fn words(compiled: &Compiled<'_>) -> String {
    let kinds = Namespaces::NAMES.iter().filter(|(kind, _)| compiled.namespaces.contains(*kind));
    let names: Vec<&str> = kinds.map(|(_, name)| *name).collect();
    let mut text = format!("namespaces: {}\n", names.join(" "));
    for (kind, maps) in [("uid", &compiled.uid_map), ("gid", &compiled.gid_map)] {
        for map in maps {
            text += &format!("{kind} map: {} {} {}\n", map.container_id, map.host_id, map.size);
        }
    }
    for setting in compiled.limits.settings() {
        text += &format!("cgroup: {} = {}\n", setting.file, setting.value);
    }
    text + &Plan { steps: &compiled.steps }.to_string()
}
