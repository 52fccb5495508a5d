//! The profile, typed.

use alloc::borrow::Cow;

use crate::{Action, Arch, Condition, Flags, Syscall};

/// `linux.seccomp` without the listener's socket. Its parts may be borrowed, so that a profile can be a
/// constant.
#[derive(Clone, Debug)]
pub struct Profile<'a> {
    /// `defaultAction` with `defaultErrnoRet`.
    pub default: Action,
    /// `architectures`; the native one counts as listed.
    pub arches: Cow<'a, [Arch]>,
    /// `flags`.
    pub flags: Flags,
    /// `syscalls`.
    pub rules: Cow<'a, [Rule<'a>]>,
}

/// An entry of `syscalls`.
#[derive(Clone, Debug)]
pub struct Rule<'a> {
    /// `names`, as far as they are known: those for which [`Syscall::named`] is `None` belong to other
    /// architectures or to kernels to come and are left out.
    pub syscalls: Cow<'a, [Syscall]>,
    /// `action` with `errnoRet`.
    pub action: Action,
    /// `args`.
    pub conditions: Cow<'a, [Condition]>,
}
