//! Files, into an instance and out of it: by its first process's root while it runs, by a mount that is nowhere while it
//! does not.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;

use image::{Landing, Limits, PatientWriter, Within, export_part, import_part, is_missing};
use instance::InstanceName;
use instance::message::{Copied, Holes, Reason, Refusal};
use instance::state::Command;
use sys::fd::{AsFd as _, BorrowedFd, OwnedFd};

use crate::client::{Client, Done};
use crate::daemon::Daemon;
use crate::effects::{Orders, perform};
use crate::pace::Pace;
use crate::refusal::{failed_io, refuse};
use crate::seat::Seat;
use crate::verbs::images::{no_descriptor, refusal, tree_of, writable_tree_of};
use crate::wake::until_readable;

/// O_PATH and O_DIRECTORY of open(2).
const O_PATH_DIRECTORY: i32 = 0o10_200_000;

/// What is done with the files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Access {
    Read,
    Write,
}

/// Writes what is at a path to the descriptor beside the request, as a tar archive, all of whose names begin with
/// its own; `ok` {part} says whether it is a `directory` or a `file`.
///
/// # Errors
/// There is nothing at the path; those of writing; the client has gone, or does not read.
pub fn copy_out(
    daemon: &Arc<Daemon>,
    client: &mut Client,
    name: &InstanceName,
    (path, holes): (&str, Holes),
) -> Result<Done, Refusal> {
    let holes = match holes {
        Holes::Filled => image::Holes::Filled,
        Holes::Kept => image::Holes::Kept,
    };
    let seat = daemon.seat(name)?;
    let to = client.passed().ok_or_else(|| no_descriptor("copy_out", "where it goes"))?;
    let mut done = Done::silent();
    with_root(daemon, client, &seat, Access::Read, |root, pace| {
        let mut to = PatientWriter::new(to.into(), pace.wait())?;
        let (part, _) = export_part(root, (path.as_bytes(), holes), &mut to, &mut pace.report())?;
        done = Done::silent().say("part", part.word());
        Ok(())
    })?;
    Ok(done)
}

/// Unpacks the archive behind the descriptor beside the request in a directory, or where what it is `of` goes by what stands at
/// the path.
///
/// # Errors
/// There is no such directory; something else stands there; what is wrong with the archive; the client has gone, or sends nothing more.
pub fn copy_in(
    daemon: &Arc<Daemon>,
    client: &mut Client,
    name: &InstanceName,
    (path, of): (&str, Option<Copied>),
) -> Result<Done, Refusal> {
    let seat = daemon.seat(name)?;
    let from = client.passed().ok_or_else(|| no_descriptor("copy_in", "the archive"))?;
    // Who sends may take its time to begin: the instance is nobody's until then.
    if !until_readable(from.as_fd(), client.as_fd()) {
        return Err(refuse(Reason::Interrupted, format!("instance {name}: the client of a copy has gone")));
    }
    with_root(daemon, client, &seat, Access::Write, |root, pace| {
        let (within, path) = (Within::Root(root), path.as_bytes());
        let landing = match of {
            None => Landing::directory(within, path),
            Some(Copied::File) => Landing::find(within, path, image::Copied::File),
            Some(Copied::Directory) => Landing::find(within, path, image::Copied::Directory),
            Some(Copied::Contents) => Landing::find(within, path, image::Copied::Contents),
        };
        import_part(landing?, from.into(), &Limits::default(), &mut pace.report()).map(drop)
    })?;
    daemon.events.tell("changed", name.as_str(), Some(client.peer()), &[("files", path.into())]);
    Ok(Done::silent())
}

/// Does something with an instance's root directory, as its programs see it, at the pace of a client.
fn with_root(
    daemon: &Arc<Daemon>,
    client: &Client,
    seat: &Seat,
    access: Access,
    copy: impl FnOnce(BorrowedFd<'_>, &Pace<'_>) -> image::Result<()>,
) -> Result<(), Refusal> {
    let name = seat.name();
    let turn = seat.take()?;
    let mut pace = Pace::limited(client, daemon.arguments.stall);
    turn.is_long("a copy", Some(pace.claim()));
    let mut copy = Some(|root: BorrowedFd<'_>| {
        copy(root, &pace).map_err(|error| {
            let code = if is_missing(&error) { Reason::NotFound } else { refusal(&error).code };
            pace.explain(&format!("the copy of {name}"), refuse(code, format!("instance {name}: {error}")))
        })
    });
    let mut work = || {
        let Some(copy) = copy.take() else { return Ok(()) };
        let record = seat.record().clone();
        if let Some((shim, pid)) = record.state.alive() {
            return copy(root_of(name, shim.pid, pid)?.as_fd());
        }
        let tree = match access {
            Access::Read => tree_of(daemon, seat, &record)?,
            Access::Write => writable_tree_of(daemon, seat, &record)?,
        };
        copy(tree.root())
    };
    let mut orders = Orders { by: Some(client.peer()), work: Some(&mut work), ..Orders::default() };
    perform(daemon, &turn, &Command::Copy, &mut orders)
}

/// The root directory of a first process. Whose it is is looked at once it is open: a number that was another's by then
/// would not have the shim for its parent.
fn root_of(name: &InstanceName, shim: i32, pid: i32) -> Result<OwnedFd, Refusal> {
    let ended = || refuse(Reason::State, format!("instance {name}: has just ended"));
    let path = format!("/proc/{pid}/root");
    let root = File::options().read(true).custom_flags(O_PATH_DIRECTORY).open(&path);
    let root = root.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ended(),
        _ => failed_io(&path, &error),
    })?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|_| ended())?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok());
    if parent == Some(shim) { Ok(root.into()) } else { Err(ended()) }
}
