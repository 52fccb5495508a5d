//! What settings ask for that this machine lacks just now. A run is refused for it; that an instance is made or changed is
//! not, since by the time of the run it may be there: a disk is mounted, a program has let go of a port.

use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use container::{group, values};
use instance::{Init, Settings};

use crate::daemon::Daemon;
use crate::private::ports;

/// Says what is lacking, a line each, of the settings for whose names `is_asked`. Values that make no sense have been
/// refused before.
pub fn lacking(daemon: &Daemon, settings: &Settings, is_asked: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(limits(settings, &is_asked));
    if is_asked("bind") {
        lines.extend(settings.bind.iter().filter_map(|text| source(text)));
    }
    if is_asked("device") {
        lines.extend(settings.device.iter().filter_map(|text| device(text)));
    }
    if is_asked("seccomp")
        && let Some(file) =
            settings.seccomp.as_deref().filter(|word| !["default", "unconfined"].contains(word))
    {
        lines.extend(missing("seccomp", file, Path::new(file)));
    }
    if is_asked("publish") {
        let publish = ports(settings).unwrap_or_default();
        lines.extend(publish.iter().filter_map(|publish| network::check_port(publish).err()).map(worded));
    }
    if is_asked("init") && settings.init == Init::Minit {
        lines.extend(missing("init", "minit", &daemon.arguments.minit));
    }
    lines
}

/// Limits, where there are no groups that could have them.
fn limits(settings: &Settings, is_asked: impl Fn(&str) -> bool) -> Option<String> {
    let limits = [
        ("memory", &settings.memory),
        ("cpus", &settings.cpus),
        ("pids", &settings.pids),
        ("cpuset", &settings.cpuset),
        ("io_weight", &settings.io_weight),
    ];
    let given = limits.iter().filter(|(name, limit)| limit.is_some() && is_asked(name));
    let names: Vec<&str> = given.map(|(name, _)| *name).collect();
    let failure = if names.is_empty() { None } else { group::unavailable() };
    failure.map(|failure| format!("{}: {failure}", names.join(", ")))
}

fn worded(error: network::Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error} (hint: {hint})"),
        None => error.to_string(),
    }
}

fn source(text: &str) -> Option<String> {
    let mount = values::bind(text).ok()?;
    missing("bind", text, Path::new(&mount.source))
}

fn device(text: &str) -> Option<String> {
    let (source, _) = values::device(text).ok()?;
    let found = std::fs::metadata(&source).map(|found| found.file_type());
    match found {
        Ok(kind) if !kind.is_char_device() && !kind.is_block_device() => {
            Some(format!("device {text}: {source} is no device"))
        }
        _ => missing("device", text, Path::new(&source)),
    }
}

/// Why something of the host cannot be had, if it cannot.
fn missing(setting: &str, text: &str, path: &Path) -> Option<String> {
    let error = std::fs::metadata(path).err()?;
    let why = sys::Errno::from_io_error(&error)
        .map_or_else(|| error.to_string(), |errno| sys::strerror::describe(errno).to_string());
    Some(format!("{setting} {text}: {}: {why}", path.display()))
}
