//! The command line.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Arg;

use crate::options::{Name, OPTIONS};

/// What a command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// To serve.
    Serve(Box<Arguments>),
    /// The help.
    Help,
    /// The version.
    Version,
}

/// How to serve.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arguments {
    /// Images and instances.
    pub root: PathBuf,
    /// Sockets of shims.
    pub runtime: PathBuf,
    /// Where clients connect.
    pub socket: PathBuf,
    /// Who may, beside root.
    pub group: Option<String>,
    /// Where initns' client connects.
    pub initns_socket: Option<PathBuf>,
    /// The shim's program.
    pub shim: PathBuf,
    /// minit's program.
    pub minit: PathBuf,
    /// Private networks.
    pub network: network::Settings,
    /// Bytes of a log's file.
    pub log_size: u64,
    /// Files of a log.
    pub log_files: u32,
    /// How long a copy or an export may stand still.
    pub stall: Duration,
    /// The control console.
    pub console: Option<ConsoleArguments>,
}

/// The control console, where there is one. What is not given is its default.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConsoleArguments {
    /// Keys.
    pub key: Option<String>,
    /// Virtual terminal.
    pub terminal: Option<u8>,
    /// Shell.
    pub shell: Option<CString>,
}

/// Understands a command line, without the program's name. `beside` is the directory of huskd's own program.
///
/// # Errors
/// What is wrong with it.
pub fn parse(words: impl Iterator<Item = OsString>, beside: &std::path::Path) -> Result<Asked, String> {
    let mut arguments = Arguments {
        root: "/var/lib/husk".into(),
        runtime: "/run/husk".into(),
        socket: "/run/husk.sock".into(),
        group: None,
        initns_socket: None,
        shim: beside.join("husk-shim"),
        minit: beside.join("minit"),
        network: network::Settings::default(),
        log_size: 10 << 20,
        log_files: 3,
        stall: Duration::from_secs(60),
        console: None,
    };
    let (mut console, mut is_wanted) = (ConsoleArguments::default(), true);
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next().map_err(|error| error.to_string())? {
        let long = match word {
            Arg::Long(long) => long,
            Arg::Short('h') => "help",
            Arg::Short(other) => return Err(format!("no such option: -{other}")),
            Arg::Value(value) => return Err(format!("no such argument: {}", value.to_string_lossy())),
        };
        let found = OPTIONS.iter().find(|option| option.long == long);
        let option = found.ok_or_else(|| format!("no such option: --{long}"))?;
        let value = match option.value {
            Some(_) => Some(parser.value().map_err(|error| error.to_string())?),
            None => None,
        };
        let value = Value { option: option.long, value: value.unwrap_or_default() };
        match option.name {
            Name::Help => return Ok(Asked::Help),
            Name::Version => return Ok(Asked::Version),
            Name::NoConsole => is_wanted = false,
            Name::ConsoleKey => console.key = Some(value.text()?),
            Name::ConsoleVt => console.terminal = Some(value.number()?),
            Name::ConsoleShell => console.shell = Some(value.c_text()?),
            other => arguments.take(other, value)?,
        }
    }
    arguments.console = is_wanted.then_some(console);
    Ok(Asked::Serve(Box::new(arguments)))
}

impl Arguments {
    fn take(&mut self, name: Name, value: Value) -> Result<(), String> {
        match name {
            Name::Root => self.root = value.path()?,
            Name::Runtime => self.runtime = value.path()?,
            Name::Socket => self.socket = value.path()?,
            Name::Group => self.group = Some(value.text()?),
            Name::InitnsSocket => self.initns_socket = Some(value.path()?),
            Name::Shim => self.shim = value.path()?,
            Name::Minit => self.minit = value.path()?,
            Name::Subnet => self.network.subnet = value.parsed()?,
            Name::Bridge => self.network.bridge = value.parsed()?,
            Name::LogSize => self.log_size = value.number()?,
            Name::LogFiles => self.log_files = value.number::<u32>()?.max(1),
            Name::Stall => self.stall = Duration::from_secs(value.number::<u64>()?.max(1)),
            Name::NoConsole
            | Name::ConsoleKey
            | Name::ConsoleVt
            | Name::ConsoleShell
            | Name::Version
            | Name::Help => {}
        }
        Ok(())
    }
}

/// An option's value.
struct Value {
    option: &'static str,
    value: OsString,
}

impl Value {
    fn wrong(&self, why: impl std::fmt::Display) -> String {
        format!("--{} {}: {why}", self.option, self.value.to_string_lossy())
    }

    /// A path that means the same wherever we are, since shims have it too.
    fn path(self) -> Result<PathBuf, String> {
        let path = PathBuf::from(&self.value);
        if path.is_absolute() { Ok(path) } else { Err(self.wrong("the path does not begin with /")) }
    }

    fn text(self) -> Result<String, String> {
        self.value.to_str().map(String::from).ok_or_else(|| self.wrong("it is not UTF-8"))
    }

    fn c_text(self) -> Result<CString, String> {
        CString::new(self.value.clone().into_vec()).map_err(|_| self.wrong("it has a NUL in it"))
    }

    fn number<N: std::str::FromStr>(self) -> Result<N, String> {
        let number = self.value.to_str().and_then(|text| text.parse().ok());
        number.ok_or_else(|| self.wrong("it is no number, or too large a one"))
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(self) -> Result<T, String> {
        let text = self.value.to_str().ok_or_else(|| self.wrong("it is not UTF-8"))?;
        text.parse().map_err(|error| self.wrong(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Asked, String> {
        super::parse(line.split(' ').filter(|word| !word.is_empty()).map(OsString::from), "/usr/bin".as_ref())
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let Ok(Asked::Serve(arguments)) = parse("--root /x --log-files 0") else { panic!() };
        assert_eq!(arguments.root, PathBuf::from("/x"));
        assert_eq!(arguments.shim, PathBuf::from("/usr/bin/husk-shim"));
        assert_eq!(arguments.log_files, 1);
        assert_eq!(arguments.console, Some(ConsoleArguments::default()));
        let Ok(Asked::Serve(arguments)) = parse("--no-console --console-vt 12") else { panic!() };
        assert_eq!(arguments.console, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, part) in [
            ("--root x", "--root x: the path does not begin with /"),
            ("--console-vt 256", "--console-vt 256: it is no number"),
            ("--subnet x", "--subnet x: "),
            ("--fly", "no such option: --fly"),
            ("-x", "no such option: -x"),
            ("x", "no such argument: x"),
            ("--no-console=1", "unexpected argument"),
            ("--root", "missing argument"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
