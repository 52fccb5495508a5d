//! From a specification to a plan: pure, and the place where the order of things is decided.

mod devices;
mod exec;
mod filter;
mod limits;
mod mounts;
mod options;
mod passage;
mod paths;
mod process;
mod root;
mod supported;

use std::path::Path;

use plan::{Pause, Standard, Step};
use sys::clone::Namespaces;
use sys::fd::BorrowedFd;

use crate::spec::{IdMapping, Linux, Process, Spec};
use crate::{Arena, Error};

pub use exec::{Entry, compile_exec};
pub use filter::profile as filter;
pub use process::is_resource;

/// What the caller knows and a specification does not say.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// What the root file system is made of.
    pub root: RootSource<'a>,
    /// With which rights the container is made.
    pub privilege: Privilege,
    /// The terminal it gets, if any.
    pub terminal: Option<Terminal>,
    /// Whether it has a cgroup that it may look at.
    pub cgroup: CgroupView,
    /// A filter to take instead of the specification's `linux.seccomp`.
    pub filter: Option<&'a seccomp::Profile<'static>>,
    /// Whose session keyring it has.
    pub keyring: Keyring,
    /// Whether it lives on when its caller ends.
    pub lifetime: Lifetime,
    /// What device nodes in the root file system and in volumes are worth.
    pub nodes: Nodes,
    /// A program of the host that runs in place of the command, with the command as its arguments.
    pub program: Option<&'a Path>,
    /// Devices of the host that it gets besides the default ones: (path of the host, path in the container).
    pub host_devices: &'a [(&'a Path, &'a str)],
    /// Namespaces that exist, by descriptors: it enters them, and they are closed before its program runs.
    pub join: &'a [(Namespaces, BorrowedFd<'a>)],
}

/// What device nodes outside of /dev are worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nodes {
    /// Nothing: they cannot be opened.
    Dead,
    /// Nothing either, unless /dev is something else than a tmpfs of the container's own.
    DeadBesideOwnDev,
}

/// What the root file system is made of.
#[derive(Clone, Copy, Debug)]
pub enum RootSource<'a> {
    /// The directory itself.
    Directory(&'a Path),
    /// The directory, with changes kept in memory and thrown away.
    Ephemeral(&'a Path),
    /// Directories above one another.
    Layers {
        /// The top one first.
        lower: &'a [&'a Path],
        /// Where changes are kept.
        upper: &'a Path,
        /// An empty directory beside `upper`, for the kernel.
        work: &'a Path,
    },
    /// Layers of the host, likewise. The first may be `/` itself; if none is, the root is empty at first.
    Host(&'a [HostLayer]),
}

/// A part of the host's tree that appears in a container that runs on the host's own files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HostLayer {
    /// A directory, copy on write, at its own path.
    CopyOnWrite(String),
    /// A directory with what is mounted below it, read-only, at its own path.
    ReadOnly(String),
    /// A symbolic link: its path and what it says.
    Link(String, String),
    /// An empty directory.
    Directory(String),
}

/// With which rights a container is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Privilege {
    /// Those of the caller's user namespace.
    Full(Caller),
    /// Those of a user namespace of its own.
    Rootless(Groups),
}

/// What the caller's ids are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caller {
    /// 0, user and group, real, effective and saved.
    Root,
    /// Something else.
    Other,
}

/// Whether supplementary groups can be set in the user namespace (user_namespaces(7), "setgroups").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Groups {
    /// They can.
    Allowed,
    /// A map written without privilege forbids it.
    Denied,
}

/// A container's terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terminal {
    /// Which of descriptors 0, 1 and 2 are it.
    pub replace: Standard,
}

/// What a container sees of cgroups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CgroupView {
    /// Its own group, as the root of /sys/fs/cgroup.
    Own,
    /// Nothing: it has no group of its own, and would see the host's.
    Hidden,
}

/// Whose session keyring a container has (session-keyring(7)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keyring {
    /// Its own.
    Own,
    /// The caller's: right where a filter refuses the calls that could use it.
    Caller,
}

/// How long a container lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lifetime {
    /// No longer than the process that started it.
    Caller,
    /// As long as it likes.
    Free,
}

