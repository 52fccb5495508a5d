//! Shims that run: how they are found, told apart, asked and ended.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use husk_client::{Address, Client, Error, Mode};
use instance::message::{Reason, Refusal};
use instance::state::{Exit, Found, Freezer, Reboot, Shim};
use sys::clone::Child;
use sys::fd::{AsFd as _, OwnedFd};
use sys::net::sockopt::socket_peercred;
use sys::process::{Pid, Signal, pidfd_send_signal};

use crate::refusal::{failed_io, refuse};
use crate::seat::Unreachable;

/// The socket in an instance's runtime directory.
const SOCKET: &str = "shim.sock";
/// How it ended.
const EXIT: &str = "exit.json";
/// A FIFO whose writing end a shim has while it starts: who finds one with a writer has found a start that is under
/// way, even before there is a socket.
pub const ANSWER: &str = "answer";
/// Its address in the private network, noted before it starts: the next daemon must not give it to another.
pub const ADDRESS: &str = "address";
/// The shim itself, noted when it has been started: before it listens nobody else can tell which it is.
const STARTING: &str = "starting";
/// The longest end that is read.
const LONGEST: u64 = 64 * 1024;
/// How long a shim may take for an answer, in milliseconds.
const PATIENCE_MS: u64 = 10_000;
/// How long a shim that a daemon finds may take for an answer before the daemon goes on without it, in milliseconds.
pub const MOMENT_MS: u64 = 2_000;
/// How long a start that is under way may take, in milliseconds.
pub const START_MS: u64 = 30_000;

/// A shim that was found.
#[derive(Debug)]
pub struct Living {
    /// Which.
    pub shim: Shim,
    /// Held by it.
    pub pidfd: OwnedFd,
}

/// A connection to the shim that listens there.
///
/// # Errors
/// Nobody does.
pub fn connect(runtime: &Path) -> Result<UnixStream, Refusal> {
    let path = runtime.join(SOCKET);
    UnixStream::connect(&path).map_err(|error| failed_io(path.display(), &error))
}

fn client(runtime: &Path) -> Result<Client, Refusal> {
    let path = runtime.join(SOCKET);
    let address = Address::Unix(path.as_os_str().as_bytes());
    Client::connect_within(address, PATIENCE_MS).map_err(|error| refuse(Reason::Failed, error.to_string()))
}

/// Freezes or thaws what a shim holds.
///
/// # Errors
/// Its own words.
pub fn set_freezer(runtime: &Path, to: Freezer) -> Result<(), Refusal> {
    let mut client = client(runtime)?;
    let done = match to {
        Freezer::Frozen => client.freeze(None),
        Freezer::Thawed => client.thaw(None),
    };
    done.map_err(|error| match error {
        Error::Refused { text, .. } => refuse(Reason::Unsupported, text),
        other => refuse(Reason::Failed, other.to_string()),
    })
}

/// Asks a shim to end what it holds.
///
/// # Errors
/// Its own words.
pub fn ask_to_stop(runtime: &Path, grace_ms: u64) -> Result<(), Refusal> {
    let done = client(runtime)?.shutdown(Mode::Exit, Some(grace_ms), None);
    done.map_err(|error| refuse(Reason::Failed, error.to_string()))
}

/// What there is of an instance's shim: what the runtime directory says, and who listens in it. A start that is under
/// way is waited for, and so is a shim that does not answer: it may be stopped, or wait for a disk. `silent` is told which
/// that is, once, when it has had a moment.
pub fn find(runtime: &Path, silent: &mut dyn FnMut(Unreachable)) -> (Found, Option<Living>) {
    await_start(runtime, silent);
    if let Some((found, living)) = living(runtime, silent) {
        return (found, Some(living));
    }
    (read_exit(runtime).map_or(Found::Nothing, Found::Ended), None)
}

/// Ends whatever shim a runtime directory knows of: one that listens, or one that is on its way.
pub fn end(runtime: &Path) {
    if let Some(living) = listens(runtime).or_else(|| read_starting(runtime).and_then(held)) {
        kill_held(&living.pidfd);
    }
}

