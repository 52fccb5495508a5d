//! minit's own command line.

use core::ffi::CStr;

use sys::exec::Argument;
use sys::machine::Ending;

use crate::boot::{mounts, network};
use crate::first::decide::OnExit;
use crate::help::{HELP, explain, print};
use crate::message::Part::{Text, Value as Shown};
use crate::message::ours;
use crate::settings::{Answered, MOST_ALLOWED, Settings, Socket};
use crate::values::{capabilities, id, limit, mask, milliseconds, number, signal, signed};
use crate::words::{Word, Words};

/// Exit code of what is wrong with ourselves rather than with the command.
const REFUSED: Answered = Answered(125);
/// SIGTSTP, SIGTTIN, SIGTTOU are passed on as SIGSTOP: in a session of its own the command's group is orphaned,
/// and the kernel ignores the three there (setpgid(2)).
const SUSPENDING: [i32; 3] = [20, 21, 22];
const SIGSTOP: i32 = 19;
/// SIGKILL, SIGCHLD, SIGSTOP.
const NEVER_COMING: [i32; 3] = [9, 17, SIGSTOP];
/// What the kernel shows for an id that a user namespace does not have: it might be anybody's.
const OVERFLOW_UID: u32 = 65_534;
/// What `--mount` takes.
const MOUNTS: &str =
    "it is auto, none, or of devtmpfs, proc, sysfs, devpts, shm, run, tmp, cgroup2 those that are wanted";

/// An option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Name {
    OnExit,
    Grace,
    All,
    Rewrite,
    Remap,
    SameSignal,
    ParentDeath,
    User,
    Group,
    Groups,
    Ambient,
    Bounding,
    NoNewPrivileges,
    Limit,
    Umask,
    Nice,
    OomScore,
    Env,
    ClearEnv,
    Directory,
    NoApi,
    Socket,
    Vsock,
    Dial,
    ListenFd,
    AllowUid,
    AllowEnv,
    Mount,
    Hostname,
    Network,
    Modules,
    Report,
    Memory,
    Cpus,
    Pids,
    Config,
    OnCrash,
    Help,
    Version,
}

/// Long name, short one, and whether a value follows.
const TABLE: [(Name, &str, u8, Value); 39] = [
    (Name::OnExit, "on-exit", 0, Value::Needed),
    (Name::Grace, "grace", 0, Value::Needed),
    (Name::All, "all", b'g', Value::None),
    (Name::Rewrite, "rewrite", b'r', Value::Needed),
    (Name::Remap, "remap", b'e', Value::Needed),
    (Name::SameSignal, "same-signal", 0, Value::None),
    (Name::ParentDeath, "pdeath", 0, Value::Needed),
    (Name::User, "user", 0, Value::Needed),
    (Name::Group, "group", 0, Value::Needed),
    (Name::Groups, "groups", 0, Value::Needed),
    (Name::Ambient, "ambient", 0, Value::Needed),
    (Name::Bounding, "bounding", 0, Value::Needed),
    (Name::NoNewPrivileges, "no-new-privs", 0, Value::None),
    (Name::Limit, "rlimit", 0, Value::Needed),
    (Name::Umask, "umask", 0, Value::Needed),
    (Name::Nice, "nice", 0, Value::Needed),
    (Name::OomScore, "oom-score-adj", 0, Value::Needed),
    (Name::Env, "env", 0, Value::Needed),
    (Name::ClearEnv, "clear-env", 0, Value::None),
    (Name::Directory, "chdir", 0, Value::Needed),
    (Name::NoApi, "no-api", 0, Value::None),
    (Name::Help, "help", b'h', Value::None),
    (Name::Version, "version", b'V', Value::None),
    (Name::Socket, "socket", 0, Value::Needed),
    (Name::Vsock, "vsock", 0, Value::Needed),
    (Name::Dial, "dial", 0, Value::Needed),
    (Name::ListenFd, "listen-fd", 0, Value::Needed),
    (Name::AllowUid, "allow-uid", 0, Value::Needed),
    (Name::AllowEnv, "allow-env", 0, Value::Needed),
    (Name::Memory, "memory", 0, Value::Needed),
    (Name::Cpus, "cpus", 0, Value::Needed),
    (Name::Pids, "pids", 0, Value::Needed),
    (Name::Mount, "mount", 0, Value::Needed),
    (Name::Hostname, "hostname", 0, Value::Needed),
    (Name::Network, "net", 0, Value::Needed),
    (Name::Modules, "modules", 0, Value::Needed),
    (Name::Report, "report", 0, Value::Needed),
    (Name::Config, "config", 0, Value::Needed),
    (Name::OnCrash, "on-crash", 0, Value::Needed),
];

