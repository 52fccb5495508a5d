//! Programs of the host's that husk itself needs: started as everything else is, by a plan, in no namespace of
//! their own.

use std::convert::Infallible;
use std::ffi::CString;

use plan::Execute;
use spawn::{Caller, Launch, Memory, Others, Pause, Plan, Step, Stopped};
use sys::clone::{Child, Namespaces};
use sys::exec::Argument;
use sys::fd::{BorrowedFd, OwnedFd};
use sys::signals::SignalSet;

use crate::Failure;

/// In which session a program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Session {
    /// husk's.
    Same,
    /// One of its own: it outlives the terminal.
    Own,
}

/// Starts `file` with these arguments and this environment. `standard` are its descriptors 0, 1 and 2 where they
/// are not husk's; it gets no others.
pub fn start(
    file: &std::ffi::CStr,
    argv: &[CString],
    envp: &[CString],
    standard: [Option<BorrowedFd<'_>>; 3],
    session: Session,
) -> Result<Child, Failure> {
    let (argv, envp) = (vector(argv), vector(envp));
    let mut steps = Vec::with_capacity(4);
    if session == Session::Own {
        steps.push(Step::NewSession);
    }
    steps.push(Step::CloseOthers);
    steps.push(Step::Signals { reset: SignalSet::EMPTY });
    steps.push(Step::Execute(Execute { file, search: c"", argv: &argv, envp: &envp }));
    let launch = Launch {
        plan: Plan { steps: &steps },
        namespaces: Namespaces::NONE,
        cgroup: None,
        standard,
        others: Others::Keep,
        memory: Memory::Copied,
    };
    spawn::start(&launch, &mut Bystander).map_err(|stopped| match stopped {
        Stopped::Plan(error) => Failure::from(error),
        Stopped::Caller(never) => match never {},
    })
}

fn vector(texts: &[CString]) -> Vec<Argument<'_>> {
    texts.iter().map(|text| Argument::new(text)).chain([Argument::END]).collect()
}

/// Nothing is to be done for such a program while it starts.
pub(crate) struct Bystander;

impl Caller for Bystander {
    type Error = Infallible;

    fn pause(&mut self, _: Pause, _: &Child) -> Result<(), Infallible> {
        Ok(())
    }

    fn terminal(&mut self, _: OwnedFd) {}
}
