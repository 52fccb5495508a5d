//! Stands for the daemon in the machine of the tests: a control console that freezes one process group, and prints
//! what happens. `stand-in SHELL GROUP`; a line of its input is `leave` or `stop`.
//!
//! It also stands for a display server: `stand-in hold N` draws on terminal N by itself, and does not answer when it is
//! asked to let go. `display N` says who draws there, and `text N` has the kernel do it again.

use std::ffi::CString;
use std::io::BufRead as _;
use std::path::Path;
use std::process::ExitCode;

use console::{Console, Event, Instances, Settings};
use sys::fs::{CWD, Mode, OFlags, openat};
use sys::reap::{Target, kill};
use sys::vt::{self, Display};

const SIGCONT: i32 = 18;
const SIGSTOP: i32 = 19;
/// While this file exists, nothing can be frozen.
const REFUSE: &str = "/run/refuse";

/// One process group, as if it were an instance.
struct Group(i32);

impl Instances for Group {
    fn freeze(&mut self) -> Result<Vec<String>, String> {
        if Path::new(REFUSE).exists() {
            return Err("freeze counter: it refuses".to_owned());
        }
        kill(Target::Group(self.0), SIGSTOP).map_err(|errno| format!("freeze counter: {errno}"))?;
        Ok(vec!["counter".to_owned()])
    }

    fn thaw(&mut self, names: &[String]) -> Result<(), String> {
        println!("console: thaw {}", names.join(" "));
        kill(Target::Group(self.0), SIGCONT).map_err(|errno| format!("thaw counter: {errno}"))
    }

    fn tell(&mut self, event: &Event) {
        match event {
            Event::Plugged(name) => println!("console: plugged {name}"),
            Event::Unplugged(name) => println!("console: unplugged {name}"),
            Event::Opened { terminal, before, frozen } => {
                println!("console: opened {terminal} before {before} frozen {}", frozen.join(" "));
            }
            Event::Left { terminal } => println!("console: left {terminal}"),
            Event::Trouble(error) => println!("console: trouble: {error}"),
        }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("console: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The display server.
fn draw(what: &str, number: &str) -> sys::Result<()> {
    let path = format!("/dev/tty{number}");
    let terminal = openat(CWD, path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    match what {
        "hold" => {
            vt::set_display(&terminal, Display::Graphics)?;
            vt::refuse_switching(&terminal)?;
            println!("held");
            loop {
                std::thread::park();
            }
        }
        "text" => vt::set_display(&terminal, Display::Text),
        _ => {
            println!("{}", if vt::display(&terminal)? == Display::Text { "text" } else { "graphics" });
            Ok(())
        }
    }
}

fn run() -> Result<(), String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [shell, group] = words.as_slice() else { return Err("two words: SHELL GROUP".to_owned()) };
    if let "hold" | "display" | "text" = shell.as_str() {
        return draw(shell, group).map_err(|errno| format!("{shell} {group}: {errno}"));
    }
    let shell = CString::new(shell.as_str()).map_err(|why| why.to_string())?;
    let group = group.parse().map_err(|why| format!("{group}: {why}"))?;
    let settings = Settings { shell, ..Settings::default() };
    let console = Console::new(settings, Box::new(Group(group))).map_err(|why| why.to_string())?;
    let handle = console.handle();
    // The console stays in this thread: with the thread that has taken the screen ends its hold of it.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match line.as_str() {
                "leave" => handle.leave(),
                "stop" => handle.stop(),
                other => println!("console: {other}: no such order"),
            }
        }
    });
    console.run().map_err(|why| why.to_string())?;
    println!("console: stopped");
    Ok(())
}
