//! The virtual terminal of the console: taken, shown, and given back (ioctl_console(2)).

use std::time::{Duration, Instant};

use sys::Errno;
use sys::fd::{AsFd, BorrowedFd, OwnedFd};
use sys::fs::{CWD, Mode, OFlags, fstat, major, minor, openat};
use sys::termios::{Action, InputModes, OptionalActions, tcflow, tcgetattr, tcsetattr};
use sys::vt::{self, Display, Number};

use crate::Error;

/// How long a switch may take before it is taken for refused: a display server has to let go of the screen first.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often is looked whether it has happened.
const LOOK: Duration = Duration::from_millis(5);
/// Major number of virtual terminals (the kernel's Documentation/admin-guide/devices.txt).
const TTY_MAJOR: u32 = 4;
/// Resets the terminal and clears its screen, and has it understand UTF-8 (console_codes(4)).
const CLEAR: &str = "\x1bc\x1b%G\x1b[3J";

/// A terminal that is shown, and that nothing switches away from.
#[derive(Debug)]
pub struct Screen {
    number: Number,
    before: Number,
    /// Dead when the shell has ended: the kernel hangs the terminal up with the leader of its session.
    terminal: OwnedFd,
    /// Who drew on the terminal from before, where that did not let go by itself.
    seized: Option<Display>,
}

impl Screen {
    /// Takes terminal `number` from whoever has it, clears it and shows it. In the thread that keeps it: with this
    /// thread ends that nothing switches away.
    ///
    /// What is shown before is asked to let go of the screen. If it does not within a second, the screen is taken all
    /// the same; afterwards it draws there again, and is asked by nobody any more when something switches away.
    ///
    /// # Errors
    /// What could not be done; what is shown is the same as before then.
    pub fn take(number: Number) -> Result<Self, Error> {
        let shown = vt::active(any()?).map_err(|errno| Error::call("ask which terminal is shown", errno))?;
        // What a console of before has left behind: nobody knows where it came from.
        let before = if shown == number { Number::FIRST } else { shown };
        let terminal = open_fresh(number)?;
        let mut screen = Self { number, before, terminal, seized: None };
        match screen.show() {
            Ok(()) => Ok(screen),
            Err(error) => {
                // One line of error: the first tells what to mend.
                let _ = screen.give_back();
                Err(error)
            }
        }
    }

    /// The terminal.
    pub fn terminal(&self) -> BorrowedFd<'_> {
        self.terminal.as_fd()
    }

    /// What was shown before.
    pub const fn before(&self) -> Number {
        self.before
    }

    /// Writes a line on it.
    pub fn say(&self, line: &str) -> Result<(), Error> {
        write(&self.terminal, &format!("{line}\r\n"))
            .map_err(|errno| Error::call(format_args!("write to terminal {}", self.number), errno))
    }

    fn show(&mut self) -> Result<(), Error> {
        let told = |errno| Error::call(format_args!("prepare terminal {}", self.number), errno);
        prepare(&self.terminal).map_err(told)?;
        // Before it is shown: after that somebody might switch away in between.
        vt::refuse_switching(&self.terminal).map_err(told)?;
        if switch(self.number)? {
            return Ok(());
        }
        self.seize()?;
        if switch(self.number)? {
            return Ok(());
        }
        Err(Error::new(format!("switch to terminal {}: terminal {} stays shown", self.number, self.before))
            .with_hint("switching may be locked: vlock and its like do that (VT_LOCKSWITCH)"))
    }

    /// Has the terminal from before let go of the screen without its owner's consent.
    fn seize(&mut self) -> Result<(), Error> {
        let told = |errno| Error::call(format_args!("take the screen from terminal {}", self.before), errno);
        let terminal = open(&path_of(self.before))?;
        self.seized = Some(vt::display(&terminal).map_err(told)?);
        vt::allow_switching(&terminal).map_err(told)?;
        vt::set_display(&terminal, Display::Text).map_err(told)
    }

    /// Takes the terminal from everybody who has it open, and shows again what was shown before.
    ///
    /// # Errors
    /// What could not be done; the rest has been.
    pub fn give_back(self) -> Result<Number, Error> {
        let Self { number, before, terminal, seized } = self;
        let told = |errno| Error::call(format_args!("give terminal {number} back"), errno);
        drop(terminal);
        let freed = open(&path_of(number)).and_then(|terminal| {
            vt::allow_switching(&terminal).and_then(|()| vt::hang_up(&terminal)).map_err(told)
        });
        let is_back = switch(before);
        let restored = seized.map_or(Ok(()), |display| {
            open(&path_of(before)).and_then(|terminal| vt::set_display(terminal, display).map_err(told))
        });
        // EBUSY: a process that has outlived the shell still has its dead descriptor.
        let _ = any().map(|any| vt::disallocate(any, number));
        freed.and(restored)?;
        if is_back? {
            return Ok(before);
        }
        Err(Error::new(format!("switch back to terminal {before}: terminal {number} stays shown")))
    }
}

/// Whether the switch has happened in time.
fn switch(to: Number) -> Result<bool, Error> {
    let told = |errno| Error::call(format_args!("switch to terminal {to}"), errno);
    let any = any()?;
    match vt::activate(&any, to) {
        Ok(()) => {}
        // What is shown draws by itself, and is asked by nobody.
        Err(Errno::INVAL) => return Ok(false),
        Err(errno) => return Err(told(errno)),
    }
    let until = Instant::now() + PATIENCE;
    while vt::active(&any).map_err(told)? != to {
        if Instant::now() >= until {
            return Ok(false);
        }
        std::thread::sleep(LOOK);
    }
    Ok(true)
}

/// A virtual terminal, for what concerns all of them. It is the one that is shown at this moment, which somebody may
/// hang up: it is not kept.
fn any() -> Result<OwnedFd, Error> {
    open("/dev/tty0")
        .map_err(|error| error.with_hint("the control console needs a machine with virtual terminals"))
}

/// The terminal, when nobody else has it any more: who had it open could read what is typed in the shell.
fn open_fresh(number: Number) -> Result<OwnedFd, Error> {
    let path = path_of(number);
    let told = |errno| Error::call(format_args!("open {path}"), errno);
    let stale = open(&path)?;
    let device = fstat(&stale).map_err(told)?.st_rdev;
    if (major(device), minor(device)) != (TTY_MAJOR, u32::from(number.get())) {
        return Err(Error::new(format!("open {path}: it is not virtual terminal {number}")));
    }
    vt::hang_up(&stale).map_err(told)?;
    drop(stale);
    open(&path)
}

/// Hung up, it has the kernel's default settings but for what belongs to the virtual terminal itself.
fn prepare(terminal: &OwnedFd) -> sys::Result<()> {
    // Output that somebody has stopped would have the next write wait for ever.
    tcflow(terminal, Action::OOn)?;
    write(terminal, CLEAR)?;
    vt::set_display(terminal, Display::Text)?;
    vt::type_unicode(terminal)?;
    // Erasing a character erases all of its bytes.
    let mut settings = tcgetattr(terminal)?;
    settings.input_modes |= InputModes::IUTF8;
    tcsetattr(terminal, OptionalActions::Flush, &settings)
}

fn write(terminal: &OwnedFd, text: &str) -> sys::Result<()> {
    let mut left = text.as_bytes();
    while !left.is_empty() {
        match sys::io::write(terminal, left) {
            Ok(written) => left = &left[written..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn path_of(number: Number) -> String {
    format!("/dev/tty{number}")
}

fn open(path: &str) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).map_err(|errno| Error::call(format_args!("open {path}"), errno))
}
