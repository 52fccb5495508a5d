//! From a task to a container that runs, and a server that holds it. What was made before something goes wrong is
//! unmade.

use std::fs::File;
use std::path::Path;

use container::group::{self, Family, Place};
use container::task::{LogFile, Stdin, Task};
use container::{Failure, Starter, filter, merged};
use oci::profile::Confinement;
use oci::{Arena, Caller, Compiled, Lifetime, Privilege, Setting};
use serve::{Listener, Log, Main, Orphans, Rotation, Server, Settings, Streams};
use spawn::{Launch, Memory, Others, Plan, Stopped};
use sys::clone::{Child, Namespaces};
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{Uid, fchown};
use sys::pipe::{PipeFlags, pipe_with};
use sys::strerror::describe;
use wire::{ExecId, SignalNumber, Words};

use crate::enter::Container;
use crate::keeper::Keeper;
use crate::prepared::{Prepared, check_network, with_root};
use crate::runtime::Runtime;
use crate::stop;

/// Starts the container of a task: its server, and what that asks.
pub fn begin(task: &Task, network: Option<OwnedFd>) -> Result<(Server, Keeper), Failure> {
    check_network(task, network.is_some())?;
    let timer = Keeper::timer()?;
    let (runtime, listener) = Runtime::claim(&task.runtime)?;
    let begun = runtime.show(&task.files).and_then(|files| {
        let prepared = Prepared::new(task, files)?;
        let log = task.log.as_ref().map(open).transpose()?;
        let (child, family) = prepared.make(network)?;
        prepared.hold(child, family, &runtime, listener, log)
    });
    match begun {
        Ok((server, container, family)) => Ok((server, Keeper::new(container, family, runtime, timer))),
        Err(failure) => {
            runtime.leave();
            Err(failure)
        }
    }
}

/// A first process, and our ends of its streams.
struct Born {
    child: Child,
    streams: Streams,
}

