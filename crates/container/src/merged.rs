//! A look into a root file system that is no directory of the host: one of layers, which is mounted nowhere but in the
//! mount namespace of its container.

use std::path::{Path, PathBuf};

use oci::spec::{Linux, Namespace, Process, Spec};
use oci::{Arena, Caller, CgroupView, Keyring, Lifetime, Nodes, Privilege, RootSource, Setting, compile};
use spawn::{Launch, Memory, Others, Pause, Plan, Step, Stopped};
use sys::clone::Child;
use sys::fd::OwnedFd;

use crate::Failure;

/// Gives `look` a path by which the root file system can be seen. A child mounts it as the container would, and waits
/// until all is seen; then it is ended, and the mount with it.
///
/// # Errors
/// Where it cannot be mounted, and those of `look`.
pub fn look<T>(root: RootSource<'_>, look: impl FnOnce(&Path) -> Result<T, Failure>) -> Result<T, Failure> {
    if let RootSource::Directory(path) = root {
        return look(path);
    }
    let spec = Spec {
        process: Some(Process { cwd: "/".into(), args: vec!["/".into()], ..Process::default() }),
        linux: Some(Linux {
            namespaces: vec![Namespace { kind: "mount".into(), path: String::new() }],
            ..Linux::default()
        }),
        ..Spec::default()
    };
    let setting = Setting {
        root,
        privilege: Privilege::Full(Caller::Root),
        terminal: None,
        cgroup: CgroupView::Hidden,
        filter: None,
        keyring: Keyring::Caller,
        lifetime: Lifetime::Caller,
        nodes: Nodes::Dead,
        program: None,
        host_devices: &[],
        join: &[],
    };
    let arena = Arena::new();
    let compiled = compile(&spec, &setting, &arena)?;
    let up_to = compiled.steps.iter().position(|step| matches!(step, Step::Pivot)).map_or(0, |at| at + 1);
    let mut steps = compiled.steps[..up_to].to_vec();
    steps.push(Step::Pause(Pause::Namespaces));
    let launch = Launch {
        plan: Plan { steps: &steps },
        namespaces: compiled.namespaces,
        cgroup: None,
        standard: [None; 3],
        others: Others::Keep,
        memory: Memory::Copied,
    };
    match spawn::start(&launch, &mut Looker(Some(look))) {
        Err(Stopped::Caller(seen)) => seen,
        Err(Stopped::Plan(error)) => Err(error.into()),
        Ok(child) => {
            spawn::end(&child);
            Err(Failure::ours("look into the root file system: nothing was seen"))
        }
    }
}

/// Looks at the pause. What it comes to ends the child, whatever it is.
struct Looker<F>(Option<F>);

impl<T, F: FnOnce(&Path) -> Result<T, Failure>> spawn::Caller for Looker<F> {
    type Error = Result<T, Failure>;

    fn pause(&mut self, _: Pause, child: &Child) -> Result<(), Self::Error> {
        let Some(look) = self.0.take() else { return Ok(()) };
        Err(look(&root_of(child.pid)))
    }

    fn terminal(&mut self, _: OwnedFd) {}
}

/// Where the root of a process is to be seen. It is the process's as long as it has not been waited for.
#[must_use]
pub fn root_of(process: sys::process::Pid) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root", process.as_raw_pid()))
}
