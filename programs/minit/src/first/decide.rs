//! What the first process does, as a table: phase × event → phase, action. Pure; everything else in the loop
//! only finds out which event it is and does what the action says.

use sys::machine::Ending;
use sys::reap::End;

/// Where the life of the first process has got to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The main command runs.
    Running,
    /// A stop was asked for; the main command has been told, and runs still.
    Stopping,
    /// The main command has ended, the first process stays.
    Resting(End),
    /// The main command has ended, and is started again when the time is up.
    Pausing(End),
    /// The main command has ended; the others have been told to.
    Clearing(End),
    /// Everybody has been killed.
    Killed(End),
    /// Nothing is left to do.
    Over,
}

/// What can happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// The main command has ended, and how; or it could not be started again.
    MainEnded(End),
    /// SIGTERM or SIGINT, by number.
    Stop(i32),
    /// SIGTSTP, SIGTTIN or SIGTTOU, by number.
    Suspend(i32),
    /// Any other signal but SIGCHLD, by number.
    Signal(i32),
    /// Children have ended, and others are left.
    SomeLeft,
    /// No child is left.
    NoneLeft,
    /// The time of the phase is up.
    TimeUp,
    /// The api has ended for good: nobody can ask for anything any more.
    NobodyServes,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Passes the signal on to the main command.
    Forward(i32),
    /// The same, and stops itself until it is told to continue.
    ForwardAndSuspend(i32),
    /// Tells every process to end.
    Clear,
    /// Kills every process.
    KillAll,
    /// Starts the main command.
    Start,
    /// Passes SIGTERM on to what is left of the main command's group, and ends.
    ForwardAndLeave(End),
    /// Ends.
    Leave(End),
    /// The machine ends, and how the main command has.
    EndMachine(Ending, End),
}

/// What becomes of the time that the phase has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// It runs on, if it runs.
    Keep,
    /// It runs from now, for so many milliseconds.
    Start(u64),
    /// There is no limit.
    Off,
}

/// What the first process was asked to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// What it does when the main command has ended.
    pub on_exit: OnExit,
    /// What SIGTERM and SIGINT mean to it.
    pub on_stop: OnStop,
    /// What SIGTSTP, SIGTTIN and SIGTTOU mean to it.
    pub on_suspend: OnSuspend,
    /// What it does about the processes that the main command leaves behind.
    pub leftovers: Leftovers,
    /// How long processes have from being told to end to being killed, in milliseconds.
    pub grace: u64,
}

/// What follows on the end of the main command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnExit {
    /// The first process goes on reaping.
    Stay,
    /// It ends, with the same code.
    Exit,
    /// The command is started again.
    Respawn,
    /// The machine ends.
    Machine(Ending),
}

/// What SIGTERM and SIGINT mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnStop {
    /// They are passed on, as any other signal.
    Forward,
    /// They are passed on, and everything is to end within the grace.
    Shutdown,
    /// Without a main command: they end the first process (the pause mode of catatonit).
    Leave,
}

/// What SIGTSTP, SIGTTIN and SIGTTOU mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnSuspend {
    /// They are passed on, and the first process stops too.
    Suspend,
    /// They are passed on.
    Forward,
    /// Nothing.
    Ignore,
}

/// What is done about processes that are left when the first process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leftovers {
    /// Nothing: the kernel kills them with the namespace.
    Leave,
    /// The main command's group gets SIGTERM.
    TermGroup,
    /// Everybody gets SIGTERM, the grace to end in, and then SIGKILL.
    Clear,
}

/// From the end of the main command to its next start, in milliseconds.
const RESPAWN_DELAY: u64 = 1_000;
/// How long killed processes are waited for, in milliseconds: one may hang in a device for ever.
const KILL_TIME: u64 = 2_000;
/// What a main command counts as that was killed with all the others.
const KILLED: End = End::Signal(9);

