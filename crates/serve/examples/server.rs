//! The smallest program that serves the minit protocol: `server SOCKET [ALLOWED_UID…]`. The tests run it, and say
//! more by variables of its environment.

#[path = "server/container.rs"]
mod container;

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use serve::{
    Done, Frozen, Listener, Machine, News, Next, NotStarted, Orphans, Parent, Server, Settings, Way,
};
use serve::{Start, Started, Watch};
use sys::process::Rlimit;
use wire::answer::Exit;
use wire::json::Object;
use wire::{Resume, Shutdown, SignalNumber, Words};

/// A machine that is told what is new by lines in a FIFO: `stop`, `reaped PID CODE`. It has a main command only where
/// SERVE_MAIN says one; how that ended it writes to the file SERVE_EXIT.
struct Alone {
    fifo: Option<File>,
    watch: Watch,
    is_paused: bool,
}

impl Machine for Alone {
    fn start(&mut self, start: &Start<'_>) -> Result<Started, NotStarted> {
        if self.is_paused {
            return Err(NotStarted::ours("exec: the container is paused".to_owned()));
        }
        if start.exec.tag.as_deref() == Some("hangs") {
            start.give_up(container::killed().map_err(NotStarted::ours)?);
            return Err(NotStarted::ours("exec: it has not begun".to_owned()));
        }
        start.here()
    }

    fn main_ended(&mut self, exit: &Exit) {
        let path = std::env::var_os("SERVE_EXIT").expect("SERVE_EXIT beside SERVE_MAIN");
        std::fs::write(path, format!("{}\n", exit.code)).expect("the file SERVE_EXIT");
    }

    fn shutdown(&mut self, how: Shutdown) -> Done {
        std::process::exit(how.code.unwrap_or(0).into())
    }

    fn signal_main(&mut self, _: SignalNumber) -> Done {
        Err("signal_main: there is no main command".to_owned())
    }

    fn resume(&mut self, _: &Resume) -> Done {
        Err("resume: this is no virtual machine".to_owned())
    }

    fn freeze(&mut self, to: Frozen) -> Done {
        if std::env::var_os("SERVE_MAIN").is_none() {
            return Err("freeze, thaw: there is no main command".to_owned());
        }
        self.is_paused = to == Frozen::Yes;
        Ok(())
    }

    fn stats(&mut self, message: &mut Object<'_>) {
        message.text("watch", if self.watch == Watch::On { "on" } else { "off" });
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.fifo.as_ref().map(AsFd::as_fd)
    }

    fn ready(&mut self, news: &mut Vec<News>) -> Next {
        let mut text = [0; 4096];
        let count = self.fifo.as_mut().map_or(0, |fifo| fifo.read(&mut text).unwrap_or(0));
        for line in String::from_utf8_lossy(&text[..count]).lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["reaped", pid, code] => {
                    let end = sys::reap::End::Code(code.parse().expect("a code"));
                    news.push(News::Reaped { pid: pid.parse().expect("a pid"), end });
                }
                ["stop"] => news.push(News::Stopping),
                _ => panic!("no news: {line}"),
            }
        }
        Next::Serve
    }

    fn watch_orphans(&mut self, watch: Watch) {
        self.watch = watch;
    }
}

/// This machine itself (VMADDR_CID_LOCAL).
const LOCAL: u32 = 1;

/// A cgroup for commands, where SERVE_CGROUP names one below the root of cgroup v2.
fn groups() -> Result<Option<Parent>, String> {
    let Ok(name) = std::env::var("SERVE_CGROUP") else { return Ok(None) };
    let name = cgroup::Name::new(&name).map_err(|error| error.to_string())?;
    let hierarchy = cgroup::Hierarchy::find().map_err(|error| error.to_string())?;
    Parent::open(hierarchy, &name).map(Some).map_err(|error| error.to_string())
}

/// The file that a variable names, opened for reading and writing.
fn file(variable: &str) -> Result<Option<File>, String> {
    const O_NONBLOCK: i32 = 0o4000;
    let Some(path) = std::env::var_os(variable) else { return Ok(None) };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).custom_flags(O_NONBLOCK);
    options.open(path).map(Some).map_err(|error| format!("{variable}: {error}"))
}

/// SERVE_NOFILE, the limit on descriptors of commands.
fn nofile() -> Option<Rlimit> {
    let limit = std::env::var("SERVE_NOFILE").ok()?.parse().ok();
    Some(Rlimit { current: limit, maximum: limit })
}

fn main() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: server SOCKET [ALLOWED_UID…]")?;
    let allowed: Result<Vec<u32>, _> = arguments.map(|uid| uid.parse()).collect();
    let mut environment = Words::new();
    for (name, value) in std::env::vars_os() {
        use std::os::unix::ffi::OsStrExt;
        // A variable of this process has no NUL in it.
        let _ = environment.push(&[name.as_bytes(), b"=", value.as_bytes()]);
    }
    // Commands are started in the pid namespace of the main command.
    let is_joined = std::env::var_os("SERVE_JOIN").is_some();
    let settings = Settings {
        dial: None,
        version: "1.1.0".to_owned(),
        environment,
        speaks_for: None,
        allowed_users: allowed.map_err(|error| format!("a user id: {error}"))?,
        allowed_variables: std::env::var("SERVE_ALLOW_ENV").into_iter().collect(),
        groups: groups()?,
        no_groups: String::new(),
        orphans: if is_joined { Orphans::Main } else { Orphans::Ours },
        journal: file("SERVE_JOURNAL")?.map(Into::into),
        nofile: nofile(),
    };
    let mut listeners = vec![Listener::unix(&path, Way::Closed)?];
    if let Ok(port) = std::env::var("SERVE_VSOCK") {
        listeners.push(Listener::vsock(port.parse().map_err(|error| format!("SERVE_VSOCK: {error}"))?)?);
    }
    let words = |errno: sys::Errno| format!("serve: {}", sys::strerror::describe(errno));
    let mut server = Server::new(settings, listeners).map_err(words)?;
    if std::env::var_os("SERVE_STDIN").is_some() {
        // A client that is connected already.
        let client = std::io::stdin().as_fd().try_clone_to_owned();
        server.add_client(client.map_err(|error| error.to_string())?);
    }
    if let Ok(port) = std::env::var("SERVE_DIAL") {
        let port = port.parse().map_err(|error| format!("SERVE_DIAL: {error}"))?;
        server.add_client(sys::vsock::connect(LOCAL, port).map_err(words)?);
    }
    if let Ok(script) = std::env::var("SERVE_MAIN") {
        let main = container::start(&script)?;
        if is_joined {
            sys::clone::join(main.child.pidfd.as_fd(), sys::clone::Namespaces::PID).map_err(words)?;
        }
        server.adopt(main).map_err(words)?;
    }
    let mut machine = Alone { fifo: file("SERVE_NEWS")?, watch: Watch::Off, is_paused: false };
    server.run(&mut machine).map_err(words)
}
