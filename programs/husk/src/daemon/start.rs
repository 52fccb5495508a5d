//! A daemon is started by who needs it first. husk makes the socket itself, listens on it and connects, and hands it over
//! (LISTEN_FDS of sd_listen_fds(3)): the daemon takes the connection when it is ready, and nobody waits for a file to
//! appear. A lock keeps two husks from starting two.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use container::{Failure, host_program};
use sys::exec::Argument;
use sys::fd::{AsFd, IntoRawFd as _, OwnedFd};
use sys::fs::{CWD, Mode, OFlags, openat};
use sys::io::FdFlags;
use sys::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use sys::strerror::describe;

use super::{SOCKET, reach, unreachable};

/// The first argument of a husk that becomes the daemon.
pub const STAGE: &str = "--become-huskd";

/// What the daemon is given of our environment: the rest is a person's, and it outlives the person.
const KEPT: [&str; 3] = ["HUSK_", "RUST_LOG", "TZ"];
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Starts a daemon that listens on this path, and connects to it.
pub fn start(path: &Path) -> Result<OwnedFd, Failure> {
    program()?;
    let (lock, log) = beside(path)?;
    let lock = File::create(&lock).map_err(|error| Failure::io(lock.display(), &error))?;
    lock.lock().map_err(|error| Failure::io("lock of huskd's start", &error))?;
    // Another husk may have been faster.
    if let Ok(socket) = reach(path) {
        return Ok(socket);
    }
    let listener = listener(path)?;
    let socket = reach(path).map_err(|errno| unreachable(path, errno))?;
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&log);
    let log = log.map_err(|error| Failure::io("huskd's log", &error))?;
    let argv = [c"husk".to_owned(), text(OsStr::new(STAGE))?];
    let envp = environment()?;
    let standard = [Some(listener.as_fd()), Some(log.as_fd()), Some(log.as_fd())];
    host_program::start(c"/proc/self/exe", &argv, &envp, standard, host_program::Session::Own)?;
    Ok(socket)
}

/// The lock of the start, and the log: below /run/husk for the usual socket, beside any other.
fn beside(path: &Path) -> Result<(PathBuf, PathBuf), Failure> {
    if path == Path::new(SOCKET) {
        let directory = Path::new("/run/husk");
        let made = DirBuilder::new().recursive(true).mode(0o711).create(directory);
        made.map_err(|error| Failure::io(directory.display(), &error))?;
        return Ok((directory.join("huskd.lock"), log(path)));
    }
    Ok((with(path, ".lock"), log(path)))
}

/// Where a daemon writes what it has to say that listens on this path, and that husk has started.
pub fn log(path: &Path) -> PathBuf {
    if path == Path::new(SOCKET) { PathBuf::from("/run/husk/huskd.log") } else { with(path, ".log") }
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn listener(path: &Path) -> Result<OwnedFd, Failure> {
    let failed = |errno| failed(&path.display().to_string(), errno);
    // Nobody listens on it, and under the lock nobody else is about to.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Failure::io(path.display(), &error));
        }
        _ => {}
    }
    let address = SocketAddrUnix::new(path.as_os_str().as_bytes()).map_err(failed)?;
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(failed)?;
    // From the first moment on it is root's alone; the daemon lets others in.
    let before = sys::process::umask(Mode::from_raw_mode(0o177));
    let bound = bind(&socket, &address);
    sys::process::umask(before);
    bound.map_err(failed)?;
    listen(&socket, 128).map_err(failed)?;
    Ok(socket)
}

fn environment() -> Result<Vec<CString>, Failure> {
    let kept = std::env::vars_os()
        .filter(|(name, _)| KEPT.iter().any(|kept| name.as_bytes().starts_with(kept.as_bytes())));
    let entries = kept.map(|(name, value)| [name, value].join(OsStr::new("=")));
    [OsString::from(PATH)].into_iter().chain(entries).map(|entry| text(&entry)).collect()
}

fn text(text: &OsStr) -> Result<CString, Failure> {
    CString::new(text.to_owned().into_vec()).map_err(|_| Failure::ours("NUL byte in the environment"))
}

/// The daemon's program: beside our own.
fn program() -> Result<PathBuf, Failure> {
    let husk = std::env::current_exe().map_err(|error| Failure::io("/proc/self/exe", &error))?;
    let path = husk.with_file_name("huskd");
    match path.is_file() {
        true => Ok(path),
        false => Err(Failure::ours(format!(
            "no huskd runs, and there is none to start: {}: No such file or directory",
            path.display()
        ))
        .hint(Some("install huskd beside husk, or say where one listens: --socket PATH"))),
    }
}

/// In the child: standard input is the socket. It becomes descriptor 3, and this process the daemon, whose pid
/// LISTEN_PID has to be.
pub fn become_daemon() -> Result<Infallible, Failure> {
    let program = program()?;
    hand_over().map_err(|errno| failed("descriptors of huskd", errno))?;
    // It must not keep a file system busy that husk was started in.
    std::env::set_current_dir("/").map_err(|error| Failure::io("/", &error))?;
    let more = [format!("LISTEN_PID={}", std::process::id()), String::from("LISTEN_FDS=1")];
    let environment = std::env::vars_os().map(|(name, value)| [name, value].join(OsStr::new("=")));
    let environment = environment.chain(more.map(OsString::from)).map(|entry| text(&entry));
    let envp = environment.collect::<Result<Vec<CString>, Failure>>()?;
    let envp: Vec<Argument<'_>> =
        envp.iter().map(|entry| Argument::new(entry)).chain([Argument::END]).collect();
    let path = text(program.as_os_str())?;
    let errno = sys::exec::execve(&path, &[Argument::new(&path), Argument::END], &envp);
    Err(failed(&program.display().to_string(), errno))
}

fn hand_over() -> sys::Result<()> {
    // The plan that started us has closed everything from 3 on.
    let socket = sys::io::fcntl_dupfd_cloexec(sys::standard::input(), 3)?;
    sys::io::fcntl_setfd(&socket, FdFlags::empty())?;
    let null = openat(CWD, c"/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    sys::stdio::dup2_stdin(&null)?;
    // The daemon's from here on: it must not be closed before the exec.
    let _ = socket.into_raw_fd();
    Ok(())
}

fn failed(what: &str, errno: sys::Errno) -> Failure {
    Failure::ours(format!("{what}: {}", describe(errno)))
}
