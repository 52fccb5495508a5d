//! What the kernel does with a system call.

use crate::Error;

const EPERM: u16 = 1;
/// The kernel cuts a larger errno down to this (`MAX_ERRNO` in `include/linux/err.h`).
const MAX_ERRNO: u32 = 4095;

/// The `SCMP_ACT_*` actions of the runtime-spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The calling thread dies as if by `SIGSYS` (`SCMP_ACT_KILL`, `SCMP_ACT_KILL_THREAD`).
    KillThread,
    /// The whole process dies as if by `SIGSYS`.
    KillProcess,
    /// The thread receives `SIGSYS`.
    Trap,
    /// The call fails with this errno; 0 makes it succeed without being made.
    Errno(u16),
    /// A tracer is told, with this value as its event message; without a tracer the call is `ENOSYS`.
    Trace(u16),
    /// The call is made.
    Allow,
    /// The call is made, and logged.
    Log,
    /// The call waits for the answer of whoever holds the listener.
    Notify,
}

impl Action {
    /// Reads an action of the runtime-spec with the `errnoRet` (or `defaultErrnoRet`) beside it; without
    /// one, `EPERM` is meant.
    ///
    /// # Errors
    /// The action is not known, it takes no errno but has one (the runtime-spec demands the refusal), or
    /// the errno is out of range (4095 for ERRNO, 65535 for TRACE).
    pub fn parse(name: &str, errno: Option<u32>) -> Result<Self, Error> {
        let plain = match name {
            "SCMP_ACT_ERRNO" => return carried(errno, MAX_ERRNO).map(Self::Errno),
            "SCMP_ACT_TRACE" => return carried(errno, u32::from(u16::MAX)).map(Self::Trace),
            "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Self::KillThread,
            "SCMP_ACT_KILL_PROCESS" => Self::KillProcess,
            "SCMP_ACT_TRAP" => Self::Trap,
            "SCMP_ACT_ALLOW" => Self::Allow,
            "SCMP_ACT_LOG" => Self::Log,
            "SCMP_ACT_NOTIFY" => Self::Notify,
            _ => return Err(Error::Unknown { field: "action", value: name.into() }),
        };
        match errno {
            None => Ok(plain),
            Some(_) => Err(Error::ErrnoNotTaken { action: name.into() }),
        }
    }

    /// The value a filter returns for this action (`SECCOMP_RET_*`, `linux/seccomp.h`).
    #[must_use]
    pub const fn return_value(self) -> u32 {
        match self {
            Self::KillThread => 0,
            Self::KillProcess => 0x8000_0000,
            Self::Trap => 0x0003_0000,
            Self::Errno(errno) => 0x0005_0000 | errno as u32,
            Self::Trace(message) => 0x7ff0_0000 | message as u32,
            Self::Allow => 0x7fff_0000,
            Self::Log => 0x7ffc_0000,
            Self::Notify => 0x7fc0_0000,
        }
    }

    /// Whether the call may be made; TRACE counts, since its tracer decides about calls it does not know.
    pub(crate) const fn is_permissive(self) -> bool {
        matches!(self, Self::Allow | Self::Log | Self::Trace(_))
    }
}

fn carried(errno: Option<u32>, limit: u32) -> Result<u16, Error> {
    match errno {
        None => Ok(EPERM),
        Some(value) if value <= limit => Ok(value as u16),
        Some(value) => Err(Error::ErrnoTooLarge { value, limit }),
    }
}
