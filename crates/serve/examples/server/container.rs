//! The smallest container: a shell as the first process of a pid namespace, whose output is logged.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use plan::Execute;
use serve::{Log, Main, Rotation, Streams};
use spawn::{Caller, Launch, Memory, Others, Pause, Plan, Step, Stopped};
use sys::Errno;
use sys::clone::{Child, Namespaces};
use sys::exec::Argument;
use sys::fs::{CWD, Mode, OFlags, openat};
use sys::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use sys::pipe::{PipeFlags, pipe_with};
use sys::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use sys::strerror::describe;
use wire::{ExecId, SignalNumber};

/// Starts a script with SERVE_TERMINAL on a terminal, else with pipes.
pub fn start(script: &str) -> Result<Main, String> {
    let is_terminal = std::env::var_os("SERVE_TERMINAL").is_some();
    let opened = if is_terminal { terminal() } else { pipes() };
    let (theirs, streams) = opened.map_err(|errno| format!("streams: {}", describe(errno)))?;
    let child = launch(script, &theirs, is_terminal, Namespaces::PID)?;
    Ok(Main {
        id: ExecId::new("main").ok_or("an id")?,
        child,
        streams,
        cmd: script.to_owned(),
        user: "root".to_owned(),
        started_at: sys::clock::seconds_since_1970(),
        replay_bytes: 1000,
        kill_signal: SignalNumber::TERM,
        group: None,
        log: log().map_err(|errno| format!("the log: {}", describe(errno)))?,
    })
}

/// A process that has been sent SIGKILL, and waits for somebody to hear of its end.
pub fn killed() -> Result<Child, String> {
    let (theirs, _ours) = pipes().map_err(|errno| format!("pipes: {}", describe(errno)))?;
    let child = launch("sleep 60", &theirs, false, Namespaces::NONE)?;
    sys::signals::send(&child.pidfd, 9).map_err(|errno| format!("kill: {}", describe(errno)))?;
    Ok(child)
}

type Ends = ([OwnedFd; 3], Streams);

fn pipes() -> sys::Result<Ends> {
    let [(reading, stdin), (stdout, out), (stderr, err)] =
        [pipe_with(PipeFlags::CLOEXEC)?, pipe_with(PipeFlags::CLOEXEC)?, pipe_with(PipeFlags::CLOEXEC)?];
    Ok(([reading, out, err], Streams::Pipes { stdin: Some(stdin), stdout, stderr }))
}

fn terminal() -> sys::Result<Ends> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    unlockpt(&master)?;
    let [stdin, stdout, stderr] = [(); 3].map(|()| ioctl_tiocgptpeer(&master, flags));
    Ok(([stdin?, stdout?, stderr?], Streams::Terminal(master)))
}

fn launch(
    script: &str,
    theirs: &[OwnedFd; 3],
    is_terminal: bool,
    namespaces: Namespaces,
) -> Result<Child, String> {
    let script = CString::new(script).map_err(|error| error.to_string())?;
    let argv = [c"sh", c"-c", script.as_c_str()].map(Argument::new);
    let argv = [argv.as_slice(), &[Argument::END]].concat();
    let envp = [Argument::new(c"PATH=/bin:/usr/bin"), Argument::END];
    let mut steps = vec![Step::NewSession];
    if is_terminal {
        steps.push(Step::TakeTerminal);
    }
    steps.push(Step::Signals { reset: sys::children::ignored_signals() });
    steps.push(Step::CloseOthers);
    let file = c"/bin/busybox";
    steps.push(Step::Execute(Execute { file, search: c"", argv: &argv, envp: &envp }));
    let launch = Launch {
        plan: Plan { steps: &steps },
        namespaces,
        cgroup: None,
        standard: theirs.each_ref().map(|end| Some(end.as_fd())),
        others: Others::Keep,
        memory: Memory::Copied,
    };
    spawn::start(&launch, &mut NoPauses)
        .map_err(|(Stopped::Plan(error) | Stopped::Caller(error))| error.to_string())
}

struct NoPauses;

impl Caller for NoPauses {
    type Error = spawn::Error;

    fn pause(&mut self, _: Pause, _: &Child) -> Result<(), Self::Error> {
        Ok(())
    }

    fn terminal(&mut self, _: OwnedFd) {}
}

/// A log in the directory SERVE_LOG, or in a file system of SERVE_LOG_ROOM bytes that is mounted nowhere: it is found
/// by the descriptor of the server.
fn log() -> sys::Result<Option<Log>> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let directory = match (std::env::var("SERVE_LOG"), std::env::var("SERVE_LOG_ROOM")) {
        (Ok(path), _) => {
            openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?
        }
        (_, Ok(room)) => room_of(&room)?,
        _ => return Ok(None),
    };
    let max_bytes = number("SERVE_LOG_BYTES").unwrap_or(u64::MAX);
    Log::open(directory, "log", Rotation { max_bytes, files: 3 }).map(Some)
}

fn room_of(bytes: &str) -> Result<OwnedFd, Errno> {
    let context = sys::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    sys::mount::fsconfig_set_string(context.as_fd(), "size", bytes)?;
    sys::mount::fsconfig_create(context.as_fd())?;
    sys::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}