impl Prepared<'_> {
    /// Without a group of its own a systemd with all rights would take those of the host for its own, and leave
    /// whatever it makes there.
    fn keep_from_groups(&self) -> Result<(), Failure> {
        if self.options.confinement != Some(Confinement::Unrestricted) {
            return Ok(());
        }
        let Some(command) = self.options.command.first() else { return Ok(()) };
        let is_systemd = with_root(&self.task.root, |root| {
            merged::look(root, |root| {
                Ok(stop::program_of(root, command).is_some_and(|name| name == "systemd"))
            })
        })?;
        match is_systemd {
            false => Ok(()),
            true => Err(Failure::ours(
                "systemd needs cgroup v2: with all rights it would take the host's groups for its own",
            )
            .hint(Some("boot with systemd.unified_cgroup_hierarchy=1"))),
        }
    }

    /// Makes the groups and the container in them.
    fn make(&self, network: Option<OwnedFd>) -> Result<(Born, Option<Family>), Failure> {
        let place = group::find(Privilege::Full(Caller::Root));
        if matches!(place, Place::Nowhere(_)) {
            self.keep_from_groups()?;
        }
        let devices: Vec<(&Path, &str)> =
            self.options.devices.iter().map(|(from, to)| (Path::new(from.as_str()), to.as_str())).collect();
        let join: Vec<(Namespaces, BorrowedFd<'_>)> =
            network.iter().map(|network| (Namespaces::NETWORK, network.as_fd())).collect();
        with_root(&self.task.root, |root| {
            let setting = Setting {
                root,
                privilege: self.privilege(),
                terminal: self.terminal(),
                cgroup: place.view(),
                filter: self.filter.as_ref(),
                keyring: filter::keyring(&self.options),
                lifetime: Lifetime::Caller,
                nodes: self.nodes(),
                program: self.init,
                host_devices: &devices,
                join: &join,
            };
            let arena = Arena::new();
            let mut compiled = oci::compile(&self.spec, &setting, &arena)?;
            compiled.limits.io_weight = self.options.io_weight;
            let family = group::found(place, self.task.name.as_str(), &compiled.limits)?;
            match self.start(&compiled, family.as_ref()) {
                Ok(born) => Ok((born, family)),
                Err(failure) => Err(undone(failure, family)),
            }
        })
    }

    fn start(&self, compiled: &Compiled<'_>, family: Option<&Family>) -> Result<Born, Failure> {
        let null = File::options().read(true).write(true).open("/dev/null");
        let null = OwnedFd::from(null.map_err(|error| Failure::io("/dev/null", &error))?);
        let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|errno| failed("pipe", errno));
        let is_piped = self.terminal().is_none();
        let stdin = (is_piped && self.task.stdin == Stdin::Open).then(pipe).transpose()?;
        let outputs = if is_piped { Some((pipe()?, pipe()?)) } else { None };
        // So that its user can open them once more, as /dev/stdout.
        let theirs = [
            stdin.as_ref().map(|(read, _)| read),
            outputs.as_ref().map(|(out, _)| &out.1),
            outputs.as_ref().map(|(_, err)| &err.1),
        ];
        for pipe in theirs.into_iter().flatten() {
            let owner = Some(Uid::from_raw(self.identity.uid));
            fchown(pipe, owner, None).map_err(|errno| failed("fchown", errno))?;
        }
        let mut starter = Starter { maps: self.maps.as_ref(), terminal: None };
        let launch = Launch {
            plan: Plan { steps: &compiled.steps },
            namespaces: compiled.namespaces,
            cgroup: family.map(Family::directory),
            standard: theirs.map(|pipe| Some(pipe.unwrap_or(&null).as_fd())),
            others: Others::Keep,
            memory: Memory::Copied,
        };
        let child = spawn::start(&launch, &mut starter).map_err(|stopped| match stopped {
            Stopped::Plan(error) => Failure::from(error),
            Stopped::Caller(failure) => failure,
        })?;
        let streams = match (starter.terminal, outputs) {
            (Some(master), _) => Streams::Terminal(master),
            (None, Some(((stdout, _), (stderr, _)))) => {
                Streams::Pipes { stdin: stdin.map(|(_, write)| write), stdout, stderr }
            }
            (None, None) => {
                spawn::end(&child);
                return Err(Failure::ours("the container has not sent its terminal"));
            }
        };
        Ok(Born { child, streams })
    }

    /// Takes over what runs.
    fn hold(
        self,
        born: Born,
        family: Option<Family>,
        runtime: &Runtime,
        listener: Listener,
        log: Option<Log>,
    ) -> Result<(Server, Container, Option<Family>), Failure> {
        let child = &born.child;
        let prepared = self.serve(child, family.as_ref(), listener).and_then(|server| {
            runtime.note(child.pid)?;
            let group = family.as_ref().map(Family::whole).transpose()?;
            Ok((server, Container::of(&self, child)?, group))
        });
        let (mut server, container, group) = match prepared {
            Ok(prepared) => prepared,
            Err(failure) => {
                spawn::end(child);
                return Err(undone(failure, family));
            }
        };
        let main = Main {
            id: ExecId::new("main").ok_or_else(|| Failure::ours("main"))?,
            child: born.child,
            streams: born.streams,
            cmd: self
                .options
                .command
                .first()
                .map_or_else(String::new, |cmd| cmd.to_string_lossy().into_owned()),
            user: self.options.user.clone().unwrap_or_else(|| "root".into()),
            started_at: sys::clock::seconds_since_1970(),
            replay_bytes: self.task.replay_bytes,
            kill_signal: self.stop.unwrap_or(SignalNumber::TERM),
            group,
            log,
        };
        match server.adopt(main) {
            Ok(()) => Ok((server, container, family)),
            Err(errno) => {
                container.kill();
                Err(undone(failed("epoll_ctl", errno), family))
            }
        }
    }

    fn serve(&self, child: &Child, family: Option<&Family>, listener: Listener) -> Result<Server, Failure> {
        let mut environment = Words::default();
        for word in self.spec.process.iter().flat_map(|process| &process.env) {
            // What has a NUL in it was refused before.
            let _ = environment.push(&[word.as_encoded_bytes()]);
        }
        let settings = Settings {
            version: env!("CARGO_PKG_VERSION").into(),
            speaks_for: Some((child.pid, sys::clock::monotonic())),
            environment,
            allowed_users: Vec::new(),
            allowed_variables: Vec::new(),
            dial: None,
            groups: family.map(Family::below).transpose()?,
            no_groups: String::new(),
            orphans: Orphans::Main,
            journal: None,
            nofile: None,
        };
        Server::new(settings, vec![listener]).map_err(|errno| failed("serve", errno))
    }
}

fn open(log: &LogFile) -> Result<Log, Failure> {
    let wrong = || Failure::ours(format!("log {}: not an absolute path of a file", log.path.display()));
    let (directory, name) = (log.path.parent(), log.path.file_name().and_then(|name| name.to_str()));
    let (Some(directory), Some(name), true) = (directory, name, log.path.is_absolute()) else {
        return Err(wrong());
    };
    let opened = File::open(directory).map_err(|error| Failure::io(directory.display(), &error))?;
    let rotation = Rotation { max_bytes: log.max_bytes, files: log.files };
    Log::open(OwnedFd::from(opened), name, rotation)
        .map_err(|errno| failed(&format!("log {}", log.path.display()), errno))
}

/// Removes the groups of what has come to nothing; why it has is known already.
fn undone(failure: Failure, family: Option<Family>) -> Failure {
    let _ = family.map(Family::leave);
    failure
}

pub fn failed(what: &str, errno: sys::Errno) -> Failure {
    Failure::ours(format!("{what}: {}", describe(errno)))
}
