//! The command line, as it was said; what it means for a container is decided in `specification`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use cgroup::{Cpus, Cpuset, Memory, Pids, Weight};
use container::{Change, Failure, Options, Writable, values};
use lexopt::Arg;
use oci::profile::{Confinement, Network};

use crate::help::Topic;
use crate::options::{Description, Name, OPTIONS};
use crate::verbs::foreign;
use crate::verbs::near::near;
use crate::verbs::said::{Given, Said, not_a_name, unexpected, wrong};
use crate::verbs::settings::env_file;
use crate::verbs::table::{ONCE, Row, Verb, verbs};

/// What is asked for.
#[derive(Debug)]
pub enum Command {
    /// `husk run`
    Run(Box<Run>),
    /// `husk plan`
    Plan(PathBuf),
    /// A verb of the table.
    Verb(Box<Said>),
    /// `husk help`
    Help(Topic),
    /// `husk version`
    Version,
}

/// `husk run`, as it was said.
#[derive(Debug, Default)]
#[allow(missing_docs)] // one field an option: see the table
pub struct Run {
    pub rootfs: Option<PathBuf>,
    pub options: Options,
    pub changes: Changes,
    pub init: Option<Init>,
    pub terminal: Option<Tty>,
    pub background: Option<Background>,
    pub id: Option<String>,
    pub record: Record,
    pub action: Action,
    /// Variables of files: those of the command line count more.
    of_files: Vec<OsString>,
    /// An option that only instances have.
    of_instance: Option<&'static str>,
}

/// What becomes of changes to the root file system.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Changes {
    /// They are made to the directory.
    #[default]
    Kept,
    /// They are kept in memory until the end.
    ThrownAway,
}

/// minit is process 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Init;

/// A terminal was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tty;

/// It runs on in the background.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Background;

/// What is known of a container in the background after its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Record {
    /// Its exit code.
    #[default]
    Kept,
    /// Nothing.
    Removed,
}

/// What is done with the plan.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Action {
    /// It is performed.
    #[default]
    Perform,
    /// It is printed.
    Print,
}

/// Understands this process's command line.
pub fn parse() -> Result<Command, Failure> {
    let mut parser = lexopt::Parser::from_env();
    let mut options = Given::default();
    let ours = |failure: Failure| failure.of_verb("");
    let word = loop {
        match parser.next().map_err(wrong).map_err(ours)? {
            None => return Err(ours(Failure::usage("no command"))),
            Some(Arg::Long("help") | Arg::Short('h')) => return Ok(Command::Help(Topic::Husk)),
            Some(Arg::Long("version") | Arg::Short('V')) => return Ok(Command::Version),
            Some(Arg::Value(word)) => break word,
            Some(other) => match options.connection_row(&other) {
                Some(row) => options.take(row, &mut parser).map_err(ours)?,
                None => return Err(ours(Failure::usage(other.unexpected().to_string()))),
            },
        }
    };
    let Some(verb) = word.to_str().map(foreign::verb).and_then(Verb::named) else {
        if let Some(hint) = word.to_str().and_then(foreign::in_place_of) {
            return Err(ours(Failure::usage(format!("{}: no such command", word.display()))).hint(Some(hint)));
        }
        let hint = near(&word.to_string_lossy(), verbs().map(|verb| verb.name));
        let unknown = ours(Failure::usage(format!("{}: no such command", word.display())));
        return Err(match hint {
            Some(near) => unknown.hint(Some(format!("did you mean {near}? husk help lists them"))),
            None => unknown,
        });
    };
    if verb.name == "run" {
        return run(&mut parser, options);
    }
    let said = Said::parse(verb, options, &mut parser).map_err(|failure| failure.of_verb(verb.name))?;
    let Some(said) = said else { return Ok(Command::Help(Topic::Verb(verb))) };
    match verb.name {
        "version" => Ok(Command::Version),
        "help" => help(&said),
        "plan" => Ok(Command::Plan(said.words.into_iter().next().unwrap_or_default().into())),
        _ => Ok(Command::Verb(Box::new(said))),
    }
}

