//! What clients ask of the container or machine as a whole: the first process does it, or the kernel.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serve::{Done, Frozen, Machine, News, Next, Watch};
use sys::fd::{AsFd, BorrowedFd};
use sys::machine::Ending;
use sys::process::PidfdFlags;
use sys::reap::End;
use sys::strerror::describe;
use sys::tally::Tally;
use wire::json::Object;
use wire::{Mode, Resume, Shutdown, SignalNumber};

use crate::api::Task;
use crate::begin::Rank;
use crate::boot::Standing;
use crate::first::decide::OnExit;
use crate::first::kernel::reaps_for;
use crate::first::link::{Heard, Link, Order, Orphans, Record};
use crate::first::supervise::BLIND_PAUSE;

/// The first process, as the api sees it.
#[derive(Debug)]
pub struct First {
    link: Link,
    started: u64,
    rank: Rank,
    standing: Standing,
    /// How many orphans it has reaped.
    reaped: Tally,
    /// The main command's cgroup, where it has one.
    group: Option<String>,
    main: Main,
}

/// The main command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Main {
    /// There is none.
    None,
    /// It runs.
    Running(i32),
    /// It has ended.
    Ended(End),
}

impl First {
    pub fn new(task: Task<'_>) -> Self {
        let Task { link, started, rank, settings, .. } = task;
        let standing = settings.standing;
        let group = task.group.map(ToOwned::to_owned);
        // Where the kernel reaps nobody counts; what is counted while somebody listens is not all.
        let counted = sys::process::pidfd_open(sys::process::getpid(), PidfdFlags::empty())
            .is_ok_and(|ourselves| !reaps_for(settings, ourselves.as_fd()));
        let reaped = if counted { settings.reaped } else { Tally::NONE };
        Self { link, started, rank, standing, group, reaped, main: Main::None }
    }

    pub fn say(&self, record: Record) {
        // A first process that has ended is heard of by the link's other end.
        let _ = self.link.say(record);
    }

    fn ask(&self, record: Record) -> Done {
        self.link
            .say(record)
            .map_err(|errno| format!("the first process does not listen: {}", describe(errno)))
    }
}

impl Machine for First {
    fn shutdown(&mut self, how: Shutdown) -> Done {
        let then = match how.mode {
            Mode::Exit => OnExit::Exit,
            Mode::Poweroff => OnExit::Machine(Ending::PowerOff),
            Mode::Reboot => OnExit::Machine(Ending::Reboot),
        };
        if self.rank == Rank::Other && then != OnExit::Exit {
            return Err(
                "shutdown: minit is not process 1 here: only the mode \"exit\" is possible".to_owned()
            );
        }
        self.ask(Record::Shutdown(Order { then, code: how.code, grace: how.grace_ms }))
    }

    fn signal_main(&mut self, signal: SignalNumber) -> Done {
        match self.main {
            Main::Running(_) => self.ask(Record::Signal(signal.get())),
            Main::Ended(_) => Err("signal_main: the main command has ended".to_owned()),
            Main::None => Err("signal_main: there is no main command".to_owned()),
        }
    }

    fn resume(&mut self, news: &Resume) -> Done {
        // The clock is that of all containers of a machine, and a right to set it no reason to.
        if self.standing != Standing::Machine {
            return Err("resume: minit is not the first process of a machine here".to_owned());
        }
        super::resume::apply(news)
    }

    fn freeze(&mut self, to: Frozen) -> Done {
        super::groups::freeze_main(self.group.as_deref(), self.rank, to)
    }

    fn stats(&mut self, message: &mut Object<'_>) {
        message.count("uptime_secs", (sys::clock::monotonic() - self.started) / 1_000_000_000);
        if let Some(reaped) = self.reaped.total() {
            message.count("orphans_reaped", reaped);
        }
        let mut main = message.object("main");
        match self.main {
            Main::None => {
                main.text("state", "none");
            }
            Main::Running(pid) => {
                main.text("state", "running").integer("pid", pid.into());
            }
            Main::Ended(end) => {
                main.text("state", "exited").count("code", end.code().into());
            }
        }
        main.end();
    }

    fn is_whole(&self) -> bool {
        self.standing == Standing::Machine
    }

    fn watch_orphans(&mut self, watch: Watch) {
        self.say(Record::Watch(match watch {
            Watch::On => Orphans::Told,
            Watch::Off => Orphans::Untold,
        }));
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.link.as_fd())
    }

    fn ready(&mut self, news: &mut Vec<News>) -> Next {
        let mut is_heard = false;
        loop {
            match self.link.hear() {
                Heard::Record(Record::Started(pid)) => self.main = Main::Running(pid),
                Heard::Record(Record::Ended(end)) => self.main = Main::Ended(end),
                Heard::Record(Record::Reaped(pid, end)) => news.push(News::Reaped { pid, end }),
                Heard::Record(Record::Stopping) => news.push(News::Stopping),
                Heard::Record(Record::TimeUp) => news.push(News::TimeUp),
                Heard::Record(_) => {}
                Heard::Nothing if is_heard => return Next::Serve,
                // The link is ready, and nothing comes of it: it would be ready for ever.
                Heard::Nothing => {
                    sys::clock::sleep(BLIND_PAUSE);
                    return Next::Serve;
                }
                // Without a first process there is nobody to speak for.
                Heard::Gone => return Next::Stop,
            }
            is_heard = true;
        }
    }
}
