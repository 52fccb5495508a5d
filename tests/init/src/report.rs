//! The second serial line, which belongs to init alone: neither the kernel nor a suite writes there, so the
//! lines arrive whole.

use sys::fd::OwnedFd;
use sys::fs::{self, Mode, OFlags};
use sys::io;
use sys::termios::{self, OptionalActions};

use crate::Result;

const LINE: &str = "/dev/ttyS1";

/// The line to the host.
pub struct Report {
    line: OwnedFd,
}

impl Report {
    /// Opens the line and makes it raw, so that no newline is changed on its way.
    pub fn open() -> Result<Report> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let line = fs::open(LINE, flags, Mode::empty()).map_err(|why| format!("open {LINE}: {why}"))?;
        let mut settings = termios::tcgetattr(&line).map_err(|why| format!("settings of {LINE}: {why}"))?;
        settings.make_raw();
        termios::tcsetattr(&line, OptionalActions::Now, &settings)
            .map_err(|why| format!("set {LINE} raw: {why}"))?;
        Ok(Report { line })
    }

    /// Says something in init's own name.
    pub fn say(&self, words: &str) {
        self.write(format!("@ {words}\n").as_bytes());
    }

    /// Passes on a line of a suite's output.
    pub fn pass_on(&self, output: &[u8]) {
        self.write(&[b"| ", output, b"\n"].concat());
    }

    /// Waits until everything is sent; powering off would lose the rest.
    pub fn drain(&self) {
        if let Err(why) = termios::tcdrain(&self.line) {
            eprintln!("guest-init: drain {LINE}: {why}");
        }
    }

    /// One write for a line, which the terminal takes as a whole: two threads' lines do not mix.
    fn write(&self, mut line: &[u8]) {
        while !line.is_empty() {
            match io::write(&self.line, line) {
                Ok(written) => line = &line[written..],
                Err(io::Errno::INTR) => {}
                Err(why) => return eprintln!("guest-init: write {LINE}: {why}"),
            }
        }
    }
}