/// Whether a value follows an option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    /// None does.
    None,
    /// One has to.
    Needed,
}

/// Whether a value follows the option of this long name; `None` where there is no such option in a configuration file.
#[cfg(feature = "api")]
#[must_use]
pub fn value_in_a_file(long: &str) -> Option<Value> {
    const ON_THE_COMMAND_LINE_ALONE: [Name; 3] = [Name::Help, Name::Version, Name::Config];
    let row =
        TABLE.iter().find(|(name, known, ..)| *known == long && !ON_THE_COMMAND_LINE_ALONE.contains(name));
    row.map(|(.., value)| *value)
}

/// Reads arguments into `settings`.
///
/// # Errors
/// [`Answered`] where nothing is to be started.
pub fn parse<'a>(arguments: &'a [Argument<'a>], settings: &mut Settings<'a>) -> Result<(), Answered> {
    SUSPENDING.iter().for_each(|signal| settings.rewrites.set_if_unset(*signal, SIGSTOP));
    let mut words = Words::new(arguments);
    while let Some(word) = words.next_option() {
        let (name, joined) = find(word)?;
        let (option, long, _, kind) = name;
        let value = match (kind, joined) {
            (Value::None, None) => c"",
            (Value::None, Some(_)) => return Err(refuse(long, None, "takes no value")),
            (Value::Needed, _) => match joined.or_else(|| words.value()) {
                Some(value) => value,
                None => return Err(refuse(long, None, "needs a value")),
            },
        };
        take(settings, option, value).map_err(|why| match option {
            Name::Help => {
                explain(HELP);
                #[cfg(feature = "api")]
                crate::verbs::list();
                Answered(0)
            }
            Name::Version => {
                print(concat!("minit ", env!("CARGO_PKG_VERSION"), "\n"));
                Answered(0)
            }
            _ => refuse(long, Some(value), why),
        })?;
    }
    let command = words.command();
    if !command.is_empty() {
        settings.command = command;
    }
    Ok(())
}

type Row = (Name, &'static str, u8, Value);

fn find<'a>(word: Word<'a>) -> Result<(Row, Option<&'a CStr>), Answered> {
    let (row, joined) = match word {
        Word::Short(letter) => (TABLE.iter().find(|(_, _, short, _)| *short == letter), None),
        Word::Long(name, value) => (TABLE.iter().find(|(_, long, ..)| long.as_bytes() == name), value),
    };
    row.map(|row| (*row, joined)).ok_or_else(|| {
        const WHY: &str = ": no such option (minit --help)";
        match word {
            Word::Short(letter) => ours(&[Text("-"), Shown(&[letter]), Text(WHY)]),
            Word::Long(name, _) => ours(&[Text("--"), Shown(name), Text(WHY)]),
        }
        REFUSED
    })
}

fn refuse(long: &str, value: Option<&CStr>, why: &str) -> Answered {
    let between = if value.is_some() { " " } else { "" };
    let value = Shown(value.map_or(b"", CStr::to_bytes));
    ours(&[Text("--"), Text(long), Text(between), value, Text(": "), Text(why)]);
    REFUSED
}

