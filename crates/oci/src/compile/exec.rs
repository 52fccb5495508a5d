//! A further process in a container that runs.

use std::path::Path;

use plan::{Console, Step};
use sys::clone::Namespaces;
use sys::fd::BorrowedFd;

use super::{
    CgroupView, Context, Keyring, Lifetime, Nodes, Privilege, RootSource, Setting, Terminal, USUAL_UMASK,
    passage, supported,
};
use crate::spec::{Process, Spec};
use crate::{Arena, Compiled, Error};

/// What the caller knows of a container that is entered, and a process does not say.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its process 1 (pidfd).
    pub container: BorrowedFd<'a>,
    /// Namespaces that it has entered itself ([`Setting::join`]).
    pub joined: Namespaces,
    /// With which rights it was made.
    pub privilege: Privilege,
    /// The terminal that the process gets, if any, of the container's devpts.
    pub terminal: Option<Terminal>,
    /// A filter to take instead of the specification's `linux.seccomp`.
    pub filter: Option<&'a seccomp::Profile<'static>>,
    /// Whose session keyring it has.
    pub keyring: Keyring,
    /// What it is passed on its way in: those of `spawn::Passage`.
    pub passed: [BorrowedFd<'a>; 3],
}

/// Compiles a process that enters the container of `spec`: for `spawn::cross`.
///
/// # Errors
/// As [`compile`](super::compile).
pub fn compile_exec<'a, 's: 'a>(
    process: &Process,
    spec: &'s Spec,
    entry: &Entry<'s>,
    arena: &'a Arena,
) -> Result<Compiled<'a>, Error> {
    let linux = spec.linux.as_ref().ok_or_else(|| Error::new("linux", "is missing"))?;
    supported::check_process(Some(process))?;
    let setting = Setting {
        root: RootSource::Directory(Path::new("/")),
        privilege: entry.privilege,
        terminal: entry.terminal,
        cgroup: CgroupView::Own,
        filter: entry.filter,
        keyring: entry.keyring,
        // With its process 1 everything in a container ends.
        lifetime: Lifetime::Free,
        nodes: Nodes::Dead,
        program: None,
        host_devices: &[],
        join: &[],
    };
    let namespaces = super::namespaces(linux)?;
    let context = Context { spec, linux, setting: &setting, arena, namespaces, joined: entry.joined };
    let mut steps = Vec::with_capacity(24);
    steps.push(Step::Umask(USUAL_UMASK));
    // While the host's /proc is in reach, whose files are known to be the kernel's.
    context.oom_score(process, &mut steps)?;
    // Users of the host may have the ids that it gets. What is in the container does not see it before it crosses over.
    steps.push(Step::Undumpable);
    steps.push(Step::Join { of: entry.container, namespaces: namespaces.with(entry.joined) });
    if namespaces.contains(Namespaces::USER) {
        steps.push(Step::BecomeRoot);
    }
    context.session(process, Console::Absent, &mut steps);
    context.process(process, &mut steps)?;
    if namespaces.contains(Namespaces::PID) {
        passage::cross(&mut steps, arena.slice(&entry.passed));
    }
    Ok(Compiled {
        steps: hidden(&steps),
        namespaces: Namespaces::NONE,
        limits: cgroup::Limits::default(),
        uid_map: Vec::new(),
        gid_map: Vec::new(),
    })
}

/// With a change of ids a process becomes dumpable where the sysctl fs.suid_dumpable has it so.
fn hidden<'a>(steps: &[Step<'a>]) -> Vec<Step<'a>> {
    let after = |step: &Step<'_>| matches!(step, Step::BecomeRoot | Step::User { .. });
    steps.iter().flat_map(|step| [Some(*step), after(step).then_some(Step::Undumpable)]).flatten().collect()
}
