//! The loop of the first process: one wait, one table, and what the table says.

use sys::Errno;
use sys::event::{PollFd, PollFlags, Timespec, poll};
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::reap::{End, Found, Reaper, Target, any, kill, set_reaper};
use sys::signals::{Received, SignalSet, next, take};

use crate::begin::Rank;
use crate::boot::end::Last;
use crate::first::api::{Api, Outlook};
use crate::first::decide::{Action, Event, OnExit, Phase, Policy, Timer, decide};
use crate::first::kernel::end_of_child;
use crate::first::kin::tell_kin;
use crate::first::link::{Heard, Order, Orphans, Record};
use crate::first::start::{Main, start};
use crate::notes::{Note, tell};
use crate::settings::{Audience, Settings};
use crate::steps::Steps;

const SIGINT: i32 = 2;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
const SIGCHLD: i32 = 17;
const SIGCONT: i32 = 18;
const SIGSTOP: i32 = 19;
const SUSPENDING: [i32; 3] = [20, 21, 22];

/// How long the api has to tell its clients that their commands were killed, in milliseconds.
const LAST_WORDS: u64 = 200;
const SECOND: u64 = 1_000_000_000;
/// Milliseconds between looks while the kernel refuses to wait for us, or reports what cannot be read.
pub const BLIND_PAUSE: u32 = 20;

/// How long it is until then, on the monotonic clock.
pub fn left_until(deadline: u64) -> Timespec {
    let left = deadline.saturating_sub(sys::clock::monotonic());
    Timespec { tv_sec: (left / SECOND) as i64, tv_nsec: (left % SECOND) as i64 }
}

/// What becomes of a deadline.
pub fn deadline(before: Option<u64>, timer: Timer) -> Option<u64> {
    match timer {
        Timer::Keep => before,
        Timer::Off => None,
        Timer::Start(time) => Some(sys::clock::monotonic().saturating_add(time.saturating_mul(1_000_000))),
    }
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
    /// Its cgroup, where it has one of its own.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// The role that serves clients, where there is one.
    pub api: Option<Api<'a>>,
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
    policy: Policy,
    /// When the time of the phase is up, on the monotonic clock.
    deadline: Option<u64>,
    /// How the main command ended last.
    last: Option<End>,
    /// The exit code that a client asked for.
    code: Option<u8>,
    /// How we are to end.
    leaving: Option<End>,
    /// The api was told that the time is up, and has [`LAST_WORDS`].
    has_last_words: bool,
}

/// What [`Supervisor::wait`] has found, in the order in which it is looked after.
const SIGNALS: usize = 0;
const MAIN: usize = 1;
const LINK: usize = 2;
const API: usize = 3;

/// Exit code of a first process that was to serve, without a command, and cannot.
const USELESS: End = End::Code(125);

