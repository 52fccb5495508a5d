//! Commands that enter the container.

use std::cell::Cell;
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt as _;

use container::identity::{self, Identity};
use container::{Failure, Starter, filter, merged};
use oci::spec::{CapabilityNames, ConsoleSize, Process, Rlimit, Spec};
use oci::{Arena, Entry, Keyring, Privilege, Terminal};
use plan::Standard;
use seccomp::Profile;
use serve::{Done, NotStarted, Start, Started};
use spawn::{Late, Launch, Memory, Others, Passage, Plan, Step, Stopped};
use sys::clone::{Child, Namespaces};
use sys::fd::{AsFd, OwnedFd};
use sys::fs::{FileType, Uid, fchown, fstat};
use sys::privilege::Capabilities;
use sys::process::Pid;
use sys::strerror::describe;
use wire::{Exec, Output, SignalNumber};

use crate::prepared::{Prepared, USUAL_SCORE};

/// Milliseconds that a command has to become its program. Meanwhile nothing else is done for the container; one whose
/// file systems hang is looked after all the same.
const PATIENCE: u32 = 5_000;
/// How many it has, and its end with it, while the last that was too late is not longer ago than [`MEMORY`]: where starts
/// hang one after another, all else that clients and the container's output wait for must go on.
const SHORT_PATIENCE: u32 = 250;
/// In nanoseconds.
const MEMORY: u64 = 60_000_000_000;

/// A container that runs, and how it was made: what enters it is to be no less confined.
pub struct Container {
    pid: Pid,
    pidfd: OwnedFd,
    /// The signal that asks it to end, where somebody has said which.
    stop: Option<SignalNumber>,
    spec: Spec,
    identity: Identity,
    filter: Option<Profile<'static>>,
    privilege: Privilege,
    keyring: Keyring,
    /// Namespaces that it was given.
    joined: Namespaces,
    /// When a start was too late last, by CLOCK_MONOTONIC.
    hung: Cell<Option<u64>>,
}

impl Container {
    /// The container whose first process is `child`.
    pub fn of(prepared: &Prepared<'_>, child: &Child) -> Result<Self, Failure> {
        let pidfd = child.pidfd.try_clone().map_err(|error| Failure::io("pidfd", &error))?;
        Ok(Self {
            pid: child.pid,
            pidfd,
            stop: prepared.stop,
            spec: prepared.spec.clone(),
            identity: prepared.identity.clone(),
            filter: prepared.filter.clone(),
            privilege: prepared.privilege(),
            keyring: filter::keyring(&prepared.options),
            joined: prepared.joined(),
            hung: Cell::new(None),
        })
    }

    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether a process of the host is in the pid namespace of the first. One in a namespace below it is not.
    pub fn has(&self, pid: i32) -> bool {
        let namespace = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        namespace(pid).is_some_and(|one| Some(one) == namespace(self.pid.as_raw_pid()))
    }

    /// Kills its first process, and with it all others.
    pub fn kill(&self) {
        // It may have ended by itself.
        let _ = sys::process::pidfd_send_signal(&self.pidfd, sys::process::Signal::KILL);
    }

    /// The signal that asks it to end: what its settings or its image say; else what its first process takes for that.
    pub fn stop(&self) -> SignalNumber {
        self.stop.unwrap_or_else(|| crate::stop::of(self.pid))
    }

    /// Sends a signal to its first process.
    pub fn signal(&self, signal: SignalNumber) -> Done {
        sys::signals::send(&self.pidfd, signal.get()).map_err(|errno| match errno {
            sys::Errno::SRCH => String::from("the container has ended"),
            errno => format!("signal {}: {}", signal.get(), describe(errno)),
        })
    }

    /// How long a command's start is waited for, in milliseconds.
    fn patience(&self) -> u32 {
        let is_recent = |hung: u64| sys::clock::monotonic().saturating_sub(hung) < MEMORY;
        if self.hung.get().is_some_and(is_recent) { SHORT_PATIENCE } else { PATIENCE }
    }

    /// Starts a command in it.
    pub fn start(&self, start: &Start<'_>) -> Result<Started, NotStarted> {
        let exec = start.exec;
        let identity = self.identity_of(exec).map_err(not_started)?;
        let process = self.process(start, &identity)?;
        let passage = Passage::new().map_err(|error| not_started(error.into()))?;
        let entry = Entry {
            container: self.pidfd.as_fd(),
            joined: self.joined,
            privilege: self.privilege,
            terminal: exec.pty.as_ref().map(|_| Terminal { replace: Standard::ALL }),
            filter: self.filter.as_ref(),
            keyring: self.keyring,
            passed: passage.descriptors(),
        };
        let arena = Arena::new();
        let compiled = oci::compile_exec(&process, &self.spec, &entry, &arena);
        let mut steps = compiled.map_err(|error| NotStarted::ours(error.to_string()))?.steps;
        if let (Some(Step::Execute(program)), Some(_)) = (steps.last_mut(), &exec.argv0) {
            program.file = &exec.cmd;
        }
        // With the rights that it begins with.
        steps.splice(0..0, exec.nice.map(Step::Nice));
        give(start, identity.uid)?;
        let mut starter = Starter::default();
        let launch = Launch {
            plan: Plan { steps: &steps },
            namespaces: Namespaces::NONE,
            cgroup: start.cgroup,
            standard: start.standard,
            others: Others::Keep,
            memory: Memory::Copied,
        };
        match spawn::cross(&launch, &passage, &mut starter, self.patience()) {
            Ok(child) => match (starter.terminal, &exec.pty) {
                (Some(master), Some(size)) => Started::on_terminal(child, master, size),
                _ => Ok(child.into()),
            },
            Err(Late::Stopped(Stopped::Plan(error))) => Err(not_started(error.into())),
            Err(Late::Stopped(Stopped::Caller(failure))) => Err(not_started(failure)),
            // Whether it sleeps in the kernel or is stopped by somebody: it has held up all others.
            Err(Late::Killed(error)) => {
                self.hung.set(Some(sys::clock::monotonic()));
                Err(not_started(error.into()))
            }
            Err(Late::Hangs(child, error)) => {
                self.hung.set(Some(sys::clock::monotonic()));
                start.give_up(child);
                Err(not_started(error.into()))
            }
        }
    }

