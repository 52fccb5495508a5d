//! The control console: what the crate `console` asks of the daemon, and when it is left.

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use console::{Console, Event, Handle, Instances, Number, Settings};
use instance::message::{Reason, Refusal};
use instance::state::{Command, Phase};
use instance::{InstanceName, Profile, Record};

use crate::arguments::ConsoleArguments;
use crate::daemon::Daemon;
use crate::effects::{Orders, perform};
use crate::journal;
use crate::refusal::refuse;
use crate::seat::{Seat, Urge};

/// The console, while the daemon serves.
pub struct Screen(Option<(Handle, JoinHandle<()>)>);

impl Screen {
    /// Leaves it if it is up, and ends it: what it has frozen goes on.
    pub fn stop(self) {
        if let Some((handle, thread)) = self.0 {
            handle.stop();
            // It says itself what goes wrong.
            let _ = thread.join();
        }
    }
}

/// Starts it, where it is wanted. A machine on which there cannot be one is served all the same.
///
/// # Errors
/// What is wrong with an option of it.
pub fn start(daemon: &Arc<Daemon>) -> Result<Screen, Refusal> {
    let Some(arguments) = &daemon.arguments.console else { return Ok(Screen(None)) };
    let settings = settings(arguments)?;
    let keeper = Keeper(Arc::downgrade(daemon));
    // What it embeds stays in the thread that it is made in.
    let (to, from) = std::sync::mpsc::channel();
    let watching = std::thread::Builder::new().name("console".into()).spawn(move || {
        let watched = Console::new(settings, Box::new(keeper)).and_then(|console| {
            // Who asked waits for it.
            let _ = to.send(console.handle());
            console.run()
        });
        if let Err(error) = watched {
            journal::write(error);
        }
    });
    let thread =
        watching.map_err(|error| refuse(Reason::Failed, format!("thread for the console: {error}")))?;
    // Where there is no handle, it has said why.
    let Ok(handle) = from.recv() else { return Ok(Screen(None)) };
    daemon.has_console(handle.clone());
    Ok(Screen(Some((handle, thread))))
}

fn settings(arguments: &ConsoleArguments) -> Result<Settings, Refusal> {
    let wrong = |text: String| refuse(Reason::Invalid, text);
    let mut settings = Settings::default();
    if let Some(key) = &arguments.key {
        settings.chord = key.parse().map_err(|error| wrong(format!("--console-key {key}: {error}")))?;
    }
    if let Some(number) = arguments.terminal {
        let wrong = || wrong(format!("--console-vt {number}: there are 1 to 63"));
        settings.terminal = Number::new(number).ok_or_else(wrong)?;
    }
    if let Some(shell) = &arguments.shell {
        settings.shell.clone_from(shell);
    }
    Ok(settings)
}

/// The daemon as the console sees it.
struct Keeper(Weak<Daemon>);

/// Devices through which an instance can hold the screen or the keyboard.
const SCREENS: [&str; 6] = ["/dev/tty", "/dev/dri", "/dev/fb", "/dev/input", "/dev/console", "/dev/vcs"];

/// Whether an instance may hold the screen.
fn holds_screen(record: &Record) -> bool {
    record.settings.profile == Profile::Unrestricted
        || record.settings.device.iter().any(|device| SCREENS.iter().any(|screen| device.starts_with(screen)))
}

fn command(daemon: &Arc<Daemon>, seat: &Seat, command: &Command) -> Result<(), Refusal> {
    let turn = seat.take_with(Urge::EndsStill("the console freezes what runs"))?;
    perform(daemon, &turn, command, &mut Orders::default())
}

impl Instances for Keeper {
    fn freeze(&mut self) -> Result<Vec<String>, String> {
        let Some(daemon) = self.0.upgrade() else { return Ok(Vec::new()) };
        let mut frozen = Vec::new();
        for seat in daemon.seats() {
            let is_meant = {
                let record = seat.record();
                matches!(record.state.phase, Phase::Running { .. }) && holds_screen(&record)
            };
            if !is_meant {
                continue;
            }
            match command(&daemon, &seat, &Command::Pause) {
                Ok(()) => frozen.push(seat.name().to_string()),
                // A shell beside what runs is better than none.
                Err(refusal) if matches!(refusal.code, Reason::Unsupported | Reason::Busy) => {
                    daemon.events.warn(seat.name().as_str(), refusal.data);
                }
                // It has ended in between.
                Err(refusal) if matches!(refusal.code, Reason::State | Reason::NotFound) => {}
                Err(refusal) => {
                    let _ = self.thaw(&frozen);
                    return Err(refusal.data);
                }
            }
        }
        Ok(frozen)
    }

    fn thaw(&mut self, names: &[String]) -> Result<(), String> {
        let Some(daemon) = self.0.upgrade() else { return Ok(()) };
        let mut left = Vec::new();
        for name in names.iter().filter_map(|name| InstanceName::new(name.as_str()).ok()) {
            let Ok(seat) = daemon.seat(&name) else { continue };
            match command(&daemon, &seat, &Command::Resume) {
                // It runs already, or is gone.
                Ok(()) => {}
                Err(refusal) if matches!(refusal.code, Reason::State | Reason::NotFound) => {}
                Err(refusal) => left.push(refusal.data),
            }
        }
        if left.is_empty() { Ok(()) } else { Err(left.join("; ")) }
    }

    fn tell(&mut self, event: &Event) {
        match event {
            Event::Plugged(name) => journal::write(format!("console: keyboard {name}")),
            Event::Unplugged(name) => journal::write(format!("console: keyboard {name} is gone")),
            Event::Opened { terminal, before, frozen } => journal::write(format!(
                "console: up on terminal {}, before it {}; frozen: {}",
                terminal.get(),
                before.get(),
                if frozen.is_empty() { String::from("nothing") } else { frozen.join(" ") },
            )),
            Event::Left { terminal } => {
                journal::write(format!("console: left, terminal {} is shown", terminal.get()));
            }
            Event::Trouble(error) => journal::write(format!("console: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_option_is_said() {
        let with = |key: Option<&str>, terminal| ConsoleArguments {
            key: key.map(Into::into),
            terminal,
            ..ConsoleArguments::default()
        };
        assert_eq!(settings(&ConsoleArguments::default()).unwrap(), Settings::default());
        assert!(settings(&with(Some("ctrl+alt+k"), Some(12))).is_ok());
        for (bad, part) in
            [(with(Some("x+"), None), "--console-key x+: "), (with(None, Some(0)), "--console-vt 0: ")]
        {
            let refusal = settings(&bad).unwrap_err();
            assert!(refusal.data.starts_with(part), "{refusal:?}");
        }
    }
}
