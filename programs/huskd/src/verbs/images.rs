//! Images, and what is made of an instance's files as a whole.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use image::{Limits, MergedTree, PatientWriter};
use instance::message::{Archive, Compression, Files, Form, ImageSummary, Reason, Refusal};
use instance::state::Command;
use instance::{ImageName, InstanceName, Record};
use serde_json::Value;
use sys::fd::{AsFd as _, OwnedFd};

use crate::client::{Client, Done, Peer};
use crate::daemon::Daemon;
use crate::effects::{Orders, perform};
use crate::launch::config_with;
use crate::pace::{Claim, Pace};
use crate::refusal::{failed_io, refuse};
use crate::seat::Seat;

/// A refusal in the words of the images.
pub fn refusal(error: &image::Error) -> Refusal {
    let code = match error {
        image::Error::Exists(_) => Reason::Exists,
        image::Error::Missing(_) => Reason::NotFound,
        image::Error::Interrupted => Reason::Interrupted,
        image::Error::Invalid(_)
        | image::Error::Entry { .. }
        | image::Error::Archive(_)
        | image::Error::NoLayout => Reason::Invalid,
        image::Error::System { .. } => Reason::Failed,
    };
    refuse(code, error.to_string())
}

/// The same of an image that was to be made: what can be done where the disk is full.
fn not_made(error: &image::Error) -> Refusal {
    let is_full = matches!(error, image::Error::System { errno: sys::Errno::NOSPC | sys::Errno::DQUOT, .. });
    let hint = match error {
        image::Error::NoLayout => Some("husk seed DIR IMAGE makes an image of a directory's files"),
        _ if is_full => Some("make room: husk rmi IMAGE and husk rm NAME remove what is not needed any more"),
        _ => None,
    };
    Refusal { hint: hint.map(str::to_owned), ..refusal(error) }
}

fn name_of(image: &ImageName) -> Result<image::Name, Refusal> {
    image::Name::parse(image.as_str()).map_err(|error| refusal(&error))
}

/// An image.
///
/// # Errors
/// There is none of this name.
pub fn find(daemon: &Daemon, image: &ImageName) -> Result<image::Image, Refusal> {
    daemon.images.image(&name_of(image)?).map_err(|error| refusal(&error))
}

fn made(daemon: &Daemon, by: Peer, event: &str, image: &ImageName, made: &image::Imported) -> Done {
    let size = made.image.size;
    daemon.events.tell(event, image.as_str(), Some(by), &[("size", size.into())]);
    let warnings: Vec<Value> = made.warnings.lines().iter().map(|line| line.as_str().into()).collect();
    let done = Done::silent().say("size", size).say("layers", made.image.layers.len());
    if warnings.is_empty() {
        return done;
    }
    done.say("warnings", warnings).say("more_warnings", made.warnings.more())
}

/// Makes an image of an archive.
///
/// # Errors
/// The name is taken; what is wrong with the archive; the client has gone.
pub fn import(daemon: &Arc<Daemon>, client: &mut Client, image: &ImageName) -> Result<Done, Refusal> {
    let archive = client.passed().ok_or_else(|| no_descriptor("import", "the archive"))?;
    import_from(daemon, client, archive, image)
}

/// The same, of a file or a directory that is open.
///
/// # Errors
/// As [`import`].
pub fn import_from(
    daemon: &Daemon,
    client: &Client,
    archive: OwnedFd,
    image: &ImageName,
) -> Result<Done, Refusal> {
    let (name, limits) = (name_of(image)?, Limits::default());
    // Nobody waits for it but its client, who may take minutes to send the first byte.
    let pace = Pace::new(client);
    let source = image::Source::from_descriptor(archive).map_err(|error| refusal(&error))?;
    let imported = daemon.images.import(source, &name, &limits, &mut pace.report());
    let imported = imported.map_err(|error| not_made(&error))?;
    Ok(made(daemon, client.peer(), "imported", image, &imported))
}

