//! `logs`: what process 1 of an instance has written, and with -f what it writes. The files come as descriptors, so that
//! one that is rotated away meanwhile is read to its end all the same.

mod record;
mod show;
pub mod time;

use std::fs::File;
use std::io::{Read as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use container::Failure;
use instance::InstanceName;
use instance::message::{Answer, Request};
use serde_json::Value;
use sys::Errno;
use sys::event::{PollFd, PollFlags, Timespec, poll};
use sys::fd::{AsFd, AsRawFd as _, OwnedFd};
use sys::fs::inotify;
use sys::strerror::describe;

use super::said::Said;
use super::{ask, refused};
use crate::daemon::{self, Connection};
use show::{Show, Times, Wanted};

/// `logs`
pub fn perform(said: &Said) -> Result<u8, Failure> {
    let name = said.instance(0)?;
    let wanted = Wanted {
        tail: said.text("tail").map(count).transpose()?.flatten(),
        since: said.text("since").map(time::since).transpose()?,
        times: if said.has("timestamps") { Times::Shown } else { Times::Hidden },
    };
    let mut connection = daemon::open(said)?;
    let files = files(&mut connection, &name)?;
    let mut show = Show::new(wanted, std::io::stdout().lock(), std::io::stderr().lock());
    for file in &files {
        drain(file, &mut show)?;
    }
    show.catch_up().map_err(cannot_show)?;
    if said.has("follow")
        && let Some(last) = files.into_iter().next_back()
    {
        // Asked for only now: an end that came before has written its last line before.
        let end = daemon::open(said)?;
        end.send(&Request::Wait { name: name.clone() }, &[])?;
        Follow { name: &name, connection, end, file: last }.run(&mut show)?;
    }
    Ok(0)
}

/// A number of lines; `all` is no limit.
fn count(text: &str) -> Result<Option<usize>, Failure> {
    match text {
        "all" => Ok(None),
        number => number
            .parse()
            .map(Some)
            .map_err(|_| Failure::usage(format!("--tail {text:?}: it is a number, or all"))),
    }
}

/// The files of a log, the oldest first: the one that is written comes as a descriptor, those that were rotated away as
/// paths, the newest first.
fn files(connection: &mut Connection, name: &InstanceName) -> Result<Vec<File>, Failure> {
    let answer = ask(connection, &Request::Logs { name: name.clone() })?;
    let rotated =
        answer.get("rotated").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut files = Vec::new();
    for path in rotated {
        match File::open(path) {
            Ok(file) => files.push(file),
            // It was rotated further meanwhile, and the last one removed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            // Not root, but one whom the daemon serves.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(Failure::io(path, &error)),
        }
    }
    files.reverse();
    files.extend(connection.take_descriptor().map(File::from));
    Ok(files)
}

/// Shows what an instance has written since a time, in nanoseconds since 1970.
pub fn show_since(
    connection: &mut Connection,
    name: &InstanceName,
    since: time::Time,
) -> Result<(), Failure> {
    let wanted = Wanted { since: Some(since), ..Wanted::default() };
    let mut show = Show::new(wanted, std::io::stdout().lock(), std::io::stderr().lock());
    for file in files(connection, name)? {
        drain(&file, &mut show)?;
    }
    show.catch_up().map_err(cannot_show)
}

fn drain(mut file: &File, show: &mut Show<impl Write, impl Write>) -> Result<(), Failure> {
    let mut bytes = vec![0; 65_536];
    loop {
        match file.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(count) => show.take(&bytes[..count]).map_err(cannot_show)?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::io("log", &error)),
        }
    }
}

fn cannot_show(error: std::io::Error) -> Failure {
    Failure::io("standard output", &error)
}

/// A log that is followed to the end of its instance.
struct Follow<'f> {
    name: &'f InstanceName,
    connection: Connection,
    /// Where the end is told.
    end: Connection,
    /// What is written to.
    file: File,
}

/// How a change of a file is noticed.
enum Watch {
    Inotify(OwnedFd),
    /// Who may not open the file may not watch it either (inotify_add_watch(2)), even where it has a descriptor.
    Ticks,
}

/// Between two looks at a file that cannot be watched.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };

/// How often, and after which time each, the next file is looked for.
const LOOKS: usize = 100;
const PAUSE: Duration = Duration::from_millis(10);

