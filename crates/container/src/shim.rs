//! The start of a shim.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use plan::Execute;
use spawn::{Launch, Memory, Others, Plan, Step, Stopped};
use sys::clone::{Child, Namespaces};
use sys::exec::Argument;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{MemfdFlags, memfd_create};
use sys::pipe::{PipeFlags, pipe_with};
use sys::signals::SignalSet;
use sys::strerror::describe;

use crate::Failure;
use crate::host_program::Bystander;
use crate::task::{Answer, Task};

/// A shim on its way.
#[derive(Debug)]
pub struct Starting {
    /// The shim.
    pub child: Child,
    /// On which it says one line, [`Answer`], and which it then closes. A shim that is killed before closes it too.
    pub answer: OwnedFd,
}

/// Longest answer that is read.
const LONGEST: u64 = 64 << 10;

/// Starts the shim, the program at `program`, with a task, and the network that its container is to have where that is
/// a private one. It is executed through a read-only mount that is nowhere, so that no container can write to its file.
///
/// # Errors
/// Where it cannot be executed.
pub fn start(program: &Path, task: &Task, network: Option<BorrowedFd<'_>>) -> Result<Starting, Failure> {
    let (answer, theirs) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    let child = start_answering(program, task, theirs.as_fd(), network)?;
    Ok(Starting { child, answer })
}

/// The same, where the answer goes to a descriptor of the caller's: to a named pipe, for instance, by which others too
/// can see that a shim is on its way.
///
/// # Errors
/// As [`start`].
pub fn start_answering(
    program: &Path,
    task: &Task,
    answer: BorrowedFd<'_>,
    network: Option<BorrowedFd<'_>>,
) -> Result<Child, Failure> {
    let text = |bytes: &[u8]| std::ffi::CString::new(bytes).map_err(|_| failed(sys::Errno::INVAL));
    let mut file = File::from(memfd_create("task", MemfdFlags::CLOEXEC).map_err(failed)?);
    let written = file.write_all(&task.write()?).and_then(|()| file.rewind());
    written.map_err(|error| Failure::io("start the shim", &error))?;
    let null = File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(|error| Failure::io("/dev/null", &error))?;
    let (path, name) = (text(program.as_os_str().as_bytes())?, text(task.name.as_str().as_bytes())?);
    let argv = [Argument::new(c"husk-shim"), Argument::new(&name), Argument::END];
    let passed: Vec<BorrowedFd<'_>> = [file.as_fd(), answer].into_iter().chain(network).collect();
    let steps = [
        Step::NewSession,
        Step::Pass(&passed),
        Step::OpenProgram { path: &path },
        Step::CloseOthers,
        Step::Signals { reset: SignalSet::EMPTY },
        Step::Execute(Execute { file: &path, search: c"", argv: &argv, envp: &[Argument::END] }),
    ];
    let launch = Launch {
        plan: Plan { steps: &steps },
        namespaces: Namespaces::NONE,
        cgroup: None,
        standard: [Some(null.as_fd()); 3],
        others: Others::Keep,
        memory: Memory::Copied,
    };
    spawn::start(&launch, &mut Bystander).map_err(|stopped| match stopped {
        Stopped::Plan(error) => Failure::from(error),
        Stopped::Caller(never) => match never {},
    })
}

fn failed(errno: sys::Errno) -> Failure {
    Failure::ours(format!("start the shim: {}", describe(errno)))
}

impl Starting {
    /// Waits until the container runs: the shim, and the pid of the container's first process.
    ///
    /// # Errors
    /// Why it does not run, as the shim says; the shim has ended then.
    pub fn wait(self) -> Result<(Child, i32), Failure> {
        let mut line = Vec::new();
        let read = File::from(self.answer).take(LONGEST).read_to_end(&mut line);
        let answer = read.ok().and_then(|_| Answer::read(&line));
        match answer {
            Some(Answer::Ready { pid }) => Ok((self.child, pid)),
            other => {
                spawn::end(&self.child);
                Err(match other {
                    Some(Answer::Error { data, code }) => Failure::told(data, code),
                    _ => Failure::ours("the shim has ended, and has not said why"),
                })
            }
        }
    }
}