/// A request that wants a descriptor came without.
pub fn no_descriptor(verb: &str, what: &str) -> Refusal {
    refuse(Reason::Invalid, format!("{verb}: {what} is to come as a descriptor beside the request"))
}

/// Makes an image of a directory of the host.
///
/// # Errors
/// As [`import`].
pub fn seed(
    daemon: &Arc<Daemon>,
    client: &Client,
    directory: &str,
    image: &ImageName,
) -> Result<Done, Refusal> {
    let path = Path::new(directory);
    if !path.is_absolute() {
        return Err(refuse(Reason::Invalid, format!("seed {directory:?}: the path does not begin with /")));
    }
    let name = name_of(image)?;
    let own = [daemon.arguments.runtime.as_path()];
    let pace = Pace::new(client);
    let limits = Limits { devices: image::Devices::Kept, ..Limits::default() };
    let seeded = daemon.images.seed(path, &name, &own, &limits, &mut pace.report());
    let seeded = seeded.map_err(|error| not_made(&error))?;
    Ok(made(daemon, client.peer(), "imported", image, &seeded))
}

/// Makes an image of an instance's files.
///
/// # Errors
/// As [`import`]; the instance is on its way from one state to another; it runs, and cannot be frozen.
pub fn commit(
    daemon: &Arc<Daemon>,
    client: &Client,
    name: &InstanceName,
    image: &ImageName,
    form: Form,
) -> Result<Done, Refusal> {
    let seat = daemon.seat(name)?;
    let target = name_of(image)?;
    let pace = Pace::new(client);
    let mut done = Done::silent();
    let mut work = || {
        let record = seat.record().clone();
        let limits = Limits { devices: image::Devices::Kept, ..Limits::default() };
        let wanted = (&target, config_with(&record));
        let committed = if record.files == Files::Overlay && form == Form::Changes {
            let upper = open_part(daemon, &seat, "upper")?;
            let layers = layers_of(&record);
            daemon.images.commit_changes(upper.as_fd(), &layers, wanted, &limits, &mut pace.report())
        } else {
            let tree = tree_of(daemon, &seat, &record)?;
            daemon.images.commit_flat(tree.root(), wanted, &limits, &mut pace.report())
        };
        let committed = committed.map_err(|error| {
            let refusal = not_made(&error);
            Refusal { data: format!("commit {name} as {image}: {}", refusal.data), ..refusal }
        })?;
        done = made(daemon, client.peer(), "committed", image, &committed);
        Ok(())
    };
    read_whole(daemon, &seat, ("commit", None), client.peer(), &mut work)?;
    Ok(done)
}

/// Does long work with an instance's files, which stand still meanwhile.
fn read_whole(
    daemon: &Arc<Daemon>,
    seat: &Seat,
    (word, claim): (&'static str, Option<Arc<Claim>>),
    by: Peer,
    work: &mut dyn FnMut() -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let turn = seat.take()?;
    turn.is_long(word, claim);
    let mut orders = Orders { by: Some(by), work: Some(work), ..Orders::default() };
    perform(daemon, &turn, &Command::Read, &mut orders).map_err(|refusal| match refusal.code {
        Reason::Unsupported => {
            let stop = format!("stop it first: husk stop {}", seat.name());
            let hint = refusal.hint.map_or(stop.clone(), |hint| format!("{stop}; or {hint}"));
            Refusal { hint: Some(hint), ..refusal }
        }
        _ => refusal,
    })
}

fn layers_of(record: &Record) -> Vec<image::LayerId> {
    record.layers.iter().filter_map(|id| image::LayerId::parse(id).ok()).collect()
}

/// A directory of an instance's own.
pub fn open_part(daemon: &Daemon, seat: &Seat, part: &str) -> Result<OwnedFd, Refusal> {
    let path = daemon.store.directory(seat.name()).join(part);
    let opened = File::options().read(true).custom_flags(O_DIRECTORY_NOFOLLOW).open(&path);
    opened.map(OwnedFd::from).map_err(|error| failed_io(path.display(), &error))
}

/// O_DIRECTORY and O_NOFOLLOW of open(2).
const O_DIRECTORY_NOFOLLOW: i32 = 0o600_000;

/// An instance's files as one tree.
pub enum Whole {
    /// Layers and changes.
    Merged(MergedTree),
    /// A directory.
    Plain(OwnedFd),
}

impl Whole {
    /// Its root.
    pub fn root(&self) -> sys::fd::BorrowedFd<'_> {
        match self {
            Self::Merged(tree) => tree.root(),
            Self::Plain(fd) => fd.as_fd(),
        }
    }
}

