//! The language: what a step can be.

use core::ffi::CStr;

use sys::clone::Namespaces;
use sys::fd::BorrowedFd;
use sys::mounts::{Attributes, Propagation};
use sys::privilege::{Capabilities, FilterInstruction};
use sys::signals::SignalSet;

use crate::operands::{
    Bind, Console, Control, Execute, FileSystem, Kind, Layers, Limit, Mount, Overlay, Pause, Standard,
};

/// What is to be done in the child, in this order; the last step is a [`Step::Execute`].
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The steps.
    pub steps: &'a [Step<'a>],
}

/// One thing that the child does. Each either happens whole or is a [`crate::Failure`].
///
/// Three words recur. The *root* is the directory that becomes `/`: paths "below the root" are resolved with
/// openat2(2) and RESOLVE_IN_ROOT, so that no symbolic link of an image leads out of it. The *place* is the
/// current directory while mounts are made: [`Step::Enter`] goes to one whose file system is the kernel's
/// own and was mounted by the plan (proc, sysfs, a tmpfs), so that plain names are safe there. The *caller*
/// is the process that launched the plan.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// Says to the caller that this point is reached, and goes on when it answers.
    Pause(Pause),

    /// Becomes user and group 0 of the user namespace whose maps the caller has written.
    BecomeRoot,
    /// Enters namespaces that exist (setns(2)). With a mount namespace, its root becomes the child's root and working
    /// directory, and the root of the plan.
    Join {
        /// One namespace, or a process whose namespaces they are (pidfd).
        of: BorrowedFd<'a>,
        /// Which. Into a pid namespace only children of who enters it are born: [`Step::Cross`].
        namespaces: Namespaces,
    },
    /// Propagation of every mount that the child sees; private or slave before anything is mounted, so
    /// that nothing gets out.
    Propagate(Propagation),
    /// Binds the directory at `path`, with the mounts below it, on itself: it becomes the root.
    Root {
        /// A path of the host.
        path: &'a CStr,
        /// Attributes that the bind gets.
        set: Attributes,
    },
    /// Mounts an empty tmpfs that no path leads to. Overlays keep their changes in it.
    Scratch,
    /// Mounts an overlay whose lower layer is the host's directory `lower` and whose changes go to the
    /// scratch; it becomes the root.
    OverlayRoot {
        /// A path of the host.
        lower: &'a CStr,
        /// Further options of the overlay, each with a comma before it.
        options: &'a CStr,
        /// Attributes that the overlay gets.
        set: Attributes,
    },
    /// Mounts an overlay of several layers; it becomes the root.
    Layers(Layers<'a>),
    /// An empty directory of the scratch becomes the root.
    EmptyRoot {
        /// Attributes that it gets.
        set: Attributes,
    },
    /// Mounts a further overlay.
    Overlay(Overlay<'a>),
    /// Mounts a new file system of type `kind` at `target`.
    Mount(Mount<'a>),
    /// The same, where the mount's target is a name in the place.
    MountInPlace(Mount<'a>),
    /// Binds a file or directory of the host at `target`.
    Bind(Bind<'a>),
    /// Goes to `target`, which must be the root of a mount of the kind expected.
    Enter {
        /// Below the root; no symbolic link on the way.
        target: &'a CStr,
        /// What must be mounted there.
        expect: FileSystem,
    },
    /// Makes the device of the host at `source` available under `name` in the place, by a bind mount: an
    /// inode of the host in a tmpfs that itself allows no devices.
    Device {
        /// In the place.
        name: &'a CStr,
        /// A path of the host.
        source: &'a CStr,
        /// The character device (major, minor) that it must be.
        expect: Option<(u32, u32)>,
    },
    /// Makes a directory in the place.
    Directory {
        /// In the place.
        name: &'a CStr,
        /// Permission bits.
        mode: u32,
    },
    /// Makes a symbolic link in the place.
    Symlink {
        /// In the place.
        name: &'a CStr,
        /// What it says.
        to: &'a CStr,
    },
    /// Covers `name` of the place, if it exists: a file by the null device, a directory by an empty
    /// read-only one.
    Mask {
        /// In the place.
        name: &'a CStr,
        /// What it is tried as first.
        guess: Kind,
    },
    /// Makes `name` of the place, if it exists, a mount of its own, with everything below it.
    Split {
        /// In the place.
        name: &'a CStr,
    },
    /// Makes everything that is mounted below the place read-only, but not the place itself: two calls for
    /// all that was split off.
    Seal,
    /// Makes `name` of the place, if it exists, read-only with everything below it.
    Protect {
        /// In the place.
        name: &'a CStr,
    },
    /// As [`Step::Mask`], for a path of which nothing is known.
    MaskBelow {
        /// Below the root.
        path: &'a CStr,
    },
    /// As [`Step::Protect`], for a path of which nothing is known.
    ProtectBelow {
        /// Below the root.
        path: &'a CStr,
    },
    /// Opens a new terminal in the container's devpts, sends its master to the caller, makes it descriptors 0, 1 and 2
    /// of those named, and the controlling terminal of who is said.
    Terminal {
        /// The devpts, below the root.
        devpts: &'a CStr,
        /// Which of 0, 1 and 2 become the terminal.
        replace: Standard,
        /// Whether it is bound on /dev/console too.
        console: Console,
        /// Whose controlling terminal it becomes.
        control: Control,
        /// The terminal's owner in the container.
        owner: u32,
        /// Rows and columns.
        size: Option<(u16, u16)>,
    },
    /// Attributes of the root's own mount.
    SetRoot {
        /// Attributes to set.
        set: Attributes,
    },
    /// The root becomes `/`, and the old one is out of reach for good.
    Pivot,
    /// Propagation of `/` once it is the root.
    PropagateRoot(Propagation),

    /// sethostname(2)
    Hostname(&'a CStr),
    /// setdomainname(2)
    Domainname(&'a CStr),
    /// Brings the loopback interface up.
    Loopback,
    /// Writes `value` to `path`, a file below the host's /proc, found without symbolic links other than
    /// `self`, and on a procfs for certain.
    WriteProc {
        /// Relative to /proc.
        path: &'a CStr,
        /// What is written, in one call.
        value: &'a CStr,
    },

    /// A new session and process group, without a controlling terminal.
    NewSession,
    /// Changes the working directory, and makes sure that it lies within the root (CVE-2024-21626).
    Chdir {
        /// In the container.
        path: &'a CStr,
    },
    /// setrlimit(2)
    Limit(Limit),
    /// umask(2)
    Umask(u32),
    /// Empties the bounding set but for these.
    BoundingSet(Capabilities),
    /// Keeps the permitted set over the change of user (PR_SET_KEEPCAPS).
    KeepCapabilities,
    /// setgroups(2). Before the user is changed: after that there is no right to.
    Groups(&'a [sys::process::Gid]),
    /// setresgid(2), setresuid(2), in this order, which is the only one that works.
    User {
        /// Real, effective, saved user.
        uid: u32,
        /// Real, effective, saved group.
        gid: u32,
    },
    /// capset(2)
    SetCapabilities {
        /// Effective.
        effective: Capabilities,
        /// Permitted.
        permitted: Capabilities,
        /// Inheritable; empty unless asked for (CVE-2022-29162).
        inheritable: Capabilities,
    },
    /// Raises these ambient capabilities.
    Ambient(Capabilities),
    /// keyctl(2), KEYCTL_JOIN_SESSION_KEYRING: a session keyring of its own instead of the caller's.
    NewKeyring,
    /// PR_SET_NO_NEW_PRIVS: no program run from here on gives more rights than there are.
    NoNewPrivileges,
    /// PR_SET_DUMPABLE 0: nobody may open this process's memory or descriptors through /proc.
    Undumpable,
    /// Loads a seccomp filter.
    Seccomp {
        /// The program.
        filter: &'a [FilterInstruction],
        /// SECCOMP_FILTER_FLAG_*
        flags: u32,
    },
    /// The child is killed with this signal when the caller ends; it leaves at once if that has happened.
    /// After a change of user, which would clear it.
    DieWithCaller(i32),
    /// Gives these signals their default disposition and blocks none.
    Signals {
        /// Which are reset.
        reset: SignalSet,
    },
    /// Blocks exactly these signals: for a program that is to find the mask that its starter was given.
    SignalMask(SignalSet),
    /// A process group of its own, in the session of the caller.
    NewGroup,
    /// Its process group becomes the foreground one of the terminal that is descriptor 0. The caller, or the
    /// mask, must hold SIGTTOU back. Where there is no terminal, or it is another session's, nothing happens.
    Foreground,
    /// The terminal that is descriptor 0 becomes the controlling one of the session that it leads. Where it
    /// is no terminal, or another session's, nothing happens.
    TakeTerminal,
    /// setpriority(2)
    Nice(i32),
    /// Opens a program of the host that the last step becomes, through a read-only mount that is nowhere: who
    /// opens /proc/PID/exe cannot write to it (CVE-2019-5736).
    OpenProgram {
        /// A path of the host.
        path: &'a CStr,
    },
    /// These become descriptors 3, 4 and so on of the program. Before [`Step::OpenProgram`], whose descriptor could
    /// have such a number; at most [`PASSED`] of them.
    Pass(&'a [BorrowedFd<'a>]),
    /// Closes every descriptor but 0, 1, 2, those passed, the channel's and the program's. Before [`Step::Chdir`] and
    /// [`Step::Execute`]: an open descriptor is a way out of the root for whoever names
    /// /proc/self/fd/N (CVE-2024-21626).
    CloseOthers,
    /// Goes over into the pid namespace that was joined, in which everybody may be able to look into what appears there.
    /// So nothing that appears has anything to be seen: the child becomes the program that was passed last
    /// ([`Step::Pass`]), of whose memory nothing but a table of system calls is left, and which closes what is open. That
    /// one clones a child of the caller's, by which all that follows is done.
    Cross,
    /// execve(2); where `file` has no slash it is looked for in `search`.
    Execute(Execute<'a>),
}