/// A plan with what its launch needs besides.
#[derive(Debug)]
pub struct Compiled<'a> {
    /// The steps.
    pub steps: Vec<Step<'a>>,
    /// Namespaces to clone with.
    pub namespaces: Namespaces,
    /// What the cgroup is limited to.
    pub limits: cgroup::Limits,
    /// Map of the user namespace.
    pub uid_map: Vec<IdMapping>,
    /// Map of the user namespace.
    pub gid_map: Vec<IdMapping>,
}

/// The mask of a container that says nothing of its own.
const USUAL_UMASK: u32 = 0o022;

/// What all parts of the compilation share.
struct Context<'a, 's> {
    spec: &'s Spec,
    linux: &'s Linux,
    setting: &'s Setting<'s>,
    arena: &'a Arena,
    /// Those that it gets of its own.
    namespaces: Namespaces,
    /// Those that exist and are entered.
    joined: Namespaces,
}

/// Compiles a specification.
///
/// # Errors
/// What is wrong with it, by the name of the field. A valid field that husk does not perform is an error too.
pub fn compile<'a, 's: 'a>(
    spec: &'s Spec,
    setting: &'s Setting<'s>,
    arena: &'a Arena,
) -> Result<Compiled<'a>, Error> {
    let linux = spec.linux.as_ref().ok_or_else(|| Error::new("linux", "is missing"))?;
    supported::check(spec, linux)?;
    supported::check_process(spec.process.as_ref())?;
    let process = spec.process.as_ref().ok_or_else(|| Error::new("process", "is missing"))?;
    let namespaces = namespaces(linux)?;
    maps(linux, namespaces)?;
    let joined = joined(setting, namespaces)?;
    let context = Context { spec, linux, setting, arena, namespaces, joined };
    let mut steps = Vec::with_capacity(80);
    context.begin(process, &mut steps)?;
    context.root(&mut steps)?;
    let place = context.mounts(&mut steps)?;
    context.covers(place, &mut steps)?;
    context.identity_of_host(&mut steps)?;
    context.session(process, context.console(), &mut steps);
    context.enter(&mut steps)?;
    context.process(process, &mut steps)?;
    Ok(Compiled {
        steps,
        namespaces,
        limits: limits::limits(linux.resources.as_ref())?,
        uid_map: linux.uid_mappings.clone(),
        gid_map: linux.gid_mappings.clone(),
    })
}

fn namespaces(linux: &Linux) -> Result<Namespaces, Error> {
    let mut all = Namespaces::NONE;
    for (number, namespace) in linux.namespaces.iter().enumerate() {
        let field = || format!("linux.namespaces[{number}]");
        let known = Namespaces::NAMES.iter().find(|(_, name)| *name == namespace.kind);
        let Some((kind, _)) = known else {
            return Err(match namespace.kind.as_str() {
                "time" => Error::unsupported(field() + ".type time"),
                other => Error::new(field() + ".type", format!("{other:?} is no namespace")),
            });
        };
        if !namespace.path.is_empty() {
            return Err(Error::unsupported(field() + ".path"));
        }
        if all.contains(*kind) {
            return Err(Error::new(field(), format!("{} is there twice", namespace.kind)));
        }
        all = all.with(*kind);
    }
    if !all.contains(Namespaces::MOUNT) {
        return Err(Error::new("linux.namespaces", "a container without a mount namespace is not supported"));
    }
    Ok(all)
}

/// What is entered by descriptor: neither twice nor anew as well.
fn joined(setting: &Setting<'_>, new: Namespaces) -> Result<Namespaces, Error> {
    const FIELD: &str = "linux.namespaces";
    // The child would need rights in the namespace that owns the other, and has only those of its own.
    if !setting.join.is_empty() && new.contains(Namespaces::USER) {
        return Err(Error::new(FIELD, "none can be entered by who has a new user namespace"));
    }
    let mut all = Namespaces::NONE;
    for (kind, _) in setting.join {
        for one in [Namespaces::MOUNT, Namespaces::PID, Namespaces::USER] {
            if kind.contains(one) {
                return Err(Error::new(
                    FIELD,
                    "a mount, pid or user namespace is always the container's own",
                ));
            }
        }
        if Namespaces::NAMES.iter().any(|(one, _)| kind.contains(*one) && new.with(all).contains(*one)) {
            return Err(Error::new(FIELD, "one to be entered is new, or there twice"));
        }
        all = all.with(*kind);
    }
    Ok(all)
}

