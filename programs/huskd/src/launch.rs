//! From a record to a shim that holds its container.

use std::fs::{DirBuilder, File};
use std::io::Read as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use container::task::{Answer, Files as Shown, LogFile, Root, Size, Stdin, Task};
use image::Config;
use instance::message::{self, Files, Reason, Refusal};
use instance::state::Shim;
use instance::{Init, InstanceName, Network, Record, Settings};
use serde_json::Value;
use sys::fd::AsFd as _;
use sys::fs::{CWD, FileType, Mode, mknodat};

use crate::daemon::Daemon;
use crate::private::Lease;
use crate::refusal::{failed, failed_io, refuse};
use crate::shims::{self, ADDRESS, ANSWER, Living, START_MS, kill_held, of_child};

/// What is asked for this once.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// In place of its command.
    pub command: Vec<String>,
    /// The size of its terminal, which it gets for it.
    pub terminal: Option<message::Size>,
    /// What it reads.
    pub stdin: message::Stdin,
}

/// A container that runs.
#[derive(Debug)]
pub struct Launched {
    /// Its shim.
    pub shim: Shim,
    /// Its first process.
    pub pid: i32,
    /// Its address in the private network.
    pub address: Option<String>,
}

/// Bytes of output that are kept for who attaches later.
const REPLAY_BYTES: u64 = 64 * 1024;
/// The longest answer of a shim.
const LONGEST: usize = 64 * 1024;

/// What the image's configuration says, as the record has it.
pub fn config_of(record: &Record) -> Config {
    // It was written by us; where it was not, nothing is what it says.
    serde_json::from_value(record.config.clone()).unwrap_or_default()
}

/// The command that an instance runs: its own, or the image's. Without reading all of the image's configuration, since
/// a list has it of hundreds.
pub fn command_of(record: &Record) -> Vec<String> {
    if !record.settings.command.is_empty() {
        return record.settings.command.clone();
    }
    let words = |name: &str| record.config.get(name).and_then(Value::as_array).into_iter().flatten();
    words("entrypoint").chain(words("cmd")).filter_map(Value::as_str).map(String::from).collect()
}

/// The settings, with what the image says where they say nothing.
pub fn effective(record: &Record) -> Settings {
    let config = config_of(record);
    let mut settings = record.settings.clone();
    if settings.command.is_empty() {
        settings.command = [config.entrypoint, config.cmd].concat();
    }
    let own: Vec<String> = std::mem::take(&mut settings.env);
    let name_of = |word: &str| word.split('=').next().unwrap_or_default().to_string();
    let is_replaced = |word: &String| own.iter().any(|other| name_of(other) == name_of(word));
    // A variable without a name or a value is an image's mistake, and no reason not to run it.
    let is_variable = |word: &String| word.find('=').is_some_and(|at| at > 0);
    settings.env = config.env.into_iter().filter(|word| is_variable(word) && !is_replaced(word)).collect();
    settings.env.extend(own);
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    settings.user = settings.user.or_else(|| given(config.user));
    settings.workdir = settings.workdir.or_else(|| given(config.workdir));
    settings.stop_signal = settings.stop_signal.or_else(|| given(config.stop_signal));
    settings
}

/// The image's configuration, with what the instance's settings say over it: that of an image made of the instance.
pub fn config_with(record: &Record) -> Config {
    let mut config = config_of(record);
    let settings = effective(record);
    if !record.settings.command.is_empty() {
        // It stands for both.
        (config.entrypoint, config.cmd) = (Vec::new(), settings.command);
    }
    config.env = settings.env;
    config.user = settings.user.unwrap_or_default();
    config.workdir = settings.workdir.unwrap_or_default();
    config.stop_signal = settings.stop_signal.unwrap_or_default();
    config
}

/// Starts a shim, and waits until it says that the container runs.
///
/// # Errors
/// Why it does not; nothing of it is left then.
pub fn start(
    daemon: &Daemon,
    name: &InstanceName,
    record: &Record,
    wanted: &Wanted,
) -> Result<Launched, Refusal> {
    let mut settings = effective(record);
    if !wanted.command.is_empty() {
        settings.command.clone_from(&wanted.command);
    }
    if settings.command.is_empty() {
        let text = format!("instance {name}: neither it nor its image says what to run");
        let hint = Some(format!("husk run {name} COMMAND"));
        return Err(Refusal { hint, exit: Some(125), ..refuse(Reason::Invalid, text) });
    }
    if wanted.terminal.is_some() {
        settings.terminal = instance::Terminal::Own;
    }
    let lease = match settings.net {
        Network::Private => Some(daemon.private.lease(name, record, &daemon.seats())?),
        Network::Host | Network::None => None,
    };
    let started = task(daemon, name, record, settings, wanted, lease.as_ref())
        .and_then(|task| hand_over(daemon, &task, lease.as_ref()));
    match started {
        Ok((living, pid)) => {
            let address = lease.as_ref().map(|lease| lease.attachment.address.to_string());
            let shim = living.shim;
            daemon.alarms.watch(name, shim, living.pidfd).map_err(|errno| failed("epoll_ctl", errno))?;
            Ok(Launched { shim, pid, address })
        }
        Err(refusal) => {
            if lease.is_some()
                && let Err(left) = daemon.private.withdraw(name)
            {
                daemon.events.warn(name.as_str(), left.data);
            }
            Err(refusal)
        }
    }
}

