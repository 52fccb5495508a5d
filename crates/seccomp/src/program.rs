//! The compiled filter, and how it reads.

use alloc::vec::Vec;
use core::fmt;

use crate::Flags;

/// The longest program the kernel takes (`BPF_MAXINSNS`).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// One instruction of classic BPF, laid out as `struct sock_filter` (`linux/filter.h`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// How many instructions to skip if a condition holds.
    pub jt: u8,
    /// How many instructions to skip if it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// `A = seccomp_data[k]`
pub(crate) const LOAD: u16 = 0x20;
/// `A = A & k`
pub(crate) const AND: u16 = 0x54;
/// Jump by `k`.
pub(crate) const JUMP: u16 = 0x05;
/// Jump if `A == k`.
pub(crate) const JEQ: u16 = 0x15;
/// Jump if `A > k`.
pub(crate) const JGT: u16 = 0x25;
/// Jump if `A >= k`.
pub(crate) const JGE: u16 = 0x35;
/// Jump if `A & k != 0`.
pub(crate) const JSET: u16 = 0x45;
/// The verdict is `k`.
pub(crate) const RETURN: u16 = 0x06;

/// Offset of the number in `struct seccomp_data`.
pub(crate) const NUMBER: u32 = 0;
/// Offset of the architecture.
pub(crate) const ARCH: u32 = 4;
/// Offset of the first argument; eight bytes each, lower half first, since all architectures here are
/// little-endian.
pub(crate) const ARGUMENTS: u32 = 16;

/// A filter ready to be loaded. Displays as a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub(crate) instructions: Vec<Instruction>,
    pub(crate) flags: Flags,
    pub(crate) listener: bool,
}

impl Program {
    /// The instructions: 1 to [`MAX_INSTRUCTIONS`].
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Whether a rule has NOTIFY: the load returns a listener, which has to be handed over.
    #[must_use]
    pub const fn has_listener(&self) -> bool {
        self.listener
    }

    /// The flags to load it with: those of the profile, and those which a listener needs.
    #[must_use]
    pub fn flags(&self) -> Flags {
        match self.listener {
            false => self.flags,
            true if self.flags.contains(Flags::TSYNC) => {
                self.flags | Flags::NEW_LISTENER | Flags::TSYNC_ESRCH
            }
            true => self.flags | Flags::NEW_LISTENER,
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, instruction) in self.instructions.iter().enumerate() {
            write!(f, "{at:4}  ")?;
            write_instruction(f, at + 1, *instruction)?;
            f.write_str("\n")?;
        }
        Ok(())
    }
}

/// `next` is the place that jumps count from.
fn write_instruction(f: &mut fmt::Formatter<'_>, next: usize, instruction: Instruction) -> fmt::Result {
    let Instruction { code, jt, jf, k } = instruction;
    let test = match code {
        LOAD if k == NUMBER => return f.write_str("load number"),
        LOAD if k == ARCH => return f.write_str("load arch"),
        LOAD => {
            let half = if k.is_multiple_of(8) { "low" } else { "high" };
            return write!(f, "load arg{} {half}", k.saturating_sub(ARGUMENTS) / 8);
        }
        AND => return write!(f, "and {k:#x}"),
        JUMP => return write!(f, "goto {}", next + k as usize),
        RETURN => return write_verdict(f, k),
        JEQ => "==",
        JGT => ">",
        JGE => ">=",
        JSET => "has",
        _ => return write!(f, "unknown {code:#x}"),
    };
    let (yes, no) = (next + usize::from(jt), next + usize::from(jf));
    // Architectures and masks read better in hexadecimal, numbers and most values in decimal.
    match code == JSET || k > 0xffff {
        true => write!(f, "if {test} {k:#x} goto {yes} else {no}"),
        false => write!(f, "if {test} {k} goto {yes} else {no}"),
    }
}

fn write_verdict(f: &mut fmt::Formatter<'_>, verdict: u32) -> fmt::Result {
    let carried = verdict & 0xffff;
    match verdict & 0xffff_0000 {
        0 => f.write_str("KILL_THREAD"),
        0x8000_0000 => f.write_str("KILL_PROCESS"),
        0x0003_0000 => f.write_str("TRAP"),
        0x0005_0000 => write!(f, "ERRNO {carried}"),
        0x7ff0_0000 => write!(f, "TRACE {carried}"),
        0x7fff_0000 => f.write_str("ALLOW"),
        0x7ffc_0000 => f.write_str("LOG"),
        0x7fc0_0000 => f.write_str("NOTIFY"),
        _ => write!(f, "return {verdict:#x}"),
    }
}
