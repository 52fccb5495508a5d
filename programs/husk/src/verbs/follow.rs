//! `run`, `exec` and `attach`: with the daemon's answer comes a connection to the shim, and from then on only the shim
//! matters.

use std::time::Duration;

use container::Failure;
use husk_client::{
    Attach, Client, End, Exec, Goal, Input, Keys, OnDisconnect, Press, Relay, Running, Scope, Signals, screen,
};
use instance::message::{Others, Request, Size, Stdin};
use instance::{InstanceName, InvalidName};
use serde_json::Value;
use sys::fd::OwnedFd;

use super::logs::time;
use super::said::Said;
use super::{logs, settings, words};
use crate::daemon::{self, Connection};

/// How long the daemon may take to notice that an instance has ended.
const PATIENCE: Duration = Duration::from_secs(2);
/// Process 1 of an instance, as its shim calls it.
const MAIN: &str = "main";
/// What a shell says of a program that its reader has left alone: 128 and SIGPIPE.
const NO_READER: u8 = 141;
/// How many signals are passed on to what may ignore them; the next one is for husk.
const PASSED: u8 = 2;
/// The size of a terminal that nobody looks at.
const UNSEEN: (u16, u16) = (24, 80);

/// What is followed, and how.
struct Follow<'f> {
    name: &'f InstanceName,
    /// Whether our standard input goes to it.
    input: Input,
    /// Whether our terminal becomes its terminal.
    view: View,
    scope: Scope,
    keys: Keys,
}

/// Whether signals that we get are for what is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Passes {
    Signals,
    /// Who only watches ends with a key, and what is watched goes on.
    Nothing,
}

/// Whose keys our terminal's are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum View {
    /// Ours: what is followed has no terminal, or gets no input.
    Lines,
    /// What is followed has a terminal of the size of ours.
    Terminal,
    /// It has a terminal or not: it is asked.
    Unknown,
}

/// `run NAME`
pub fn run(said: &Said) -> Result<u8, Failure> {
    let name = root_or_name(said)?;
    let start = Start::of(said)?;
    let mut connection = daemon::open(said)?;
    start.follow(&mut connection, &name, said.command()?).map(Outcome::code)
}

/// How an instance is started, and what becomes of it then.
pub struct Start {
    others: Others,
    keys: Keys,
    terminal: Option<Size>,
    stdin: Stdin,
    is_followed: bool,
}

impl Start {
    /// As it was said.
    pub fn of(said: &Said) -> Result<Self, Failure> {
        let others = match (said.has("exclusive"), said.has("freeze-others")) {
            (true, true) => {
                return Err(Failure::usage(
                    "run: --exclusive stops the others and --freeze-others freezes them: one of them",
                ));
            }
            (true, false) => Others::Stop,
            (false, true) => Others::Freeze,
            (false, false) => Others::Keep,
        };
        let size = said.has("tty").then(|| screen::size().unwrap_or(UNSEEN));
        let terminal = size.map(|(rows, cols)| Size { rows, cols });
        let stdin = if said.has("interactive") { Stdin::Open } else { Stdin::None };
        Ok(Self { others, keys: keys(said)?, terminal, stdin, is_followed: !said.has("detach") })
    }

    /// Starts an instance with a command of this once, or its own, and follows it to its end.
    pub fn follow(
        self,
        connection: &mut Connection,
        name: &InstanceName,
        command: Vec<String>,
    ) -> Result<Outcome, Failure> {
        let Self { others, keys, terminal, stdin, is_followed } = self;
        let begun = time::now();
        let request = Request::Run { name: name.clone(), command, others, terminal, stdin };
        super::ask(connection, &request)?;
        let socket = connection.take_descriptor();
        if !is_followed {
            return crate::show(&format!("{name}\n")).map(Outcome::Left);
        }
        let input = if stdin == Stdin::Open { Input::Open } else { Input::None };
        let view = match (input, terminal) {
            (Input::None, _) => View::Lines,
            (Input::Open, Some(_)) => View::Terminal,
            (Input::Open, None) => View::Unknown,
        };
        let follow = Follow { name, input, view, scope: Scope::Leader, keys };
        match socket.map(|socket| attached(socket, Passes::Signals)) {
            Some(Ok((client, running, signals))) => {
                // What follows is between the shim and us: the daemon may go. If it does not, it is waited for at the end
                // to have noticed: who runs the same instance next is not told that it still runs.
                let is_asked = connection.send(&Request::Wait { name: name.clone() }, &[]).is_ok();
                let outcome = follow.run(client, running, signals)?;
                if is_asked && matches!(outcome, Outcome::Ended(_)) {
                    // Where it does not say so in time, or at all, the instance has ended all the same.
                    let _ = connection.next_within(PATIENCE);
                }
                Ok(outcome)
            }
            // It has ended already, and its shim too.
            None | Some(Err(husk_client::Error::Lost { .. })) => {
                ended_already(connection, name, begun).map(Outcome::Ended)
            }
            Some(Err(error)) => Err(failed(error)),
        }
    }
}