fn task(
    daemon: &Daemon,
    name: &InstanceName,
    record: &Record,
    settings: Settings,
    wanted: &Wanted,
    lease: Option<&Lease<'_>>,
) -> Result<Task, Refusal> {
    let hostname = settings.hostname.as_deref().unwrap_or(name.as_str());
    let files = match lease {
        Some(lease) => {
            let files = network::files(&lease.attachment, hostname);
            let files = files.map_err(|error| refuse(Reason::Invalid, error.to_string()))?;
            Shown {
                resolv_conf: Some(files.resolv_conf),
                hosts: Some(files.hosts),
                hostname: Some(files.hostname),
            }
        }
        None => Shown::default(),
    };
    let arguments = &daemon.arguments;
    Ok(Task {
        name: name.clone(),
        root: root(daemon, name, record),
        runtime: daemon.runtime(name),
        log: Some(LogFile {
            path: daemon.store.directory(name).join("log"),
            max_bytes: arguments.log_size,
            files: arguments.log_files,
        }),
        files,
        size: wanted.terminal.map(|size| Size { rows: size.rows, cols: size.cols }),
        stdin: match wanted.stdin {
            message::Stdin::None => Stdin::None,
            message::Stdin::Open => Stdin::Open,
        },
        replay_bytes: REPLAY_BYTES,
        minit: (settings.init == Init::Minit).then(|| arguments.minit.clone()),
        settings,
    })
}

/// Where an instance's files are.
pub fn root(daemon: &Daemon, name: &InstanceName, record: &Record) -> Root {
    let directory = daemon.store.directory(name);
    match record.files {
        Files::Copy => Root::Directory(directory.join("rootfs")),
        Files::Overlay => Root::Layers {
            lower: lower(daemon, record),
            upper: directory.join("upper"),
            work: directory.join("work"),
        },
    }
}

/// The trees of an instance's layers, the top one first, each once.
pub fn lower(daemon: &Daemon, record: &Record) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for id in record.layers.iter().rev().filter_map(|id| image::LayerId::parse(id).ok()) {
        let path = daemon.images.layer_path(&id);
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// Starts the shim with its task, and waits for its answer.
fn hand_over(daemon: &Daemon, task: &Task, lease: Option<&Lease<'_>>) -> Result<(Living, i32), Refusal> {
    let (mut answers, to) = answer_pipe(&task.runtime)?;
    if let Some(lease) = lease {
        let path = task.runtime.join(ADDRESS);
        std::fs::write(&path, lease.attachment.address.to_string())
            .map_err(|error| failed_io(path.display(), &error))?;
    }
    let program = &daemon.arguments.shim;
    let network = lease.map(|lease| lease.namespace.as_fd());
    let child = container::shim::start_answering(program, task, to.as_fd(), network).map_err(|failure| {
        let hint = Some(String::from("huskd --shim FILE says where husk-shim is"));
        Refusal { hint, ..refuse(Reason::Failed, failure.to_string()) }
    })?;
    drop(to);
    let noted = shims::note_starting(&task.runtime, &child);
    let refusal = match noted.and_then(|()| read_answer(&mut answers)) {
        Ok(Answer::Ready { pid }) => {
            let living =
                of_child(child).ok_or_else(|| refuse(Reason::Failed, "/proc: a child is not in it"))?;
            return Ok((living, pid));
        }
        Ok(Answer::Error { data, code }) => Refusal { exit: Some(code), ..refuse(Reason::Failed, data) },
        Err(refusal) => refusal,
    };
    // It ends by itself, or never would.
    kill_held(&child.pidfd);
    Err(refusal)
}

/// A FIFO in the runtime directory: our end, and the shim's.
fn answer_pipe(runtime: &Path) -> Result<(File, File), Refusal> {
    const NONBLOCK: i32 = 0o4000;
    let path = runtime.join(ANSWER);
    let at = |error: &std::io::Error| failed_io(path.display(), error);
    DirBuilder::new().mode(0o700).recursive(true).create(runtime).map_err(|error| at(&error))?;
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
        .map_err(|errno| failed(path.display(), errno))?;
    let from = File::options().read(true).custom_flags(NONBLOCK).open(&path).map_err(|error| at(&error))?;
    let to = File::options().write(true).open(&path).map_err(|error| at(&error))?;
    Ok((from, to))
}

fn read_answer(from: &mut File) -> Result<Answer, Refusal> {
    let until = sys::clock::monotonic() + START_MS * 1_000_000;
    let mut line = Vec::new();
    let mut piece = [0; 4096];
    while line.last() != Some(&b'\n') && line.len() < LONGEST {
        match from.read(&mut piece) {
            Ok(0) => return Err(refuse(Reason::Failed, "its shim has ended without a word")),
            Ok(count) => line.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                let left_ms = until.saturating_sub(sys::clock::monotonic()) / 1_000_000;
                if left_ms == 0 {
                    return Err(refuse(Reason::Failed, "its shim has not answered within 30 s"));
                }
                crate::wake::is_readable_within(from.as_fd(), left_ms);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed_io("its shim", &error)),
        }
    }
    serde_json::from_slice(&line).map_err(|error| refuse(Reason::Failed, format!("its shim: {error}")))
}
