//! What is done once before the main command is started, where minit is the first process of a machine or was asked
//! to: mounts, console, modules, names, network. And the end of that machine.
//!
//! Nothing here ends minit: what cannot be done is a warning that says what is missing because of it.

pub mod checks;
pub mod console;
pub mod end;
pub mod kernel_line;
pub mod modules;
pub mod mounts;
pub mod network;
pub mod report;

use core::ffi::CStr;

use sys::Errno;

use crate::first::decide::OnExit;
use crate::message::Part::{Error, Text};
use crate::message::{Part, ours};
use crate::settings::{Place, Settings};

/// What minit is to those around it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The first process of a machine: nobody else mounts, names or ends it.
    Machine,
    /// The first process of a pid namespace: somebody else has made the surroundings.
    Container,
    /// One process among others.
    Beside,
}

impl Standing {
    /// Asks the kernel. Process 1 of a machine is told from that of a container by a request that the kernel grants
    /// in the first pid namespace alone, and that a machine wants anyway: from then on Ctrl-Alt-Delete, which is
    /// how a virtual machine is told to end, is SIGINT.
    #[must_use]
    pub fn find() -> Self {
        match sys::process::getpid().as_raw_pid() {
            1 if sys::machine::take_ctrl_alt_delete().is_ok() => Self::Machine,
            1 => Self::Container,
            _ => Self::Beside,
        }
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// What is mounted; where nothing was said, everything on a machine and nothing elsewhere.
    pub mounts: Option<mounts::Set>,
    /// The name of the machine; on a machine, where nothing was said, what /etc/hostname says.
    pub hostname: Option<&'a CStr>,
    /// The network; where nothing was said, `lo` on a machine and nothing elsewhere.
    pub network: Option<network::Wanted>,
    /// Modules, comma-separated.
    pub modules: Option<&'a CStr>,
    /// Who is told how it ended.
    pub reports: report::Reports,
}

/// Does it. On a machine the main command gets the console as its controlling terminal, unless minit stays when that
/// has ended.
pub fn prepare(settings: &mut Settings<'_>, standing: Standing) {
    let wanted = settings.boot;
    let on_machine = standing == Standing::Machine;
    let all = if on_machine { mounts::Set::ALL } else { mounts::Set::NONE };
    mounts::mount(wanted.mounts.unwrap_or(all));
    // The end of a session's leader is SIGHUP for whoever has its terminal: not where others are to outlive it.
    if on_machine && console::take().is_terminal() && settings.policy.on_exit != OnExit::Stay {
        settings.place = Place::Session;
    }
    if let Some(list) = wanted.modules {
        modules::load(list.to_bytes());
    }
    match wanted.hostname {
        Some(name) => network::set_name(name.to_bytes()),
        None if on_machine => network::name_from_file(),
        None => {}
    }
    let lo = if on_machine { network::Wanted::Loopback } else { network::Wanted::None };
    network::set_up(wanted.network.unwrap_or(lo));
    if on_machine {
        checks::check();
    }
}

/// `minit: warning: WHAT: WHY: what is missing because of it`
#[inline(never)]
fn warn(what: &[Part<'_>; 2], why: Errno, loss: &str) {
    let [what, which] = *what;
    let separator = if loss.is_empty() { "" } else { ": " };
    ours(&[Text("warning: "), what, which, Text(": "), Error(why), Text(separator), Text(loss)]);
}
