//! minit's own command line.

use core::ffi::CStr;

use sys::machine::Ending;
use sys::start::Invocation;

use crate::decide::OnExit;
use crate::help::HELP;
use crate::message::Part::{Bytes, Text};
use crate::message::{complain, print};
use crate::settings::{Answered, Settings};
use crate::values::{capabilities, id, limit, mask, milliseconds, number, signal, signed};
use crate::words::{Word, Words};

/// Exit code of what is wrong with ourselves rather than with the command.
const REFUSED: Answered = Answered(125);
/// SIGTSTP, SIGTTIN, SIGTTOU are passed on as SIGSTOP: in a session of its own the command's group is orphaned,
/// and the kernel ignores the three there (setpgid(2)).
const SUSPENDING: [i32; 3] = [20, 21, 22];
const SIGSTOP: i32 = 19;

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
    Help,
    Version,
    /// Of the specification, but not of this version.
    Later,
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
    (Name::Later, "socket", 0, Value::Needed),
    (Name::Later, "vsock", 0, Value::Needed),
    (Name::Later, "dial", 0, Value::Needed),
    (Name::Later, "listen-fd", 0, Value::Needed),
    (Name::Later, "allow-uid", 0, Value::Needed),
    (Name::Later, "allow-env", 0, Value::Needed),
    (Name::Later, "memory", 0, Value::Needed),
    (Name::Later, "cpus", 0, Value::Needed),
    (Name::Later, "pids", 0, Value::Needed),
    (Name::Later, "mount", 0, Value::Needed),
    (Name::Later, "hostname", 0, Value::Needed),
    (Name::Later, "net", 0, Value::Needed),
    (Name::Later, "modules", 0, Value::Needed),
    (Name::Later, "report", 0, Value::Needed),
    (Name::Later, "config", 0, Value::Needed),
    (Name::Later, "on-crash", 0, Value::Needed),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Value {
    None,
    Needed,
}

/// Reads arguments into `settings`.
///
/// # Errors
/// [`Answered`] where nothing is to be started.
pub fn parse<'a>(invocation: &Invocation, settings: &mut Settings<'a>) -> Result<(), Answered> {
    SUSPENDING.iter().for_each(|signal| settings.rewrites.set(*signal, SIGSTOP));
    let mut words = Words::new(invocation.arguments);
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
                print(HELP);
                Answered(0)
            }
            Name::Version => {
                print(concat!("minit ", env!("CARGO_PKG_VERSION"), "\n"));
                Answered(0)
            }
            Name::Later => refuse(long, None, why),
            _ => refuse(long, Some(value), why),
        })?;
    }
    settings.command = words.command();
    if settings.command.is_empty() {
        complain(&[Text("minit: no command: minit [OPTIONS] [--] CMD [ARG…] (minit --help)\n")]);
        return Err(REFUSED);
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
        const WHY: &str = ": no such option (minit --help)\n";
        match word {
            Word::Short(letter) => complain(&[Text("minit: -"), Bytes(&[letter]), Text(WHY)]),
            Word::Long(name, _) => complain(&[Text("minit: --"), Bytes(name), Text(WHY)]),
        }
        REFUSED
    })
}

fn refuse(long: &str, value: Option<&CStr>, why: &str) -> Answered {
    let between = if value.is_some() { " " } else { "" };
    let value = Bytes(value.map_or(b"", CStr::to_bytes));
    complain(&[Text("minit: --"), Text(long), Text(between), value, Text(": "), Text(why), Text("\n")]);
    REFUSED
}

/// Takes one option; or says what is wrong with its value.
fn take<'a>(settings: &mut Settings<'a>, option: Name, value: &'a CStr) -> Result<(), &'static str> {
    let bytes = value.to_bytes();
    let identity = &mut settings.identity;
    match option {
        Name::OnExit => {
            settings.policy.on_exit = match bytes {
                b"stay" => OnExit::Stay,
                b"exit" => OnExit::Exit,
                b"respawn" => OnExit::Respawn,
                b"poweroff" => OnExit::Machine(Ending::PowerOff),
                b"reboot" => OnExit::Machine(Ending::Reboot),
                _ => return Err("it is one of stay, exit, poweroff, reboot, respawn"),
            };
        }
        Name::Grace => settings.policy.grace = milliseconds(bytes).ok_or("a time is 10s, 500ms or 2m")?,
        // The group is what signals go to anyway; the option exists for those who are used to it.
        Name::All | Name::NoApi => {}
        Name::Rewrite => {
            let (from, to) = rewrite(bytes).ok_or("it is FROM:TO, signals by number or name, TO also 0")?;
            settings.rewrites.set(from, to);
        }
        Name::Remap => {
            let code = number(bytes).and_then(|code| u8::try_from(code).ok());
            settings.remapped.add(code.ok_or("an exit code is 0 to 255")?);
        }
        Name::SameSignal => settings.same_signal = true,
        Name::ParentDeath => settings.parent_death = Some(signal(bytes).ok_or("no such signal")?),
        Name::User => identity.user = Some(named(value)?),
        Name::Group => identity.group = Some(named(value)?),
        Name::Groups => identity.groups = Some(value),
        Name::Ambient => identity.ambient = Some(capabilities(bytes).ok_or("no such capability")?),
        Name::Bounding => identity.bounding = Some(capabilities(bytes).ok_or("no such capability")?),
        Name::NoNewPrivileges => identity.no_new_privileges = true,
        Name::Limit => {
            let limit = limit(bytes).ok_or("it is NAME=SOFT:HARD, as in nofile=1024:4096")?;
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
        Name::Later => return Err("not in this version"),
        Name::Help | Name::Version => return Err(""),
    }
    Ok(())
}

/// A name or number of a user or group: digits must be a possible id.
fn named(value: &CStr) -> Result<&CStr, &'static str> {
    let bytes = value.to_bytes();
    let digits = bytes.first().is_none_or(u8::is_ascii_digit);
    if digits && id(bytes).is_none() { Err("no such id") } else { Ok(value) }
}

fn rewrite(text: &[u8]) -> Option<(i32, i32)> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let (from, to) = (text.get(..colon)?, text.get(colon + 1..)?);
    Some((signal(from)?, if to == b"0" { 0 } else { signal(to)? }))
}