/// An instance's files as one tree, to be read.
///
/// # Errors
/// Those of the kernel.
pub fn tree_of(daemon: &Daemon, seat: &Seat, record: &Record) -> Result<Whole, Refusal> {
    match record.files {
        Files::Copy => open_part(daemon, seat, "rootfs").map(Whole::Plain),
        Files::Overlay => {
            let upper = open_part(daemon, seat, "upper")?;
            let tree = MergedTree::with_upper(&daemon.images, &layers_of(record), upper.as_fd());
            tree.map(Whole::Merged).map_err(|error| refusal(&error))
        }
    }
}

/// The same, to be written to: what is written becomes a change of the instance, which does not run.
///
/// # Errors
/// Those of the kernel.
pub fn writable_tree_of(daemon: &Daemon, seat: &Seat, record: &Record) -> Result<Whole, Refusal> {
    match record.files {
        Files::Copy => open_part(daemon, seat, "rootfs").map(Whole::Plain),
        Files::Overlay => {
            let (upper, work) = (open_part(daemon, seat, "upper")?, open_part(daemon, seat, "work")?);
            let changes = image::Changes { upper: upper.as_fd(), work: work.as_fd() };
            let tree = MergedTree::writable(&daemon.images, &layers_of(record), changes);
            tree.map(Whole::Merged).map_err(|error| refusal(&error))
        }
    }
}

/// Writes an image or an instance to the descriptor beside the request.
///
/// # Errors
/// There is neither; those of writing; the client has gone.
pub fn export(
    daemon: &Arc<Daemon>,
    client: &mut Client,
    name: &str,
    format: Archive,
    compression: Compression,
) -> Result<Done, Refusal> {
    let to = client.passed().ok_or_else(|| no_descriptor("export", "the file"))?;
    let client: &Client = client;
    let mut pace = Pace::limited(client, daemon.arguments.stall);
    let claim = pace.claim();
    let broken_off = |refusal| pace.explain(&format!("the export of {name}"), refusal);
    let to = PatientWriter::new(to.into(), pace.wait());
    let mut to = to.map_err(|error| refusal(&error))?;
    let compression = match compression {
        Compression::None => image::Compression::Plain,
        Compression::Gzip => image::Compression::Gzip,
        Compression::Zstd => image::Compression::Zstd,
    };
    let seat = InstanceName::new(name).ok().and_then(|name| daemon.seat(&name).ok());
    let Some(seat) = seat else {
        let missing =
            || refuse(Reason::NotFound, format!("{name:?}: no instance and no image has this name"));
        let image = ImageName::new(name).map_err(|_| missing())?;
        let image = find(daemon, &image).map_err(|refusal| match refusal.code {
            Reason::NotFound => missing(),
            _ => refusal,
        })?;
        let format = match format {
            Archive::Tar => image::Format::Rootfs,
            Archive::Oci => image::Format::OciArchive,
        };
        let exported = daemon.images.export(&image, (format, compression), &mut to, &mut pace.report());
        return exported.map(|_| Done::silent()).map_err(|error| broken_off(refusal(&error)));
    };
    if format == Archive::Oci {
        let text = format!("export {name}: an instance is exported as a tar; only images are OCI archives");
        let hint = Some(format!("husk commit {name} IMAGE, then husk export IMAGE"));
        return Err(Refusal { hint, ..refuse(Reason::Unsupported, text) });
    }
    let mut work = || {
        let record = seat.record().clone();
        let tree = tree_of(daemon, &seat, &record)?;
        let exported = image::export_tree(tree.root(), compression, &mut to, &mut pace.report());
        exported.map(drop).map_err(|error| broken_off(refusal(&error)))
    };
    read_whole(daemon, &seat, ("export", Some(claim)), client.peer(), &mut work)?;
    Ok(Done::silent())
}

