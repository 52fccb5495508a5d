//! What makes, changes and removes instances.

use std::path::Path;
use std::sync::Arc;

use instance::message::{Files, IfRunning, Reason, Refusal};
use instance::state::{Command, State, Then};
use instance::{ImageName, InstanceName, Record, Settings, VERSION};
use serde_json::{Map, Value};

use crate::client::{Client, Done, Peer};
use crate::daemon::{Daemon, now_ms};
use crate::effects::{Orders, perform};
use crate::hold::Hold;
use crate::lacking::lacking;
use crate::private::ports;
use crate::refusal::{not_kept, refuse};
use crate::verbs::{images, run};

/// What a new instance is made of.
#[derive(Clone, PartialEq, Debug)]
pub struct Of {
    /// The image.
    pub image: ImageName,
    /// What its files are.
    pub files: Files,
    /// What it keeps.
    pub settings: Settings,
    /// What becomes of it when it has ended.
    pub at_end: Then,
}

/// Makes an instance.
///
/// # Errors
/// There is one of that name; there is no such image; what is wrong with a setting; the client has gone while its files
/// were copied.
pub fn new(daemon: &Arc<Daemon>, client: &mut Client, name: &InstanceName, of: &Of) -> Result<Done, Refusal> {
    check(&of.settings, of.at_end)?;
    let claim = daemon.claim(name)?;
    let image = images::find(daemon, &of.image)?;
    // Kept until there is an instance that says which layers it has. Nobody waits for that.
    let kept = daemon.images.keep(&image).map_err(|error| images::refusal(&error))?;
    let record = Record {
        version: VERSION,
        image: of.image.clone(),
        layers: image.layers.iter().map(ToString::to_string).collect(),
        config: serde_json::to_value(&image.config)
            .map_err(|error| refuse(Reason::Failed, format!("image {}: {error}", of.image)))?,
        files: of.files,
        created: sys::clock::seconds_since_1970(),
        settings: of.settings.clone(),
        at_end: of.at_end,
        saved: 0,
        state: State::new(now_ms()),
    };
    let made = daemon.store.create(name, &record, |directory| match of.files {
        Files::Overlay => ["upper", "work"].iter().try_for_each(|part| make_directory(&directory.join(part))),
        Files::Copy => images::copy(daemon, client, &image, &directory.join("rootfs")),
    });
    made.map_err(|error| not_kept(name, &error))?;
    claim.add(record, |seat| {
        // Whoever sees it may start and end it at once.
        if of.at_end == Then::Remove {
            client.keeps(Hold::new(daemon, seat.clone()));
        }
    });
    drop(kept);
    daemon.events.tell("created", name.as_str(), Some(client.peer()), &[("image", of.image.as_str().into())]);
    Ok(warned(lacking(daemon, &of.settings, |_| true)))
}

/// What is answered where something is done, and may not do for a run.
fn warned(warnings: Vec<String>) -> Done {
    if warnings.is_empty() { Done::silent() } else { Done::silent().say("warnings", warnings) }
}