/// Attaches to process 1 over a connection to its shim.
fn attached(socket: OwnedFd, passes: Passes) -> Result<(Client, Running, Signals), husk_client::Error> {
    let mut client = Client::over(socket)?;
    let signals = match passes {
        Passes::Signals => Signals::take()?.at_most(PASSED),
        Passes::Nothing => Signals::none(),
    };
    let running = client.attach(MAIN, Attach::default())?;
    Ok((client, running, signals))
}

/// What an instance that ended before it could be followed has written, and its exit code.
fn ended_already(connection: &mut Connection, name: &InstanceName, begun: time::Time) -> Result<u8, Failure> {
    let answer = super::ask(connection, &Request::Wait { name: name.clone() })?;
    logs::show_since(connection, name, begun)?;
    let code = answer.get("code").and_then(Value::as_u64).and_then(|code| u8::try_from(code).ok());
    code.ok_or_else(|| Failure::ours(format!("huskd: no exit code of {name}")))
}

/// `attach`
pub fn attach(said: &Said) -> Result<u8, Failure> {
    let name = said.instance(0)?;
    let keys = keys(said)?;
    let (passes, input, view) = match said.has("no-stdin") {
        true => (Passes::Nothing, Input::None, View::Lines),
        false => (Passes::Signals, Input::Open, View::Unknown),
    };
    let socket = socket_of(&mut daemon::open(said)?, &name, None)?;
    let (client, running, signals) = attached(socket, passes).map_err(failed)?;
    Follow { name: &name, input, view, scope: Scope::Leader, keys }
        .run(client, running, signals)
        .map(Outcome::code)
}

/// `kill`
pub fn kill(said: &Said) -> Result<u8, Failure> {
    let signal = settings::signal("signal", said.text("signal").unwrap_or("KILL"))?;
    let mut failure: Option<Failure> = None;
    for name in said.instances()? {
        let sent = to_shim(&mut daemon::open(said)?, &name)
            .and_then(|mut client| client.signal_main(&signal).map_err(failed));
        let Err(next) = sent else { continue };
        if let Some(before) = failure.replace(next) {
            crate::tell(&before.to_string());
        }
    }
    failure.map_or(Ok(0), Err)
}

/// `exec`
pub fn exec(said: &Said) -> Result<u8, Failure> {
    let name = said.instance(0)?;
    let keys = keys(said)?;
    let (tty, interactive, detached) = (said.has("tty"), said.has("interactive"), said.has("detach"));
    let words = said.command()?;
    let Some((cmd, args)) = words.split_first() else { return Err(Failure::usage("exec: no command")) };
    let mut exec = Exec::new(cmd).args(args.iter().map(String::as_str));
    for entry in settings::environment(said)? {
        let (name, value) = entry.split_once('=').unwrap_or((&entry, ""));
        exec = exec.env(name, value);
    }
    if let Some(user) = said.text("user") {
        exec = exec.user(user);
    }
    if let Some(directory) = said.text("workdir") {
        exec = exec.cwd(directory);
    }
    if tty {
        let (rows, cols) = screen::size().unwrap_or(UNSEEN);
        exec = exec.pty(rows, cols, std::env::var("TERM").ok().as_deref());
    }
    if interactive {
        exec = exec.open_stdin();
    }
    let socket = socket_of(&mut daemon::open(said)?, &name, Some(cmd))?;
    let mut client = Client::over(socket).map_err(failed)?;
    if detached {
        let (id, _) = client.start(&exec).map_err(failed)?;
        return crate::show(&format!("{id}\n"));
    }
    // From here on signals are the command's: one that comes while it starts is passed on too.
    let signals = Signals::take().map_err(failed)?.at_most(PASSED);
    // Nobody could come back for it.
    let running = client.exec(&exec.on_disconnect(OnDisconnect::Kill)).map_err(failed)?;
    let input = if interactive { Input::Open } else { Input::None };
    let view = if tty && interactive { View::Terminal } else { View::Lines };
    Follow { name: &name, input, view, scope: Scope::Group, keys }
        .run(client, running, signals)
        .map(Outcome::code)
}

