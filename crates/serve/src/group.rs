//! Cgroups of commands, where the server was given a group to make them in: limits, freezing, and the surest
//! way to end all of a tree.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use cgroup::{Cpus, Group, Limits, Memory, Name, Parent, Pids};
use sys::fd::AsFd;
use wire::Exec;

use crate::machine::Frozen;
use crate::start::NotStarted;

/// How long the loop waits for processes to stand still: they do within microseconds, or sleep in the kernel.
const PATIENCE: Duration = Duration::from_millis(100);

/// The groups of a server's commands.
#[derive(Debug)]
pub struct Groups {
    parent: Parent,
    /// Groups of commands that are over and in which something still lives.
    leftovers: Vec<Group>,
}

impl Groups {
    pub const fn new(parent: Parent) -> Self {
        Self { parent, leftovers: Vec::new() }
    }

    /// A group for a command, with its limits.
    pub fn create(&self, serial: u64, exec: &Exec) -> Result<Group, NotStarted> {
        let limits = limits(exec).map_err(NotStarted::ours)?;
        let us = sys::process::getpid().as_raw_pid();
        let name = Name::new(&name(us, serial)).map_err(|error| words(&error))?;
        self.parent.create(&name, &limits).map_err(|error| words(&error))
    }

    /// The group of an exec that another server has made.
    pub fn find(&self, server: i32, serial: u64) -> Option<Group> {
        let name = Name::new(&name(server, serial)).ok()?;
        Group::open(self.parent.as_fd(), &name).ok()
    }

    /// Removes a group, now or when the last of its processes has ended.
    pub fn remove(&mut self, group: Group) {
        self.leftovers.push(group);
        let parent = self.parent.as_fd();
        self.leftovers.retain(|group| group.remove(parent, Duration::ZERO).is_err());
    }

    /// Tries again with those that were to be removed last: a process closes its pipes before it leaves its group, so that
    /// the end of the output may be seen too early for that.
    pub fn remove_last(&mut self) {
        const TRIES: usize = 8;
        let parent = self.parent.as_fd();
        let earlier = self.leftovers.len().saturating_sub(TRIES);
        for place in (earlier..self.leftovers.len()).rev() {
            if self.leftovers[place].remove(parent, Duration::ZERO).is_ok() {
                self.leftovers.remove(place);
            }
        }
    }
}

fn name(server: i32, serial: u64) -> String {
    format!("exec-{server}-{serial}")
}

fn words(error: &dyn core::fmt::Display) -> NotStarted {
    NotStarted::ours(format!("a cgroup for the command: {error}"))
}

/// Whether a request asks for limits that only a cgroup has.
pub const fn wants_limits(exec: &Exec) -> bool {
    exec.limits.memory.is_some() || exec.limits.cpus.is_some() || exec.limits.pids.is_some()
}

fn limits(exec: &Exec) -> Result<Limits, String> {
    let wrong = |field: &str, error: &dyn core::fmt::Display| {
        format!("exec.limits: the field \"{field}\" is wrong: {error}")
    };
    let asked = &exec.limits;
    Ok(Limits {
        memory_max: asked
            .memory
            .as_deref()
            .map(Memory::parse)
            .transpose()
            .map_err(|error| wrong("memory", &error))?,
        cpu_max: asked.cpus.as_deref().map(Cpus::parse).transpose().map_err(|error| wrong("cpus", &error))?,
        pids_max: asked
            .pids
            .as_deref()
            .map(Pids::parse)
            .transpose()
            .map_err(|error| wrong("pids", &error))?,
        ..Limits::default()
    })
}

/// Stops or continues a group.
///
/// # Errors
/// In words.
pub fn freeze(group: &Group, to: Frozen) -> Result<(), String> {
    let result = match to {
        Frozen::Yes => group.freeze(PATIENCE),
        Frozen::No => group.thaw(PATIENCE),
    };
    result.map_err(|error| error.to_string())
}
