//! The interpreter: one call per step.

use core::cell::Cell;
use core::ffi::CStr;

use sys::Errno;
use sys::clone::InChild;
use sys::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};
use sys::fs::{Mode, OFlags, ResolveFlags, fstatfs, openat, openat2};

#[cfg(feature = "containers")]
use crate::PASSED;
use crate::fault::{Fault, Outcome, at};
use crate::wire::Channel;
use crate::{Call, Plan, Step};

/// The child's state between steps: three descriptors.
pub struct Performer<'c> {
    pub channel: &'c Channel,
    /// The directory that will be `/`.
    pub root: Option<OwnedFd>,
    /// The tmpfs that holds the changes of overlays.
    pub scratch: Option<OwnedFd>,
    /// Where the last [`Step::Enter`] led to.
    pub place: Option<OwnedFd>,
    /// The program to become, where it is one of the host's.
    pub program: Option<OwnedFd>,
    child: InChild,
    /// How many descriptors have been left to the exec to close.
    left_open: Cell<u8>,
    /// How many descriptors from 3 are the program's.
    passed: u8,
}

/// No descriptor.
const NONE: i32 = -1;

/// How many descriptors a child may leave open: each saves a system call, and they must not exhaust a limit.
const LEFT_OPEN: u8 = 16;

impl<'c> Performer<'c> {
    pub const fn new(channel: &'c Channel, child: InChild) -> Self {
        Self {
            channel,
            root: None,
            scratch: None,
            place: None,
            program: None,
            child,
            left_open: Cell::new(0),
            passed: 0,
        }
    }

    /// Performs the steps; returns only when one of them did not happen, with its number.
    pub fn run(&mut self, plan: Plan<'_>) -> (u16, Fault) {
        let mut number = 0;
        for step in plan.steps {
            if let Err(fault) = self.perform(step) {
                return (number, fault);
            }
            number = number.saturating_add(1);
        }
        // A plan whose last step is not an exec has nothing to become.
        (number, Fault { call: Call::Execute, errno: Errno::NOEXEC })
    }

    /// Is done with a descriptor. The first few are left to [`Step::CloseOthers`], or to the exec.
    pub fn spend(&self, descriptor: OwnedFd) {
        if self.left_open.get() < LEFT_OPEN {
            self.left_open.set(self.left_open.get() + 1);
            let _ = descriptor.into_raw_fd();
        }
    }

