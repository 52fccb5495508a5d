//! The loop of the first process: one wait, one table, and what the table says.

use sys::Errno;
use sys::event::{PollFd, PollFlags, Timespec, poll};
use sys::fd::{AsFd, OwnedFd};
use sys::reap::{End, Found, Reaper, Target, any, end_of, kill, set_reaper};
use sys::signals::{Received, SignalSet, next};

use crate::decide::{Action, Event, Phase, Timer, decide};
use crate::kin::tell_kin;
use crate::notes::{Note, tell};
use crate::settings::{Audience, Settings};
use crate::start::{Main, start};
use crate::steps::Steps;

const SIGINT: i32 = 2;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
const SIGCHLD: i32 = 17;
const SIGCONT: i32 = 18;
const SIGSTOP: i32 = 19;
const SUSPENDING: [i32; 3] = [20, 21, 22];

const SECOND: u64 = 1_000_000_000;

/// Whether we are the first process of our pid namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rank {
    /// Everybody else's life depends on ours, and nobody outside is ours to signal.
    First,
    /// One among others.
    Other,
}

/// What the loop works on.
#[derive(Debug)]
pub struct Supervisor<'a> {
    /// What was asked for.
    pub settings: &'a Settings<'a>,
    /// How the main command is started again.
    pub steps: &'a Steps<'a>,
    /// Where signals are read.
    pub signals: OwnedFd,
    /// The main command, while it lives.
    pub main: Option<Main>,
    /// Its process group, which may outlive it.
    pub group: i32,
    /// Who reaps orphans while the main command runs.
    pub reaper: Reaper,
    /// What we are.
    pub rank: Rank,
    /// Signals that the kernel sends once because the terminal was given away.
    pub hand_off: SignalSet,
}

/// Where the loop stands.
struct State {
    phase: Phase,
    /// When the time of the phase is up, on the monotonic clock.
    deadline: Option<u64>,
    /// How we are to end.
    leaving: Option<End>,
}