fn maps(linux: &Linux, namespaces: Namespaces) -> Result<(), Error> {
    let user = namespaces.contains(Namespaces::USER);
    for (name, map) in [("uidMappings", &linux.uid_mappings), ("gidMappings", &linux.gid_mappings)] {
        let what = match (user, map.is_empty()) {
            (true, true) => "is empty, and there is a user namespace",
            (false, false) => "is given without a user namespace",
            _ => continue,
        };
        return Err(Error::new(format!("linux.{name}"), what));
    }
    Ok(())
}

impl<'a, 's: 'a> Context<'a, 's> {
    /// What has to happen before anything else: ids exist once the maps are written, and the host's /proc is
    /// within reach only until the pivot.
    fn begin(&self, process: &Process, steps: &mut Vec<Step<'a>>) -> Result<(), Error> {
        // Directories and files that are made on the way are not subject to the caller's.
        steps.push(Step::Umask(USUAL_UMASK));
        if let Some(program) = self.setting.program {
            steps.push(Step::OpenProgram { path: self.arena.path("init", program)? });
        }
        // As long as the process is the caller's own: after a change of ids the file is root's.
        self.oom_score(process, steps)?;
        if self.namespaces.contains(Namespaces::USER) {
            steps.push(Step::Pause(Pause::IdMaps));
            steps.push(Step::BecomeRoot);
        }
        // Before mounts: a sysfs shows the network of who mounts it; and before parameters, which are its own.
        for (namespaces, of) in self.setting.join {
            steps.push(Step::Join { of: *of, namespaces: *namespaces });
        }
        for (key, value) in &self.linux.sysctl {
            let (path, value) = self.sysctl(key, value)?;
            steps.push(Step::WriteProc { path, value });
        }
        Ok(())
    }

    fn sysctl(&self, key: &str, value: &str) -> Result<(&'a std::ffi::CStr, &'a std::ffi::CStr), Error> {
        let field = format!("linux.sysctl[{key:?}]");
        let needs = match key {
            "kernel.domainname" => Namespaces::UTS,
            "kernel.hostname" => {
                return Err(Error::new(field, "conflicts with hostname: use that"));
            }
            _ if key.starts_with("net.") => Namespaces::NETWORK,
            _ if key.starts_with("fs.mqueue.") => Namespaces::IPC,
            "kernel.msgmax"
            | "kernel.msgmnb"
            | "kernel.msgmni"
            | "kernel.sem"
            | "kernel.shmall"
            | "kernel.shmmax"
            | "kernel.shmmni"
            | "kernel.shm_rmid_forced" => Namespaces::IPC,
            _ => return Err(Error::new(field, "does not belong to a namespace: it would change the host")),
        };
        if !self.namespaces.with(self.joined).contains(needs) {
            return Err(Error::new(field, "its namespace is the host's: it would change the host"));
        }
        // Names of interfaces may hold dots, which are then written as slashes (sysctl(8)).
        let swapped: Vec<u8> = key
            .bytes()
            .map(|byte| match byte {
                b'.' => b'/',
                b'/' => b'.',
                other => other,
            })
            .collect();
        if swapped.split(|byte| *byte == b'/').any(|name| matches!(name, [] | [b'.'] | [b'.', b'.'])) {
            return Err(Error::new(field, "is not the name of a kernel parameter"));
        }
        let path = self.arena.join(&field, &[b"sys/", &swapped])?;
        Ok((path, self.arena.text(&field, value.as_bytes())?))
    }

    fn identity_of_host(&self, steps: &mut Vec<Step<'a>>) -> Result<(), Error> {
        let named = [("hostname", &self.spec.hostname), ("domainname", &self.spec.domainname)];
        for (field, name) in named.into_iter().filter(|(_, name)| !name.is_empty()) {
            if !self.namespaces.contains(Namespaces::UTS) {
                return Err(Error::new(field, "needs a uts namespace: it would change the host's"));
            }
            if name.len() > 64 {
                return Err(Error::new(field, format!("{name:?} is longer than 64 bytes")));
            }
            let text = self.arena.text(field, name.as_bytes())?;
            steps.push(if field == "hostname" { Step::Hostname(text) } else { Step::Domainname(text) });
        }
        if self.namespaces.contains(Namespaces::NETWORK) {
            steps.push(Step::Loopback);
        }
        Ok(())
    }
}
