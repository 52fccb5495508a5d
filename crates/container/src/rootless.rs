//! Without root: a user namespace, and the ids that exist in it.

use std::ffi::CString;
use std::path::Path;

use oci::Groups;
use oci::spec::IdMapping;
use sys::clone::Child;

use crate::Failure;
use crate::host_program::{self, Session};

/// The maps of a user namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Maps {
    /// Users.
    pub uids: Vec<IdMapping>,
    /// Groups.
    pub gids: Vec<IdMapping>,
    writer: Writer,
}

/// Who may write such a map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Writer {
    /// Oneself: a single id, one's own.
    Own,
    /// Root: whatever it likes.
    Root,
    /// newuidmap(1) and newgidmap(1): the ranges of subuid(5) and subgid(5).
    SetUid,
}

impl Maps {
    /// Root in the container is the caller; other ids exist where /etc/subuid and /etc/subgid have a range
    /// for the caller and the programs that may map it are there.
    pub fn find(uid: u32, gid: u32) -> Self {
        let ranges = ["/usr/bin/newuidmap", "/usr/bin/newgidmap"]
            .iter()
            .all(|program| Path::new(program).exists())
            .then(|| Some((range("/etc/subuid", uid)?, range("/etc/subgid", uid)?)))
            .flatten();
        let own = |id| IdMapping { container_id: 0, host_id: id, size: 1 };
        match ranges {
            Some((users, groups)) => {
                Self { uids: vec![own(uid), users], gids: vec![own(gid), groups], writer: Writer::SetUid }
            }
            None => Self { uids: vec![own(uid)], gids: vec![own(gid)], writer: Writer::Own },
        }
    }

    /// Every id is itself: for root, whose files images are. What it has rights over is what is of its namespaces.
    #[must_use]
    pub fn of_root() -> Self {
        let all = vec![IdMapping { container_id: 0, host_id: 0, size: u32::MAX }];
        Self { uids: all.clone(), gids: all, writer: Writer::Root }
    }

    /// Whether groups can be set in the namespace.
    pub const fn groups(&self) -> Groups {
        match self.writer {
            Writer::Own => Groups::Denied,
            Writer::Root | Writer::SetUid => Groups::Allowed,
        }
    }

    /// Gives the namespace of `child` its maps.
    pub fn write(&self, child: &Child) -> Result<(), Failure> {
        let pid = child.pid.as_raw_pid();
        match self.writer {
            Writer::SetUid => {
                map("/usr/bin/newuidmap", pid, &self.uids)?;
                map("/usr/bin/newgidmap", pid, &self.gids)
            }
            Writer::Root => {
                put(pid, "uid_map", &text(&self.uids))?;
                put(pid, "gid_map", &text(&self.gids))
            }
            Writer::Own => {
                // Without it a group that a file denies access to could be given up (CVE-2014-8989).
                put(pid, "setgroups", "deny")?;
                put(pid, "uid_map", &text(&self.uids))?;
                put(pid, "gid_map", &text(&self.gids))
            }
        }
    }
}

fn text(maps: &[IdMapping]) -> String {
    maps.iter().map(|map| format!("{} {} {}\n", map.container_id, map.host_id, map.size)).collect()
}

fn put(pid: i32, file: &str, value: &str) -> Result<(), Failure> {
    let path = format!("/proc/{pid}/{file}");
    std::fs::write(&path, value).map_err(|error| Failure::io(&path, &error))
}

/// The first range of a user in subuid(5) or subgid(5), by number or by name.
fn range(file: &str, uid: u32) -> Option<IdMapping> {
    let text = std::fs::read_to_string(file).ok()?;
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(2)?.parse() == Ok(uid)).then(|| fields[0].to_string())
    });
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [owner, first, count] = fields[..] else { return None };
        let mine = owner.parse() == Ok(uid) || name.as_deref() == Some(owner);
        let map = IdMapping { container_id: 1, host_id: first.parse().ok()?, size: count.parse().ok()? };
        (mine && map.size > 0).then_some(map)
    })
}

/// Runs newuidmap(1) or newgidmap(1), which are set-uid and know what the caller may map.
fn map(program: &str, pid: i32, maps: &[IdMapping]) -> Result<(), Failure> {
    let mut words = vec![program.to_string(), pid.to_string()];
    for map in maps {
        words.extend([map.container_id, map.host_id, map.size].map(|number| number.to_string()));
    }
    match execute(&words)? {
        0 => Ok(()),
        code => Err(Failure::ours(format!("{}: exit code {code}", words.join(" ")))),
    }
}

/// Runs a program of the host in no namespace of its own, and waits for it.
fn execute(words: &[String]) -> Result<u8, Failure> {
    let nul = |_| Failure::ours("NUL byte in an argument");
    let words: Vec<CString> =
        words.iter().map(|word| CString::new(word.as_str()).map_err(nul)).collect::<Result<_, _>>()?;
    let child = host_program::start(&words[0], &words, &[], [None; 3], Session::Same)?;
    let exit = spawn::wait(&child).map_err(|errno| {
        Failure::ours(format!("wait for {}: {}", words[0].to_string_lossy(), sys::strerror::describe(errno)))
    })?;
    Ok(exit.code())
}