fn help(said: &Said) -> Result<Command, Failure> {
    match said.words.first() {
        None => Ok(Command::Help(Topic::Husk)),
        Some(word) => match word.to_str().and_then(Verb::named) {
            Some(verb) => Ok(Command::Help(Topic::Verb(verb))),
            None => Err(Failure::usage(format!("help {}: no such command", word.display())).of_verb("")),
        },
    }
}

/// An option of `husk run`, and its value: what it means is known when the first word is.
struct Taken {
    long: &'static str,
    /// Its row, where it is not for instances alone.
    option: Option<&'static Description>,
    value: Option<OsString>,
}

/// Options come before ROOTFS, NAME, IMAGE or `--`; what follows is the command's, untouched.
fn run(parser: &mut lexopt::Parser, mut connection: Given) -> Result<Command, Failure> {
    let mut taken = Vec::new();
    loop {
        // lexopt swallows `--`; whether it was there decides what the first word is.
        let separated = parser.try_raw_args().is_some_and(|rest| rest.peek() == Some(OsStr::new("--")));
        let Some(argument) = parser.next().map_err(wrong)? else { break };
        let option = match &argument {
            Arg::Long(long) => {
                OPTIONS.iter().find(|option| option.long == *long || option.long == foreign::option(long))
            }
            Arg::Short(short) => OPTIONS.iter().find(|option| option.short == Some(*short)),
            Arg::Value(word) => {
                let word = word.clone();
                return match separated || is_path(&word) {
                    true => in_root(word, taken, separated, parser),
                    false if taken.iter().any(|taken| taken.long == "rm") => {
                        once(word, taken, connection, parser)
                    }
                    false => of_instance(word, taken, connection, parser),
                };
            }
        };
        if option.is_some_and(|option| option.name == Name::Help) {
            if let (Arg::Short(_), Some(verb)) = (&argument, Verb::named("run")) {
                not_a_name(verb, parser)?;
            }
            return Ok(Command::Help(Topic::Run));
        }
        let (long, takes) = match (option, of_once(&argument)) {
            (Some(option), _) => (option.long, option.value.is_some()),
            (None, Some(row)) => (row.long, row.value.is_some()),
            (None, None) => match connection.connection_row(&argument) {
                Some(row) => {
                    connection.take(row, parser)?;
                    continue;
                }
                None => {
                    return Err(match Verb::named("run") {
                        Some(verb) => unexpected(verb, argument),
                        None => Failure::usage(argument.unexpected().to_string()),
                    });
                }
            },
        };
        let value = takes.then(|| parser.value().map_err(wrong)).transpose()?;
        taken.push(Taken { long, option, value });
    }
    // What is wrong with an option is said first.
    taken.into_iter().try_fold(Run::default(), with).and(Err(Failure::usage("run: no command")))
}

