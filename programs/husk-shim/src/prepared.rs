//! What is known of a container before anything is made.

use std::path::Path;

use container::identity::{self, Identity};
use container::rootless::Maps;
use container::specification::{self, Host};
use container::task::{Root, Task};
use container::{Failure, Options, filter, merged, settings, values};
use instance::{Init, Network, Profile, Terminal as Wanted};
use oci::profile::{Confinement, Ids};
use oci::spec::{ConsoleSize, Mount, Spec};
use oci::{Caller, Nodes, Privilege, RootSource, Terminal};
use plan::Standard;
use seccomp::Profile as Filter;
use sys::clone::Namespaces;
use sys::privilege::Capabilities;
use sys::strerror::describe;
use wire::SignalNumber;

/// A task, understood.
pub struct Prepared<'t> {
    pub task: &'t Task,
    pub options: Options,
    pub identity: Identity,
    /// The maps of its user namespace, where it gets one.
    pub maps: Option<Maps>,
    pub spec: Spec,
    /// Its system call filter, if it has one.
    pub filter: Option<Filter<'static>>,
    /// A program of the host that runs in place of its command.
    pub init: Option<&'t Path>,
    /// The signal that asks it to end, where somebody has said which.
    pub stop: Option<SignalNumber>,
}

/// What is in /proc/PID/oom_score_adj of a process that nobody has given another.
pub const USUAL_SCORE: i32 = 0;

impl<'t> Prepared<'t> {
    /// `files` are mounts beside those that its settings ask for.
    pub fn new(task: &'t Task, files: Vec<Mount>) -> Result<Self, Failure> {
        let mut options = settings::options(&task.settings)?;
        // What was asked for comes later, and takes the place of a file of the same name.
        options.mounts.splice(0..0, files);
        if options.hostname.is_none() && options.confinement != Some(Confinement::Unrestricted) {
            options.hostname = Some(values::hostname(task.name.as_str())?);
        }
        let identity = match &options.user {
            None => Identity::root(),
            Some(user) => with_root(&task.root, |root| merged::look(root, |path| identity::find(user, path)))
                .map_err(|failure| failure.hint(Some(identity::HINT)))?,
        };
        let maps = (task.settings.profile == Profile::Rootless).then(Maps::of_root);
        let spec = spec(task, &options, maps.as_ref(), &identity)?;
        let init = match (task.settings.init, &task.minit) {
            (Init::Command, _) => None,
            (Init::Minit, Some(path)) => Some(path.as_path()),
            (Init::Minit, None) => {
                return Err(Failure::ours("init minit: the task does not say where it is"));
            }
        };
        let parse = |text: &String| {
            let unknown = || Failure::ours(format!("stop signal {text:?}: no signal; see signal(7)"));
            SignalNumber::parse(text).ok_or_else(unknown)
        };
        let stop = task.settings.stop_signal.as_ref().map(parse).transpose()?;
        let filter = filter::choose(&options, &spec)?;
        Ok(Self { task, options, identity, maps, spec, filter, init, stop })
    }

    pub fn privilege(&self) -> Privilege {
        self.maps.as_ref().map_or(Privilege::Full(Caller::Root), |maps| Privilege::Rootless(maps.groups()))
    }

    pub fn terminal(&self) -> Option<Terminal> {
        (self.task.settings.terminal == Wanted::Own).then_some(Terminal { replace: Standard::ALL })
    }

    /// The namespaces that it enters in place of new ones.
    pub fn joined(&self) -> Namespaces {
        match self.task.settings.net {
            Network::Private => Namespaces::NETWORK,
            Network::Host | Network::None => Namespaces::NONE,
        }
    }

    pub const fn nodes(&self) -> Nodes {
        match self.options.confinement {
            Some(Confinement::Privileged | Confinement::Unrestricted) => Nodes::DeadBesideOwnDev,
            Some(Confinement::Default) | None => Nodes::Dead,
        }
    }
}

fn spec(task: &Task, options: &Options, maps: Option<&Maps>, identity: &Identity) -> Result<Spec, Failure> {
    let ids = maps.map_or(Ids::Caller, |maps| Ids::Mapped { uids: &maps.uids, gids: &maps.gids });
    let terminal = task.settings.terminal == Wanted::Own;
    let size = task.size.map(|size| ConsoleSize { height: size.rows, width: size.cols });
    let host = Host {
        // They are for a host name, and it has one.
        digits: String::new(),
        capabilities: capabilities()?,
        size: size.filter(|_| terminal),
        term: terminal.then(|| "xterm".into()),
    };
    let mut spec = specification::spec(options, ids, identity, &host)?;
    if let Some(process) = &mut spec.process {
        // The daemon may be one that the kernel is to spare, and containers are not.
        process.oom_score_adj = Some(USUAL_SCORE);
    }
    if let (Init::Minit, Some(process)) = (task.settings.init, &mut spec.process) {
        // Under this name it is an init for one command, and nothing else.
        process.args.splice(0..0, ["docker-init".into(), "--".into()]);
    }
    Ok(spec)
}

/// What this process itself may give away.
fn capabilities() -> Result<Capabilities, Failure> {
    let sets = sys::thread::capabilities(None)
        .map_err(|errno| Failure::ours(format!("capget: {}", describe(errno))))?;
    Ok(Capabilities(sets.permitted.bits()))
}

/// Whether the network that a container is to have, and what was handed over, agree.
pub fn check_network(task: &Task, is_given: bool) -> Result<(), Failure> {
    match (task.settings.net, is_given, task.settings.profile) {
        (Network::Private, false, _) => {
            Err(Failure::ours("net private: descriptor 5 is no network namespace"))
        }
        (Network::Host | Network::None, true, _) => {
            Err(Failure::ours("descriptor 5: a network namespace, and the container is to have none"))
        }
        (Network::Private, true, Profile::Rootless) => Err(Failure::ours(
            "net private: not with the profile rootless, whose rights end at its own namespaces",
        )),
        _ => Ok(()),
    }
}

/// A task's root as plans have it.
pub fn with_root<T>(root: &Root, then: impl FnOnce(RootSource<'_>) -> T) -> T {
    match root {
        Root::Directory(path) => then(RootSource::Directory(path)),
        Root::Layers { lower, upper, work } => {
            let lower: Vec<&Path> = lower.iter().map(AsRef::as_ref).collect();
            then(RootSource::Layers { lower: &lower, upper, work })
        }
    }
}
