//! From a plan to a child that performs it.

use sys::Result;
use sys::clone::{Child, Namespaces, Setup, Side};
use sys::fd::{AsFd, BorrowedFd, IntoRawFd};
use sys::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::fault::Fault;
use crate::perform::Performer;
use crate::wire::Channel;
use crate::{Call, Failure, Plan, Step};

/// What a child is cloned with; the rest is its plan.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// What it does.
    pub plan: Plan<'a>,
    /// Namespaces of its own.
    pub namespaces: Namespaces,
    /// The directory of the cgroup that it is born into.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// What becomes its descriptors 0, 1 and 2, where they are not the caller's own.
    pub standard: [Option<BorrowedFd<'a>>; 3],
    /// What becomes of the caller's other descriptors.
    pub others: Others,
}

/// What becomes of the caller's descriptors in the child. None survives the exec in either case; the
/// difference is the time before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Others {
    /// They stay open until the exec: right for a caller with one thread, and the cheapest.
    Keep,
    /// They are closed first. In a caller with several threads the child would otherwise hold the channels
    /// of children that other threads are starting, and each start would wait for all.
    Close,
}

/// A child on its way through its plan.
#[derive(Debug)]
pub struct Launched {
    /// The process.
    pub child: Child,
    /// Where it reports.
    pub channel: Channel,
}

/// Exit code of a child that did not become its program. Nobody relies on it: its [`Failure`] says more.
const FAILED: u8 = 125;

/// Clones a child that performs the plan.
///
/// # Errors
/// Those of socketpair(2) and of clone3(2); the child does not exist then. What fails in the child is reported
/// through [`Launched::channel`].
#[allow(unsafe_code)] // the one block outside `sys`: only here is it known what the child will run
pub fn launch(launch: Launch<'_>) -> Result<Launched> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let standard = launch.standard;
    let setup = Setup {
        namespaces: launch.namespaces,
        cgroup: launch.cgroup,
        standard,
        keep: (launch.others == Others::Close).then_some(theirs.as_fd()),
    };
    // SAFETY: what the child runs is `Performer::run`, of this crate: without std and alloc it cannot take
    // a lock, it never returns into code that might, and it uses no descriptor but `theirs` and its own.
    let side = unsafe { sys::clone::clone3(&setup)? };
    match side {
        Side::Parent(child) => Ok(Launched { child, channel: Channel::new(ours) }),
        Side::Child(child, prepared) => {
            // Else the child would hold its caller's end, and never see it close. Without a pause it looks
            // only after it has closed everything.
            if launch.plan.steps.iter().any(|step| matches!(step, Step::Pause(_))) {
                sys::clone::close_copy(ours, &setup);
            } else {
                let _ = ours.into_raw_fd();
            }
            let channel = Channel::new(theirs);
            let (step, fault) = match prepared {
                Ok(()) => Performer::new(&channel, child).run(launch.plan),
                Err(errno) => (0, Fault { call: Call::Descriptors, errno }),
            };
            let _ = channel.fail(Failure { step, call: fault.call, errno: fault.errno });
            sys::clone::leave(FAILED)
        }
    }
}
