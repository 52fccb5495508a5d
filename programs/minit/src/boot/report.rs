//! Telling the host how the main command has ended.

use sys::event::{PollFd, PollFlags, Timespec, poll};
use sys::fs::{CWD, Mode, OFlags, openat};
use sys::reap::End;
use sys::{Errno, Result};

use crate::boot::console::CONSOLE;
use crate::boot::{Standing, warn};
use crate::message::Part::{Number, Text};
use crate::message::{complain, with_line};
use crate::values::number;

/// Who is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reports {
    /// A line on the console.
    console: bool,
    /// A line of JSON to this vsock port of the host.
    port: Option<u32>,
}

/// How long the host has to take it, in nanoseconds.
const PATIENCE: u64 = 1_000_000_000;

impl Reports {
    /// Adds `console` or `vsock:PORT`.
    #[must_use]
    pub fn and(self, text: &[u8]) -> Option<Self> {
        if text == b"console" {
            return Some(Self { console: true, ..self });
        }
        let port = u32::try_from(number(text.strip_prefix(b"vsock:")?)?).ok();
        port.filter(|port| *port != u32::MAX).map(|port| Self { port: Some(port), ..self })
    }

    /// The same in a word.
    #[must_use]
    pub const fn pack(self) -> u64 {
        let port = match self.port {
            Some(port) => port as u64,
            None => u32::MAX as u64,
        };
        (self.console as u64) << 32 | port
    }

    /// From a word of [`Reports::pack`].
    #[must_use]
    pub fn unpack(word: u64) -> Self {
        Self { console: word >> 32 & 1 == 1, port: Some(word as u32).filter(|port| *port != u32::MAX) }
    }

    /// Tells them. What is the console of a machine is standard error elsewhere: /dev/console may be another's.
    pub fn send(self, standing: Standing, code: u8, end: End) {
        if self.console {
            let line = [Text("minit: exit "), Number(i32::from(code)), Text("\n")];
            let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
            let console = (standing == Standing::Machine).then(|| openat(CWD, CONSOLE, flags, Mode::empty()));
            match console {
                Some(Ok(console)) => {
                    let _ = with_line(&line, |line| sys::io::write(&console, line));
                }
                _ => complain(&line),
            }
        }
        if let Some(port) = self.port
            && let Err(errno) = send_json(port, code, end)
        {
            warn(&[Text("--report vsock"), Text("")], errno, "the host was not told");
        }
    }
}

fn send_json(port: u32, code: u8, end: End) -> Result<()> {
    let until = sys::clock::monotonic() + PATIENCE;
    let socket = sys::vsock::connect(sys::vsock::HOST, port)?;
    wait(&socket, PollFlags::OUT, until)?;
    let [name, signal] = match end {
        End::Signal(signal) => [Text(",\"signal\":"), Number(signal)],
        End::Code(_) => [Text(""), Text("")],
    };
    let code = Number(i32::from(code));
    let parts = [Text("{\"type\":\"exit\",\"code\":"), code, name, signal, Text("}\n")];
    with_line(&parts, |line| sys::io::write(&socket, line))?;
    // What is on its way when the machine ends is lost: it has arrived when the host closes the connection.
    let _ = wait(&socket, PollFlags::IN, until);
    Ok(())
}

fn wait(socket: &sys::fd::OwnedFd, what: PollFlags, until: u64) -> Result<()> {
    let left = until.saturating_sub(sys::clock::monotonic());
    let timeout = Timespec { tv_sec: 0, tv_nsec: left.min(PATIENCE - 1) as i64 };
    match poll(&mut [PollFd::new(socket, what)], Some(&timeout))? {
        0 => Err(Errno::TIMEDOUT),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_go_to_the_console_and_to_a_port() {
        let both = Reports::default().and(b"console").and_then(|one| one.and(b"vsock:1025"));
        assert_eq!(both, Some(Reports { console: true, port: Some(1025) }));
        for reports in [both.unwrap_or_default(), Reports::default()] {
            assert_eq!(Reports::unpack(reports.pack()), reports);
        }
        for text in [&b""[..], b"vsock", b"vsock:", b"vsock:4294967295", b"vsock:-1", b"tcp:1"] {
            assert_eq!(Reports::default().and(text), None, "{}", text.escape_ascii());
        }
    }
}
