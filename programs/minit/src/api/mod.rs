//! The api role: a child of the first process that serves the minit protocol. It has a heap and parsers, and may die:
//! what it had started lives on, and the next one finds it again.

pub mod groups;
mod machine;
mod places;
mod resume;

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;

use serve::{Orphans, Server, Settings as Service};
use sys::exec::Argument;
use sys::fd::{BorrowedFd, OwnedFd};
use sys::io::fcntl_dupfd_cloexec;
use sys::process::{Resource, Rlimit, getrlimit, setrlimit};
use wire::Words;

use crate::begin::Rank;
use crate::first::api::{DONE, HOPELESS};
use crate::first::link::{Link, Record};
use crate::message::Part::{Error, Text};
use crate::message::{Part, ours};
use crate::settings::Settings;
use machine::First;

/// What the api is given by the first process.
#[derive(Debug)]
pub struct Task<'a> {
    /// What was asked for.
    pub settings: &'a Settings<'a>,
    /// The environment of the main command, which commands of clients get too.
    pub environment: &'a [Argument<'a>],
    /// A listening socket that was inherited.
    pub listening: Option<&'a OwnedFd>,
    /// Where the first process hears us.
    pub link: Link,
    /// What runs, as the api before us has noted it.
    pub journal: Option<BorrowedFd<'a>>,
    /// When the first process started, on the monotonic clock.
    pub started: u64,
    /// What the first process is.
    pub rank: Rank,
    /// The name of the main command's cgroup, where it has one.
    pub group: Option<&'a str>,
    /// What /proc/self/oom_score_adj said before the first process changed its own.
    pub score: Option<&'a CStr>,
}

/// Serves; the exit code tells the first process whether to start another.
#[must_use]
pub fn serve(task: Task<'_>) -> u8 {
    // So that ps(1) tells the two apart. Nothing depends on it.
    let _ = sys::thread::set_name(c"minit-api");
    if let Some(score) = task.score {
        crate::score::give_back(score);
    }
    let (listeners, made) = places::listeners(&task);
    if listeners.is_empty() && task.settings.service.dial.is_none() {
        return HOPELESS;
    }
    let mut server = match Server::new(service(&task), listeners) {
        Ok(server) => server,
        Err(errno) => return warn("the api cannot serve: ", Error(errno)),
    };
    let mut machine = First::new(task);
    machine.say(Record::Ready);
    let code = match server.run(&mut machine) {
        Ok(()) => DONE,
        Err(errno) => warn("the api cannot wait: ", Error(errno)),
    };
    if let Some(made) = made {
        made.remove();
    }
    // Here rather than by returning: the code that takes a server apart piece by piece is 1 % of the program.
    sys::clone::leave(code)
}

fn service(task: &Task<'_>) -> Service {
    let settings = task.settings;
    let mut words = Words::new();
    for entry in task.environment.iter().map_while(|entry| entry.text()) {
        // It comes from a C string: there is no NUL in it.
        let _ = words.push(&[entry.to_bytes()]);
    }
    let (mut allowed_users, mut allowed_variables) = (Vec::new(), Vec::new());
    for (user, name) in settings.service.users.iter().zip(settings.service.variables) {
        allowed_users.extend(*user);
        allowed_variables.extend(name.map(|name| name.to_string_lossy().into_owned()));
    }
    // What cannot be had is missed only by requests that ask for it, which say why.
    let mut no_groups = String::new();
    let groups = match task.rank {
        Rank::First => groups::commands(task.rank).map_err(|why| no_groups = why).ok(),
        Rank::Other => {
            no_groups.push_str("minit is not the first process here");
            None
        }
    };
    Service {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        environment: words,
        speaks_for: sys::process::getppid().map(|pid| (pid, task.started)),
        allowed_users,
        allowed_variables,
        dial: settings.service.dial,
        groups,
        no_groups,
        orphans: Orphans::Ours,
        journal: task.journal.and_then(|journal| fcntl_dupfd_cloexec(journal, 3).ok()),
        nofile: Some(raise_limit_on_descriptors()),
    }
}

/// A command has three or four descriptors here while it runs, and there may be thousands. The limit that was there
/// before is that of the commands.
fn raise_limit_on_descriptors() -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    let most = Rlimit { current: before.maximum, maximum: before.maximum };
    // Without the right to it the limit stays what it is, and so do the commands'.
    let _ = setrlimit(Resource::Nofile, most);
    before
}

/// Says on standard error what goes wrong; another try may do better.
fn warn(what: &str, why: Part<'_>) -> u8 {
    const AGAIN: u8 = 1;
    ours(&[Text("warning: "), Text(what), why]);
    AGAIN
}
