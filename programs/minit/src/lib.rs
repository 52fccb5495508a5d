//! minit, the first process of a container or a small machine: it starts one command, passes signals on to it,
//! reaps what falls to it, and ends with it.
//!
//! Everything that can fail does so before the command is started. After that nothing is parsed, nothing
//! allocated, and no error ends it: [`decide::decide`] is the whole of what it does.
#![no_std]
#[cfg(test)]
extern crate std;

pub mod accounts;
pub mod catatonit;
pub mod decide;
pub mod dumb_init;
pub mod environment;
pub mod help;
pub mod kernel;
pub mod kin;
pub mod message;
pub mod notes;
pub mod options;
pub mod settings;
pub mod start;
pub mod steps;
pub mod supervise;
pub mod survive;
pub mod tini;
pub mod values;
pub mod words;

use core::ffi::CStr;

use sys::job::{Hold, give_up_terminal, hold, leads_session};
use sys::reap::{End, Reaper};
use sys::signals::{SignalSet, block, descriptor};
use sys::start::{Inherited, Invocation};

use decide::{Leftovers, OnExit, OnStop, OnSuspend, Policy};
use environment::Environment;
use message::Part::{Error, Text};
use message::{Part, complain};
use notes::{Note, tell};
use settings::{Answered, Audience, Changes, Codes, Dialect, Identity, Place, Rewrites, Settings, Subreaper};
use steps::{Steps, resolve};
use supervise::{Rank, Supervisor};

pub use survive::survive;

/// Exit code of what is wrong with ourselves.
const OURS: u8 = 125;
const SIGHUP: i32 = 1;
const SIGCONT: i32 = 18;

/// The program.
#[must_use]
pub fn run(invocation: Invocation, inherited: Inherited) -> u8 {
    let settings = match settings(&invocation) {
        Ok(settings) => settings,
        Err(Answered(code)) => return code,
    };
    if settings.dialect == Dialect::Minit {
        inherited.close();
    }
    sys::start::fill_standard_descriptors();
    if settings.changes.clear || settings.changes.set.iter().any(Option::is_some) {
        with_changed_environment(&invocation, &settings)
    } else {
        supervise(&settings, invocation.environment)
    }
}

/// Apart, so that its space is used only where it is needed.
#[inline(never)]
fn with_changed_environment(invocation: &Invocation, settings: &Settings<'_>) -> u8 {
    match Environment::new(invocation.environment, &settings.changes) {
        Some(environment) => supervise(settings, environment.vector()),
        None => refuse(Text("--env: more variables than there is room for (1023)"), Text("")),
    }
}

fn refuse(what: Part<'_>, why: Part<'_>) -> u8 {
    complain(&[Text("minit: "), what, why, Text("\n")]);
    OURS
}

/// What we were called, and what was asked of us.
fn settings<'a>(invocation: &Invocation) -> Result<Settings<'a>, Answered> {
    let name = invocation.arguments.first().and_then(|name| name.text()).unwrap_or(c"minit");
    let dialect = dialect(name);
    let mut settings = Settings {
        dialect,
        name,
        policy: Policy {
            on_exit: OnExit::Exit,
            on_stop: OnStop::Shutdown,
            on_suspend: OnSuspend::Suspend,
            leftovers: Leftovers::Clear,
            grace: 10_000,
        },
        rewrites: Rewrites::none(),
        audience: Audience::Group,
        place: Place::SessionOrGroup,
        remapped: Codes::default(),
        same_signal: false,
        parent_death: None,
        subreaper: Subreaper::IfNotFirst,
        verbosity: 0,
        warn_of_reaped: false,
        identity: Identity::default(),
        changes: Changes { clear: false, set: [None; settings::MOST_CHANGES] },
        command: &[],
    };
    match dialect {
        Dialect::Minit => options::parse(invocation, &mut settings),
        Dialect::Tini => tini::parse(invocation, &mut settings),
        Dialect::DumbInit => dumb_init::parse(invocation, &mut settings),
        Dialect::Catatonit => catatonit::parse(invocation, &mut settings),
    }?;
    Ok(settings)
}

/// Who is called so; by the last part of the name.
fn dialect(name: &CStr) -> Dialect {
    match name.to_bytes().rsplit(|byte| *byte == b'/').next() {
        Some(b"tini" | b"tini-static" | b"docker-init") => Dialect::Tini,
        Some(b"dumb-init") => Dialect::DumbInit,
        Some(b"catatonit" | b"podman-init") => Dialect::Catatonit,
        _ => Dialect::Minit,
    }
}

/// Signals first: one that comes from here on is held until it is read.
fn supervise<'a>(settings: &'a Settings<'a>, environment: &'a [sys::exec::Argument<'a>]) -> u8 {
    let rank = if sys::process::getpid().as_raw_pid() == 1 { Rank::First } else { Rank::Other };
    if rank == Rank::Other && matches!(settings.policy.on_exit, OnExit::Machine(_)) {
        return refuse(Text("--on-exit poweroff and reboot are for process 1"), Text(""));
    }
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
    let steps = Steps::new(settings, &ids, held, mask, environment);
    let mut supervisor = Supervisor {
        settings,
        steps: &steps,
        signals,
        main: None,
        group: 0,
        reaper: Reaper::Process,
        rank,
        hand_off,
    };
    if !settings.command.is_empty() {
        match start::start(settings, steps.plan()) {
            Ok(main) => {
                if matches!(settings.place, Place::Session) {
                    tell(settings, Note::OwnSession);
                }
                tell(settings, Note::Spawned(main.pid));
                survive::remember(main.pid);
                supervisor.group = main.pid;
                supervisor.main = Some(main);
            }
            Err(code) => return code,
        }
    }
    if settings.dialect != Dialect::Tini {
        // So that no file system is kept from being unmounted.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_decides_who_it_is() {
        for (name, expected) in [
            (c"tini", Dialect::Tini),
            (c"/usr/bin/tini-static", Dialect::Tini),
            (c"/sbin/docker-init", Dialect::Tini),
            (c"./dumb-init", Dialect::DumbInit),
            (c"catatonit", Dialect::Catatonit),
            (c"/run/podman-init", Dialect::Catatonit),
            (c"/sbin/init", Dialect::Minit),
            (c"", Dialect::Minit),
        ] {
            assert_eq!(dialect(name), expected, "{name:?}");
        }
    }
}
