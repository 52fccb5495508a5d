//! The system call tables that a filter can cover.

use crate::Error;

/// Set in the number of every x32 call; the kernel reports those as x86_64 otherwise.
pub(crate) const X32_BIT: u32 = 0x4000_0000;

/// An architecture (`SCMP_ARCH_*`) whose system call numbers are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 32-bit x86.
    X86,
    /// 64-bit x86 with 32-bit pointers: x86_64 with its own numbers, all with bit 30 set.
    X32,
    /// 64-bit Arm.
    Aarch64,
    /// 32-bit Arm, EABI.
    Arm,
}

impl Arch {
    /// How many there are.
    pub(crate) const COUNT: usize = 5;

    /// The architecture this was built for.
    #[cfg(target_arch = "x86_64")]
    pub const NATIVE: Self = Self::X86_64;
    /// The architecture this was built for.
    #[cfg(target_arch = "x86")]
    pub const NATIVE: Self = Self::X86;
    /// The architecture this was built for.
    #[cfg(target_arch = "aarch64")]
    pub const NATIVE: Self = Self::Aarch64;
    /// The architecture this was built for.
    #[cfg(target_arch = "arm")]
    pub const NATIVE: Self = Self::Arm;

    /// Reads an entry of `architectures`.
    ///
    /// # Errors
    /// The name is not an architecture, or not one whose numbers are known here.
    pub fn parse(name: &str) -> Result<Self, Error> {
        Ok(match name {
            "SCMP_ARCH_X86_64" => Self::X86_64,
            "SCMP_ARCH_X86" => Self::X86,
            "SCMP_ARCH_X32" => Self::X32,
            "SCMP_ARCH_AARCH64" => Self::Aarch64,
            "SCMP_ARCH_ARM" => Self::Arm,
            _ => return Err(Error::Unknown { field: "architecture", value: name.into() }),
        })
    }

    /// The `arch` that the kernel reports for its calls (`AUDIT_ARCH_*`, `linux/audit.h`).
    #[must_use]
    pub const fn token(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// Whether its registers, or what a filter is to see of them, have 32 bits.
    pub(crate) const fn is_narrow(self) -> bool {
        matches!(self, Self::X86 | Self::X32 | Self::Arm)
    }
}
