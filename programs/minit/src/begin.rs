//! From settings to a running supervisor, and from its end to an exit code.

use core::ffi::CStr;

use sys::exec::Argument;
use sys::fd::{AsFd, OwnedFd};
use sys::job::{Hold, give_up_terminal, hold, leads_session};
use sys::reap::{End, Reaper};
use sys::signals::{SignalSet, block, descriptor};

use crate::first::api::Api;
use crate::first::decide::OnExit;
use crate::first::supervise::Supervisor;
use crate::message::Part::{Error, Text};
use crate::notes::{Note, tell};
use crate::settings::{Answered, Dialect, Place, Settings, Subreaper};
use crate::steps::{Steps, resolve};
use crate::{first, refuse};

const SIGHUP: i32 = 1;
const SIGCONT: i32 = 18;

/// Whether we are the first process of our pid namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rank {
    /// Everybody else's life depends on ours, and nobody outside is ours to signal.
    First,
    /// One among others.
    Other,
}

/// Which we are.
#[must_use]
pub fn rank() -> Rank {
    if sys::process::getpid().as_raw_pid() == 1 { Rank::First } else { Rank::Other }
}

/// What was made before the first process begins.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// What we are.
    pub rank: Rank,
    /// The other role.
    pub api: Option<Api<'a>>,
    /// The main command's cgroup.
    pub group: Option<&'a OwnedFd>,
    /// What the main command's oom_score_adj is to be, where ours is another.
    pub score: Option<&'a CStr>,
}

/// Runs the first process until its end; its exit code. Signals are blocked first: one that comes from here on is held
/// until it is read.
pub fn supervise<'a>(
    settings: &'a Settings<'a>,
    environment: &'a [Argument<'a>],
    Surroundings { rank, api, group, score }: Surroundings<'a>,
) -> u8 {
    if rank == Rank::Other && matches!(settings.policy.on_exit, OnExit::Machine(_)) {
        return refuse(Text("--on-exit poweroff and reboot are for process 1"), Text(""));
    }
    crate::kept::keep(settings);
    let ids = match resolve(&settings.identity) {
        Ok(ids) => ids,
        Err(Answered(code)) => return code,
    };
    let prepared = block(SignalSet::ALL).and_then(|mask| descriptor(SignalSet::ALL).map(|fd| (mask, fd)));
    let (mask, signals) = match prepared {
        Ok(prepared) => prepared,
        Err(errno) => return refuse(Text("signalfd: "), Error(errno)),
    };
    if let Err(code) = tie_to_others(settings, rank) {
        return code;
    }
    let held = hold();
    let hand_off = hand_over(settings, held);
    let steps = Steps::new(settings, &ids, held, mask, environment, score);
    let mut supervisor = Supervisor {
        settings,
        steps: &steps,
        signals,
        main: None,
        group: 0,
        cgroup: group.map(AsFd::as_fd),
        api,
        reaper: Reaper::Process,
        rank,
        hand_off,
    };
    if !settings.command.is_empty() {
        match first::start::start(settings, steps.plan(), supervisor.cgroup) {
            Ok(main) => {
                if matches!(settings.place, Place::Session) {
                    tell(settings, Note::OwnSession);
                }
                tell(settings, Note::Spawned(main.pid));
                crate::kept::remember(main.pid);
                supervisor.group = main.pid;
                supervisor.main = Some(main);
            }
            Err(code) => return code,
        }
    }
    if settings.dialect != Dialect::Tini && settings.policy.on_exit != OnExit::Respawn {
        // So that no file system is kept from being unmounted; but what is started again starts where it did first.
        let _ = sys::process::chdir(c"/");
    }
    leave(settings, supervisor.run())
}

/// Our parent's end and others' orphans.
fn tie_to_others(settings: &Settings<'_>, rank: Rank) -> Result<(), u8> {
    if let Some(number) = settings.parent_death {
        let signal = sys::process::Signal::from_named_raw(number);
        if signal.is_none_or(|signal| sys::process::set_parent_process_death_signal(Some(signal)).is_err()) {
            return Err(refuse(Text("the signal at the parent's end: refused"), Text("")));
        }
    }
    let wanted = match settings.subreaper {
        Subreaper::No => rank == Rank::First,
        Subreaper::Yes => true,
        Subreaper::IfNotFirst => rank == Rank::Other,
    };
    if settings.subreaper == Subreaper::No || !wanted {
        if settings.dialect == Dialect::Tini && rank == Rank::Other && !sys::reap::adopts_orphans() {
            tell(settings, Note::NoReaper);
        }
        return Ok(());
    }
    // Any number but 0 sets it.
    if let Err(errno) = sys::process::set_child_subreaper(Some(sys::process::Pid::INIT)) {
        tell(settings, Note::NoSubreaper(errno));
    }
    Ok(())
}

/// Gives up the terminal for the session of the main command. The signals that the kernel sends us for it are
/// not meant for that.
fn hand_over(settings: &Settings<'_>, held: Hold) -> SignalSet {
    let gives = match settings.place {
        Place::Session => true,
        Place::SessionOrGroup => held == Hold::Leader,
        Place::Group | Place::Same => false,
    };
    if gives && give_up_terminal().is_ok() && leads_session() {
        SignalSet::EMPTY.with(SIGHUP).with(SIGCONT)
    } else {
        SignalSet::EMPTY
    }
}

/// How we end.
fn leave(settings: &Settings<'_>, end: End) -> u8 {
    let code = end.code();
    if settings.remapped.contains(code) {
        return 0;
    }
    if let (End::Signal(number), true) = (end, settings.same_signal) {
        // As the first process we survive that; then the code has to say it.
        sys::reap::die_of(number);
    }
    code
}
