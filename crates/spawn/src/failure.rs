//! A failure in words: what, on what, why, and what may help.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use plan::{Call, Failure, Plan, Step};
use sys::Errno;
use sys::clone::Namespaces;
use sys::strerror::describe;

/// Why a child did not become its program: one line, and perhaps a hint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    what: String,
    why: String,
    place: String,
    hint: Option<&'static str>,
    code: u8,
}

/// The container could not be made.
const OURS: u8 = 125;
/// The program cannot be executed.
const NOT_EXECUTABLE: u8 = 126;
/// The program was not found.
const NOT_FOUND: u8 = 127;

impl Error {
    /// A step failed.
    pub(crate) fn step(plan: &Plan<'_>, failure: Failure) -> Self {
        let step = plan.steps.get(usize::from(failure.step));
        let mut error = Self {
            what: step.map_or_else(|| String::from("start"), Step::to_string),
            why: describe(failure.errno).to_string(),
            place: format!(
                "step {} of {}, {}",
                usize::from(failure.step) + 1,
                plan.steps.len(),
                failure.call.name()
            ),
            // They are about containers and for people: a server has neither.
            hint: step.filter(|_| cfg!(feature = "containers")).and_then(|step| hint(step, failure)),
            code: OURS,
        };
        match (step, failure.call) {
            (Some(Step::Execute(program)), call) => {
                error.what = format!("\"{}\"", program.file.to_bytes().escape_ascii());
                error.code = execution_code(call, failure.errno);
                error.why = execution_reason(call, failure.errno);
            }
            (Some(Step::Root { path, .. } | Step::OverlayRoot { lower: path, .. }), Call::Open) => {
                error.what = format!("root file system {}", path.to_string_lossy());
                error.place.clear();
            }
            (Some(Step::Join { .. }), Call::Join) if failure.errno == Errno::SRCH => {
                error.what = String::from("enter the container");
                error.why = String::from("it has ended");
            }
            // So is said of a pid namespace whose first process has ended.
            (Some(Step::Cross), Call::Clone) if failure.errno == Errno::NOMEM => {
                error.what = String::from("enter the container");
                error.why = String::from("it has ended");
            }
            (_, Call::Check) => error.why = check_reason(step, failure.errno).to_string(),
            (_, Call::Caller) => error.why = "the program that started it has ended".to_string(),
            _ => {}
        }
        error
    }

    /// The child could not be cloned at all.
    pub(crate) fn clone(namespaces: Namespaces, cgroup: bool, errno: Errno) -> Self {
        let names = Namespaces::NAMES.iter().filter(|(kind, _)| namespaces.contains(*kind));
        let mut what = String::from("create a process");
        for (number, (_, name)) in names.enumerate() {
            what.push_str(if number == 0 { " with namespaces " } else { ", " });
            what.push_str(name);
        }
        Self {
            what,
            why: describe(errno).to_string(),
            place: String::from("clone3"),
            hint: match errno {
                Errno::PERM if namespaces.contains(Namespaces::USER) => Some(
                    "user namespaces are switched off here: see the sysctls user.max_user_namespaces, kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns",
                ),
                Errno::PERM => {
                    Some("this needs CAP_SYS_ADMIN: run as root, or without root in a user namespace")
                }
                Errno::NOSPC | Errno::USERS => {
                    Some("the limit on namespaces is reached: see the sysctls user.max_*_namespaces")
                }
                Errno::AGAIN => {
                    Some("a limit on processes is reached: RLIMIT_NPROC, pids.max or kernel.pid_max")
                }
                Errno::BUSY | Errno::OPNOTSUPP if cgroup => {
                    Some("the cgroup takes no processes: controllers are enabled for its children")
                }
                Errno::NOSYS => Some("husk needs Linux 5.14 or newer"),
                _ => None,
            },
            code: OURS,
        }
    }

    /// What is passed to who enters a container could not be made, or not be read.
    #[cfg(feature = "containers")]
    pub(crate) fn passage(errno: Errno) -> Self {
        Self {
            what: String::from("make the way into the container"),
            why: describe(errno).to_string(),
            place: String::from("memfd_create"),
            hint: (errno == Errno::ACCESS).then_some(
                "it needs a program in memory, which the sysctl vm.memfd_noexec forbids: set it to 0 or 1",
            ),
            code: OURS,
        }
    }

    /// The channel to the child broke.
    pub(crate) fn channel(errno: Errno) -> Self {
        Self {
            what: String::from("follow the start of the process"),
            why: describe(errno).to_string(),
            place: String::from("recvmsg"),
            hint: None,
            code: OURS,
        }
    }

    /// The child has said nothing for so many milliseconds.
    pub(crate) fn late(milliseconds: u32) -> Self {
        Self {
            what: String::from("start the process"),
            why: format!("it has not begun within {milliseconds} ms"),
            place: String::new(),
            hint: Some("a file system that it enters may hang: it is killed as soon as that answers"),
            code: OURS,
        }
    }

