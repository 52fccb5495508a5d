//! After a defect of ours: a line that says where, and the least that a first process must do.

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, Ordering};

use sys::event::{PollFd, PollFlags, poll};
use sys::exec::{Argument, execve};
use sys::reap::{End, Found, Reaper, Target, any, kill, set_reaper};
use sys::signals::{SignalSet, block, descriptor, next};

use crate::boot::end::{Last, end, leave};
use crate::first::decide::{Action, Event, OnExit, Phase, Policy, decide};
use crate::first::supervise::{BLIND_PAUSE, deadline, left_until};
use crate::kept::{Kept, kept};
use crate::message::Part::{Error, Number, Text, Value};
use crate::message::alarm;

/// Becomes what is to be executed after a defect, with an empty environment; returns where there is none, or it cannot
/// be executed.
fn succeed(path: &[u8]) {
    let Ok(path) = CStr::from_bytes_until_nul(path) else { return };
    if !path.is_empty() {
        let _ = block(SignalSet::EMPTY);
        let errno = execve(path, &[Argument::new(path), Argument::END], &[Argument::END]);
        alarm(&[Text("minit: --on-crash "), Value(path.to_bytes()), Text(": "), Error(errno), Text("\n")]);
    }
}

/// Says where the defect is. As the first process it goes on then with what the table says ([`decide`]), but without its
/// api, and without starting the command again; otherwise it ends with code 125.
#[inline(never)]
pub fn survive(place: Option<&core::panic::Location<'_>>) -> ! {
    static IS_BROKEN: AtomicBool = AtomicBool::new(false);
    let (file, line) = place.map_or(("?", 0), |place| (place.file(), place.line()));
    let line = Number(i32::try_from(line).unwrap_or(0));
    alarm(&[Text("minit: defect at "), Text(file), Text(":"), line, Text("\n")]);
    if sys::process::getpid().as_raw_pid() != 1 {
        sys::clone::leave(125);
    }
    let Kept { main, policy, last, successor } = kept();
    if IS_BROKEN.swap(true, Ordering::Relaxed) {
        // Here too: nothing is left that could be relied upon.
        leave(last, End::Code(125));
    }
    succeed(&successor);
    let _ = set_reaper(Reaper::Process);
    let _ = block(SignalSet::ALL);
    let unknown = End::Code(125);
    let phase = if main == 0 { Phase::Resting(unknown) } else { Phase::Running };
    let mut rest = Rest { policy, last, main, phase, deadline: None };
    if main < 0 || main > 0 && kill(Target::Process(main), 0).is_err() {
        // It has ended; or the kernel has reaped it, and the loop had not looked yet.
        rest.step(Event::MainEnded(unknown));
    }
    loop {
        if let Ok(signals) = descriptor(SignalSet::ALL) {
            rest.serve(&signals);
        }
        sys::clock::sleep(BLIND_PAUSE);
    }
}

/// What is left of the loop.
struct Rest {
    policy: Policy,
    last: Last,
    main: i32,
    phase: Phase,
    deadline: Option<u64>,
}

impl Rest {
    /// Until signals cannot be read.
    fn serve(&mut self, signals: &sys::fd::OwnedFd) {
        loop {
            self.reap();
            let timeout = self.deadline.map(left_until);
            let mut polled = [PollFd::new(signals, PollFlags::IN)];
            let _ = poll(&mut polled, timeout.as_ref());
            match next(signals).map(|signal| signal.map(|signal| signal.number)) {
                Ok(Some(number @ (2 | 15))) => self.step(Event::Stop(number)),
                Ok(None | Some(17)) => {}
                Ok(Some(number)) => self.step(Event::Signal(number)),
                Err(_) => return,
            }
            if self.deadline.is_some_and(|time| sys::clock::monotonic() >= time) {
                self.deadline = None;
                self.step(Event::TimeUp);
            }
        }
    }

    fn reap(&mut self) {
        loop {
            match any() {
                Ok(Found::Ended(pid, end)) if pid == self.main => self.step(Event::MainEnded(end)),
                Ok(Found::Ended(..)) => {}
                Ok(Found::Alive) => return self.step(Event::SomeLeft),
                Ok(Found::None) => {
                    self.step(Event::NoneLeft);
                    if matches!(self.phase, Phase::Resting(_)) {
                        // The api is gone too, and to stay was for its sake.
                        self.policy.on_exit = OnExit::Exit;
                        self.step(Event::NobodyServes);
                        // No signal will say once more that none is left.
                        self.step(Event::NoneLeft);
                    }
                    return;
                }
                Err(_) => return,
            }
        }
    }

    fn step(&mut self, event: Event) {
        let (phase, action, timer) = decide(&self.policy, self.phase, event);
        self.phase = phase;
        self.deadline = deadline(self.deadline, timer);
        match action {
            Action::Nothing | Action::Start => {}
            Action::Forward(number) | Action::ForwardAndSuspend(number) => {
                let _ = kill(Target::Group(self.main), number);
            }
            Action::Clear => {
                let _ = kill(Target::Everyone, 15).and_then(|()| kill(Target::Everyone, 18));
            }
            Action::KillAll => {
                let _ = kill(Target::Everyone, 9);
            }
            Action::ForwardAndLeave(end) | Action::Leave(end) => leave(self.last, end),
            Action::EndMachine(ending, how) => end(self.last, ending, how),
        }
    }
}
