//! `husk run`: the life of a container, from what was said to its exit code.

use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use container::group::{self, Home, Place};
use container::identity::{self, Identity};
use container::rootless::Maps;
use container::specification::{self, Host};
use container::{Failure, Starter, filter, host_root, minit};
use oci::profile::{Confinement, Ids};
use oci::spec::ConsoleSize;
use oci::{Arena, Compiled, Lifetime, Nodes, Privilege, RootSource, Setting, Terminal};
use plan::Standard;
use session::{Ended, RawMode, Session};
use spawn::{Exit, Launch, Memory, Others, Plan, Stopped};
use sys::clone::Child;
use sys::fd::{AsFd, OwnedFd};
use sys::privilege::Capabilities;
use sys::strerror::describe;
use sys::termios::tcgetwinsize;

use crate::arguments::{Action, Background, Changes, Init, Run};
use crate::plan_verb;

mod background;

/// Runs a container; the answer is the exit code.
pub fn run(run: &Run) -> Result<u8, Failure> {
    match run.background {
        Some(Background) if !background::is_supervisor() && run.action == Action::Perform => {
            background::start()
        }
        _ => Container::new(run)?.run(),
    }
}

/// What is known before anything is done.
struct Container<'r> {
    run: &'r Run,
    id: String,
    digits: String,
    uid: u32,
    caller: oci::Caller,
    /// The maps of its user namespace, without root.
    maps: Option<Maps>,
    terminal: Option<Terminal>,
}

impl<'r> Container<'r> {
    fn new(run: &'r Run) -> Result<Self, Failure> {
        let ids = sys::privilege::ids();
        let ([_, uid, _], [_, gid, _]) = (ids.users, ids.groups);
        let maps = (uid != 0).then(|| Maps::find(uid, gid));
        let caller = if ids.are_root() { oci::Caller::Root } else { oci::Caller::Other };
        let digits = digits();
        let terminal = match run.background {
            Some(Background) => None,
            None => wanted_terminal(run),
        };
        Ok(Self {
            run,
            id: run.id.clone().unwrap_or_else(|| digits.clone()),
            digits,
            uid,
            caller,
            maps,
            terminal,
        })
    }

    /// Only where more than the usual is asked for does it matter what there is to give.
    fn own_capabilities(&self) -> Result<Capabilities, Failure> {
        let usual = self.run.options.confinement.is_none() && self.run.options.capabilities.is_empty();
        if usual || self.maps.is_some() {
            return Ok(Capabilities::ALL);
        }
        let sets = sys::thread::capabilities(None).map_err(|errno| failed("capget", errno))?;
        Ok(Capabilities(sets.permitted.bits()))
    }

    const fn privilege(&self) -> Privilege {
        match &self.maps {
            None => Privilege::Full(self.caller),
            Some(maps) => Privilege::Rootless(maps.groups()),
        }
    }

    fn run(&self) -> Result<u8, Failure> {
        let rootfs = self.run.rootfs.as_deref().map(absolute).transpose()?;
        let identity = match &self.run.options.user {
            None => Identity::root(),
            Some(user) => identity::find(user, rootfs.as_deref().unwrap_or(Path::new("/")))?,
        };
        let host = Host {
            digits: self.digits.clone(),
            capabilities: self.own_capabilities()?,
            size: self.terminal.and_then(|_| terminal_size()),
            term: self.terminal.map(|_| std::env::var_os("TERM").unwrap_or_else(|| "xterm".into())),
        };
        let ids = match &self.maps {
            None => Ids::Caller,
            Some(maps) => Ids::Mapped { uids: &maps.uids, gids: &maps.gids },
        };
        let mut spec = specification::spec(&self.run.options, ids, &identity, &host)?;
        let init = self.run.init.map(|Init| minit()).transpose()?;
        if let (Some(_), Some(process)) = (&init, &mut spec.process) {
            // Under this name it is an init for one command, and nothing else.
            process.args.splice(0..0, ["docker-init".into(), "--".into()]);
        }
        let layers = match (&rootfs, &self.maps) {
            (Some(_), _) => Vec::new(),
            (None, None) => host_root::layers()?,
            (None, Some(_)) => host_root::layers_by_directory()?,
        };
        let root = match (&rootfs, self.run.changes) {
            (None, _) => RootSource::Host(&layers),
            (Some(path), Changes::Kept) => RootSource::Directory(path),
            (Some(path), Changes::ThrownAway) => RootSource::Ephemeral(path),
        };
        let place = group::find(self.privilege());
        let filter = filter::choose(&self.run.options, &spec)?;
        let devices: Vec<(&Path, &str)> = self
            .run
            .options
            .devices
            .iter()
            .map(|(from, to)| (Path::new(from.as_str()), to.as_str()))
            .collect();
        let setting = Setting {
            root,
            privilege: self.privilege(),
            terminal: self.terminal,
            cgroup: place.view(),
            filter: filter.as_ref(),
            keyring: filter::keyring(&self.run.options),
            lifetime: Lifetime::Caller,
            nodes: match self.run.options.confinement {
                Some(Confinement::Privileged | Confinement::Unrestricted) => Nodes::DeadBesideOwnDev,
                _ => Nodes::Dead,
            },
            program: init.as_deref(),
            host_devices: &devices,
            join: &[],
        };
        let arena = Arena::new();
        let mut compiled = oci::compile(&spec, &setting, &arena)?;
        compiled.limits = compiled.limits.without_swap();
        compiled.limits.io_weight = self.run.options.io_weight;
        match self.run.action {
            Action::Print => crate::show(&plan_verb::text_of(&compiled)),
            Action::Perform => self.perform(&compiled, place),
        }
    }