/// Takes one option; or says what is wrong with its value.
fn take<'a>(settings: &mut Settings<'a>, option: Name, value: &'a CStr) -> Result<(), &'static str> {
    let bytes = value.to_bytes();
    let identity = &mut settings.identity;
    match option {
        Name::OnExit => {
            settings.on_exit = Some(match bytes {
                b"stay" => OnExit::Stay,
                b"exit" => OnExit::Exit,
                b"respawn" => OnExit::Respawn,
                b"poweroff" => OnExit::Machine(Ending::PowerOff),
                b"reboot" => OnExit::Machine(Ending::Reboot),
                _ => return Err("it is one of stay, exit, poweroff, reboot, respawn"),
            });
        }
        Name::Grace => settings.policy.grace = milliseconds(bytes).ok_or("a time is 10s, 500ms or 2m")?,
        // The group is what signals go to anyway; the option exists for those who are used to it.
        Name::All => {}
        Name::NoApi => settings.service.is_wanted = false,
        Name::Socket => {
            settings.service.socket = match bytes {
                b"none" => Socket::None,
                b"" => return Err("it is a path, or none"),
                _ => Socket::At(value),
            };
        }
        Name::Vsock => settings.service.vsock = Some(port(bytes).ok_or("a port is 1 to 4294967294")?),
        Name::Dial => {
            settings.service.dial = Some(dial(bytes).ok_or("it is vsock:CID:PORT; the host is CID 2")?);
        }
        Name::ListenFd => {
            let number = number(bytes).and_then(|number| u16::try_from(number).ok());
            let number =
                number.filter(|number| *number > 2).ok_or("it is the number of a descriptor above 2")?;
            settings.service.listen = Some(number);
        }
        Name::AllowUid => {
            let user = id(bytes).filter(|user| *user != OVERFLOW_UID);
            let user = user.ok_or("it is the number of a user, and 65534 is nobody in particular")?;
            add(&mut settings.service.users, user)?;
        }
        Name::AllowEnv => {
            if bytes.is_empty() || bytes.contains(&b'=') {
                return Err("it is the name of a variable");
            }
            add(&mut settings.service.variables, value)?;
        }
        Name::Rewrite => {
            let (from, to) = rewrite(bytes)?;
            settings.rewrites.set(from, to);
        }
        Name::Remap => {
            let code = number(bytes).and_then(|code| u8::try_from(code).ok());
            settings.remapped.add(code.ok_or("an exit code is 0 to 255")?);
        }
        Name::SameSignal => settings.same_signal = true,
        Name::ParentDeath => {
            let signal = signal(bytes).filter(|number| *number < 32);
            settings.parent_death = Some(signal.ok_or("it is a signal from 1 to 31")?);
        }
        Name::User => {
            let mut parts = bytes.splitn(2, |byte| *byte == b':');
            parts.try_for_each(named)?;
            identity.user = Some(value);
        }
        Name::Group => {
            named(bytes)?;
            identity.group = Some(value);
        }
        Name::Groups => identity.groups = Some(value),
        Name::Ambient => identity.ambient = Some(capabilities(bytes).ok_or("no such capability")?),
        Name::Bounding => identity.bounding = Some(capabilities(bytes).ok_or("no such capability")?),
        Name::NoNewPrivileges => identity.no_new_privileges = true,
        Name::Limit => {
            let limit = limit(bytes)?;
            let same = |place: &&mut Option<plan::Limit>| {
                place.is_none_or(|before| before.resource == limit.resource)
            };
            *identity.limits.iter_mut().find(same).ok_or("too many")? = Some(limit);
        }
        Name::Umask => identity.umask = Some(mask(bytes).ok_or("it is octal, as in 022")?),
        Name::Nice => {
            let nice = signed(bytes).filter(|nice| (-20..=19).contains(nice));
            identity.nice = Some(nice.ok_or("it is -20 to 19")? as i32);
        }
        Name::OomScore => {
            signed(bytes).filter(|score| (-1000..=1000).contains(score)).ok_or("it is -1000 to 1000")?;
            identity.oom_score = Some(value);
        }
        Name::Env => {
            if bytes.iter().position(|byte| *byte == b'=').is_none_or(|equals| equals == 0) {
                return Err("it is NAME=VALUE");
            }
            let place = settings.changes.set.iter_mut().find(|place| place.is_none());
            *place.ok_or("64 variables are the most")? = Some(value);
        }
        Name::ClearEnv => settings.changes.clear = true,
        Name::Directory => identity.directory = Some(value),
        Name::Mount => {
            settings.boot.mounts = match bytes {
                b"auto" => None,
                b"none" => Some(mounts::Set::NONE),
                list => Some(mounts::Set::named(list).ok_or(MOUNTS)?),
            };
        }
        Name::Hostname => {
            if !(1..=64).contains(&bytes.len()) {
                return Err("a host name has 1 to 64 bytes");
            }
            settings.boot.hostname = Some(value);
        }
        Name::Network => {
            let network = network::Wanted::named(bytes);
            settings.boot.network = Some(network.ok_or("it is lo, none or ADDRESS/PREFIX,GATEWAY")?);
        }
        Name::Modules => settings.boot.modules = Some(value),
        Name::Report => {
            let reports = settings.boot.reports.and(bytes);
            settings.boot.reports = reports.ok_or("it is console or vsock:PORT")?;
        }
        Name::Memory => settings.limits[0] = Some(value),
        Name::Cpus => settings.limits[1] = Some(value),
        Name::Pids => settings.limits[2] = Some(value),
        Name::Config => settings.config = Some(value),
        Name::OnCrash => {
            if !bytes.starts_with(b"/") {
                return Err("it is a path that begins with /");
            }
            settings.crash = Some(value);
        }
        Name::Help | Name::Version => return Err(""),
    }
    Ok(())
}

