//! What clients ask of the container as a whole.

use std::time::Duration;

use container::Failure;
use container::group::Family;
use container::task::Ended;
use serve::{Done, Frozen, Machine, News, Next, NotStarted, Start, Started};
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use wire::answer::Exit;
use wire::json::Object;
use wire::{Mode, Resume, Shutdown, SignalNumber};

use crate::begin::failed;
use crate::enter::Container;
use crate::runtime::Runtime;

/// How long a container has to end when nobody says.
const GRACE_MS: u64 = 10_000;

/// The container, and what is its on the host.
pub struct Keeper {
    container: Container,
    /// `None` where there is no cgroup v2.
    family: Option<Family>,
    runtime: Runtime,
    /// Runs out when it has had its time to end.
    timer: OwnedFd,
    started: u64,
}

impl Keeper {
    pub fn new(container: Container, family: Option<Family>, runtime: Runtime, timer: OwnedFd) -> Self {
        Self { container, family, runtime, timer, started: sys::clock::monotonic() }
    }

    /// What a keeper needs, before there is anything to be kept.
    pub fn timer() -> Result<OwnedFd, Failure> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags);
        timer.map_err(|errno| failed("timerfd_create", errno))
    }

    pub fn pid(&self) -> sys::process::Pid {
        self.container.pid()
    }

    /// Leaves nothing but the note of the container's end.
    pub fn leave(self) -> Result<(), Failure> {
        self.container.kill();
        let left = self.family.map_or(Ok(()), Family::leave);
        self.runtime.leave();
        left
    }

    fn is_frozen(&self) -> bool {
        self.family.as_ref().is_some_and(Family::is_frozen)
    }

    /// Kills all that runs in it.
    fn kill(&self) {
        // Where there is no group, or it refuses: what else runs in a pid namespace ends with its first process.
        if self.family.as_ref().is_none_or(|family| family.kill().is_err()) {
            self.container.kill();
        }
    }
}

impl Machine for Keeper {
    fn start(&mut self, start: &Start<'_>) -> Result<Started, NotStarted> {
        if self.is_frozen() {
            let name = self.runtime.name();
            return Err(NotStarted::ours(format!(
                "instance {name}: is paused, and nothing starts in it (hint: husk resume {name})"
            )));
        }
        self.container.start(start)
    }

    fn main_ended(&mut self, exit: &Exit) {
        let ended = Ended {
            code: exit.code,
            signal: exit.signal,
            oom: exit.oom,
            finished_at: sys::clock::since_1970() / 1_000_000,
            pid: self.container.pid().as_raw_pid(),
        };
        // Clients are told all the same; a file system that is full is nothing that could be helped here.
        let _ = self.runtime.note_end(&ended);
    }

    fn shutdown(&mut self, how: Shutdown) -> Done {
        if how.mode != Mode::Exit {
            return Err(
                "shutdown: a container has no machine of its own: only the mode \"exit\" is possible".into(),
            );
        }
        if how.code.is_some() {
            return Err("shutdown: the code is that of the container's first process".into());
        }
        let grace = how.grace_ms.unwrap_or(GRACE_MS);
        if grace == 0 {
            self.kill();
            return Ok(());
        }
        let grace = Timespec::try_from(Duration::from_millis(grace))
            .map_err(|_| String::from("shutdown: the grace period is too long"))?;
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec { it_interval: zero, it_value: grace };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)
            .map_err(|errno| format!("shutdown: {}", sys::strerror::describe(errno)))?;
        self.container.signal(self.container.stop())?;
        // What stands still does not hear it.
        self.family
            .as_ref()
            .filter(|family| family.is_frozen())
            .map_or(Ok(()), Family::thaw)
            .map_err(|error| error.to_string())
    }

    fn signal_main(&mut self, signal: SignalNumber) -> Done {
        self.container.signal(signal)
    }

    fn resume(&mut self, _: &Resume) -> Done {
        Err("resume: a container has no clock and no identity of a machine's".into())
    }

    fn freeze(&mut self, to: Frozen) -> Done {
        let Some(family) = &self.family else {
            return Err("freeze, thaw: this needs cgroup v2, which the host does not have".into());
        };
        let done = match to {
            Frozen::Yes => family.freeze(),
            Frozen::No => family.thaw(),
        };
        done.map_err(|error| error.to_string())
    }

    fn stats(&mut self, message: &mut Object<'_>) {
        message.count("uptime_secs", (sys::clock::monotonic() - self.started) / 1_000_000_000);
        let mut main = message.object("main");
        let state = if self.is_frozen() { "frozen" } else { "running" };
        main.text("state", state).integer("pid", self.container.pid().as_raw_pid().into());
        main.end();
    }

    fn has(&self, pid: i32) -> bool {
        self.container.has(pid)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.timer.as_fd())
    }

    fn ready(&mut self, _: &mut Vec<News>) -> Next {
        let mut count = [0; 8];
        if sys::io::read(&self.timer, &mut count).is_ok() {
            self.kill();
        }
        Next::Serve
    }
}
