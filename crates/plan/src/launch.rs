//! From a plan to a child that performs it.

use sys::clone::{Child, InChild, Memory, Namespaces, Setup, Table};
use sys::fd::BorrowedFd;
use sys::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use sys::{Errno, Result};

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
    /// In whose memory it performs its plan. A plan that cannot be performed in borrowed memory, since it talks with
    /// its caller on the way or changes what belongs to the memory, is performed in a copy all the same.
    pub memory: Memory,
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

/// What a child works on.
struct Work<'w> {
    launch: Launch<'w>,
    /// The caller's end of the channel, of which a copy has the child a copy, and the child's own.
    ours: Option<&'w Channel>,
    theirs: &'w Channel,
    /// What the child leaves in borrowed memory.
    failure: Option<Failure>,
}

/// Clones a child that performs the plan.
///
/// # Errors
/// Those of socketpair(2) and of clone3(2); the child does not exist then. What fails in the child is reported
/// through [`Launched::channel`].
pub fn launch(launch: Launch<'_>) -> Result<Launched> {
    if launch.memory == Memory::Borrowed && launch.plan.steps.iter().all(leaves_memory_alone) {
        let mut work = Work { launch, ours: None, theirs: &Channel::NOTE, failure: None };
        match clone(&mut work, Memory::Borrowed) {
            Ok(child) => return Ok(Launched { child, channel: Channel::noted(work.failure) }),
            // A filter that refuses clone3 may let clone(2) pass, which has no stack for the child.
            Err(Errno::NOSYS) => {}
            Err(errno) => return Err(errno),
        }
    }
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    // Not where the child will put what it passes on.
    let passes =
        cfg!(feature = "containers") && launch.plan.steps.iter().any(|step| matches!(step, Step::Pass(_)));
    let theirs =
        if passes { sys::io::fcntl_dupfd_cloexec(&theirs, 3 + crate::PASSED as i32)? } else { theirs };
    let (ours, theirs) = (Channel::new(ours), Channel::new(theirs));
    let child =
        clone(&mut Work { launch, ours: Some(&ours), theirs: &theirs, failure: None }, Memory::Copied)?;
    Ok(Launched { child, channel: ours })
}

#[allow(unsafe_code)] // the one block outside `sys`: only here is it known what the child will run
fn clone(work: &mut Work<'_>, memory: Memory) -> Result<Child> {
    let launch = work.launch;
    let keep = work.theirs.socket().ok().filter(|_| launch.others == Others::Close);
    let (namespaces, cgroup, standard) = (launch.namespaces, launch.cgroup, launch.standard);
    // A program that is to inherit descriptors finds them where they were.
    let closes = launch.others == Others::Close
        || launch.plan.steps.iter().any(|step| matches!(step, Step::CloseOthers));
    let table = if closes { Table::Needed } else { Table::Whole };
    let setup = Setup { namespaces, cgroup, standard, keep, table };
    // SAFETY: what the child runs is `perform`, of this crate: without std and alloc it cannot take a lock, and
    // it uses no descriptor but `theirs` and its own. In borrowed memory it performs steps that leave the memory
    // alone and use none of the caller's descriptors, keeps what it makes on its own stack, and writes to nothing
    // else but `work.failure`.
    unsafe { sys::clone::clone3(&setup, memory, perform, work) }
}

/// In the child: performs the plan. Returns where that did not work out.
fn perform(child: InChild, prepared: Result<()>, work: &mut Work<'_>) -> u8 {
    let Launch { plan, others, .. } = work.launch;
    let prepared = match (work.ours, others) {
        // Else the child would hold its caller's end, and never see it close. Without a pause it looks only
        // after it has closed everything.
        (Some(ours), Others::Keep) if plan.steps.iter().any(|step| matches!(step, Step::Pause(_))) => {
            ours.socket().map(|ours| child.close_copy(ours)).and(prepared)
        }
        (None, Others::Close) => prepared.and_then(|()| child.close_all_but(&mut [])),
        _ => prepared,
    };
    let (step, fault) = match prepared {
        Ok(()) => Performer::new(work.theirs, child).run(plan),
        Err(errno) => (0, Fault { call: Call::Descriptors, errno }),
    };
    let failure = Failure { step, call: fault.call, errno: fault.errno };
    if work.theirs.fail(failure).is_err() {
        work.failure = Some(failure);
    }
    FAILED
}

/// Whether a step changes nothing but the process, and does not talk with the caller. A change of the user does:
/// the kernel makes the memory undumpable with it (PR_SET_DUMPABLE), the caller's as well.
const fn leaves_memory_alone(step: &Step<'_>) -> bool {
    matches!(
        step,
        Step::NewSession
            | Step::NewGroup
            | Step::TakeTerminal
            | Step::Foreground
            | Step::Nice(_)
            | Step::WriteProc { .. }
            | Step::Limit(_)
            | Step::Umask(_)
            | Step::NoNewPrivileges
            | Step::Signals { .. }
            | Step::SignalMask(_)
            | Step::CloseOthers
            | Step::Chdir { .. }
            | Step::Execute(_)
    )
}
