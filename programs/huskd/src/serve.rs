//! From a command line to a daemon that serves, and its end.

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use instance::message::{Reason, Refusal};
use instance::{Store, StoreError};
use sys::fd::{AsFd as _, OwnedFd};
use sys::process::{Resource, Rlimit, getrlimit, setrlimit};
use sys::signals::SignalSet;

use crate::arguments::Arguments;
use crate::daemon::Daemon;
use crate::refusal::{failed, failed_io, refuse};
use crate::watch::{Alarm, Alarms, aside, attend};
use crate::{connection, journal, listen, pace, recover, runtime, screen, verbs};

/// How many clients are served at once; each is a thread.
const MOST_CLIENTS: usize = 4096;

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
/// How long the end of work is waited for: it hears of it within a tenth of a second, but for a disk that hangs.
const WORK: Duration = Duration::from_secs(5);
/// The number of the descriptor of signals among the alarms; those of listeners follow.
const SIGNALS: u64 = 0;

/// Serves until TERM or INT.
///
/// # Errors
/// Why it cannot.
pub fn serve(arguments: Arguments) -> Result<(), Refusal> {
    if !sys::privilege::ids().are_root() {
        return Err(refuse(Reason::Unsupported, "huskd keeps instances for root, and is not run by it"));
    }
    raise_limit();
    // Before there is a second thread: all of them inherit it.
    let ends = SignalSet::EMPTY.with(SIGINT).with(SIGTERM);
    sys::signals::block_too(ends).map_err(|errno| failed("sigprocmask", errno))?;
    let signals = sys::signals::descriptor(ends).map_err(|errno| failed("signalfd", errno))?;
    let alarms = Alarms::new().map_err(|errno| failed("epoll_create", errno))?;
    let store = Store::open(&arguments.root, remove_tree).map_err(|error| not_opened(&error))?;
    let images = image::Store::open(&arguments.root).map_err(|error| verbs::images::refusal(&error))?;
    let place = runtime::take(&arguments.runtime, &arguments.root)?;
    let (listeners, own) = listeners(&arguments)?;
    let daemon = Arc::new(Daemon::new(arguments, store, images, alarms));
    recover::recover(&daemon, &place)?;
    let console = screen::start(&daemon)?;
    let add = |fd, number| daemon.alarms.add(fd, number).map_err(|errno| failed("epoll_ctl", errno));
    add(signals.as_fd(), SIGNALS)?;
    for (number, listener) in (SIGNALS + 1..).zip(&listeners) {
        listener.set_nonblocking(true).map_err(|error| failed_io("socket", &error))?;
        add(listener.as_fd(), number)?;
    }
    journal::write(format!("serves {}", daemon.arguments.root.display()));
    listen::notify("READY=1");
    let ended = attend_until_told(&daemon, &signals, &listeners);
    listen::notify("STOPPING=1");
    if !pace::end_all(WORK) {
        journal::write(
            "work is under way that does not end: what it has made is removed with the next start",
        );
    }
    console.stop();
    for path in own {
        // So that nobody waits there for a daemon that is gone.
        let _ = std::fs::remove_file(path);
    }
    ended
}

fn attend_until_told(
    daemon: &Arc<Daemon>,
    signals: &OwnedFd,
    listeners: &[UnixListener],
) -> Result<(), Refusal> {
    let clients = Arc::new(AtomicUsize::new(0));
    loop {
        for alarm in daemon.alarms.wait().map_err(|errno| failed("epoll_wait", errno))? {
            match alarm {
                Alarm::Readable(SIGNALS) => {
                    if sys::signals::next(signals).is_ok_and(|signal| signal.is_some()) {
                        journal::write("ends; instances run on");
                        return Ok(());
                    }
                }
                Alarm::Readable(number) => {
                    let listener =
                        usize::try_from(number - SIGNALS - 1).ok().and_then(|at| listeners.get(at));
                    if let Some(listener) = listener {
                        welcome(daemon, listener, &clients);
                    }
                }
                alarm => attend(daemon, alarm),
            }
        }
    }
}

/// Takes one client that has connected.
fn welcome(daemon: &Arc<Daemon>, listener: &UnixListener, clients: &Arc<AtomicUsize>) {
    let socket = match listen::accept(listener) {
        Ok(Some(socket)) => socket,
        Ok(None) => return,
        Err(error) => {
            // Out of descriptors, most likely: they come back when a client goes, and until then this must not spin.
            journal::write(failed_io("accept", &error).data);
            sys::clock::sleep(100);
            return;
        }
    };
    if clients.fetch_add(1, Ordering::Relaxed) >= MOST_CLIENTS {
        clients.fetch_sub(1, Ordering::Relaxed);
        journal::write(format!("a client is turned away: there are {MOST_CLIENTS}"));
        return;
    }
    let (daemon, clients) = (daemon.clone(), clients.clone());
    aside("client", move || {
        connection::serve(&daemon, socket);
        clients.fetch_sub(1, Ordering::Relaxed);
    });
}

fn not_opened(error: &StoreError) -> Refusal {
    // initns keeps a list of its instances in a file of this name.
    let is_list = error.kind() == std::io::ErrorKind::NotADirectory;
    let hint = is_list.then(|| "another root; initns' images can be imported into it".into());
    Refusal { hint, ..refuse(Reason::Failed, error.to_string()) }
}

/// Where clients connect: what systemd has opened, or the paths of the command line, which are ours to remove.
fn listeners(arguments: &Arguments) -> Result<(Vec<UnixListener>, Vec<PathBuf>), Refusal> {
    let mut listeners = listen::inherited()?;
    let group = arguments.group.as_deref().map(listen::group).transpose()?;
    let own = listeners.is_empty().then(|| arguments.socket.clone());
    let own: Vec<PathBuf> = own.into_iter().chain(arguments.initns_socket.clone()).collect();
    for path in &own {
        listeners.push(listen::bind(path, group)?);
    }
    Ok((listeners, own))
}

/// As many descriptors as we may have: one for each shim and each client.
fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Without it there is room for fewer.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Removes whatever stands at a path.
fn remove_tree(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    let parent = std::fs::File::open(parent)?;
    image::remove_tree(parent.as_fd(), name.as_bytes()).map_err(Into::into)
}