/// The table.
#[must_use]
pub fn decide(policy: &Policy, phase: Phase, event: Event) -> (Phase, Action, Timer) {
    use Phase as P;
    let keep = (phase, Action::Nothing, Timer::Keep);
    match (phase, event) {
        (P::Running, Event::MainEnded(end)) => after_main(policy, end),
        (P::Running, Event::Stop(number)) => match policy.on_stop {
            OnStop::Shutdown => (P::Stopping, Action::Forward(number), Timer::Start(policy.grace)),
            OnStop::Forward => (P::Running, Action::Forward(number), Timer::Keep),
            OnStop::Leave => (P::Over, Action::Leave(End::Code(0)), Timer::Off),
        },
        (P::Running | P::Stopping, Event::Signal(number)) => (phase, Action::Forward(number), Timer::Keep),
        (P::Running | P::Stopping, Event::Suspend(number)) => match policy.on_suspend {
            OnSuspend::Suspend => (phase, Action::ForwardAndSuspend(number), Timer::Keep),
            OnSuspend::Forward => (phase, Action::Forward(number), Timer::Keep),
            OnSuspend::Ignore => keep,
        },
        (P::Running, Event::SomeLeft | Event::NoneLeft | Event::TimeUp | Event::NobodyServes) => keep,

        // Who asks again means it again: a shell, say, that takes the second SIGINT seriously.
        (P::Stopping, Event::Stop(number)) => (phase, Action::Forward(number), Timer::Keep),
        (P::Stopping, Event::MainEnded(end)) => (P::Clearing(end), Action::Clear, Timer::Keep),
        (P::Stopping, Event::TimeUp) => (P::Killed(KILLED), Action::KillAll, Timer::Start(KILL_TIME)),
        (P::Stopping, Event::SomeLeft | Event::NoneLeft | Event::NobodyServes) => keep,

        (P::Resting(end) | P::Pausing(end), Event::Stop(_)) => {
            (P::Clearing(end), Action::Clear, Timer::Start(policy.grace))
        }
        (P::Resting(end), Event::NobodyServes) => after_main(policy, end),
        (P::Pausing(_), Event::TimeUp) => (P::Running, Action::Start, Timer::Off),
        (
            P::Resting(_) | P::Pausing(_),
            Event::MainEnded(_)
            | Event::Suspend(_)
            | Event::Signal(_)
            | Event::SomeLeft
            | Event::NoneLeft
            | Event::TimeUp
            | Event::NobodyServes,
        ) => keep,

        (P::Clearing(end), Event::NoneLeft) => finish(policy, end),
        (P::Clearing(end), Event::TimeUp) => (P::Killed(end), Action::KillAll, Timer::Start(KILL_TIME)),
        (
            P::Clearing(_),
            Event::MainEnded(_)
            | Event::Stop(_)
            | Event::Suspend(_)
            | Event::Signal(_)
            | Event::SomeLeft
            | Event::NobodyServes,
        ) => keep,

        (P::Killed(_), Event::MainEnded(end)) => (P::Killed(end), Action::Nothing, Timer::Keep),
        // Children of the killed have come to us: they are killed too.
        (P::Killed(_), Event::SomeLeft) => (phase, Action::KillAll, Timer::Keep),
        (P::Killed(end), Event::NoneLeft | Event::TimeUp) => finish(policy, end),
        (P::Killed(_), Event::Stop(_) | Event::Suspend(_) | Event::Signal(_) | Event::NobodyServes) => keep,

        (P::Over, _) => keep,
    }
}

fn after_main(policy: &Policy, end: End) -> (Phase, Action, Timer) {
    match (policy.on_exit, policy.leftovers) {
        (OnExit::Stay, _) => (Phase::Resting(end), Action::Nothing, Timer::Off),
        (OnExit::Respawn, _) => (Phase::Pausing(end), Action::Nothing, Timer::Start(RESPAWN_DELAY)),
        (OnExit::Exit, Leftovers::Leave) => (Phase::Over, Action::Leave(end), Timer::Off),
        (OnExit::Exit, Leftovers::TermGroup) => (Phase::Over, Action::ForwardAndLeave(end), Timer::Off),
        (OnExit::Exit, Leftovers::Clear) | (OnExit::Machine(_), _) => {
            (Phase::Clearing(end), Action::Clear, Timer::Start(policy.grace))
        }
    }
}

fn finish(policy: &Policy, end: End) -> (Phase, Action, Timer) {
    match policy.on_exit {
        OnExit::Machine(ending) => (Phase::Over, Action::EndMachine(ending, end), Timer::Off),
        OnExit::Stay | OnExit::Exit | OnExit::Respawn => (Phase::Over, Action::Leave(end), Timer::Off),
    }
}

/// Whether an api that has ended had served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// It had said that it serves.
    Served,
    /// It ended before.
    NotYet,
}

