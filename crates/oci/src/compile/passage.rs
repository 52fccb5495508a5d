//! The way of a process into a pid namespace in which others may look into it.

use plan::{Control, Step};
use sys::calls::Row;
use sys::fd::BorrowedFd;
use sys::privilege::FilterInstruction;

/// Where a plan goes over ([`Step::Cross`]): behind everything that needs a right, a descriptor or a path of the host,
/// and behind the filter as well. What appears in the container before its program is executed is then as confined as
/// that program, should it be caught.
pub fn cross<'a>(steps: &mut Vec<Step<'a>>, passed: &'a [BorrowedFd<'a>]) {
    let close = steps.iter().position(|step| matches!(step, Step::CloseOthers));
    steps.insert(close.unwrap_or(steps.len()), Step::Pass(passed));
    let mut own = vec![Step::Cross, Step::NewSession];
    for step in steps.iter_mut() {
        if let Step::Terminal { control, .. } = step {
            *control = Control::Nobody;
            own.push(Step::TakeTerminal);
        }
    }
    let program = steps.pop();
    // A filter that would refuse the passage itself comes after it; but not one that is loaded by a right (without
    // no_new_privs), which nobody has any more by then. Under such a one nothing enters.
    if let Some(Step::Seccomp { filter, .. }) = steps.last()
        && !passage().iter().all(|row| permits(filter, row))
    {
        own.extend(steps.pop());
    }
    own.extend(program);
    steps.append(&mut own);
}

/// The calls that are made between the filter and the program; those that may fail are not among them.
fn passage() -> [Row; 8] {
    [
        Row::execute_descriptor(0),
        Row::share(0, 4096, 0),
        Row::keep_from_child(0, 4096),
        Row::close_others(),
        Row::undumpable(),
        Row::clone_sibling(0),
        Row::new_session(),
        Row::leave(),
    ]
}

/// Whether a filter lets a call pass. It is one that was compiled here: jumps lead forward, and there is a verdict at the
/// end of every way; whatever else it might be, it permits nothing.
fn permits(filter: &[FilterInstruction], row: &Row) -> bool {
    const X86_64: u32 = 0xC000_003E;
    const ALLOW: u32 = 0x7FFF_0000;
    const LOG: u32 = 0x7FFC_0000;
    let (number, arguments) = row.judged();
    let (mut at, mut value) = (0, 0_u32);
    while let Some(FilterInstruction { code, jump_true, jump_false, operand }) = filter.get(at).copied() {
        at += 1;
        let holds = match code {
            0x06 => return matches!(operand, ALLOW | LOG),
            0x05 => {
                at += operand as usize;
                continue;
            }
            0x20 => {
                value = match operand {
                    0 => number as u32,
                    4 => X86_64,
                    16..64 => {
                        let argument = arguments[(operand as usize - 16) / 8];
                        (argument >> (8 * (operand % 8))) as u32
                    }
                    _ => return false,
                };
                continue;
            }
            0x54 => {
                value &= operand;
                continue;
            }
            0x15 => value == operand,
            0x25 => value > operand,
            0x35 => value >= operand,
            0x45 => value & operand != 0,
            _ => return false,
        };
        at += usize::from(if holds { jump_true } else { jump_false });
    }
    false
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use seccomp::{Action, Arch, Flags, Profile, Rule, Syscall};

    use super::*;

    fn compiled(profile: &Profile<'_>) -> Vec<FilterInstruction> {
        let program = seccomp::compile(profile).unwrap();
        program
            .instructions()
            .iter()
            .map(|one| FilterInstruction {
                code: one.code,
                jump_true: one.jt,
                jump_false: one.jf,
                operand: one.k,
            })
            .collect()
    }

    fn refusing(name: &str) -> Vec<FilterInstruction> {
        let rule = Rule {
            syscalls: Cow::Owned(vec![Syscall::named(name).unwrap()]),
            action: Action::parse("SCMP_ACT_ERRNO", None).unwrap(),
            conditions: Cow::Borrowed(&[]),
        };
        compiled(&Profile {
            default: Action::parse("SCMP_ACT_ALLOW", None).unwrap(),
            arches: Cow::Borrowed(&[Arch::X86_64]),
            flags: Flags::default(),
            rules: Cow::Owned(vec![rule]),
        })
    }

    #[test]
    fn the_default_filter_permits_the_passage_whatever_the_capabilities() {
        for capabilities in [0, 1 << 19, u64::MAX] {
            let filter = compiled(&seccomp::default_profile(capabilities, Arch::X86_64));
            assert!(passage().iter().all(|row| permits(&filter, row)), "{capabilities:#x}");
            assert!(!permits(&[], &Row::leave()));
        }
    }

    #[test]
    fn a_filter_that_refuses_a_call_of_the_passage_comes_after_it() {
        for name in ["execveat", "mmap", "madvise", "close_range", "prctl", "clone", "setsid", "exit_group"] {
            let filter = refusing(name);
            assert_eq!(passage().iter().filter(|row| !permits(&filter, row)).count(), 1, "{name}");
            let [seccomp, program] = [Step::Seccomp { filter: &filter, flags: 0 }, Step::Umask(0)];
            let mut steps = vec![Step::CloseOthers, seccomp, program];
            cross(&mut steps, &[]);
            let place = |wanted: fn(&Step<'_>) -> bool| steps.iter().position(wanted).unwrap();
            let crossed = place(|step| matches!(step, Step::Cross));
            assert!(crossed < place(|step| matches!(step, Step::Seccomp { .. })), "{name}: {steps:?}");
        }
        let filter = refusing("reboot");
        let mut steps = vec![Step::CloseOthers, Step::Seccomp { filter: &filter, flags: 0 }, Step::Umask(0)];
        cross(&mut steps, &[]);
        assert!(matches!(steps[2..4], [Step::Seccomp { .. }, Step::Cross]), "{steps:?}");
    }
}