impl Follow<'_> {
    fn run(mut self, show: &mut Show<impl Write, impl Write>) -> Result<(), Failure> {
        loop {
            // Watched before it is read: what is written from here on wakes us up.
            let watch = self.watch()?;
            while !self.is_rotated(show)? {
                if self.wait(&watch)? {
                    // The shim writes all before it tells of the end.
                    while self.is_rotated(show)? {}
                    return Ok(());
                }
            }
        }
    }

    /// Shows what is there, and goes on to the next file where this one was rotated away; whether it was.
    fn is_rotated(&mut self, show: &mut Show<impl Write, impl Write>) -> Result<bool, Failure> {
        drain(&self.file, show)?;
        show.catch_up().map_err(cannot_show)?;
        let inode = |file: &File| {
            file.metadata().map(|metadata| metadata.ino()).map_err(|error| Failure::io("log", &error))
        };
        let own = inode(&self.file)?;
        // Nothing is asked for while it is still the file of that name: a name that is gone has no link, or another.
        if !self.has_moved()? {
            return Ok(false);
        }
        let files = self.files_after_rotation()?;
        let mut newer = Vec::new();
        for file in files.into_iter().rev() {
            if inode(&file)? == own {
                break;
            }
            newer.push(file);
        }
        // Between the last look and the rotation something may have been written.
        drain(&self.file, show)?;
        let is_rotated = !newer.is_empty();
        while let Some(file) = newer.pop() {
            drain(&file, show)?;
            self.file = file;
        }
        show.catch_up().map_err(cannot_show)?;
        Ok(is_rotated)
    }

    /// The files, once there is one again: between the moment that one is rotated away and the next is made there is
    /// none for a daemon to hand over.
    fn files_after_rotation(&mut self) -> Result<Vec<File>, Failure> {
        for _ in 0..LOOKS {
            if let Ok(files) = files(&mut self.connection, self.name) {
                return Ok(files);
            }
            std::thread::sleep(PAUSE);
        }
        files(&mut self.connection, self.name)
    }

    /// Whether the file has another name by now, or none.
    fn has_moved(&self) -> Result<bool, Failure> {
        let link = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        let path = std::fs::read_link(&link).map_err(|error| Failure::io(&link, &error))?;
        Ok(path.file_name().is_none_or(|name| name != "log"))
    }

    fn watch(&self) -> Result<Watch, Failure> {
        let failed = |errno| Failure::ours(format!("inotify: {}", describe(errno)));
        let made =
            inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).map_err(failed)?;
        let what = inotify::WatchFlags::MODIFY | inotify::WatchFlags::MOVE_SELF | inotify::WatchFlags::ATTRIB;
        let link = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        match inotify::add_watch(&made, link, what) {
            Ok(_) => Ok(Watch::Inotify(made)),
            Err(Errno::ACCESS | Errno::PERM) => Ok(Watch::Ticks),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Waits for a change; whether the instance has ended.
    fn wait(&mut self, watch: &Watch) -> Result<bool, Failure> {
        let mut fds = vec![PollFd::from_borrowed_fd(self.end.socket(), PollFlags::IN)];
        let mut limit = None;
        match watch {
            Watch::Inotify(made) => fds.push(PollFd::from_borrowed_fd(made.as_fd(), PollFlags::IN)),
            Watch::Ticks => limit = Some(TICK),
        }
        match poll(&mut fds, limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::ours(format!("poll: {}", describe(errno)))),
        }
        let has_ended = !fds[0].revents().is_empty();
        drop(fds);
        if let Watch::Inotify(made) = watch {
            // What has changed is looked at all the same.
            let mut events = [0u8; 4096];
            while matches!(sys::io::read(made, &mut events[..]), Ok(count) if count > 0) {}
        }
        if !has_ended {
            return Ok(false);
        }
        match self.end.next()? {
            // It does not run: there is nothing to be waited for.
            Answer::Error(refusal) if refusal.code == instance::message::Reason::State => Ok(true),
            Answer::Error(refusal) => {
                Err(refused(&mut self.end, &Request::Wait { name: self.name.clone() }, refusal))
            }
            Answer::Ok(_) => Ok(true),
            Answer::Progress(_) | Answer::Event(_) => Ok(false),
        }
    }
}
