//! What has happened in a group.
use crate::deadline::Deadline;
use crate::error::{Action, Error};
use crate::files::{self, keyed};
use crate::group::Group;
use sys::Errno;
use sys::event::{PollFd, PollFlags, poll};
use sys::fd::{AsFd, OwnedFd};

/// What cgroup.events and memory.events say about a group and everything below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Events {
    /// Whether there are processes.
    pub populated: bool,
    /// Whether all processes stand still.
    pub frozen: bool,
    /// How often the limit was reached and nothing could be reclaimed (`oom`). `None`: no memory controller.
    pub oom: Option<u64>,
    /// How many processes were killed for want of memory (`oom_kill`).
    pub oom_kill: Option<u64>,
    /// How often the whole group was killed for want of memory (`oom_group_kill`, Linux 5.17).
    pub oom_group_kill: Option<u64>,
    /// How often memory.max was about to be exceeded (`max`).
    pub memory_max: Option<u64>,
    /// How often memory.high was exceeded (`high`).
    pub memory_high: Option<u64>,
}

impl Events {
    /// Reads the two files' texts; of a group without the memory controller there is only the first.
    pub fn parse(cgroup_events: &str, memory_events: Option<&str>) -> Events {
        let memory = |key| memory_events.and_then(|text| keyed(text, key));
        Events {
            populated: keyed(cgroup_events, "populated") == Some(1),
            frozen: keyed(cgroup_events, "frozen") == Some(1),
            oom: memory("oom"),
            oom_kill: memory("oom_kill"),
            oom_group_kill: memory("oom_group_kill"),
            memory_max: memory("max"),
            memory_high: memory("high"),
        }
    }
}

/// The file that tells of both states that are waited for.
const STATES: &str = "cgroup.events";

/// A state of a group that its cgroup.events tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    key: &'static str,
    value: u64,
    text: &'static str,
}

impl State {
    /// No process is left in the group or below.
    pub(crate) const EMPTY: State = State { key: "populated", value: 0, text: "populated 0" };
    /// Every process stands still.
    pub(crate) const FROZEN: State = State { key: "frozen", value: 1, text: "frozen 1" };
    /// Processes run again.
    pub(crate) const THAWED: State = State { key: "frozen", value: 0, text: "frozen 0" };
}

impl Group {
    /// What has happened so far.
    ///
    /// # Errors
    /// [`Error`] when cgroup.events cannot be read: the group has been removed.
    pub fn events(&self) -> Result<Events, Error> {
        let states =
            files::read(self.as_fd(), STATES).map_err(|errno| self.error(Action::Read, STATES, "", errno))?;
        let memory = files::read(self.as_fd(), "memory.events").ok();
        Ok(Events::parse(&states, memory.as_deref()))
    }

    /// A descriptor of cgroup.events, for a loop that waits for several things: it reports POLLPRI after each
    /// change and has to be read again from the start.
    ///
    /// # Errors
    /// [`Error`] when the group has been removed.
    pub fn open_events(&self) -> Result<OwnedFd, Error> {
        files::open_file(self.as_fd(), STATES).map_err(|errno| self.error(Action::Read, STATES, "", errno))
    }

    /// Sleeps until the group is in a state; the kernel wakes it at each change of cgroup.events.
    pub(crate) fn wait(&self, state: State, deadline: Deadline) -> Result<(), Error> {
        let failed = |errno| self.error(Action::Wait, STATES, state.text, errno);
        let file = match self.open_events() {
            Ok(file) => file,
            // Removed already: nothing runs in it.
            Err(Error { errno: Errno::NOENT | Errno::NODEV, .. }) if state == State::EMPTY => return Ok(()),
            Err(error) => return Err(failed(error.errno)),
        };
        loop {
            let mut buffer = [0u8; 256];
            let count = match sys::io::pread(&file, &mut buffer, 0) {
                Ok(count) => count,
                // Removed meanwhile.
                Err(Errno::NODEV) if state == State::EMPTY => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(failed(errno)),
            };
            let text = core::str::from_utf8(&buffer[..count]).map_err(|_| failed(Errno::ILSEQ))?;
            if keyed(text, state.key) == Some(state.value) {
                return Ok(());
            }
            let left = deadline.left().ok_or_else(|| failed(Errno::TIMEDOUT))?;
            match poll(&mut [PollFd::new(&file, PollFlags::PRI)], Some(&left)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_are_read() {
        let memory = "low 0\nhigh 4\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\nsock_throttled 0\n";
        let events = Events::parse("populated 1\nfrozen 0\n", Some(memory));
        assert!(events.populated && !events.frozen);
        assert_eq!((events.oom, events.oom_kill, events.oom_group_kill), (Some(2), Some(1), Some(0)));
        assert_eq!((events.memory_max, events.memory_high), (Some(7), Some(4)));
    }

    #[test]
    fn without_the_memory_controller_nothing_is_claimed_about_memory() {
        let events = Events::parse("populated 0\nfrozen 1\n", None);
        assert!(!events.populated && events.frozen);
        assert_eq!((events.oom, events.oom_kill, events.memory_max), (None, None, None));
    }
}
