//! Booting the guest and following what it says.
//!
//! The guest has two serial lines. The first is the kernel's console and goes to a file. The second belongs
//! to init alone and is our standard input: neither the kernel nor a test can write between its lines.
//! Each line begins with `@ ` (init speaks) or `| ` (a suite's output).

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::kernel::{Files, Kernel};
use crate::{Result, run};

/// Memory of the guest in MiB. The unpacked archive is part of it.
const MEMORY: &str = "768";

/// The kernel's command line. Quiet, because each character on the emulated line costs; a panic ends QEMU
/// at once (with -no-reboot); the mitigations protect nobody here and cost emulated instructions.
const COMMAND_LINE: &str = "console=ttyS0 loglevel=4 panic=-1 rdinit=/init no_timer_check mitigations=off \
     tsc=reliable random.trust_cpu=on random.trust_bootloader=on nowatchdog";

/// What the guest says.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Init runs.
    Up,
    /// Init has prepared everything and begins with the suites.
    Ready,
    /// The named suite begins.
    Suite(String),
    /// A line of the suite's output.
    Output(String),
    /// The suite left something behind: a process, a cgroup, a mount.
    Left(String),
    /// The suite ended: `exit 0`, `signal 9`.
    Ended(String),
    /// All suites ended.
    Done,
    /// Init itself could not do something.
    Trouble(String),
}

/// A guest that runs. Dropping it kills it.
pub struct Guest {
    qemu: Child,
    lines: Receiver<String>,
    began: Instant,
    console: PathBuf,
}

impl Guest {
    /// Starts QEMU with a kernel and an archive; the console goes to the file `console`.
    pub fn boot(kernel: &Kernel, files: &Files, archive: &Path, console: &Path) -> Result<Guest> {
        let began = Instant::now();
        // Whatever ends xtask ends the guest: nobody would be left to kill one that hangs.
        let mut qemu = run::command("setpriv", ["--pdeathsig", "KILL", "--", "qemu-system-x86_64"]);
        qemu.args(["-machine", "q35", "-smp", "1", "-m", MEMORY, "-nodefaults", "-no-user-config"])
            .args(kernel.processor)
            .args(["-display", "none", "-no-reboot"])
            .arg("-kernel")
            .arg(&files.vmlinux)
            .arg("-initrd")
            .arg(archive)
            .args(["-append", COMMAND_LINE])
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .args(["-chardev", "stdio,id=results,signal=off", "-serial", "chardev:results"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut qemu = qemu.spawn().map_err(|why| format!("qemu-system-x86_64: {why}"))?;
        let output = qemu.stdout.take().ok_or("qemu: no output to read")?;
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(output).split(b'\n').map_while(std::result::Result::ok);
            while let Some(line) = lines.next()
                && send.send(String::from_utf8_lossy(&line).into_owned()).is_ok()
            {}
        });
        Ok(Guest { qemu, lines, began, console: console.to_owned() })
    }

    /// Waits for the next event. None: QEMU ended. An error: the time is over.
    pub fn next(&self, within: Duration) -> Result<Option<Event>> {
        let until = Instant::now() + within;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(event) = Event::from_line(&line) {
                        return Ok(Some(event));
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("nothing from the guest within {} s", within.as_secs()));
                }
            }
        }
    }

    /// Time since QEMU was started.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// What the kernel wrote on its console.
    pub fn console(&self) -> String {
        fs::read(&self.console).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Powered off already, most of the time; then there is nothing to kill and nothing to report.
        drop(self.qemu.kill());
        drop(self.qemu.wait());
    }
}

impl Event {
    /// Lines that are neither form (the firmware may write some) say nothing.
    fn from_line(line: &str) -> Option<Event> {
        let line = line.trim_end_matches('\r');
        if let Some(output) = line.strip_prefix("| ") {
            return Some(Event::Output(output.to_owned()));
        }
        let said = line.strip_prefix("@ ")?;
        let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
        let rest = rest.to_owned();
        Some(match word {
            "up" => Event::Up,
            "ready" => Event::Ready,
            "suite" => Event::Suite(rest),
            "left" => Event::Left(rest),
            "ended" => Event::Ended(rest),
            "done" => Event::Done,
            _ => Event::Trouble(rest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_guest_become_events() {
        assert_eq!(Event::from_line("@ up"), Some(Event::Up));
        assert_eq!(Event::from_line("@ suite bed::kernel\r"), Some(Event::Suite("bed::kernel".to_owned())));
        assert_eq!(Event::from_line("| @ done"), Some(Event::Output("@ done".to_owned())));
        assert_eq!(Event::from_line("| "), Some(Event::Output(String::new())));
        assert_eq!(Event::from_line("@ ended signal 9"), Some(Event::Ended("signal 9".to_owned())));
        assert_eq!(Event::from_line("SeaBIOS"), None);
    }
}
