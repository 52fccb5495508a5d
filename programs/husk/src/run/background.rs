//! A container in the background: a second husk, in a session of its own, is its supervisor.

use std::ffi::{CString, OsString};
use std::io::BufRead as _;
use std::os::unix::ffi::OsStringExt as _;

use container::Failure;
use container::host_program::{self, Session};
use sys::fd::{AsFd, OwnedFd};
use sys::fs::{CWD, Mode, OFlags, openat};
use sys::pipe::{PipeFlags, pipe_with};

use super::failed;
use crate::arguments::Record;
use crate::state::State;

/// Set in a supervisor's environment, and there alone.
const MARK: &str = "HUSK_SUPERVISOR";

/// Whether this process is a supervisor.
pub fn is_supervisor() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Starts a supervisor with the same command line, and waits until its container runs. What goes wrong until
/// then is printed by the supervisor, and its exit code is ours.
pub fn start() -> Result<u8, Failure> {
    let (from, to) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| failed("pipe", errno))?;
    let null = null()?;
    let argv = texts(std::env::args_os())?;
    let mark = OsString::from(format!("{MARK}=1"));
    let env = std::env::vars_os().map(|(name, value)| {
        let mut entry = name;
        entry.push("=");
        entry.push(value);
        entry
    });
    let envp = texts(env.chain([mark]))?;
    let standard = [Some(null.as_fd()), Some(to.as_fd()), None];
    let child = host_program::start(c"/proc/self/exe", &argv, &envp, standard, Session::Own)?;
    drop(to);
    let mut id = String::new();
    std::io::BufReader::new(std::fs::File::from(from))
        .read_line(&mut id)
        .map_err(|error| Failure::io("supervisor", &error))?;
    match id.is_empty() {
        false => crate::show(&id),
        // It has said why, on our standard error.
        true => spawn::wait(&child).map(spawn::Exit::code).map_err(|errno| failed("supervisor", errno)),
    }
}

/// What a container in the background reads from and writes to.
pub fn null() -> Result<OwnedFd, Failure> {
    openat(CWD, c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| failed("/dev/null", errno))
}

fn texts(list: impl Iterator<Item = OsString>) -> Result<Vec<CString>, Failure> {
    list.map(|text| CString::new(text.into_vec()).map_err(|_| Failure::ours("NUL byte in an argument")))
        .collect()
}

/// In the supervisor: takes the id.
pub fn claim(id: &str, record: Record, uid: u32) -> Result<State, Failure> {
    // It was executed as /proc/self/exe, and would be listed as `exe`.
    sys::thread::set_name(c"husk").map_err(|errno| failed("prctl", errno))?;
    State::claim(id, record, uid)
}

/// In the supervisor: the container runs. Says so, and lets go of the terminal.
pub fn tell(id: &str) -> Result<(), Failure> {
    crate::show(&format!("{id}\n"))?;
    let null = null()?;
    for result in [sys::stdio::dup2_stdout(&null), sys::stdio::dup2_stderr(&null)] {
        result.map_err(|errno| failed("/dev/null", errno))?;
    }
    Ok(())
}
