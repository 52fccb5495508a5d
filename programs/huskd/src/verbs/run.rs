//! What starts, stops and freezes instances, and waits for them.

use std::sync::Arc;

use instance::InstanceName;
use instance::message::{Others, Reason, Refusal};
use instance::state::{Command, Exit, Phase, Then, apply};
use sys::fd::AsFd as _;

use crate::client::{Client, Done, Peer};
use crate::daemon::{Daemon, now_ms};
use crate::effects::{Orders, perform, remove_at_end};
use crate::hold::Hold;
use crate::launch::Wanted;
use crate::refusal::{failed, refuse};
use crate::seat::{Holder, Seat, Urge};
use crate::{journal, shims};

/// Why a copy is ended.
const STOPPED: &str = "the instance is stopped";
const FROZEN: &str = "the instance is frozen";

/// Starts an instance, or resumes it.
///
/// # Errors
/// Why not.
pub fn run(
    daemon: &Arc<Daemon>,
    by: Peer,
    name: &InstanceName,
    wanted: Wanted,
    others: Others,
) -> Result<Done, Refusal> {
    let seat = daemon.seat(name)?;
    if others != Others::Keep {
        // Nobody is stopped for one that is not started then.
        let record = seat.record();
        apply(&record.state, &record.circumstances(name, now_ms()), &Command::Run)?;
    }
    put_aside(daemon, by, name, others)?;
    {
        let turn = seat.take_with(Urge::EndsStill("the instance is started"))?;
        perform(daemon, &turn, &Command::Run, &mut Orders { by: Some(by), wanted, ..Orders::default() })?;
    }
    daemon.leave_console();
    connected(daemon, &seat)
}

/// What becomes of the others first.
fn put_aside(daemon: &Arc<Daemon>, by: Peer, name: &InstanceName, others: Others) -> Result<(), Refusal> {
    let (command, urge) = match others {
        Others::Keep => return Ok(()),
        Others::Stop => (Command::Stop { grace_ms: None }, Urge::Ends(STOPPED)),
        Others::Freeze => (Command::Pause, Urge::EndsStill(FROZEN)),
    };
    let others: Vec<Arc<Seat>> = daemon.seats().into_iter().filter(|seat| seat.name() != name).collect();
    // All are asked before one is waited for.
    for seat in &others {
        let turn = match seat.take_with(urge) {
            // It has been removed in between.
            Err(refusal) if refusal.code == Reason::NotFound => continue,
            turn => turn?,
        };
        let is_meant = match seat.record().state.phase {
            Phase::Running { .. } => true,
            Phase::Paused { .. } | Phase::Restarting { .. } => command != Command::Pause,
            _ => false,
        };
        if is_meant {
            perform(daemon, &turn, &command, &mut Orders { by: Some(by), ..Orders::default() })?;
        }
    }
    for seat in others {
        let is_over = || (!matches!(seat.record().state.phase, Phase::Stopping { .. })).then_some(());
        // Whatever becomes of the client: they have been asked.
        seat.waiters.wait(None, is_over).map_err(|errno| failed("poll", errno))?;
    }
    Ok(())
}

/// Takes the turn for a command that ends an instance, and with it what is copied out of it or into it: nothing is ended
/// for a command that will be refused.
///
/// # Errors
/// As [`Seat::take`].
pub fn take_to_end<'s>(seat: &'s Seat, command: &Command, why: &'static str) -> Result<Holder<'s>, Refusal> {
    let is_meant = {
        let record = seat.record();
        apply(&record.state, &record.circumstances(seat.name(), now_ms()), command).is_ok()
    };
    seat.take_with(if is_meant { Urge::Ends(why) } else { Urge::Patient })
}

/// What is answered of an instance that runs: with a connection to its shim.
fn connected(daemon: &Daemon, seat: &Seat) -> Result<Done, Refusal> {
    let state = seat.record().state.clone();
    let Some((_, pid)) = state.alive() else {
        // It has ended again already. How is in its record, and for who waits.
        return Ok(Done::silent().say("state", state.word()).say("code", state.exit().map(|exit| exit.code)));
    };
    let done = Done::silent().say("pid", pid).say("state", state.word());
    match shims::connect(&daemon.runtime(seat.name())) {
        Ok(socket) => Ok(done.pass(socket.into())),
        // It may have ended in between.
        Err(_) => Ok(done),
    }
}

/// A connection to the shim of an instance that runs.
///
/// # Errors
/// It does not run.
pub fn connect(daemon: &Daemon, by: Peer, name: &InstanceName, exec: Option<&str>) -> Result<Done, Refusal> {
    let seat = daemon.seat(name)?;
    if let Some(unreachable) = seat.unreachable() {
        return Err(unreachable.refusal(name));
    }
    let state = seat.record().state.clone();
    let Some((_, pid)) = state.alive() else {
        let text = format!("instance {name}: does not run (it is {})", state.word());
        let hint = Some(format!("husk run {name}"));
        return Err(Refusal { hint, ..refuse(Reason::State, text) });
    };
    let socket = shims::connect(&daemon.runtime(name))?;
    match exec {
        Some(word) => {
            daemon.events.tell("exec", name.as_str(), Some(by), &[("command", shortened(word).into())])
        }
        // What is done with it is not told: it may be anything.
        None => journal::write(format!("{name}: connection to its shim, by {by}")),
    }
    Ok(Done::silent().say("pid", pid).say("state", state.word()).pass(socket.into()))
}

/// The begin of a word that somebody else chose, for a line of the log.
fn shortened(word: &str) -> String {
    const MOST: usize = 200;
    word.chars().take(MOST).collect()
}