/// Waits until nobody has the writing end of the FIFO. One who has it for too long is killed: nobody waits for it.
fn await_start(runtime: &Path, silent: &mut dyn FnMut(Unreachable)) {
    const NONBLOCK: i32 = 0o4000;
    let fifo = File::options().read(true).custom_flags(NONBLOCK).open(runtime.join(ANSWER));
    let Ok(mut fifo) = fifo else { return };
    if is_closed_within(&mut fifo, MOMENT_MS) {
        return;
    }
    let shim = read_starting(runtime);
    silent(Unreachable { why: silence(shim, "has not said yet that it has started"), shim });
    if !is_closed_within(&mut fifo, START_MS)
        && let Some(living) = shim.and_then(held)
    {
        kill_held(&living.pidfd);
    }
}

/// Whether nobody has the writing end of a FIFO any more, or will not within so many milliseconds.
fn is_closed_within(fifo: &mut File, ms: u64) -> bool {
    let until = sys::clock::monotonic() + ms * 1_000_000;
    loop {
        match fifo.read(&mut [0; 1024]) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                let left_ms = until.saturating_sub(sys::clock::monotonic()) / 1_000_000;
                if left_ms == 0 || !crate::wake::is_readable_within(fifo.as_fd(), left_ms) {
                    return false;
                }
            }
            Err(_) => return true,
        }
    }
}

/// Who listens there.
fn listens(runtime: &Path) -> Option<Living> {
    let socket = connect(runtime).ok()?;
    // Of a socket that listens, the credentials are those of who called listen(2).
    hold(socket_peercred(&socket).ok()?.pid)
}

/// Who listens there, and answers. One whose answer makes no sense is no use to anybody, and would be in the way of the
/// next: it is killed, and what it holds with it.
fn living(runtime: &Path, silent: &mut dyn FnMut(Unreachable)) -> Option<(Found, Living)> {
    let living = listens(runtime)?;
    let answer = match ask(runtime, Some(MOMENT_MS)) {
        Err(Error::Late { .. } | Error::Connect { why: sys::Errno::AGAIN, .. }) => {
            let shim = Some(living.shim);
            silent(Unreachable { why: silence(shim, "does not answer"), shim });
            // If it ends, the kernel ends the connection.
            ask(runtime, None)
        }
        answer => answer,
    };
    let Some((freezer, pid)) = answer.ok().zip(read_pid(runtime)) else {
        kill_held(&living.pidfd);
        return None;
    };
    let address = std::fs::read_to_string(runtime.join(ADDRESS)).ok();
    Some((Found::Alive { shim: living.shim, pid, freezer, address }, living))
}

fn silence(shim: Option<Shim>, what: &str) -> String {
    match shim {
        Some(Shim { pid, .. }) => format!("its shim, process {pid}, {what}"),
        None => format!("its shim {what}"),
    }
}

/// Whether what a shim holds is frozen. The answer is waited for as long as it takes, or so many milliseconds.
fn ask(runtime: &Path, ms: Option<u64>) -> Result<Freezer, Error> {
    let path = runtime.join(SOCKET);
    let address = Address::Unix(path.as_os_str().as_bytes());
    let stats = Client::connect_within(address, ms)?.stats()?;
    let main = husk_client::member(stats.value(), "main");
    let state = main.and_then(|main| husk_client::member(main, "state")).and_then(|state| state.string());
    Ok(match state.as_deref() {
        Some("frozen") => Freezer::Frozen,
        _ => Freezer::Thawed,
    })
}

/// The first process of what a shim holds.
fn read_pid(runtime: &Path) -> Option<i32> {
    std::fs::read_to_string(runtime.join("pid")).ok()?.trim().parse().ok()
}

