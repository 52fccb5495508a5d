//! The smallest program that serves the minit protocol: `server SOCKET [ALLOWED_UID…]`. The tests run it.

use serve::{Done, Frozen, Listener, Machine, Orphans, Parent, Server, Settings};
use wire::json::Object;
use wire::{Resume, Shutdown, SignalNumber, Words};

/// A machine that has no main command, and notes what it is asked.
struct Alone;

impl Machine for Alone {
    fn shutdown(&mut self, how: Shutdown) -> Done {
        std::process::exit(how.code.unwrap_or(0).into())
    }

    fn signal_main(&mut self, _: SignalNumber) -> Done {
        Err("signal_main: there is no main command".to_owned())
    }

    fn resume(&mut self, _: &Resume) -> Done {
        Err("resume: this is no virtual machine".to_owned())
    }

    fn freeze(&mut self, _: Frozen) -> Done {
        Err("freeze, thaw: there is no main command".to_owned())
    }

    fn stats(&mut self, _: &mut Object<'_>) {}
}

/// A cgroup for commands, where SERVE_CGROUP names one below the root of cgroup v2.
fn groups() -> Result<Option<Parent>, String> {
    let Ok(name) = std::env::var("SERVE_CGROUP") else { return Ok(None) };
    let name = cgroup::Name::new(&name).map_err(|error| error.to_string())?;
    let hierarchy = cgroup::Hierarchy::find().map_err(|error| error.to_string())?;
    Parent::open(hierarchy, &name).map(Some).map_err(|error| error.to_string())
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
    let settings = Settings {
        version: "1.1.0".to_owned(),
        environment,
        allowed_users: allowed.map_err(|error| format!("a user id: {error}"))?,
        allowed_variables: Vec::new(),
        groups: groups()?,
        orphans: Orphans::Ours,
    };
    let listener = Listener::unix(&path)?;
    let words = |errno: sys::Errno| format!("serve: {}", sys::strerror::describe(errno));
    let mut server = Server::new(settings, vec![listener]).map_err(words)?;
    if std::env::var_os("SERVE_STDIN").is_some() {
        // A client that is connected already.
        use std::os::fd::AsFd;
        let client = std::io::stdin().as_fd().try_clone_to_owned();
        server.adopt(client.map_err(|error| error.to_string())?);
    }
    server.run(&mut Alone).map_err(words)
}
