//! Whose a group is: groups without a daemon carry their owner in their name.
use crate::decimal::{self, number};
use crate::invalid::Invalid;
use crate::name::Name;
use alloc::format;
use alloc::string::{String, ToString};
use sys::Errno;
use sys::clock::{TICKS_PER_SECOND, since_boot};
use sys::fs::{CWD, Mode, OFlags, openat};
use sys::process::{Pid, getpid, test_kill_process};

/// The process that a group lives and dies with. The name `run-ID-PID-TIME` says it, so that a later start
/// can remove what a killed one left behind, without any file beside the hierarchy.
///
/// The number is that of the owner's pid namespace: groups of one parent must all come from one, as they do
/// when each container has a cgroup namespace or no access to the hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The container.
    pub id: String,
    /// The process.
    pub pid: Pid,
    /// When it made the group, in clock ticks after boot: a process of the same number that started later (field 22
    /// of /proc/PID/stat) is another process.
    pub made: u64,
}

impl Owner {
    /// The caller as the owner of a container that is made now.
    pub fn caller(id: &str) -> Owner {
        let made = since_boot() / (1_000_000_000 / TICKS_PER_SECOND);
        Owner { id: id.to_string(), pid: getpid(), made }
    }

    /// The name of the owner's group.
    ///
    /// # Errors
    /// [`Invalid`] when the id cannot be part of the name of a group.
    pub fn format(&self) -> Result<Name, Invalid> {
        Name::new(&format!("run-{}-{}-{}", self.id, self.pid.as_raw_pid(), self.made))
    }

    /// The owner that a name says, or `None` for groups of another kind.
    pub fn parse(name: &str) -> Option<Owner> {
        let (rest, made) = name.strip_prefix("run-")?.rsplit_once('-')?;
        let (id, pid) = rest.rsplit_once('-')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if id.is_empty() || !digits(pid) || !digits(made) {
            return None;
        }
        Some(Owner { id: id.to_string(), pid: decimal::pid(pid)?, made: number(made)? })
    }

    /// Whether the process still runs. In doubt it does: a process of another user may be hidden in /proc,
    /// and what is taken for dead is killed.
    pub fn is_alive(&self) -> bool {
        if test_kill_process(self.pid) == Err(Errno::SRCH) {
            return false;
        }
        match Stat::read(&format!("/proc/{}/stat", self.pid.as_raw_pid())) {
            Ok(stat) => stat.start <= self.made && !stat.ended(),
            Err(_) => true,
        }
    }

    /// Whether a group of this name is to be left alone: its owner runs, or it is none that a process owns.
    pub fn keeps(name: &str) -> bool {
        Owner::parse(name).is_none_or(|owner| owner.is_alive())
    }
}

/// What is needed here of /proc/PID/stat (proc_pid_stat(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    pid: Pid,
    state: u8,
    start: u64,
}

impl Stat {
    /// Reads the file of one process.
    fn read(path: &str) -> sys::Result<Stat> {
        let file = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        // The kernel gives the line in one piece, and what is needed of it is in its first half.
        let mut buffer = [0u8; 1024];
        let count = sys::io::read(&file, &mut buffer)?;
        core::str::from_utf8(&buffer[..count]).ok().and_then(Stat::parse).ok_or(Errno::PROTO)
    }

    /// Reads the line. The command in field 2 stands in brackets and may itself have brackets and spaces.
    fn parse(text: &str) -> Option<Stat> {
        let pid = decimal::pid(text.split_once(' ')?.0)?;
        let mut fields = text.rsplit_once(") ")?.1.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        // Field 22, and the first of these is field 3.
        let start = number(fields.nth(18)?)?;
        Some(Stat { pid, state, start })
    }

    /// Whether the process has ended and only waits for its parent to ask.
    fn ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_its_owner_back() {
        let owner = Owner { id: "web-1-2".into(), pid: Pid::from_raw(4711).expect("a pid"), made: 987_654 };
        let name = owner.format().expect("a name");
        assert_eq!(name.as_str(), "run-web-1-2-4711-987654");
        assert_eq!(Owner::parse(name.as_str()), Some(owner));
    }

    #[test]
    fn names_of_another_kind_have_no_owner() {
        for name in [
            "",
            "web",
            "run-",
            "run-1-2",
            "run--1-2",
            "run-web-x-2",
            "run-web-1-+2",
            "run-web-0-2",
            "run-web-1-",
        ] {
            assert_eq!(Owner::parse(name), None, "{name:?}");
        }
        assert!(Owner::keeps("web") && Owner::keeps("husk-caller"));
    }

    #[test]
    fn a_command_with_brackets_does_not_shift_the_fields() {
        let rest = "1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 12345 4096 1";
        let stat = Stat::parse(&format!("77 (a) S 9) (b) R {rest}")).expect("a stat");
        assert_eq!((stat.pid.as_raw_pid(), stat.state, stat.start), (77, b'R', 12_345));
        assert!(Stat::parse(&format!("77 (x) Z {rest}")).expect("a stat").ended());
        assert_eq!(Stat::parse("77 (x"), None);
    }

    #[test]
    fn the_caller_is_alive_and_a_reused_number_is_not_the_owner() {
        let owner = Owner::caller("x");
        assert!(owner.is_alive());
        assert!(Owner::keeps(owner.format().expect("a name").as_str()));
        assert!(!Owner { made: owner.made / 2, ..owner }.is_alive(), "made before the process was there");
    }

    #[test]
    fn a_process_that_has_been_waited_for_or_only_waits_for_that_is_not_alive() {
        let mut child = std::process::Command::new("/bin/true").spawn().expect("true");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a pid");
        let owner = Owner { pid, ..Owner::caller("x") };
        while !Stat::read(&format!("/proc/{}/stat", child.id())).expect("its stat").ended() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert!(!owner.is_alive(), "a zombie");
        child.wait().expect("its end");
        assert!(!owner.is_alive(), "gone");
    }
}