/// The root of an instance's files, as a container is to see it; nobody else comes by it, since the root of all is
/// closed.
fn make_directory(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    std::fs::DirBuilder::new().mode(0o755).create(path)?;
    // Whatever the umask is.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

/// Whether a container can be made with these settings, as far as that can be said before.
fn check(settings: &Settings, at_end: Then) -> Result<(), Refusal> {
    if at_end == Then::Remove && settings.restart != instance::Restart::No {
        let text = "restart: what is removed at its end is not started again";
        return Err(refuse(Reason::Invalid, text));
    }
    container::settings::check(settings)
        .map_err(|failure| refuse(Reason::Invalid, failure.of_verb("new").to_string()))?;
    let publish = ports(settings)?;
    if !publish.is_empty() && settings.net != instance::Network::Private {
        return Err(refuse(Reason::Invalid, "publish: only a private network has ports to publish"));
    }
    for (number, port) in publish.iter().enumerate() {
        if let Some(other) = publish.iter().take(number).find(|other| other.collides(port)) {
            let text = format!("publish {port}: {other} has this port of the host already");
            return Err(refuse(Reason::Invalid, text));
        }
    }
    if settings.net == instance::Network::Private && settings.profile == instance::Profile::Rootless {
        let text = "net private: not with the profile rootless, whose rights end at its own namespaces";
        return Err(refuse(Reason::Invalid, text));
    }
    Ok(())
}

/// Changes settings.
///
/// # Errors
/// What is wrong with one.
pub fn set(
    daemon: &Arc<Daemon>,
    by: Peer,
    name: &InstanceName,
    changes: Map<String, Value>,
) -> Result<Done, Refusal> {
    let seat = daemon.seat(name)?;
    let turn = seat.take()?;
    let names: Vec<String> = changes.keys().cloned().collect();
    let told: Vec<Value> = changes.keys().cloned().map(Value::from).collect();
    let settings = changed(&seat.record().settings, changes)?;
    check(&settings, seat.record().at_end)?;
    let mut orders = Orders { by: Some(by), settings: Some(settings.clone()), ..Orders::default() };
    perform(daemon, &turn, &Command::Set, &mut orders)?;
    daemon.events.tell("changed", name.as_str(), Some(by), &[("settings", told.into())]);
    let is_alive = seat.record().state.alive().is_some();
    // To look may take its time.
    drop(turn);
    let mut lines = lacking(daemon, &settings, |name| names.iter().any(|one| one == name));
    if is_alive {
        lines.extend(later(name, &names));
    }
    Ok(warned(lines))
}

/// What of a change an instance that runs does not get.
fn later(name: &InstanceName, changed: &[String]) -> Option<String> {
    // These are asked for when it ends, or is to end.
    let at_once = ["restart", "grace_ms"];
    let later: Vec<&str> =
        changed.iter().map(String::as_str).filter(|setting| !at_once.contains(setting)).collect();
    (!later.is_empty()).then(|| format!("{}: from the next start of {name} on, which runs", later.join(", ")))
}

/// The members that are there replace those of the settings, `null` clears one.
fn changed(settings: &Settings, changes: Map<String, Value>) -> Result<Settings, Refusal> {
    let invalid = |error: serde_json::Error| refuse(Reason::Invalid, format!("settings: {error}"));
    let Value::Object(mut members) = serde_json::to_value(settings).map_err(invalid)? else {
        return Err(refuse(Reason::Invalid, "settings: not an object"));
    };
    for (name, value) in changes {
        match value {
            // A name that no setting has must not pass because it is cleared.
            Value::Null => {
                members.remove(&name);
                let alone = Map::from_iter([(name.clone(), Value::Null)]);
                if let Err(error) = serde_json::from_value::<Settings>(alone.into())
                    && error.to_string().starts_with("unknown field")
                {
                    return Err(invalid(error));
                }
            }
            value => {
                members.insert(name, value);
            }
        }
    }
    serde_json::from_value(members.into()).map_err(invalid)
}

/// Gives an instance that does not run another name.
///
/// # Errors
/// It runs; there is one of that name.
pub fn rename(
    daemon: &Arc<Daemon>,
    by: Peer,
    name: &InstanceName,
    to: InstanceName,
) -> Result<Done, Refusal> {
    let seat = daemon.seat(name)?;
    let turn = seat.take()?;
    let mut orders = Orders { by: Some(by), name: Some(to.clone()), ..Orders::default() };
    perform(daemon, &turn, &Command::Rename, &mut orders)?;
    daemon.events.tell("renamed", name.as_str(), Some(by), &[("to", to.as_str().into())]);
    Ok(Done::silent())
}

/// Removes an instance and its files.
///
/// # Errors
/// It runs.
pub fn remove(
    daemon: &Arc<Daemon>,
    client: &Client,
    name: &InstanceName,
    (if_running, grace_ms): (IfRunning, Option<u64>),
) -> Result<Done, Refusal> {
    let seat = daemon.seat(name)?;
    if if_running == IfRunning::Stop {
        run::end_unreachable(client, &seat, grace_ms)?;
    }
    {
        let turn = run::take_to_end(&seat, &Command::Rm(if_running), "the instance is removed")?;
        let mut orders = Orders { by: Some(client.peer()), grace_ms, ..Orders::default() };
        perform(daemon, &turn, &Command::Rm(if_running), &mut orders)?;
    }
    // One that ran is removed when it has ended.
    run::until_stopped(client, &seat)?;
    match seat.take_at_last() {
        None => Ok(Done::silent()),
        Some(_) => {
            let text = format!("instance {name}: its files are not removed yet; the daemon's log says why");
            Err(Refusal { hint: Some(format!("husk rm {name}")), ..refuse(Reason::Failed, text) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_replaces_what_it_names_and_null_clears_it() {
        let settings = Settings { memory: Some("1m".into()), env: vec!["A=1".into()], ..Settings::default() };
        let change = |text: &str| changed(&settings, serde_json::from_str(text).unwrap());
        let after = change(r#"{"memory":null,"hostname":"x","net":"none"}"#).unwrap();
        assert_eq!((after.memory, after.env), (None, vec!["A=1".to_string()]));
        assert_eq!((after.hostname.as_deref(), after.net), (Some("x"), instance::Network::None));
        for bad in [r#"{"fly":1}"#, r#"{"fly":null}"#, r#"{"net":"x"}"#, r#"{"env":"A"}"#] {
            assert_eq!(change(bad).unwrap_err().code, Reason::Invalid, "{bad}");
        }
        assert_eq!(change(r#"{"net":null}"#).unwrap().net, instance::Network::Host);
    }

    #[test]
    fn what_is_removed_at_its_end_has_no_restart() {
        let settings = Settings { restart: instance::Restart::Always, ..Settings::default() };
        assert_eq!(check(&settings, Then::Remove).unwrap_err().code, Reason::Invalid);
        check(&settings, Then::Stay).unwrap();
        check(&Settings::default(), Then::Remove).unwrap();
    }
}
