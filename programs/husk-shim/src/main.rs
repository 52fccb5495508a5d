//! husk-shim: holds one container. It is the parent of its first process, owns its terminal or pipes and its log, and
//! serves the minit protocol for it until it has ended, whatever becomes of who started it.
//!
//! `husk-shim NAME`, with descriptor 3 a file with the task (`container::task::Task`), 4 a pipe on which one line is
//! said (`Answer`), and 5, if there is one, a network namespace.
// Tests have the harness's own entry, from which nothing of the program is reached.
#![cfg_attr(not(test), no_main)]
#![cfg_attr(test, allow(dead_code))]

mod begin;
mod enter;
mod keeper;
mod prepared;
mod program;
mod runtime;
mod stop;

use std::fs::File;
use std::io::{Read as _, Write as _};

use container::Failure;
use container::task::{Answer, Task};
use sys::fd::OwnedFd;
use sys::start::Inherited;
use sys::strerror::describe;

#[cfg(not(test))]
sys::entry!(inherited start);

/// Largest task that is read.
const LARGEST: u64 = 1 << 20;

/// The program: from what it was started with to the end of the container.
fn start(inherited: Inherited) -> u8 {
    let protected = program::protect();
    let [task, answer, network] = inherited.take();
    let Some(answer) = answer else {
        return report(&Failure::ours("descriptor 4 is not open (hint: it is started by huskd)"));
    };
    let mut answer = File::from(answer);
    let begun = protected
        .and_then(|()| apart())
        .and_then(|()| read(task))
        .and_then(|task| begin::begin(&task, network));
    // Who asked may be gone; the container stays.
    let mut say = |line: &Answer| {
        let _ = answer.write_all(line.line().as_bytes());
    };
    let (mut server, mut keeper) = match begun {
        Ok(begun) => {
            say(&Answer::Ready { pid: begun.1.pid().as_raw_pid() });
            begun
        }
        Err(failure) => {
            say(&Answer::Error { data: failure.to_string(), code: failure.code() });
            return 1;
        }
    };
    drop(answer);
    let served = server.run(&mut keeper);
    drop(server);
    // Nobody reads what went wrong by now; the code of the program tells that something has.
    match (served, keeper.leave()) {
        (Ok(()), Ok(())) => 0,
        _ => 1,
    }
}

/// In a session of its own, with nothing of the starter's: no terminal, no files, no signal that is ignored.
fn apart() -> Result<(), Failure> {
    let failed = |what: &str, errno| Failure::ours(format!("{what}: {}", describe(errno)));
    match sys::process::setsid() {
        // It leads a group already: of a session of its own, where `container::shim` has started it.
        Ok(_) | Err(sys::Errno::PERM) => {}
        Err(errno) => return Err(failed("setsid", errno)),
    }
    sys::entry::open_standard_descriptors().map_err(|errno| failed("/dev/null", errno))?;
    let null = File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(|error| Failure::io("/dev/null", &error))?;
    for result in
        [sys::stdio::dup2_stdin(&null), sys::stdio::dup2_stdout(&null), sys::stdio::dup2_stderr(&null)]
    {
        result.map_err(|errno| failed("/dev/null", errno))?;
    }
    std::env::set_current_dir("/").map_err(|error| Failure::io("/", &error))?;
    sys::signals::reset_to_default(sys::children::ignored_signals())
        .map_err(|errno| failed("sigaction", errno))
}

fn read(task: Option<OwnedFd>) -> Result<Task, Failure> {
    let task = task.ok_or_else(|| Failure::ours("descriptor 3 is not open: no task"))?;
    let mut text = Vec::new();
    let read = File::from(task).take(LARGEST + 1).read_to_end(&mut text);
    read.map_err(|error| Failure::io("task", &error))?;
    if text.len() as u64 > LARGEST {
        return Err(Failure::ours("task: larger than 1 MiB"));
    }
    let task = Task::read(&text)?;
    // What lists of processes show is the truth.
    match std::env::args_os().nth(1) {
        Some(name) if name == task.name.as_str() => Ok(task),
        _ => Err(Failure::ours(
            "usage: husk-shim NAME, and its task is of another name (it is started by huskd)",
        )),
    }
}

/// A failure before anybody could be told by the pipe.
fn report(failure: &Failure) -> u8 {
    let _ = std::io::stderr().write_all(format!("husk-shim: {failure}\n").as_bytes());
    1
}
