//! `linux.seccomp`.

use std::borrow::Cow;

use plan::Step;
use seccomp::{Action, Arch, Condition, Flags, Op, Profile, Rule, Syscall};
use sys::privilege::FilterInstruction;

use super::Context;
use crate::Error;
use crate::spec::{Seccomp, SyscallRule};

impl<'a> Context<'a, '_> {
    /// The step that loads the filter, where there is one.
    pub(super) fn filter(&self) -> Result<Option<Step<'a>>, Error> {
        let program = match (self.setting.filter, &self.linux.seccomp) {
            (Some(profile), _) => seccomp::compile(profile),
            (None, Some(described)) => seccomp::compile(&profile(described)?),
            (None, None) => return Ok(None),
        };
        let program = program.map_err(wrong)?;
        if program.has_listener() {
            return Err(Error::unsupported("linux.seccomp SCMP_ACT_NOTIFY"));
        }
        let filter: Vec<FilterInstruction> = program
            .instructions()
            .iter()
            .map(|one| FilterInstruction {
                code: one.code,
                jump_true: one.jt,
                jump_false: one.jf,
                operand: one.k,
            })
            .collect();
        Ok(Some(Step::Seccomp { filter: self.arena.slice(&filter), flags: program.flags().bits() }))
    }
}

fn wrong(error: seccomp::Error) -> Error {
    Error::new("linux.seccomp", error.to_string())
}

/// The typed profile of a described one.
pub fn profile(described: &Seccomp) -> Result<Profile<'static>, Error> {
    if !described.listener_path.is_empty() {
        return Err(Error::unsupported("linux.seccomp.listenerPath"));
    }
    let arches: Result<Vec<_>, _> = described.architectures.iter().map(|name| Arch::parse(name)).collect();
    let mut flags = Flags::default();
    for name in &described.flags {
        flags = flags | Flags::parse(name).map_err(wrong)?;
    }
    let rules: Result<Vec<_>, _> = described.syscalls.iter().map(rule).collect();
    Ok(Profile {
        default: Action::parse(&described.default_action, described.default_errno_ret).map_err(wrong)?,
        arches: Cow::Owned(arches.map_err(wrong)?),
        flags,
        rules: Cow::Owned(rules.map_err(wrong)?),
    })
}

fn rule(described: &SyscallRule) -> Result<Rule<'static>, seccomp::Error> {
    let conditions: Result<Vec<_>, _> = described
        .args
        .iter()
        .map(|argument| {
            Condition::new(argument.index, Op::parse(&argument.op)?, argument.value, argument.value_two)
        })
        .collect();
    Ok(Rule {
        syscalls: Cow::Owned(described.names.iter().filter_map(|name| Syscall::named(name)).collect()),
        action: Action::parse(&described.action, described.errno_ret)?,
        conditions: Cow::Owned(conditions?),
    })
}