impl Supervisor<'_> {
    /// Runs until it is over.
    pub fn run(mut self) -> End {
        let phase = match self.api {
            Some(_) if self.main.is_none() => Phase::Resting(USELESS),
            _ => Phase::Running,
        };
        let policy = self.settings.policy;
        let mut state = State {
            phase,
            policy,
            deadline: None,
            last: None,
            code: None,
            leaving: None,
            has_last_words: false,
        };
        self.start_api(&state);
        self.choose_reaper(&mut state);
        loop {
            if let Some(end) = state.leaving {
                return end;
            }
            let due = self.api.as_ref().and_then(|api| api.due);
            let ready = self.wait([state.deadline, due].into_iter().flatten().min());
            if ready[MAIN] {
                self.look_after_main(&mut state);
            }
            if ready[SIGNALS] {
                self.take_signal(&mut state);
            }
            if ready[LINK] {
                self.listen(&mut state);
            }
            if ready[API] {
                self.look_after_api(&mut state);
            }
            let is_past = |time: Option<u64>| time.is_some_and(|time| sys::clock::monotonic() >= time);
            if is_past(state.deadline) {
                self.time_is_up(&mut state);
            }
            if is_past(due) {
                self.start_api(&state);
            }
            if matches!(state.phase, Phase::Clearing(_) | Phase::Killed(_)) {
                self.sweep(&mut state);
            }
        }
    }

    /// The one place that waits: for a signal, a word of the api, the end of either child where no signal tells it,
    /// and no longer than to the deadline.
    fn wait(&self, deadline: Option<u64>) -> [bool; 4] {
        let timeout = deadline.map(left_until);
        let untold = self.reaper == Reaper::Kernel;
        let signals = self.signals.as_fd();
        let main = self.main.as_ref().filter(|_| untold).map(|main| main.pidfd.as_fd());
        let (link, api) = self.api.as_ref().map_or((None, None), Api::descriptors);
        let mut polled = [Some(signals), main, link, api.filter(|_| untold)].map(|descriptor| {
            let wanted = if descriptor.is_some() { PollFlags::IN } else { PollFlags::empty() };
            PollFd::from_borrowed_fd(descriptor.unwrap_or(signals), wanted)
        });
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) => polled.map(|descriptor| !descriptor.revents().is_empty()),
            // Memory is short: what there is to do is looked for without being told, in calm.
            Err(_) => {
                sys::clock::sleep(BLIND_PAUSE);
                [true; 4]
            }
        }
    }

    /// Starts the api, or plans to.
    fn start_api(&mut self, state: &State) {
        let Some(api) = &mut self.api else { return };
        let news = match (&self.main, state.last) {
            (Some(main), _) => Some(Record::Started(main.pid)),
            (None, last) => last.map(Record::Ended),
        };
        if let Err(errno) = api.start(news) {
            tell(self.settings, Note::NoApi(errno));
        }
    }

    /// Before all are killed, and the api with them, that kills its own commands and tells their ends to clients.
    fn time_is_up(&mut self, state: &mut State) {
        state.deadline = None;
        let kills = matches!(state.phase, Phase::Stopping | Phase::Clearing(_));
        if let (Some(api), true, false) = (&self.api, kills, state.has_last_words) {
            api.say(Record::TimeUp);
            state.has_last_words = true;
            state.deadline = deadline(None, Timer::Start(LAST_WORDS));
        } else {
            self.step(state, Event::TimeUp);
        }
    }

    /// What the api says.
    fn listen(&mut self, state: &mut State) {
        let mut is_heard = false;
        while let Some(api) = &mut self.api {
            match api.hear() {
                // The link is ready, and nothing comes of it: it would be ready for ever.
                Heard::Nothing if !is_heard && api.descriptors().0.is_some() => {
                    return sys::clock::sleep(BLIND_PAUSE);
                }
                Heard::Record(Record::Shutdown(order)) => self.obey(state, order),
                Heard::Record(Record::Signal(number)) => self.pass_on(number),
                Heard::Record(Record::Watch(Orphans::Told)) => self.reap_by_ourselves(),
                Heard::Record(Record::Watch(Orphans::Untold)) => self.choose_reaper(state),
                Heard::Record(_) => {}
                Heard::Nothing | Heard::Gone => return,
            }
            is_heard = true;
        }
    }

    fn obey(&mut self, state: &mut State, order: Order) {
        state.policy.on_exit = order.then;
        state.policy.grace = order.grace.unwrap_or(state.policy.grace);
        state.code = order.code.or(state.code);
        self.step(state, Event::Stop(SIGTERM));
    }

    /// Where the kernel reaps: the api's pidfd tells.
    fn look_after_api(&mut self, state: &mut State) {
        match self.api.as_ref().and_then(Api::end) {
            Some(end) => self.take_end_of_api(state, end),
            None => self.sweep(state),
        }
    }

    fn take_end_of_api(&mut self, state: &mut State, end: End) {
        let Some(api) = &mut self.api else { return };
        let outlook = api.ended(end);
        let ends = matches!(state.phase, Phase::Clearing(_) | Phase::Killed(_) | Phase::Over);
        if state.has_last_words && !matches!(state.phase, Phase::Killed(_)) {
            state.deadline = Some(0);
        }
        if ends {
            api.due = None;
        } else if outlook == Outlook::Again {
            tell(self.settings, Note::ApiEnded(end));
            if self.reaper == Reaper::Process {
                self.choose_reaper(state);
            }
        } else {
            self.api = None;
            if self.settings.on_exit.is_none() && !state.has_last_words {
                // To stay was for the sake of clients. What a client has ordered at a stop holds on.
                state.policy.on_exit = OnExit::Exit;
            }
            self.step(state, Event::NobodyServes);
        }
    }

    fn take_signal(&mut self, state: &mut State) {
        // A descriptor that is ready and cannot be read would be ready for ever: the signal is taken without it.
        let received = next(&self.signals).ok().flatten().or_else(|| take(SignalSet::ALL));
        let Some(Received { number, sender, .. }) = received else { return };
        tell(self.settings, Note::Received(number));
        if self.hand_off.contains(number) {
            self.hand_off = self.hand_off.without(number);
            // The kernel sends them in the name of whoever has given the terminal away.
            if sender == sys::process::getpid().as_raw_pid().unsigned_abs() {
                return tell(self.settings, Note::HandOff(number));
            }
        }
        #[cfg(feature = "defect")]
        assert!(number != 64, "the defect that was asked for");
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
                        self.take_end_of_main(state, end);
                    } else if self.api.as_ref().and_then(Api::pid) == Some(pid) {
                        self.take_end_of_api(state, end);
                    } else {
                        tell(self.settings, Note::Reaped(pid));
                        self.settings.reaped.count();
                        if let Some(api) = self.api.as_ref().filter(|api| api.hears_of_orphans()) {
                            api.say(Record::Reaped(pid, end));
                        }
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
        match end_of_child(main.pidfd.as_fd()) {
            Some(end) => self.take_end_of_main(state, end),
            // A zombie, from before the kernel was told to reap.
            None => self.sweep(state),
        }
    }

    fn take_end_of_main(&mut self, state: &mut State, end: End) {
        self.main = None;
        crate::kept::remember(crate::kept::ENDED);
        state.last = Some(end);
        if let Some(api) = &self.api {
            api.say(Record::Ended(end));
        }
        self.step(state, Event::MainEnded(end));
    }

    /// One event through the table.
    fn step(&mut self, state: &mut State, event: Event) {
        let (phase, action, timer) = decide(&state.policy, state.phase, event);
        state.phase = phase;
        state.deadline = deadline(state.deadline, timer);
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
                if let Some(api) = &self.api {
                    api.say(Record::Stopping);
                }
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
            Action::EndMachine(ending, end) => {
                crate::boot::end::end(Last::of(self.settings), ending, state.code.map_or(end, End::Code))
            }
        }
    }

    fn leave(&self, state: &mut State, end: End) {
        let end = state.code.map_or(end, End::Code);
        tell(self.settings, Note::Goodbye(end.code()));
        state.leaving = Some(end);
    }

    fn forward(&self, received: i32) {
        match self.settings.rewrites.apply(received) {
            Some(number) => self.pass_on(number),
            None => tell(self.settings, Note::Dropped(received)),
        }
    }

    fn pass_on(&self, number: i32) {
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
        match start(self.settings, self.steps.plan(), self.cgroup) {
            Ok(main) => {
                self.group = main.pid;
                crate::kept::remember(main.pid);
                if let Some(api) = &self.api {
                    api.say(Record::Started(main.pid));
                }
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
        let main = self.main.as_ref().map(|main| main.pidfd.as_fd());
        let Some(child) = main.or_else(|| self.api.as_ref()?.descriptors().1) else { return };
        let told = self.api.as_ref().is_some_and(Api::watches_orphans);
        let kernel = !told && crate::first::kernel::reaps_for(self.settings, child);
        if kernel && set_reaper(Reaper::Kernel).is_ok() {
            self.reaper = Reaper::Kernel;
            self.sweep(state);
        }
    }
}