/// Notes a shim that has just been started, and is not waited for yet.
///
/// # Errors
/// Those of writing.
pub fn note_starting(runtime: &Path, child: &Child) -> Result<(), Refusal> {
    let path = runtime.join(STARTING);
    let pid = child.pid.as_raw_pid();
    let text = format!("{pid} {}\n", start_time(pid).unwrap_or_default());
    std::fs::write(&path, text).map_err(|error| failed_io(path.display(), &error))
}

fn read_starting(runtime: &Path) -> Option<Shim> {
    let text = std::fs::read_to_string(runtime.join(STARTING)).ok()?;
    let (pid, start) = text.trim().split_once(' ')?;
    Some(Shim { pid: pid.parse().ok()?, start: start.parse().ok()? })
}

/// A child of ours, which has not been waited for: its number is its own, even if it has ended.
pub fn of_child(child: Child) -> Option<Living> {
    let pid = child.pid.as_raw_pid();
    Some(Living { shim: Shim { pid, start: start_time(pid)? }, pidfd: child.pidfd })
}

/// A process, held, and when it started.
pub fn hold(pid: Pid) -> Option<Living> {
    let pidfd = spawn::open(pid).ok()?;
    let start = start_time(pid.as_raw_pid())?;
    // Only now is it certain that the number was not somebody else's in between: it has not ended.
    (!crate::wake::is_readable_within(pidfd.as_fd(), 0))
        .then(|| Living { shim: Shim { pid: pid.as_raw_pid(), start }, pidfd })
}

/// The process that a record or a note means, if it is still there.
fn held(shim: Shim) -> Option<Living> {
    Pid::from_raw(shim.pid).and_then(hold).filter(|living| living.shim == shim)
}

/// Kills a shim of which a record knows, if it is still there, and waits for its end.
pub fn kill(shim: Shim) {
    if let Some(living) = held(shim) {
        kill_held(&living.pidfd);
    }
}

/// Kills a shim and waits for its end.
pub fn kill_held(pidfd: &OwnedFd) {
    // ESRCH: it has ended by itself.
    let _ = pidfd_send_signal(pidfd, Signal::KILL);
    crate::wake::is_readable_within(pidfd.as_fd(), PATIENCE_MS);
    let _ = sys::children::ended(pidfd);
}

/// Field 22 of /proc/PID/stat: in clock ticks since the machine was started (proc_pid_stat(5)). The name before it may
/// hold anything, brackets too.
fn start_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let behind = stat.iter().rposition(|byte| *byte == b')')? + 2;
    let fields = std::str::from_utf8(stat.get(behind..)?).ok()?;
    fields.split(' ').nth(22 - 3)?.parse().ok()
}

/// How an instance ended, as its shim has left it.
pub fn read_exit(runtime: &Path) -> Option<Exit> {
    let mut text = Vec::new();
    File::open(runtime.join(EXIT)).ok()?.take(LONGEST).read_to_end(&mut text).ok()?;
    let ended: container::task::Ended = serde_json::from_slice(&text).ok()?;
    let exit = Exit {
        code: ended.code,
        signal: ended.signal,
        oom: ended.oom,
        at_ms: ended.finished_at,
        reason: None,
    };
    let reason = exit.reboot().map(|reboot| match reboot {
        Reboot::PowerOff => "it has powered itself off".into(),
        Reboot::Restart => "it has rebooted itself".into(),
    });
    Some(Exit { reason, ..exit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_apart_by_when_it_started() {
        let own = Pid::from_raw(std::process::id().cast_signed()).unwrap();
        let first = hold(own).unwrap();
        assert_eq!(hold(own).unwrap().shim, first.shim);
        assert!(first.shim.start > 0);
        // A number that no process has (pid_max is at most 2^22).
        assert!(hold(Pid::from_raw(1 << 22).unwrap()).is_none());
    }

    #[test]
    fn nobody_s_directory_has_nothing() {
        let (found, living) = find(Path::new("/no/such"), &mut |_| panic!());
        assert_eq!(found, Found::Nothing);
        assert!(living.is_none());
    }
}