fn of_once(argument: &Arg<'_>) -> Option<&'static Row> {
    ONCE.iter().find(|row| match argument {
        Arg::Long(long) => row.long == *long,
        Arg::Short(short) => row.short == Some(*short),
        Arg::Value(_) => false,
    })
}

/// `husk run ROOTFS`, `husk run --`
fn in_root(
    word: OsString,
    taken: Vec<Taken>,
    separated: bool,
    parser: &mut lexopt::Parser,
) -> Result<Command, Failure> {
    let run = taken.into_iter().try_fold(Run::default(), with)?;
    positional(run, word, separated, parser).map(|run| Command::Run(Box::new(run)))
}

fn with(mut run: Run, taken: Taken) -> Result<Run, Failure> {
    match taken.option {
        Some(option) => take(&mut run, option, taken.value)?,
        None => run.of_instance = Some(taken.long),
    }
    Ok(run)
}

/// Whether a word is a root file system, and not the name of an instance.
fn is_path(word: &OsStr) -> bool {
    matches!(word.as_bytes().first(), Some(b'/' | b'.'))
}

/// Options of `husk run` that are not for a container without a daemon, or for both.
const OF_INSTANCE: [Name; 6] =
    [Name::Terminal, Name::Interactive, Name::Detach, Name::Exclusive, Name::FreezeOthers, Name::DetachKeys];
const OF_INSTANCE_ALONE: [Name; 3] = [Name::Exclusive, Name::FreezeOthers, Name::DetachKeys];

/// Whether an option of `husk run` is one for instances.
#[cfg(test)]
pub fn is_of_instance(long: &str) -> bool {
    OPTIONS.iter().any(|option| option.long == long && OF_INSTANCE.contains(&option.name))
}

/// `husk run NAME`
fn of_instance(
    word: OsString,
    taken: Vec<Taken>,
    mut options: Given,
    parser: &mut lexopt::Parser,
) -> Result<Command, Failure> {
    for Taken { long, option, value } in taken {
        if !option.is_some_and(|option| OF_INSTANCE.contains(&option.name)) {
            let what = format!("--{long}: an instance has what it was given by husk new and husk set");
            let word = word.display();
            let hint = match long {
                "name" | "copy" => format!("husk run --rm --{long} … IMAGE makes one from an image"),
                _ => format!("husk set {word} --{long} …; a root file system starts with / or ."),
            };
            return Err(Failure::ours(what).hint(Some(hint)));
        }
        options.put(long, value.unwrap_or_default());
    }
    said(word, options, parser)
}

/// Options that an instance from an image cannot have, and what it has in place of them.
const NOT_ONCE: [(Name, &str); 4] = [
    (Name::Ephemeral, "with --rm nothing is kept anyway"),
    (Name::Privileged, "--profile unrestricted"),
    (Name::Id, "--name NAME"),
    (Name::Plan, "a root file system starts with / or ."),
];

/// `husk run --rm IMAGE`
fn once(
    word: OsString,
    taken: Vec<Taken>,
    mut options: Given,
    parser: &mut lexopt::Parser,
) -> Result<Command, Failure> {
    for Taken { long, option, value } in taken {
        let refused = NOT_ONCE.iter().find(|(name, _)| option.is_some_and(|option| option.name == *name));
        if let Some((_, hint)) = refused {
            return Err(Failure::usage(format!("--{long}: is not for an image")).hint(Some(*hint)));
        }
        let value = value.unwrap_or_default();
        if long != "seccomp" && value.to_str().is_none() {
            return Err(Failure::usage(format!("--{long} {}: not UTF-8", value.display())));
        }
        options.put(long, value);
    }
    said(word, options, parser)
}

/// What follows the name is a command.
fn said(word: OsString, options: Given, parser: &mut lexopt::Parser) -> Result<Command, Failure> {
    let Some(verb) = Verb::named("run") else { unreachable!("it is in the table") };
    let rest = parser.raw_args().map_err(wrong)?;
    let dashes = usize::from(rest.peek() == Some(OsStr::new("--")));
    let command = rest.skip(dashes).collect();
    Ok(Command::Verb(Box::new(Said::new(verb, options, vec![word], command))))
}

fn positional(
    mut run: Run,
    word: OsString,
    separated: bool,
    parser: &mut lexopt::Parser,
) -> Result<Run, Failure> {
    let of_files = std::mem::take(&mut run.of_files);
    run.options.env.splice(0..0, of_files);
    let mut rest = parser.raw_args().map_err(wrong)?;
    if separated {
        run.options.command.push(word);
    } else {
        run.rootfs = Some(PathBuf::from(word));
        if rest.peek() == Some(OsStr::new("--")) {
            rest.next();
        }
    }
    run.options.command.extend(rest);
    if let Some(long) = run.of_instance {
        return Err(Failure::usage(format!("--{long}: is for instances, and a path or -- is none")));
    }
    match run.options.command.is_empty() {
        true => Err(Failure::usage("run: no command")),
        false => Ok(run),
    }
}

fn take(run: &mut Run, option: &Description, value: Option<OsString>) -> Result<(), Failure> {
    if OF_INSTANCE_ALONE.contains(&option.name) {
        run.of_instance = Some(option.long);
    }
    let value = value.unwrap_or_default();
    let options = &mut run.options;
    if option.name == Name::Env {
        options.env.push(environment(value)?);
        return Ok(());
    }
    if option.name == Name::Seccomp {
        options.seccomp = Some(value);
        return Ok(());
    }
    let text = value
        .to_str()
        .ok_or_else(|| Failure::usage(format!("--{} {}: not UTF-8", option.long, value.display())))?;
    take_limit(options, option.name, text).unwrap_or_else(|| take_text(run, option.name, text))
}

fn take_limit(options: &mut Options, name: Name, text: &str) -> Option<Result<(), Failure>> {
    let refused = |error: cgroup::Invalid| Failure::usage(error.to_string());
    Some(match name {
        Name::Memory => {
            Memory::parse(text).map(|memory| options.memory = Some((memory, text.into()))).map_err(refused)
        }
        Name::Cpus => Cpus::parse(text).map(|cpus| options.cpus = Some(cpus)).map_err(refused),
        Name::Pids => Pids::parse(text).map(|pids| options.pids = Some(pids)).map_err(refused),
        Name::Cpuset => Cpuset::parse(text).map(|cpuset| options.cpuset = Some(cpuset)).map_err(refused),
        Name::IoWeight => Weight::parse(text).map(|weight| options.io_weight = Some(weight)).map_err(refused),
        _ => return None,
    })
}

fn take_text(run: &mut Run, name: Name, text: &str) -> Result<(), Failure> {
    let options = &mut run.options;
    match name {
        Name::Ephemeral => run.changes = Changes::ThrownAway,
        Name::ReadOnly => options.writable = Writable::No,
        Name::Bind => options.mounts.push(values::bind(text)?),
        Name::Tmpfs => options.mounts.push(values::tmpfs(text)?),
        Name::EnvFile => run.of_files.extend(env_file(text)?.into_iter().map(OsString::from)),
        Name::User => options.user = Some(text.into()),
        Name::Workdir => options.workdir = Some(text.into()),
        Name::Hostname => options.hostname = Some(values::hostname(text)?),
        Name::Net => {
            options.network = Some(match text {
                "host" => Network::Host,
                "none" => Network::None,
                _ => return Err(Failure::usage(format!("--net {text:?}: it is host or none"))),
            });
        }
        Name::Init => run.init = Some(Init),
        Name::CapAdd => options.capabilities.push((Change::Add, text.into())),
        Name::CapDrop => options.capabilities.push((Change::Drop, text.into())),
        Name::Privileged => options.confinement = Some(Confinement::Privileged),
        Name::Device => options.devices.push(values::device(text)?),
        Name::Rlimit => options.rlimits.push(values::rlimit(text)?),
        Name::Terminal => run.terminal = Some(Tty),
        Name::Detach => run.background = Some(Background),
        Name::Id => run.id = Some(values::id(text)?),
        Name::Rm => run.record = Record::Removed,
        Name::Plan => run.action = Action::Print,
        // Standard input is always passed on; the rest is taken elsewhere.
        _ => {}
    }
    Ok(())
}

/// `NAME=VALUE` as it is; `NAME` with husk's own value.
fn environment(text: OsString) -> Result<OsString, Failure> {
    let bytes = text.as_bytes();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(0) => Err(Failure::usage(format!("--env {}: no name before =", text.display()))),
        Some(_) => Ok(text),
        None if bytes.is_empty() => Err(Failure::usage("--env: is empty; as in --env NAME=value")),
        None => match std::env::var_os(&text) {
            None => {
                Err(Failure::usage(format!("--env {}: not set here, and no =VALUE given", text.display())))
            }
            Some(value) => {
                let mut entry = text;
                entry.push("=");
                entry.push(value);
                Ok(entry)
            }
        },
    }
}