fn add<T: Copy>(places: &mut [Option<T>; MOST_ALLOWED], value: T) -> Result<(), &'static str> {
    *places.iter_mut().find(|place| place.is_none()).ok_or("16 are the most")? = Some(value);
    Ok(())
}

/// A port of vsock(7); the highest number means any.
fn port(text: &[u8]) -> Option<u32> {
    id(text).filter(|port| *port > 0)
}

/// `vsock:CID:PORT`
fn dial(text: &[u8]) -> Option<(u32, u32)> {
    let mut parts = text.strip_prefix(b"vsock:")?.split(|byte| *byte == b':');
    let machine = id(parts.next()?).filter(|machine| *machine > 0)?;
    let port = port(parts.next()?)?;
    parts.next().is_none().then_some((machine, port))
}

/// A name or number of a user or group: digits must be a possible id.
fn named(text: &[u8]) -> Result<(), &'static str> {
    let digits = text.first().is_none_or(u8::is_ascii_digit);
    if digits && id(text).is_none() { Err("no such id") } else { Ok(()) }
}

fn rewrite(text: &[u8]) -> Result<(i32, i32), &'static str> {
    let rule = "it is FROM:TO, signals by number or name, TO also 0";
    let colon = text.iter().position(|byte| *byte == b':').ok_or(rule)?;
    let (from, to) = (text.get(..colon).ok_or(rule)?, text.get(colon + 1..).ok_or(rule)?);
    let from = signal(from).ok_or("what is to be rewritten is no signal")?;
    if NEVER_COMING.contains(&from) {
        return Err(
            "it never comes to be passed on: SIGKILL and SIGSTOP cannot be caught, SIGCHLD is minit's own",
        );
    }
    let to = if to == b"0" { 0 } else { signal(to).ok_or("what it is to become is no signal, and not 0")? };
    Ok((from, to))
}