    /// The exit code that tells this failure: 127 not found, 126 not executable, 125 anything else.
    #[must_use]
    pub const fn code(&self) -> u8 {
        self.code
    }

    /// What may help.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        self.hint
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)?;
        if self.code == OURS && !self.place.is_empty() {
            write!(f, " ({})", self.place)?;
        }
        Ok(())
    }
}

fn execution_code(call: Call, errno: Errno) -> u8 {
    match (call, errno) {
        (Call::Execute, Errno::NOENT | Errno::NOTDIR) => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    }
}

fn execution_reason(call: Call, errno: Errno) -> String {
    let text = match (call, errno) {
        (Call::Interpreter, _) => "it exists, but the interpreter that it names does not",
        (_, Errno::NOENT | Errno::NOTDIR) => "command not found in the container",
        (_, Errno::NOEXEC) => {
            "not a program that this kernel runs (wrong architecture, or a script without #!)"
        }
        (_, Errno::ACCESS) => "not executable (no permission, a directory, or a noexec mount)",
        (_, Errno::TOOBIG) => "arguments and environment are too long",
        (_, Errno::LOOP) => "too many symbolic links",
        (_, Errno::TXTBSY) => "its file is open for writing",
        (_, Errno::NAMETOOLONG) => "its path is too long",
        (_, errno) => describe(errno),
    };
    String::from(text)
}

fn check_reason(step: Option<&Step<'_>>, errno: Errno) -> &'static str {
    match step {
        Some(Step::Chdir { .. }) => "it leads out of the container",
        Some(Step::Device { .. }) => "not the device it should be",
        Some(Step::Mount(_) | Step::Bind(_)) => "a link leads it onto /proc",
        Some(Step::Pivot) => "something of the old root stays mounted on it",
        Some(Step::Enter { .. } | Step::WriteProc { .. } | Step::Terminal { .. } | Step::Layers(_)) => {
            "another file system is mounted there"
        }
        _ => describe(errno),
    }
}

/// What a user can do about it, where that is known.
fn hint(step: &Step<'_>, failure: Failure) -> Option<&'static str> {
    match (step, failure.call, failure.errno) {
        (
            Step::Mount(_) | Step::Bind(_) | Step::Overlay(_) | Step::Terminal { .. },
            Call::Find,
            Errno::LOOP,
        ) => Some("the root file system has a symbolic link where a mount point must be a real directory"),
        (Step::Mount(_) | Step::Bind(_), Call::Find, Errno::NOTDIR) => {
            Some("the mount point, or a part of its path, is a file in this root file system")
        }
        (Step::Mount(_) | Step::Bind(_) | Step::Overlay(_), Call::Make, Errno::ROFS) => Some(
            "the mount point is missing, and the root file system is read-only: make the directory, or use --ephemeral",
        ),
        (_, Call::Make, Errno::NOSPC) => Some("the disk that holds the root file system is full"),
        (_, Call::Make, Errno::ACCESS | Errno::PERM) => {
            Some("the mount point is missing and may not be made: make it, or use --ephemeral")
        }
        (Step::Root { .. } | Step::OverlayRoot { .. }, Call::Open, Errno::ACCESS) => Some(
            "without root, the root file system and its parent directories must be readable and searchable by you",
        ),
        (Step::Pivot, Call::Pivot, Errno::INVAL) => {
            Some("pivot_root does not work from an initramfs: move to a tmpfs or a disk first")
        }
        (Step::Mount(mount) | Step::MountInPlace(mount), Call::Mount, Errno::PERM)
            if mount.kind == c"proc" || mount.kind == c"sysfs" =>
        {
            Some(
                "the kernel allows this only where all of the host's /proc and /sys is visible (not inside most containers)",
            )
        }
        (Step::SetCapabilities { .. }, _, Errno::PERM) => Some("husk itself does not have all of them"),
        (Step::User { .. } | Step::Groups(_), _, Errno::INVAL) => {
            Some("the id has no mapping in this user namespace")
        }
        (Step::Limit(_), _, Errno::PERM) => Some("raising a hard limit needs CAP_SYS_RESOURCE"),
        (Step::Bind(_), Call::MoveMount, Errno::INVAL | Errno::NOTDIR) => {
            Some("a file cannot be mounted on a directory, nor a directory on a file")
        }
        (Step::Cross, Call::Clone, Errno::AGAIN) => Some(
            "a limit on processes is reached, RLIMIT_NPROC or pids.max: while a process enters there is one more",
        ),
        (Step::Cross, _, Errno::PERM | Errno::NOSYS | Errno::ACCESS | Errno::CANCELED) => {
            Some("its system call filter may refuse what entering needs: execveat, mmap, clone, setsid")
        }
        (Step::Bind(_), Call::OpenTree, Errno::NOENT) => Some("the source of a bind must exist"),
        _ => None,
    }
}
