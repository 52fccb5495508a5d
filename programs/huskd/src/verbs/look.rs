//! What only looks.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use instance::InstanceName;
use instance::message::{Reason, Refusal, Summary};
use serde_json::Value;

use crate::client::Done;
use crate::daemon::Daemon;
use crate::launch;
use crate::refusal::{failed_io, refuse};
use crate::seat::Seat;
use crate::verbs::images;

/// Who serves.
pub fn ping(daemon: &Daemon) -> Done {
    Done::silent()
        .say("version", env!("CARGO_PKG_VERSION"))
        .say("pid", std::process::id())
        .say("root", daemon.arguments.root.to_string_lossy().into_owned())
}

/// All instances, by name.
pub fn list_instances(daemon: &Daemon) -> Result<Done, Refusal> {
    let all: Vec<Summary> = daemon.seats().iter().map(|seat| summary(seat)).collect();
    let value =
        serde_json::to_value(all).map_err(|error| refuse(Reason::Failed, format!("instances: {error}")))?;
    Ok(Done::silent().say("instances", value))
}

/// An instance's line.
fn summary(seat: &Seat) -> Summary {
    let mut summary = {
        let record = seat.record();
        let is_another = record.state.alive().is_some() && !record.state.command.is_empty();
        let command = if is_another { record.state.command.clone() } else { launch::command_of(&record) };
        record.summary(seat.name(), command)
    };
    if let Some(unreachable) = seat.unreachable() {
        (summary.state, summary.reason) = ("unreachable".into(), Some(unreachable.why));
    }
    summary
}

/// All that is known of an instance or an image.
///
/// # Errors
/// There is neither.
pub fn inspect(daemon: &Daemon, name: &str) -> Result<Done, Refusal> {
    if let Some(seat) = InstanceName::new(name).ok().and_then(|name| daemon.seat(&name).ok()) {
        let record = seat.record().clone();
        let failed = |error: serde_json::Error| refuse(Reason::Failed, format!("instance {name}: {error}"));
        let mut value = serde_json::to_value(&record).map_err(failed)?;
        let directory = daemon.store.directory(seat.name());
        let more: [(&str, Value); 5] = [
            ("name", seat.name().as_str().into()),
            ("summary", serde_json::to_value(summary(&seat)).map_err(failed)?),
            ("directory", directory.to_string_lossy().into()),
            ("runtime", daemon.runtime(seat.name()).to_string_lossy().into()),
            ("log", directory.join("log").to_string_lossy().into()),
        ];
        if let Value::Object(members) = &mut value {
            members.extend(more.map(|(key, value)| (key.to_string(), value)));
        }
        return Ok(Done::silent().say("kind", "instance").say("value", value));
    }
    match images::inspect(daemon, name)? {
        Some(value) => Ok(Done::silent().say("kind", "image").say("value", value)),
        None => Err(refuse(Reason::NotFound, format!("{name:?}: no instance and no image has this name"))),
    }
}

/// The log of an instance, open for reading.
///
/// # Errors
/// It cannot be opened.
pub fn logs(daemon: &Daemon, name: &InstanceName) -> Result<Done, Refusal> {
    let seat = daemon.seat(name)?;
    let path = daemon.store.directory(seat.name()).join("log");
    let file = match File::open(&path) {
        // It has never run: an empty one, which its shim will write to.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            File::options().read(true).append(true).create(true).mode(0o600).open(&path)
        }
        file => file,
    };
    let file = file.map_err(|error| failed_io(path.display(), &error))?;
    let older =
        (1..daemon.arguments.log_files).map(|number| PathBuf::from(format!("{}.{number}", path.display())));
    let rotated: Vec<Value> =
        older.filter(|path| path.exists()).map(|path| path.to_string_lossy().into()).collect();
    Ok(Done::silent().say("rotated", rotated).pass(file.into()))
}
