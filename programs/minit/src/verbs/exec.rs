//! Verbs that follow an exec.

use husk_client::{
    Attach, Client, End, Exec, Filter, Goal, Input, OnDisconnect, Relay, Running, Scope, Signals, screen,
};

use super::options::Options;
use super::plain::PATIENCE;
use super::{Failure, Outcome};
use crate::help::print;
use crate::message::Part::Text;
use crate::message::ours;

/// `exec`
pub fn exec(options: &mut Options<'_>) -> Outcome {
    let mut exec = Exec::new("");
    let (mut tty, mut input, mut detach, mut named) = (false, false, false, false);
    while let Some((name, value)) = options.next()? {
        let text = options.text(value)?;
        exec = match name {
            "env" => match text.split_once('=') {
                Some(("", _)) => return Err(options.refuse("-e ", value.to_bytes(), "it is NAME=VALUE")),
                Some((name, value)) => exec.env(name, value),
                // As docker has it: the caller's own, and none where the caller has none.
                None => match options.invocation.variable(text) {
                    Some(value) => exec.env(text, options.text(value)?),
                    None => exec,
                },
            },
            "workdir" => exec.cwd(text),
            "user" => exec.user(text),
            "timeout" => exec.timeout_ms(options.time(value)?),
            "tag" => exec.tag(text),
            "memory" => exec.memory(text),
            "cpus" => exec.cpus(text),
            "pids" => exec.pids(text),
            "no-new-privs" => exec.no_new_privs(),
            "id" => {
                named = true;
                exec.id(text)
            }
            _ => {
                match name {
                    "tty" => tty = true,
                    "interactive" => input = true,
                    _ => detach = true,
                }
                exec
            }
        };
    }
    let words = options.rest(1, usize::MAX)?;
    let [cmd, args @ ..] = words.as_slice() else { return Err(Failure::Answered(125)) };
    exec = exec.cmd(cmd).args(args.iter().copied());
    if tty {
        let (rows, cols) = screen::size().unwrap_or((24, 80));
        let term = options.invocation.variable("TERM").and_then(|term| term.to_str().ok());
        exec = exec.pty(rows, cols, term);
    }
    if input {
        exec = exec.open_stdin();
    }
    let client = options.connect(PATIENCE)?;
    if detach {
        let (id, _) = client.start(&exec)?;
        print(&(id + "\n"));
        return Ok(0);
    }
    if !named {
        // Nobody could come back for it.
        exec = exec.on_disconnect(OnDisconnect::Kill);
    }
    // From here on signals are the command's: one that comes while it starts is passed on too.
    let signals = Signals::take()?;
    let running = client.exec(&exec)?;
    let raw = if tty && input { screen::Raw::enter() } else { None };
    let input = if input { Input::Open } else { Input::None };
    let outcome = relay(client, running, signals, input, Goal::Exit);
    drop(raw);
    outcome
}

/// What a shell says of a program that its reader has left alone: 128 and SIGPIPE.
const NO_READER: u8 = 141;

fn relay(client: &mut Client, running: Running, signals: Signals, input: Input, goal: Goal) -> Outcome {
    let notice = &mut |text: &str| ours(&[Text(text)]);
    let end =
        Relay { client, running, signals, scope: Scope::Group, input, keys: None, goal, notice }.run()?;
    match end {
        End::Exit(exit) => Ok(exit.code),
        End::Reached | End::LetGo => Ok(0),
        // It is for who lets signals count, and here all of them are the command's.
        End::Insisted(signal) => Err(Failure::Answered(128u8.saturating_add(signal.unsigned_abs() as u8))),
        End::NoReader => Err(Failure::Answered(NO_READER)),
    }
}

/// `attach`
pub fn attach(options: &mut Options<'_>) -> Outcome {
    let (mut from, mut input) = (Attach::default(), Input::None);
    while let Some((name, value)) = options.next()? {
        match name {
            "from-stdout" => from.stdout = Some(options.number(value)?),
            "from-stderr" => from.stderr = Some(options.number(value)?),
            _ => input = Input::Open,
        }
    }
    let ids = options.rest(1, 1)?;
    let client = options.connect(PATIENCE)?;
    // Who only watches ends with a key, and what is watched goes on.
    let signals = if input == Input::Open { Signals::take()? } else { Signals::none() };
    let running = client.attach(ids.first().copied().unwrap_or_default(), from)?;
    let mut raw = None;
    if input == Input::Open
        && let Some((rows, cols)) = screen::size()
    {
        // One that has no terminal says so, and then keys are not for it alone.
        if running.redraw(client, rows, cols).is_ok() {
            raw = screen::Raw::enter();
        }
    }
    let outcome = relay(client, running, signals, input, Goal::Exit);
    drop(raw);
    outcome
}

/// `logs`: what is kept of its output, and with -f what comes.
pub fn logs(options: &mut Options<'_>) -> Outcome {
    let mut follow = false;
    while options.next()?.is_some() {
        follow = true;
    }
    let ids = options.rest(1, 1)?;
    let id = ids.first().copied().unwrap_or_default();
    let client = options.connect(PATIENCE)?;
    let goal = if follow {
        Goal::Exit
    } else {
        let listed = client.list(Filter { id: Some(id), ..Filter::default() })?;
        listed.first().map_or(Goal::Exit, |listed| Goal::Offsets([listed.stdout, listed.stderr]))
    };
    let running = client.attach(id, Attach::default())?;
    let input = Input::None;
    relay(client, running, Signals::none(), input, goal).map(|_| 0)
}