/// A copy of an image's tree, for an instance with files of its own.
///
/// # Errors
/// Those of the kernel; the client has gone.
pub fn copy(daemon: &Daemon, client: &Client, image: &image::Image, to: &Path) -> std::io::Result<()> {
    let failed = |error: &image::Error| match error {
        image::Error::Interrupted => std::io::ErrorKind::Interrupted.into(),
        error => std::io::Error::other(error.to_string()),
    };
    let (Some(parent), Some(name)) = (to.parent(), to.file_name().and_then(|name| name.to_str())) else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    let limits = Limits { devices: image::Devices::Kept, ..Limits::default() };
    let parent = File::open(parent)?;
    let copied =
        daemon.images.make_copy(image, (parent.as_fd(), name), &limits, &mut Pace::new(client).report());
    copied.map(drop).map_err(|error| failed(&error))
}

/// Removes an image, and the layers that nobody has any more.
///
/// # Errors
/// There is none of this name.
pub fn remove(daemon: &Arc<Daemon>, by: Peer, image: &ImageName) -> Result<Done, Refusal> {
    daemon.images.remove_image(&name_of(image)?).map_err(|error| refusal(&error))?;
    daemon.events.tell("removed", image.as_str(), Some(by), &[("kind", "image".into())]);
    daemon.collect();
    Ok(Done::silent())
}

fn summary(daemon: &Daemon, image: &image::Image) -> Option<ImageSummary> {
    let name = ImageName::new(image.name.as_str()).ok()?;
    let seats = daemon.seats();
    // Of another image that had the name before it, they are not.
    let is_of = |record: &Record| {
        record.image == name
            && record.layers.iter().map(String::as_str).eq(image.layers.iter().map(image::LayerId::as_str))
    };
    let of = seats.iter().filter(|seat| is_of(&seat.record())).map(|seat| seat.name().clone());
    let instances = of.collect();
    Some(ImageSummary {
        instances,
        created: image.created,
        size: image.size,
        layers: image.layers.len(),
        name,
    })
}

/// All images, by name.
///
/// # Errors
/// Their records cannot be read.
pub fn list(daemon: &Daemon) -> Result<Done, Refusal> {
    let images = daemon.images.images().map_err(|error| refusal(&error))?;
    let all: Vec<ImageSummary> = images.iter().filter_map(|image| summary(daemon, image)).collect();
    let value =
        serde_json::to_value(all).map_err(|error| refuse(Reason::Failed, format!("images: {error}")))?;
    Ok(Done::silent().say("images", value))
}

/// All that is known of an image; `None` where there is none.
///
/// # Errors
/// Its record cannot be read.
pub fn inspect(daemon: &Daemon, name: &str) -> Result<Option<Value>, Refusal> {
    let Ok(name) = image::Name::parse(name) else { return Ok(None) };
    let image = match daemon.images.image(&name) {
        Err(image::Error::Missing(_)) => return Ok(None),
        image => image.map_err(|error| refusal(&error))?,
    };
    let layers: Vec<Value> = image.layers.iter().map(|id| id.as_str().into()).collect();
    Ok(Some(serde_json::json!({
        "name": image.name.as_str(),
        "created": image.created,
        "size": image.size,
        "layers": layers,
        "config": serde_json::to_value(&image.config).unwrap_or_default(),
        "summary": serde_json::to_value(summary(daemon, &image)).unwrap_or_default(),
    })))
}