/// What following has come to, with our exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It has ended.
    Ended(u8),
    /// It goes on.
    Left(u8),
}

impl Outcome {
    /// Our exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ended(code) | Self::Left(code) => code,
        }
    }
}

impl Follow<'_> {
    fn run(self, mut client: Client, running: Running, signals: Signals) -> Result<Outcome, Failure> {
        let Self { name, input, view, scope, keys } = self;
        let client = &mut client;
        let has_terminal = match (view, screen::size()) {
            (View::Lines, _) | (View::Unknown, None) => false,
            (View::Terminal, _) => true,
            // One that has no terminal says so, and then keys are not for it alone.
            (View::Unknown, Some((rows, cols))) => running.redraw(client, rows, cols).is_ok(),
        };
        let raw = if has_terminal { screen::Raw::enter() } else { None };
        // Only then do keys come as they are pressed.
        let mut keys = keys;
        let mut press = |bytes: &[u8]| keys.pass(bytes);
        let keys: Option<Press<'_>> = if raw.is_some() { Some(&mut press) } else { None };
        let handle = running.clone();
        // In raw mode a line feed does not go back to the left.
        let line_end = if raw.is_some() { "\r" } else { "" };
        let notice = &mut |text: &str| crate::tell(&format!("{name}: {}{line_end}", words::plain(text)));
        let end = Relay { client, running, signals, scope, input, keys, goal: Goal::Exit, notice }.run();
        drop(raw);
        match end.map_err(failed)? {
            End::Exit(exit) => {
                if exit.oom {
                    crate::tell(&format!("{name}: the kernel has killed it for want of memory"));
                }
                Ok(Outcome::Ended(exit.code))
            }
            End::Reached => Ok(Outcome::Ended(0)),
            End::NoReader => Ok(Outcome::Left(NO_READER)),
            End::Insisted(signal) => {
                // A command of exec ends with its connection.
                if scope == Scope::Leader {
                    crate::tell(&format!("{name} runs on (hint: husk stop {name})"));
                }
                Ok(Outcome::Left(128u8.saturating_add(signal.unsigned_abs() as u8)))
            }
            End::LetGo => {
                // Else it would be taken for one that nobody wants any more.
                handle.detach(client).map_err(failed)?;
                crate::tell(&match scope {
                    Scope::Leader => {
                        format!("let go of {name}, which runs on; husk attach {name} comes back to it")
                    }
                    // Only process 1 is attached to.
                    _ => format!(
                        "let go of a command in {name}, which runs on; nothing comes back to it, husk top {name} shows it"
                    ),
                });
                Ok(Outcome::Left(0))
            }
        }
    }
}

/// The name of an instance, or what else could have been meant.
fn root_or_name(said: &Said) -> Result<InstanceName, Failure> {
    let word = said.word(0)?;
    InstanceName::new(word).map_err(|error: InvalidName| {
        if !word.contains('/') && instance::ImageName::new(word).is_ok() {
            return Failure::ours(error.to_string()).hint(Some(super::an_image(word)));
        }
        Failure::ours(error.to_string())
            .hint(Some("a root file system starts with / or .; without one: husk run -- COMMAND"))
    })
}

/// A connection to the shim of an instance that runs, where this command is to be executed.
fn socket_of(
    connection: &mut Connection,
    name: &InstanceName,
    command: Option<&str>,
) -> Result<OwnedFd, Failure> {
    super::ask(connection, &Request::Connect { name: name.clone(), exec: command.map(str::to_owned) })?;
    let socket = connection.take_descriptor();
    socket.ok_or_else(|| Failure::ours("huskd: it has sent no connection to the shim"))
}

/// The shim of an instance that runs.
pub fn to_shim(connection: &mut Connection, name: &InstanceName) -> Result<Client, Failure> {
    Client::over(socket_of(connection, name, None)?).map_err(failed)
}

fn keys(said: &Said) -> Result<Keys, Failure> {
    let text = said.text("detach-keys").unwrap_or("ctrl-p,ctrl-q");
    Keys::parse(text).ok_or_else(|| {
        let what = "keys with , between them, each a character or ctrl- and a letter; as in ctrl-p,ctrl-q";
        Failure::usage(format!("--detach-keys {text:?}: {what}"))
    })
}

/// What the shim, or the way to it, says.
pub fn failed(error: husk_client::Error) -> Failure {
    let code = error.code();
    Failure::ours(error.to_string()).with_code(code)
}
