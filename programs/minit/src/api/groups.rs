//! Cgroups: one for the main command where it has limits, one for each command of a client, and one for minit itself
//! where it would stand in their way.

use alloc::format;
use alloc::string::{String, ToString};
use core::ffi::CStr;
use core::time::Duration;

use cgroup::{Cpus, Group, Hierarchy, Invalid, Limits, Membership, Memory, Name, Owner, Parent, Pids};
use serve::{Done, Frozen};
use sys::fd::AsFd;
use sys::fs::{AtFlags, statat};
use sys::process::{Pid, getppid};

use crate::begin::Rank;
use crate::values::number;

/// Where the groups of commands are.
const COMMANDS: &str = "commands";
/// Where minit itself is put, and whatever else began at the root.
const LEAF: &str = "minit";
/// Where they are beside others, at the root of the machine's hierarchy.
const BESIDE: &str = "minit-commands";

/// How long processes have to stand still: they do within microseconds, or sleep in the kernel.
const PATIENCE: Duration = Duration::from_millis(20);
/// Looks at who is at the root; who is born there meanwhile is found by the next.
const LOOKS: usize = 8;

/// The group in which commands get theirs.
///
/// # Errors
/// Why there can be none, in words.
pub fn commands(rank: Rank) -> Result<Parent, String> {
    let hierarchy = Hierarchy::find().map_err(|error| error.to_string())?;
    if rank == Rank::Other {
        return Parent::open(hierarchy, &name(BESIDE)?).map_err(|error| error.to_string());
    }
    match Hierarchy::membership() {
        Ok(Membership::Inside(path)) if path.is_empty() || path == LEAF => {}
        Ok(_) => return Err("minit is not at the root of a cgroup namespace of its own".to_string()),
        Err(errno) => return Err(format!("/proc/self/cgroup: {}", sys::strerror::describe(errno))),
    }
    // Only the root of a machine's hierarchy has no type, and only there may processes stay (cgroups(7), "no internal
    // processes"): before a controller is enabled for others.
    if statat(&hierarchy, "cgroup.type", AtFlags::empty()).is_ok() {
        vacate(&hierarchy)?;
    }
    Parent::open(hierarchy, &name(COMMANDS)?).map_err(|error| error.to_string())
}

/// Moves everybody from the root to the leaf.
fn vacate(root: &Hierarchy) -> Result<(), String> {
    let (words, leaf) = (|error: cgroup::Error| error.to_string(), name(LEAF)?);
    let leaf = match Group::create(root.as_fd(), &leaf) {
        Err(error) if error.errno == sys::Errno::EXIST => Group::open(root.as_fd(), &leaf),
        made => made,
    };
    let leaf = leaf.map_err(words)?;
    for _ in 0..LOOKS {
        let inside = procs(root)?;
        if inside.is_empty() {
            return Ok(());
        }
        for pid in inside {
            match leaf.add(pid) {
                // It has just ended.
                Err(error) if error.errno == sys::Errno::SRCH => {}
                added => added.map_err(words)?,
            }
        }
    }
    Err("the root of the cgroup namespace does not become empty".to_string())
}

/// Who is at the root itself.
fn procs(root: &Hierarchy) -> Result<alloc::vec::Vec<Pid>, String> {
    let words = |errno| format!("cgroup.procs: {}", sys::strerror::describe(errno));
    let flags = sys::fs::OFlags::RDONLY | sys::fs::OFlags::CLOEXEC;
    let file = sys::fs::openat(root, "cgroup.procs", flags, sys::fs::Mode::empty()).map_err(words)?;
    // More than fit are found by the next look.
    let mut buffer = [0u8; 4096];
    let count = sys::io::read(&file, &mut buffer[..]).map_err(words)?;
    let text = core::str::from_utf8(buffer.get(..count).unwrap_or_default()).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    Ok(whole
        .lines()
        .filter_map(|line| number(line.as_bytes()).and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)))
        .collect())
}

fn name(text: &str) -> Result<Name, String> {
    Name::new(text).map_err(|error| error.to_string())
}

/// Makes the group of the main command, with limits on memory, processors and processes; its name below that of all
/// commands. The caller is a child of the minit whose group it is.
///
/// # Errors
/// What cannot be limited and why, in words.
pub fn make_for_main(rank: Rank, limits: [Option<&CStr>; 3]) -> Result<(Name, Group), String> {
    let limits = read(limits)?;
    let parent = commands(rank).map_err(|why| format!("--memory, --cpus, --pids: {why}"))?;
    // What earlier ones left, which had no chance to remove it.
    let _ = cgroup::sweep(parent.as_fd(), Owner::keeps);
    let owner = Owner { pid: getppid().unwrap_or(Pid::INIT), ..Owner::caller("main") };
    let name = owner.format().map_err(|error| error.to_string())?;
    let group = parent.create_without_swap(&name, limits).map_err(|error| error.to_string())?;
    Ok((name, group))
}

fn read([memory, cpus, pids]: [Option<&CStr>; 3]) -> Result<Limits, String> {
    fn one<T>(
        option: &str,
        value: Option<&CStr>,
        parse: fn(&str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, String> {
        let Some(value) = value.map(CStr::to_string_lossy) else { return Ok(None) };
        // The error names the value too, and the option says what it is.
        parse(&value)
            .map(Some)
            .map_err(|error| format!("{option} {value}: {} (for example {})", error.reason, error.example))
    }
    Ok(Limits {
        memory_max: one("--memory", memory, Memory::parse)?,
        cpu_max: one("--cpus", cpus, Cpus::parse)?,
        pids_max: one("--pids", pids, Pids::parse)?,
        ..Limits::default()
    })
}

/// Stops or continues the main command.
///
/// # Errors
/// In words.
pub fn freeze_main(group: Option<&str>, rank: Rank, to: Frozen) -> Done {
    let Some(group) = group else {
        let why = "the main command has no cgroup of its own (--memory, --cpus or --pids make one)";
        return Err(format!("freeze, thaw: {why}"));
    };
    let parent = match rank {
        Rank::First => COMMANDS,
        Rank::Other => BESIDE,
    };
    let parent = Parent::existing(&name(parent)?).ok_or("freeze, thaw: the group of commands is gone")?;
    let group = Group::open(parent.as_fd(), &name(group)?).map_err(|error| error.to_string())?;
    let result = match to {
        Frozen::Yes => group.freeze(PATIENCE),
        Frozen::No => group.thaw(PATIENCE),
    };
    result.map_err(|error| error.to_string())
}
