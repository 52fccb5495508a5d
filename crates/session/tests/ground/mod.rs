//! The ground that the tests stand on: programs of the host as children.

// Each test program uses a part of it.
#![allow(dead_code)]

use std::convert::Infallible;

use plan::Execute;
use spawn::{Caller, Pause, Step};
use sys::clone::Child;
use sys::exec::Argument;
use sys::fd::OwnedFd;
use sys::fs::{CWD, Mode, OFlags, openat};
use sys::signals::SignalSet;

/// Nothing is done while a child waits.
pub struct Bystander;

impl Caller for Bystander {
    type Error = Infallible;

    fn pause(&mut self, _: Pause, _: &Child) -> Result<(), Infallible> {
        Ok(())
    }

    fn terminal(&mut self, _: OwnedFd) {}
}

/// The steps that become /bin/sh with these arguments, with no signal blocked.
pub const fn program<'a>(argv: &'a [Argument<'a>]) -> [Step<'a>; 3] {
    const ENVP: &[Argument<'static>] = &[Argument::new(c"PATH=/bin:/usr/bin"), Argument::END];
    [
        Step::NewSession,
        Step::Signals { reset: SignalSet::EMPTY },
        Step::Execute(Execute { file: c"/bin/sh", search: c"", argv, envp: ENVP }),
    ]
}

/// The null device.
pub fn null() -> OwnedFd {
    openat(CWD, c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).expect("/dev/null")
}
