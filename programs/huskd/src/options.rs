//! The options of huskd: one table, from which the command line is understood and its help is written.

/// Which option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // each is described in the table
pub enum Name {
    Root,
    Runtime,
    Socket,
    Group,
    InitnsSocket,
    Shim,
    Minit,
    Subnet,
    Bridge,
    LogSize,
    LogFiles,
    Stall,
    NoConsole,
    ConsoleKey,
    ConsoleVt,
    ConsoleShell,
    Version,
    Help,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Which option.
    pub name: Name,
    /// Its long form, without dashes.
    pub long: &'static str,
    /// What its value is called; `None`: it takes none.
    pub value: Option<&'static str>,
    /// What it does.
    pub text: &'static str,
}

const fn row(name: Name, long: &'static str, value: Option<&'static str>, text: &'static str) -> Description {
    Description { name, long, value, text }
}

/// Every option, in the order in which help shows them.
pub const OPTIONS: [Description; 18] = [
    row(Name::Root, "root", Some("DIR"), "where images and instances are kept (default /var/lib/husk)"),
    row(Name::Runtime, "runtime", Some("DIR"), "where shims have their sockets (default /run/husk)"),
    row(Name::Socket, "socket", Some("PATH"), "where clients connect (default /run/husk.sock)"),
    row(Name::Group, "group", Some("NAME"), "who may connect beside root: the socket gets mode 0660"),
    row(
        Name::InitnsSocket,
        "initns-socket",
        Some("PATH"),
        "another one, for initns' client (/run/initns.sock)",
    ),
    row(
        Name::Shim,
        "shim",
        Some("FILE"),
        "the program that holds a container (default husk-shim beside huskd)",
    ),
    row(Name::Minit, "minit", Some("FILE"), "the first process for --init (default minit beside huskd)"),
    row(Name::Subnet, "subnet", Some("NETWORK"), "addresses of private networks (default 10.231.64.0/20)"),
    row(Name::Bridge, "bridge", Some("NAME"), "the bridge of private networks (default husk0)"),
    row(
        Name::LogSize,
        "log-size",
        Some("BYTES"),
        "size at which an instance's log is rotated (default 10485760)",
    ),
    row(Name::LogFiles, "log-files", Some("NUMBER"), "how many files of a log are kept (default 3)"),
    row(
        Name::Stall,
        "stall",
        Some("SECONDS"),
        "how long a copy or an export waits for who neither reads nor sends (default 60)",
    ),
    row(Name::NoConsole, "no-console", None, "no control console"),
    row(Name::ConsoleKey, "console-key", Some("KEYS"), "the keys that bring it (default ctrl+alt+j)"),
    row(Name::ConsoleVt, "console-vt", Some("NUMBER"), "the virtual terminal that it is on (default 63)"),
    row(Name::ConsoleShell, "console-shell", Some("FILE"), "the shell in it (default /bin/sh)"),
    row(Name::Version, "version", None, "which version this is"),
    row(Name::Help, "help", None, "this help"),
];

/// The text of the help.
pub fn help() -> String {
    let mut text = String::from(HEAD);
    for option in &OPTIONS {
        let value = option.value.map_or(String::new(), |value| format!(" {value}"));
        text += &format!("  {:<24} {}\n", format!("--{}{value}", option.long), option.text);
    }
    text + TAIL
}

const HEAD: &str = "\
huskd [OPTIONS]

Keeps instances: named containers with files of their own, made of images. husk is its client.

";

const TAIL: &str = "
TERM or INT ends the daemon, and only the daemon: instances run on, each held by its husk-shim, and the next
huskd finds them. So it can be stopped, updated and killed at any time, and be the main command of minit on a
machine whose first process that is; to stop an instance is `husk stop`.

With systemd: it takes its socket from a .socket unit (LISTEN_FDS) and says when it is ready (NOTIFY_SOCKET).
One line of log for each change, with who wanted it, goes to standard error.

Exit code: 0 after TERM or INT; 125 when it could not start.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_in_the_help_in_a_line_of_a_terminal() {
        let help = help();
        for option in &OPTIONS {
            assert!(help.contains(&format!("--{}", option.long)), "{option:?}");
        }
        assert_eq!(help.lines().find(|line| line.len() > 120), None);
    }
}