    /// The root so far; without one the paths of the plan have no meaning.
    pub fn root(&self) -> Outcome<BorrowedFd<'_>> {
        self.root.as_ref().map(AsFd::as_fd).ok_or(Fault { call: Call::Check, errno: Errno::BADF })
    }

    fn perform(&mut self, step: &Step<'_>) -> Outcome<()> {
        match *step {
            #[cfg(feature = "containers")]
            Step::Pause(reason) => at(Call::Channel, self.channel.pause(reason)),
            #[cfg(feature = "containers")]
            Step::BecomeRoot => Self::become_user(0, 0),
            #[cfg(feature = "containers")]
            Step::Propagate(kind) => Self::propagate(kind),
            #[cfg(feature = "containers")]
            Step::Root { path, set } => self.bind_root(path, set),
            #[cfg(feature = "containers")]
            Step::Scratch => self.mount_scratch(),
            #[cfg(feature = "containers")]
            Step::OverlayRoot { lower, options, set } => self.overlay_root(lower, options, set),
            #[cfg(feature = "containers")]
            Step::Join { of, namespaces } => self.join(of, namespaces),
            #[cfg(feature = "containers")]
            Step::Layers(ref layers) => self.layered_root(layers),
            #[cfg(feature = "containers")]
            Step::EmptyRoot { set } => self.empty_root(set),
            #[cfg(feature = "containers")]
            Step::Overlay(layer) => self.overlay(&layer),
            #[cfg(feature = "containers")]
            Step::Mount(ref mount) => self.mount(mount),
            #[cfg(feature = "containers")]
            Step::MountInPlace(ref mount) => Self::mount_in_place(mount),
            #[cfg(feature = "containers")]
            Step::Bind(bind) => self.bind(&bind),
            #[cfg(feature = "containers")]
            Step::Enter { target, expect } => self.enter(target, expect),
            #[cfg(feature = "containers")]
            Step::Device { name, source, expect } => Self::bind_device(name, source, expect),
            #[cfg(feature = "containers")]
            Step::Directory { name, mode } => Self::make_directory(name, mode),
            #[cfg(feature = "containers")]
            Step::Symlink { name, to } => Self::make_link(name, to),
            #[cfg(feature = "containers")]
            Step::Mask { name, guess } => Self::mask(name, guess),
            #[cfg(feature = "containers")]
            Step::Split { name } => Self::split(name),
            #[cfg(feature = "containers")]
            Step::Seal => self.seal(),
            #[cfg(feature = "containers")]
            Step::Protect { name } => Self::protect(name),
            #[cfg(feature = "containers")]
            Step::MaskBelow { path } => self.mask_below(path),
            #[cfg(feature = "containers")]
            Step::ProtectBelow { path } => self.protect_below(path),
            #[cfg(feature = "containers")]
            Step::Terminal { devpts, replace, console, control, owner, size } => {
                self.open_terminal(devpts, replace, (console, control), owner, size)
            }
            #[cfg(feature = "containers")]
            Step::SetRoot { set } => self.set_root(set),
            #[cfg(feature = "containers")]
            Step::Pivot => self.pivot(),
            #[cfg(feature = "containers")]
            Step::PropagateRoot(kind) => Self::propagate_root(kind),
            #[cfg(feature = "containers")]
            Step::Hostname(name) => at(Call::Name, sys::system::sethostname(name.to_bytes())),
            #[cfg(feature = "containers")]
            Step::Domainname(name) => at(Call::Name, sys::system::setdomainname(name.to_bytes())),
            #[cfg(feature = "containers")]
            Step::Loopback => at(Call::Socket, sys::loopback::bring_up()),
            Step::WriteProc { path, value } => write_proc(path, value),
            Step::NewSession => at(Call::Session, sys::process::setsid()).map(drop),
            Step::Chdir { path } => Self::change_directory(path),
            Step::Limit(limit) => Self::limit(limit),
            Step::Umask(mask) => {
                let _ = sys::process::umask(Mode::from_raw_mode(mask));
                Ok(())
            }
            Step::BoundingSet(keep) => at(Call::Control, sys::privilege::limit_bounding_set(keep)),
            Step::KeepCapabilities => at(Call::Control, sys::thread::set_keep_capabilities(true)),
            Step::Groups(groups) => at(Call::Groups, sys::thread::set_thread_groups(groups)),
            Step::User { uid, gid } => Self::become_user(uid, gid),
            Step::SetCapabilities { effective, permitted, inheritable } => {
                at(Call::Capset, sys::privilege::set_capabilities(effective, permitted, inheritable))
            }
            Step::Ambient(set) => at(Call::Control, sys::privilege::raise_ambient(set)),
            #[cfg(feature = "containers")]
            Step::NewKeyring => at(Call::Keyring, sys::privilege::join_new_keyring()),
            Step::NoNewPrivileges => at(Call::Control, sys::thread::set_no_new_privs(true)),
            #[cfg(feature = "containers")]
            Step::Undumpable => at(
                Call::Control,
                sys::process::set_dumpable_behavior(sys::process::DumpableBehavior::NotDumpable),
            ),
            #[cfg(feature = "containers")]
            Step::Seccomp { filter, flags } => at(Call::Seccomp, sys::privilege::set_filter(filter, flags)),
            Step::DieWithCaller(signal) => self.die_with_caller(signal),
            Step::Signals { reset } => {
                at(Call::Signal, sys::signals::reset_to_default(reset))?;
                at(Call::Signal, sys::signals::block(sys::signals::SignalSet::EMPTY)).map(drop)
            }
            Step::SignalMask(set) => at(Call::Signal, sys::signals::block(set)).map(drop),
            Step::NewGroup => at(Call::Session, sys::process::setpgid(None, None)),
            Step::Foreground => {
                let _ = sys::job::take_foreground();
                Ok(())
            }
            Step::TakeTerminal => {
                let _ = sys::job::take_terminal();
                Ok(())
            }
            Step::Nice(value) => at(Call::Priority, sys::process::setpriority_process(None, value)),
            #[cfg(feature = "containers")]
            Step::OpenProgram { path } => self.open_program(path),
            #[cfg(feature = "containers")]
            Step::Pass(descriptors) => self.pass(descriptors),
            Step::CloseOthers => self.close_others(),
            #[cfg(feature = "containers")]
            Step::Cross => Err(self.cross()),
            Step::Execute(ref program) => {
                Err(crate::execute::execute(program, self.program.as_ref().map(AsFd::as_fd)))
            }
            // Nothing that is built so makes such a plan.
            #[cfg(not(feature = "containers"))]
            _ => Err(Fault { call: Call::Check, errno: Errno::NOSYS }),
        }
    }

    fn close_others(&mut self) -> Outcome<()> {
        for descriptor in [self.root.take(), self.scratch.take(), self.place.take()].into_iter().flatten() {
            let _ = descriptor.into_raw_fd(); // closed with the rest
        }
        let channel = self.channel.socket().map_or(NONE, |channel| channel.as_raw_fd());
        let program = self.program.as_ref().map_or(NONE, |program| program.as_raw_fd());
        #[cfg(not(feature = "containers"))]
        let mut keep = [channel, program];
        #[cfg(feature = "containers")]
        let mut keep = self.kept(channel, program);
        at(Call::Close, self.child.close_all_but(&mut keep))
    }

    /// What stays open, with what is passed on.
    #[cfg(feature = "containers")]
    fn kept(&self, channel: i32, program: i32) -> [i32; 2 + PASSED] {
        let mut keep = [NONE; 2 + PASSED];
        (keep[0], keep[1]) = (channel, program);
        for (passed, keep) in (0..self.passed).zip(&mut keep[2..]) {
            *keep = 3 + i32::from(passed);
        }
        keep
    }

    /// First out of the way: one of them may have a number that another is to get.
    #[cfg(feature = "containers")]
    fn pass(&mut self, descriptors: &[BorrowedFd<'_>]) -> Outcome<()> {
        let mut copies = [const { None }; PASSED];
        if descriptors.len() > PASSED {
            return Err(Fault { call: Call::Check, errno: Errno::INVAL });
        }
        for (copy, descriptor) in copies.iter_mut().zip(descriptors) {
            let above = 3 + PASSED as i32;
            *copy = Some(at(Call::Descriptors, sys::io::fcntl_dupfd_cloexec(descriptor, above))?);
        }
        for (copy, number) in copies.iter().flatten().zip(3..) {
            at(Call::Descriptors, self.child.place(copy.as_fd(), number))?;
        }
        self.passed = descriptors.len() as u8;
        Ok(())
    }

    /// Becomes the program that was passed last. Its environment is empty, and so are its arguments.
    #[cfg(feature = "containers")]
    fn cross(&self) -> Fault {
        let Some(last) = self.passed.checked_sub(1) else {
            return Fault { call: Call::Check, errno: Errno::BADF };
        };
        let nothing = [sys::exec::Argument::END];
        let errno = self.child.become_placed(3 + i32::from(last), &nothing, &nothing);
        Fault { call: Call::Become, errno }
    }

    /// Asks for the signal first and looks then: a caller that ends in between is seen by the look. The
    /// parent's pid does not tell, since in a pid namespace of its own a child always sees 0.
    fn die_with_caller(&self, signal: i32) -> Outcome<()> {
        let signal = sys::process::Signal::from_named_raw(signal)
            .ok_or(Fault { call: Call::Control, errno: Errno::INVAL })?;
        at(Call::Control, sys::process::set_parent_process_death_signal(Some(signal)))?;
        match self.channel.caller_is_there() {
            true => Ok(()),
            false => Err(Fault { call: Call::Caller, errno: Errno::PIPE }),
        }
    }
}

/// Writes a file of the host's procfs. It is the kernel's file for certain: a procfs, and nothing mounted
/// on the way (CVE-2025-52881).
fn write_proc(path: &CStr, value: &CStr) -> Outcome<()> {
    const PROC_SUPER_MAGIC: u64 = 0x9fa0;
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = at(Call::Open, openat(sys::fs::CWD, c"/proc", directory, Mode::empty()))?;
    if at(Call::Statfs, fstatfs(&proc))?.f_type as u64 != PROC_SUPER_MAGIC {
        return Err(Fault { call: Call::Check, errno: Errno::NODEV });
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = at(Call::Find, openat2(&proc, path, flags, Mode::empty(), resolve))?;
    let value = value.to_bytes();
    match at(Call::Write, sys::io::write(&file, value))? {
        written if written == value.len() => Ok(()),
        _ => Err(Fault { call: Call::Write, errno: Errno::IO }),
    }
}