    /// Who it runs as: the container's own user, or one of its files as they are by now.
    fn identity_of(&self, exec: &Exec) -> Result<Identity, Failure> {
        let mut identity = match &exec.user {
            None => self.identity.clone(),
            Some(user) => {
                let group = user.group.as_ref().map_or_else(String::new, |group| format!(":{group}"));
                identity::find(&format!("{}{group}", user.user), &merged::root_of(self.pid))
                    .map_err(|failure| failure.hint(Some(identity::HINT)))?
            }
        };
        if let Some(groups) = &exec.groups {
            identity.groups = groups.iter().map(|id| id.get()).collect();
        }
        Ok(identity)
    }

    fn process(&self, start: &Start<'_>, identity: &Identity) -> Result<Process, NotStarted> {
        let exec = start.exec;
        let own = self.spec.process.clone().unwrap_or_default();
        let text = |text: &CStr| OsStr::from_bytes(text.to_bytes()).to_os_string();
        let home = word("HOME=", identity.home.as_bytes());
        let term =
            exec.pty.as_ref().and_then(|pty| pty.term.as_ref()).map(|term| word("TERM=", term.to_bytes()));
        let more = [Some(home), term].map(|word| word.and_then(|word| CString::new(word).ok()));
        let variables = start.variables([more[0].as_deref(), more[1].as_deref()]);
        let argv0 = exec.argv0.as_deref().unwrap_or(&exec.cmd);
        let cwd = match &exec.cwd {
            None => own.cwd.clone(),
            Some(cwd) => cwd
                .to_str()
                .map_err(|_| NotStarted::ours("exec: the field \"cwd\" is not UTF-8".into()))?
                .into(),
        };
        let mut rlimits = own.rlimits.clone();
        for limit in &exec.rlimits {
            let kind = format!("RLIMIT_{}", limit.name.to_ascii_uppercase());
            let bound = |bound: Option<u64>| bound.unwrap_or(u64::MAX);
            rlimits.retain(|other| other.kind != kind);
            rlimits.push(Rlimit { kind, soft: bound(limit.soft), hard: bound(limit.hard) });
        }
        Ok(Process {
            console_size: exec.pty.as_ref().map(|pty| ConsoleSize { height: pty.rows, width: pty.cols }),
            cwd,
            env: variables.into_iter().map(text).collect(),
            args: std::iter::once(argv0).chain(exec.args.iter()).map(text).collect(),
            rlimits,
            capabilities: Some(capabilities(&own, exec, identity)?),
            no_new_privileges: own.no_new_privileges || exec.no_new_privs,
            oom_score_adj: Some(exec.oom_score_adj.unwrap_or(USUAL_SCORE)),
            user: oci::spec::User {
                uid: identity.uid,
                gid: identity.gid,
                umask: exec.umask,
                additional_gids: identity.groups.clone(),
                ..oci::spec::User::default()
            },
            ..Process::default()
        })
    }
}

fn word(name: &str, value: &[u8]) -> Vec<u8> {
    [name.as_bytes(), value].concat()
}

/// Root has what the container may have at most, others what they ask for of it. Nothing is inheritable that was not
/// asked for (CVE-2022-29162).
fn capabilities(own: &Process, exec: &Exec, identity: &Identity) -> Result<CapabilityNames, NotStarted> {
    let bounding = own.capabilities.as_ref().map_or_else(Vec::new, |names| names.bounding.clone());
    for name in &exec.ambient {
        let asked = Capabilities::named(name);
        if asked.is_none() || !bounding.iter().any(|other| Capabilities::named(other) == asked) {
            let text = format!("exec: the field \"ambient\": {name:?} is nothing that the container has");
            return Err(NotStarted::ours(text));
        }
    }
    let held = if identity.uid == 0 { bounding.clone() } else { exec.ambient.clone() };
    Ok(CapabilityNames {
        bounding,
        effective: held.clone(),
        permitted: held,
        inheritable: exec.ambient.clone(),
        ambient: exec.ambient.clone(),
    })
}

/// Gives the command's pipes to its user, so that it can open them once more, as /dev/stdout. What a client has
/// passed, and the null device, stay whose they are.
fn give(start: &Start<'_>, uid: u32) -> Result<(), NotStarted> {
    if uid == 0 || start.exec.output == Output::Descriptors {
        return Ok(());
    }
    for pipe in start.standard.into_iter().flatten() {
        let is_pipe = fstat(pipe).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
        if is_pipe {
            fchown(pipe, Some(Uid::from_raw(uid)), None)
                .map_err(|errno| NotStarted::ours(format!("fchown: {}", describe(errno))))?;
        }
    }
    Ok(())
}

fn not_started(failure: Failure) -> NotStarted {
    NotStarted { code: failure.code(), text: failure.to_string() }
}