impl Supervisor<'_> {
    /// Runs until it is over.
    pub fn run(mut self) -> End {
        let mut state = State { phase: Phase::Running, deadline: None, leaving: None };
        self.choose_reaper(&mut state);
        loop {
            if let Some(end) = state.leaving {
                return end;
            }
            let (signal, main) = self.wait(state.deadline);
            if main {
                self.look_after_main(&mut state);
            }
            if signal {
                self.take_signal(&mut state);
            }
            if state.deadline.is_some_and(|deadline| sys::clock::monotonic() >= deadline) {
                state.deadline = None;
                self.step(&mut state, Event::TimeUp);
            }
            if matches!(state.phase, Phase::Clearing(_) | Phase::Killed(_)) {
                self.sweep(&mut state);
            }
        }
    }

    /// The one place that waits: for a signal, for the end of the main command where no signal tells it, and no
    /// longer than to the deadline.
    fn wait(&self, deadline: Option<u64>) -> (bool, bool) {
        let timeout = deadline.map(|deadline| {
            let left = deadline.saturating_sub(sys::clock::monotonic());
            Timespec { tv_sec: (left / SECOND) as i64, tv_nsec: (left % SECOND) as i64 }
        });
        let watched = self.main.as_ref().filter(|_| self.reaper == Reaper::Kernel);
        let signals = self.signals.as_fd();
        let mut polled = [
            PollFd::from_borrowed_fd(signals, PollFlags::IN),
            PollFd::from_borrowed_fd(watched.map_or(signals, |main| main.pidfd.as_fd()), PollFlags::IN),
        ];
        let used = if watched.is_some() { 2 } else { 1 };
        let Some(polled) = polled.get_mut(..used) else { return (true, false) };
        match poll(polled, timeout.as_ref()) {
            Ok(_) => {
                let ready = |index: usize| polled.get(index).is_some_and(|fd| !fd.revents().is_empty());
                (ready(0), ready(1))
            }
            // Looking in vain costs nothing; and it cannot be every time, since only memory can be short.
            Err(_) => (true, watched.is_some()),
        }
    }

    fn take_signal(&mut self, state: &mut State) {
        let Ok(Some(Received { number, sender, .. })) = next(&self.signals) else { return };
        tell(self.settings, Note::Received(number));
        if self.hand_off.contains(number) {
            self.hand_off = self.hand_off.without(number);
            // The kernel sends them in the name of whoever has given the terminal away.
            if sender == sys::process::getpid().as_raw_pid().unsigned_abs() {
                return tell(self.settings, Note::HandOff(number));
            }
        }
        match number {
            SIGCHLD => self.sweep(state),
            SIGTERM | SIGINT => self.step(state, Event::Stop(number)),
            number if SUSPENDING.contains(&number) => self.step(state, Event::Suspend(number)),
            number => self.step(state, Event::Signal(number)),
        }
    }

    /// Reaps all that has ended.
    fn sweep(&mut self, state: &mut State) {
        while state.leaving.is_none() {
            match any() {
                Ok(Found::Ended(pid, end)) => {
                    tell(self.settings, Note::Ended(pid, end));
                    if self.main.as_ref().is_some_and(|main| main.pid == pid) {
                        self.main = None;
                        self.step(state, Event::MainEnded(end));
                    } else {
                        tell(self.settings, Note::Reaped(pid));
                    }
                }
                Ok(Found::Alive) => return self.step(state, Event::SomeLeft),
                Ok(Found::None) => return self.step(state, Event::NoneLeft),
                Err(_) => return,
            }
        }
    }

    /// Where the kernel reaps: the main command's pidfd tells that and how it has ended.
    fn look_after_main(&mut self, state: &mut State) {
        let Some(main) = &self.main else { return };
        match end_of(&main.pidfd) {
            Ok(Some(end)) => {
                self.main = None;
                self.step(state, Event::MainEnded(end));
            }
            // A zombie, from before the kernel was told to reap.
            _ => self.sweep(state),
        }
    }

    /// One event through the table.
    fn step(&mut self, state: &mut State, event: Event) {
        let (phase, action, timer) = decide(&self.settings.policy, state.phase, event);
        state.phase = phase;
        match timer {
            Timer::Keep => {}
            Timer::Off => state.deadline = None,
            Timer::Start(time) => {
                state.deadline = Some(sys::clock::monotonic().saturating_add(time.saturating_mul(1_000_000)));
            }
        }
        self.perform(state, action);
    }

    fn perform(&mut self, state: &mut State, action: Action) {
        match action {
            Action::Nothing => {}
            Action::Forward(number) => self.forward(number),
            Action::ForwardAndSuspend(number) => {
                self.forward(number);
                // The first process of a namespace is not stopped by this: nobody could continue it.
                let own = sys::process::getpid().as_raw_pid();
                let _ = kill(Target::Process(own), SIGSTOP);
            }
            Action::Clear => {
                self.reap_by_ourselves();
                self.tell_everyone(SIGTERM);
                // Who is stopped does not see that it is to end.
                self.tell_everyone(SIGCONT);
            }
            Action::KillAll => {
                self.reap_by_ourselves();
                self.tell_everyone(SIGKILL);
            }
            Action::Start => self.start_again(state),
            Action::ForwardAndLeave(end) => {
                self.forward(SIGTERM);
                self.leave(state, end);
            }
            Action::Leave(end) => self.leave(state, end),
            Action::EndMachine(ending) => {
                sys::fs::sync();
                if let Err(errno) = sys::machine::end(ending) {
                    tell(self.settings, Note::MachineGoesOn(errno));
                }
            }
        }
    }

    fn leave(&self, state: &mut State, end: End) {
        tell(self.settings, Note::Goodbye(end.code()));
        state.leaving = Some(end);
    }

    fn forward(&self, received: i32) {
        let Some(number) = self.settings.rewrites.apply(received) else {
            return tell(self.settings, Note::Dropped(received));
        };
        let target = match self.settings.audience {
            Audience::Group => Target::Group(self.group),
            Audience::Process => Target::Process(self.main.as_ref().map_or(0, |main| main.pid)),
        };
        match kill(target, number) {
            // It has just ended: that will be told next.
            Ok(()) | Err(Errno::SRCH | Errno::INVAL) => tell(self.settings, Note::Forwarded(number)),
            Err(errno) => tell(self.settings, Note::NotForwarded(number, errno)),
        }
    }

    fn tell_everyone(&self, number: i32) {
        if self.rank == Rank::First {
            let _ = kill(Target::Everyone, number);
        } else {
            let _ = kill(Target::Group(self.group), number);
            tell_kin(number);
        }
    }

    fn start_again(&mut self, state: &mut State) {
        self.reap_by_ourselves();
        match start(self.settings, self.steps.plan()) {
            Ok(main) => {
                self.group = main.pid;
                self.main = Some(main);
                self.choose_reaper(state);
            }
            Err(code) => self.step(state, Event::MainEnded(End::Code(code))),
        }
    }

    /// Who ends from here on is told of by SIGCHLD: only so is it known when nobody is left.
    fn reap_by_ourselves(&mut self) {
        if self.reaper == Reaper::Kernel && set_reaper(Reaper::Process).is_ok() {
            self.reaper = Reaper::Process;
        }
    }

    /// Leaves orphans to the kernel where it can do that and nobody wants to hear of them. What has ended before
    /// is still ours.
    fn choose_reaper(&mut self, state: &mut State) {
        let Some(main) = &self.main else { return };
        if crate::kernel::reaps_for(self.settings, &main.pidfd) && set_reaper(Reaper::Kernel).is_ok() {
            self.reaper = Reaper::Kernel;
            self.sweep(state);
        }
    }
}