/// From the end of an api that has served to the start of the next, in milliseconds: soon, and not so soon that one
/// that dies of each request takes a processor for itself.
const RESTART_DELAY: u64 = 20;
/// The longest delay for one that dies before it serves.
const LONGEST_DELAY: u64 = 5_000;

/// How long after its end an api is started again, in milliseconds; `before` was the last delay.
#[must_use]
pub fn restart_delay(before: u64, readiness: Readiness) -> u64 {
    match readiness {
        Readiness::Served => RESTART_DELAY,
        Readiness::NotYet => before.saturating_mul(2).clamp(RESTART_DELAY, LONGEST_DELAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: End = End::Code(3);

    fn policy(on_exit: OnExit) -> Policy {
        Policy {
            on_exit,
            on_stop: OnStop::Shutdown,
            on_suspend: OnSuspend::Suspend,
            leftovers: Leftovers::Clear,
            grace: 10_000,
        }
    }

    fn like_tini() -> Policy {
        Policy { on_stop: OnStop::Forward, leftovers: Leftovers::Leave, ..policy(OnExit::Exit) }
    }

    const PHASES: [Phase; 7] = [
        Phase::Running,
        Phase::Stopping,
        Phase::Resting(END),
        Phase::Pausing(END),
        Phase::Clearing(END),
        Phase::Killed(END),
        Phase::Over,
    ];
    const EVENTS: [Event; 8] = [
        Event::MainEnded(End::Signal(9)),
        Event::Stop(15),
        Event::Suspend(20),
        Event::Signal(1),
        Event::SomeLeft,
        Event::NoneLeft,
        Event::TimeUp,
        Event::NobodyServes,
    ];

    fn policies() -> impl Iterator<Item = Policy> {
        let ends = [OnExit::Stay, OnExit::Exit, OnExit::Respawn, OnExit::Machine(Ending::PowerOff)];
        ends.into_iter().flat_map(|on_exit| {
            [OnStop::Forward, OnStop::Shutdown, OnStop::Leave].into_iter().flat_map(move |on_stop| {
                [Leftovers::Leave, Leftovers::TermGroup, Leftovers::Clear]
                    .into_iter()
                    .map(move |leftovers| Policy { on_stop, leftovers, ..policy(on_exit) })
            })
        })
    }

    #[test]
    fn only_over_is_final_and_only_leaving_leads_there() {
        for policy in policies() {
            for phase in PHASES {
                for event in EVENTS {
                    let (next, action, _) = decide(&policy, phase, event);
                    let leaves = matches!(
                        action,
                        Action::Leave(_) | Action::ForwardAndLeave(_) | Action::EndMachine(..)
                    );
                    assert!(!leaves || next == Phase::Over, "{phase:?} {event:?}: {action:?}");
                    assert!(phase == Phase::Over || next != Phase::Over || leaves, "{phase:?} {event:?}");
                }
            }
        }
    }

    #[test]
    fn every_phase_that_waits_for_time_has_a_timer() {
        for policy in policies() {
            for phase in PHASES {
                for event in EVENTS {
                    let (next, _, timer) = decide(&policy, phase, event);
                    let timed = matches!(
                        next,
                        Phase::Stopping | Phase::Pausing(_) | Phase::Clearing(_) | Phase::Killed(_)
                    );
                    let was_timed = matches!(
                        phase,
                        Phase::Stopping | Phase::Pausing(_) | Phase::Clearing(_) | Phase::Killed(_)
                    );
                    let runs = matches!(timer, Timer::Start(_)) || timer == Timer::Keep && was_timed;
                    assert!(!timed || runs, "{phase:?} {event:?} -> {next:?} {timer:?}");
                    let idle = matches!(next, Phase::Running | Phase::Resting(_));
                    assert!(!idle || !runs, "{phase:?} {event:?} -> {next:?} {timer:?} would wake up");
                }
            }
        }
    }

    #[test]
    fn a_stop_is_forwarded_then_everybody_is_told_then_killed() {
        let policy = policy(OnExit::Exit);
        let told = decide(&policy, Phase::Running, Event::Stop(15));
        assert_eq!(told, (Phase::Stopping, Action::Forward(15), Timer::Start(10_000)));
        let ended = decide(&policy, Phase::Stopping, Event::MainEnded(END));
        assert_eq!(ended, (Phase::Clearing(END), Action::Clear, Timer::Keep));
        let late = decide(&policy, Phase::Clearing(END), Event::TimeUp);
        assert_eq!(late, (Phase::Killed(END), Action::KillAll, Timer::Start(KILL_TIME)));
        let gone = decide(&policy, Phase::Killed(END), Event::NoneLeft);
        assert_eq!(gone, (Phase::Over, Action::Leave(END), Timer::Off));
    }

    #[test]
    fn nobody_is_waited_for_when_none_is_left() {
        let gone = decide(&policy(OnExit::Exit), Phase::Clearing(END), Event::NoneLeft);
        assert_eq!(gone, (Phase::Over, Action::Leave(END), Timer::Off));
    }

    #[test]
    fn a_main_command_that_ignores_the_stop_is_killed_and_its_end_is_told() {
        let policy = policy(OnExit::Exit);
        let (phase, action, _) = decide(&policy, Phase::Stopping, Event::TimeUp);
        assert_eq!((phase, action), (Phase::Killed(KILLED), Action::KillAll));
        let (phase, ..) = decide(&policy, phase, Event::MainEnded(End::Signal(9)));
        assert_eq!(decide(&policy, phase, Event::NoneLeft).1, Action::Leave(End::Signal(9)));
    }

    #[test]
    fn under_the_other_names_it_ends_with_the_command_at_once() {
        let ended = decide(&like_tini(), Phase::Running, Event::MainEnded(END));
        assert_eq!(ended, (Phase::Over, Action::Leave(END), Timer::Off));
        let stop = decide(&like_tini(), Phase::Running, Event::Stop(15));
        assert_eq!(stop, (Phase::Running, Action::Forward(15), Timer::Keep));
        let group = Policy { leftovers: Leftovers::TermGroup, ..like_tini() };
        let ended = decide(&group, Phase::Running, Event::MainEnded(END));
        assert_eq!(ended.1, Action::ForwardAndLeave(END));
    }

    #[test]
    fn staying_it_ends_only_when_it_is_told_to() {
        let policy = policy(OnExit::Stay);
        let (phase, action, timer) = decide(&policy, Phase::Running, Event::MainEnded(END));
        assert_eq!((phase, action, timer), (Phase::Resting(END), Action::Nothing, Timer::Off));
        for event in EVENTS.into_iter().filter(|event| !matches!(event, Event::Stop(_))) {
            assert_eq!(decide(&policy, phase, event).0, phase, "{event:?}");
        }
        assert_eq!(decide(&policy, phase, Event::Stop(2)).0, Phase::Clearing(END));
    }

    #[test]
    fn respawning_waits_before_it_starts_again() {
        let policy = policy(OnExit::Respawn);
        let (phase, _, timer) = decide(&policy, Phase::Running, Event::MainEnded(END));
        assert_eq!((phase, timer), (Phase::Pausing(END), Timer::Start(RESPAWN_DELAY)));
        assert_eq!(decide(&policy, phase, Event::TimeUp), (Phase::Running, Action::Start, Timer::Off));
    }

    #[test]
    fn when_nobody_serves_any_more_a_command_that_has_ended_decides() {
        let exits = policy(OnExit::Exit);
        let (phase, action, _) = decide(&exits, Phase::Resting(END), Event::NobodyServes);
        assert_eq!((phase, action), (Phase::Clearing(END), Action::Clear));
        let stays = policy(OnExit::Stay);
        assert_eq!(decide(&stays, Phase::Resting(END), Event::NobodyServes).0, Phase::Resting(END));
        assert_eq!(decide(&exits, Phase::Running, Event::NobodyServes).0, Phase::Running);
    }

    #[test]
    fn an_api_that_cannot_serve_is_started_less_and_less_often() {
        let mut delay = 0;
        let delays: std::vec::Vec<u64> = core::iter::repeat_with(|| {
            delay = restart_delay(delay, Readiness::NotYet);
            delay
        })
        .take(10)
        .collect();
        assert_eq!(delays, [20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_000, 5_000]);
        assert_eq!(restart_delay(delay, Readiness::Served), 20);
    }

    #[test]
    fn a_machine_ends_when_nobody_is_left_and_knows_how_the_command_did() {
        let policy = policy(OnExit::Machine(Ending::Reboot));
        let gone = decide(&policy, Phase::Clearing(END), Event::NoneLeft);
        assert_eq!(gone, (Phase::Over, Action::EndMachine(Ending::Reboot, END), Timer::Off));
    }
}