/// Stops an instance, and waits until nothing of it runs.
///
/// # Errors
/// It does not run; the client has gone.
pub fn stop(
    daemon: &Arc<Daemon>,
    client: &Client,
    name: &InstanceName,
    grace_ms: Option<u64>,
) -> Result<Done, Refusal> {
    let seat = daemon.seat(name)?;
    // It is as it was to be; who has asked need not have looked.
    let is_over = matches!(seat.record().state.phase, Phase::Created | Phase::Exited { .. });
    if is_over && !seat.is_gone() {
        let code = seat.record().state.exit().map(|exit| exit.code);
        return Ok(Done::silent().say("code", code));
    }
    let was_unreachable = end_unreachable(client, &seat, grace_ms)?;
    match ask_to_stop(daemon, client, &seat, &Command::Stop { grace_ms }) {
        // It has ended with its shim.
        Err(refusal) if was_unreachable && refusal.code == Reason::State => {}
        asked => asked?,
    }
    let exit = until_stopped(client, &seat)?;
    // Until what it has left is removed, too.
    if let Some(turn) = seat.take_at_last() {
        remove_at_end(daemon, &turn);
    }
    Ok(Done::silent().say("code", exit.map(|exit| exit.code)))
}

fn ask_to_stop(
    daemon: &Arc<Daemon>,
    client: &Client,
    seat: &Arc<Seat>,
    command: &Command,
) -> Result<(), Refusal> {
    let turn = take_to_end(seat, command, STOPPED)?;
    let mut orders = Orders { by: Some(client.peer()), ..Orders::default() };
    perform(daemon, &turn, command, &mut orders).map(drop)
}

/// Kills the shim of an instance that cannot be reached, if it does not come back while the instance has time to stop;
/// whether there was such a one. What has become of the instance is known when this returns.
///
/// # Errors
/// The client has gone.
pub fn end_unreachable(client: &Client, seat: &Seat, grace_ms: Option<u64>) -> Result<bool, Refusal> {
    let Some(unreachable) = seat.unreachable() else { return Ok(false) };
    let grace_ms = grace_ms.unwrap_or_else(|| seat.record().grace_ms());
    let until = sys::clock::monotonic().saturating_add(grace_ms.saturating_mul(1_000_000)).min(u64::MAX - 1);
    let is_back = || seat.unreachable().is_none().then_some(());
    let client = Some(client.as_fd());
    let waited = seat.waiters.wait_until(until, client, is_back).map_err(|errno| failed("poll", errno))?;
    if waited.is_none() && !client.is_some_and(crate::wake::is_closed) {
        let recorded = seat.record().state.alive().map(|(shim, _)| shim);
        if let Some(shim) = unreachable.shim.or(recorded) {
            shims::kill(shim);
        }
    }
    waited_for(seat.waiters.wait(client, is_back))?;
    Ok(true)
}

/// Waits until an instance that was asked to stop has stopped, or is gone.
///
/// # Errors
/// The client has gone.
pub fn until_stopped(client: &Client, seat: &Seat) -> Result<Option<Exit>, Refusal> {
    let look = || {
        if seat.is_gone() {
            return Some(None);
        }
        let state = seat.record().state.clone();
        (state.alive().is_none()).then(|| state.exit().cloned())
    };
    waited_for(seat.waiters.wait(Some(client.as_fd()), look))
}

fn waited_for<T>(waited: sys::Result<Option<T>>) -> Result<T, Refusal> {
    match waited {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(refuse(Reason::Interrupted, "nobody waits any more")),
        Err(errno) => Err(failed("poll", errno)),
    }
}

/// Waits for the end of an instance.
///
/// # Errors
/// It has never run; it is removed; the client has gone.
pub fn wait(daemon: &Arc<Daemon>, client: &Client, name: &InstanceName) -> Result<Done, Refusal> {
    let seat = daemon.seat(name)?;
    // One that is removed at its end stays until it is known how that was.
    let _hold = (seat.record().at_end == Then::Remove).then(|| Hold::new(daemon, seat.clone()));
    let look = || {
        if seat.is_gone() {
            return Some(Err(crate::refusal::no_instance(name)));
        }
        match &seat.record().state.phase {
            Phase::Created => {
                let text = format!("instance {name}: has never been started");
                Some(Err(refuse(Reason::State, text)))
            }
            Phase::Exited { exit } | Phase::Restarting { exit, .. } => Some(Ok(exit.clone())),
            _ => None,
        }
    };
    let exit = waited_for(seat.waiters.wait(Some(client.as_fd()), look))??;
    let done = Done::silent().say("code", exit.code).say("signal", exit.signal).say("oom", exit.oom);
    Ok(match exit.reason {
        Some(reason) => done.say("reason", reason),
        None => done,
    })
}

fn plain(
    daemon: &Arc<Daemon>,
    by: Peer,
    name: &InstanceName,
    (command, why): (&Command, &'static str),
) -> Result<Done, Refusal> {
    let seat = daemon.seat(name)?;
    let turn = seat.take_with(Urge::EndsStill(why))?;
    perform(daemon, &turn, command, &mut Orders { by: Some(by), ..Orders::default() })?;
    Ok(Done::silent())
}

/// Freezes an instance.
///
/// # Errors
/// It does not run; the machine cannot.
pub fn pause(daemon: &Arc<Daemon>, by: Peer, name: &InstanceName) -> Result<Done, Refusal> {
    plain(daemon, by, name, (&Command::Pause, FROZEN))
}

/// Lets it go on.
///
/// # Errors
/// It is not frozen.
pub fn resume(daemon: &Arc<Daemon>, by: Peer, name: &InstanceName) -> Result<Done, Refusal> {
    let done = plain(daemon, by, name, (&Command::Resume, "the instance is thawed"))?;
    daemon.leave_console();
    Ok(done)
}
