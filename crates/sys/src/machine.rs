//! The end of a machine.

use syscalls::{Sysno, syscall};

use crate::{Result, check};

/// What a machine does at its end: commands of reboot(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It is switched off. In a pid namespace of its own the first process is killed by SIGINT.
    PowerOff,
    /// It starts again. In a pid namespace the first process is killed by SIGHUP.
    Reboot,
}

/// reboot(2). Returns only when that did not work out.
///
/// # Errors
/// EPERM without CAP_SYS_BOOT.
pub fn end(ending: Ending) -> Result<()> {
    const MAGIC: usize = 0xfee1_dead;
    const MAGIC2: usize = 672_274_793;
    let command: usize = match ending {
        Ending::PowerOff => 0x4321_fedc,
        Ending::Reboot => 0x0123_4567,
    };
    // SAFETY: no memory is passed for these commands.
    check(unsafe { syscall!(Sysno::reboot, MAGIC, MAGIC2, command, 0usize) })?;
    Ok(())
}