    fn perform(&self, compiled: &Compiled<'_>, place: Place) -> Result<u8, Failure> {
        let state = match self.run.background {
            Some(Background) => Some(background::claim(&self.id, self.run.record, self.uid)?),
            None => None,
        };
        let result = self.live(compiled, place);
        if let Some(state) = state {
            state.end(result.as_ref().map(|code| *code).map_err(|_| ()));
        }
        result
    }

    fn live(&self, compiled: &Compiled<'_>, place: Place) -> Result<u8, Failure> {
        let home = group::make(place, &self.id, &compiled.limits)?;
        let result = self.start_and_follow(compiled, home.as_ref());
        let kills = match (&home, &self.run.options.memory) {
            (Some(home), Some(_)) => home.kills(),
            _ => 0,
        };
        let left = home.map_or(Ok(()), Home::leave);
        let ended = result?;
        left?;
        if kills > 0 {
            self.tell_of_memory(ended);
        }
        Ok(ended.code())
    }

    fn start_and_follow(&self, compiled: &Compiled<'_>, home: Option<&Home>) -> Result<Ended, Failure> {
        // This descriptor and the child's are left to the end of the program to close.
        let signals = session::block_signals().map_err(|errno| failed("signalfd", errno))?;
        let signals = ManuallyDrop::new(signals);
        let null = self.run.background.map(|Background| background::null()).transpose()?;
        let mut starter = Starter { maps: self.maps.as_ref(), terminal: None };
        let launch = Launch {
            plan: Plan { steps: &compiled.steps },
            namespaces: compiled.namespaces,
            cgroup: home.map(Home::directory),
            standard: [null.as_ref().map(AsFd::as_fd); 3],
            others: Others::Keep,
            memory: Memory::Copied,
        };
        let child = spawn::start(&launch, &mut starter).map_err(|stopped| match stopped {
            Stopped::Plan(error) => Failure::from(error),
            Stopped::Caller(failure) => failure,
        })?;
        let child = ManuallyDrop::new(child);
        if self.run.background.is_some() {
            background::tell(&self.id)?;
        }
        if let Some(home) = home {
            home.sweep();
        }
        self.follow(&child, signals.as_fd(), starter.terminal.as_ref())
    }

    fn follow(
        &self,
        child: &Child,
        signals: sys::fd::BorrowedFd<'_>,
        terminal: Option<&OwnedFd>,
    ) -> Result<Ended, Failure> {
        let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        // Without a terminal of ours there is nothing to make raw.
        let _raw = terminal.and_then(|_| RawMode::enter(&stdin).ok());
        let shown_on = self.terminal.map_or(Standard::ALL, |terminal| terminal.replace);
        let session = Session {
            child,
            kind: session::Kind::Init,
            signals,
            terminal: terminal.map(AsFd::as_fd),
            input: Some(stdin.as_fd()),
            // Where one of them is a pipe, what a terminal shows is for the one that is a terminal.
            output: match shown_on {
                on if on.contains(1) => stdout.as_fd(),
                on if on.contains(2) => stderr.as_fd(),
                _ => stdin.as_fd(),
            },
        };
        session.run().map_err(|errno| failed("wait for the container", errno))
    }

    fn tell_of_memory(&self, ended: Ended) {
        let limit = self.run.options.memory.as_ref().map_or("", |(_, text)| text.as_str());
        let who = if ended.exit == Exit::Signal(9) { "killed" } else { "a process was killed" };
        // Standard error may be closed; the exit code tells too.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("husk: {who}: memory limit {limit} reached\n").as_bytes(),
        );
    }
}

fn failed(what: &str, errno: sys::Errno) -> Failure {
    Failure::ours(format!("{what}: {}", describe(errno)))
}

/// Eight hexadecimal digits that no other container is likely to have: the time in nanoseconds, spread. They
/// name things, and keep nothing secret.
pub fn digits() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    // An odd factor maps different times to different digits.
    let spread = (now.as_nanos() as u32).wrapping_mul(0x9e37_79b1);
    format!("{spread:08x}")
}

/// A terminal where one was asked for, and where standard input is one: then for those descriptors that are.
/// A pipe stays a pipe, so that what goes through it is not changed by a terminal.
fn wanted_terminal(run: &Run) -> Option<Terminal> {
    if run.terminal.is_some() {
        return Some(Terminal { replace: Standard::ALL });
    }
    if !sys::termios::isatty(std::io::stdin()) {
        return None;
    }
    let out = u8::from(sys::termios::isatty(std::io::stdout())) << 1;
    let err = u8::from(sys::termios::isatty(std::io::stderr())) << 2;
    Some(Terminal { replace: Standard(1 | out | err) })
}

/// The size of our terminal. The container's has it before its program starts.
fn terminal_size() -> Option<ConsoleSize> {
    let sizes = [tcgetwinsize(std::io::stdin()), tcgetwinsize(std::io::stdout())];
    let size = sizes.into_iter().find_map(Result::ok)?;
    Some(ConsoleSize { height: size.ws_row, width: size.ws_col })
}

/// Plans do not depend on a working directory.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    match path.is_absolute() {
        true => Ok(path.to_path_buf()),
        false => std::path::absolute(path)
            .map_err(|error| Failure::io(format!("root file system {}", path.display()), &error)),
    }
}
