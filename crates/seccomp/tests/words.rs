//! The words of the runtime-spec, and what is said of wrong ones.

mod machine;

use std::borrow::Cow;

use machine::Call;
use seccomp::{Action, Arch, Condition, Error, Flags, Instruction, Op, Profile, Rule, Syscall, compile_for};

fn profile(default: Action, flags: Flags, rules: Vec<Rule<'_>>) -> Profile<'_> {
    Profile { default, arches: Cow::Borrowed(&[]), flags, rules: Cow::Owned(rules) }
}

fn rule(name: &str, action: Action, conditions: Vec<Condition>) -> Rule<'static> {
    let syscalls = Cow::Owned(vec![Syscall::named(name).unwrap()]);
    Rule { syscalls, action, conditions: Cow::Owned(conditions) }
}

fn refusal(profile: &Profile<'_>) -> String {
    compile_for(profile, Arch::X86_64).unwrap_err().to_string()
}

#[test]
fn actions_are_read_with_their_errno() {
    let read = |name, errno| Action::parse(name, errno).unwrap();
    assert_eq!(read("SCMP_ACT_KILL", None), Action::KillThread);
    assert_eq!(read("SCMP_ACT_KILL_THREAD", None), Action::KillThread);
    assert_eq!(read("SCMP_ACT_KILL_PROCESS", None), Action::KillProcess);
    assert_eq!(read("SCMP_ACT_TRAP", None), Action::Trap);
    assert_eq!(read("SCMP_ACT_ERRNO", None), Action::Errno(1));
    assert_eq!(read("SCMP_ACT_ERRNO", Some(0)), Action::Errno(0));
    assert_eq!(read("SCMP_ACT_ERRNO", Some(4095)), Action::Errno(4095));
    assert_eq!(read("SCMP_ACT_TRACE", None), Action::Trace(1));
    assert_eq!(read("SCMP_ACT_TRACE", Some(65535)), Action::Trace(65535));
    assert_eq!(read("SCMP_ACT_ALLOW", None), Action::Allow);
    assert_eq!(read("SCMP_ACT_LOG", None), Action::Log);
    assert_eq!(read("SCMP_ACT_NOTIFY", None), Action::Notify);
}

#[test]
fn actions_return_what_the_kernel_reads() {
    let values = [
        (Action::KillThread, 0),
        (Action::KillProcess, 0x8000_0000),
        (Action::Trap, 0x3_0000),
        (Action::Errno(38), 0x5_0026),
        (Action::Notify, 0x7fc0_0000),
        (Action::Trace(3), 0x7ff0_0003),
        (Action::Log, 0x7ffc_0000),
        (Action::Allow, 0x7fff_0000),
    ];
    for (action, value) in values {
        assert_eq!(action.return_value(), value, "{action:?}");
    }
}

#[test]
fn errno_is_refused_where_it_has_no_place() {
    let refusal = |name, errno| Action::parse(name, Some(errno)).unwrap_err().to_string();
    assert_eq!(
        refusal("SCMP_ACT_ALLOW", 1),
        "seccomp errnoRet beside SCMP_ACT_ALLOW: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE take one"
    );
    assert_eq!(refusal("SCMP_ACT_ERRNO", 4096), "seccomp errnoRet 4096: above 4095");
    assert_eq!(refusal("SCMP_ACT_TRACE", 65536), "seccomp errnoRet 65536: above 65535");
}

#[test]
fn unknown_words_are_named_with_their_field() {
    let words = [
        (Action::parse("ALLOW", None).unwrap_err(), "seccomp action ALLOW: no such action"),
        (Op::parse("SCMP_CMP_XX").unwrap_err(), "seccomp op SCMP_CMP_XX: no such op"),
        (
            Arch::parse("SCMP_ARCH_MIPS64").unwrap_err(),
            "seccomp architecture SCMP_ARCH_MIPS64: its system call numbers are not known here",
        ),
        (
            Flags::parse("SECCOMP_FILTER_FLAG_NEW_LISTENER").unwrap_err(),
            "seccomp flag SECCOMP_FILTER_FLAG_NEW_LISTENER: no such flag",
        ),
        (
            Condition::new(6, Op::Eq, 0, 0).unwrap_err(),
            "seccomp args index 6: system calls have arguments 0 to 5",
        ),
    ];
    for (error, words) in words {
        assert_eq!(error.to_string(), words);
    }
}

#[test]
fn architectures_and_comparisons_are_read() {
    let arches = [
        ("SCMP_ARCH_X86_64", Arch::X86_64, 0xc000_003e),
        ("SCMP_ARCH_X86", Arch::X86, 0x4000_0003),
        ("SCMP_ARCH_X32", Arch::X32, 0xc000_003e),
        ("SCMP_ARCH_AARCH64", Arch::Aarch64, 0xc000_00b7),
        ("SCMP_ARCH_ARM", Arch::Arm, 0x4000_0028),
    ];
    for (name, arch, token) in arches {
        assert_eq!((Arch::parse(name).unwrap(), arch.token()), (arch, token));
    }
    let ops = [
        ("SCMP_CMP_NE", Op::Ne),
        ("SCMP_CMP_LT", Op::Lt),
        ("SCMP_CMP_LE", Op::Le),
        ("SCMP_CMP_EQ", Op::Eq),
        ("SCMP_CMP_GE", Op::Ge),
        ("SCMP_CMP_GT", Op::Gt),
        ("SCMP_CMP_MASKED_EQ", Op::MaskedEq),
    ];
    for (name, op) in ops {
        assert_eq!(Op::parse(name).unwrap(), op);
    }
}

#[test]
fn condition_keeps_what_it_was_given() {
    let condition = Condition::new(3, Op::MaskedEq, 7, 5).unwrap();
    assert_eq!(
        (condition.index(), condition.op(), condition.value(), condition.value_two()),
        (3, Op::MaskedEq, 7, 5)
    );
}

#[test]
fn listener_adds_the_flags_it_needs() {
    let notify = || vec![rule("mkdir", Action::Notify, vec![])];
    let flags = |flags, rules| {
        let program = compile_for(&profile(Action::Allow, flags, rules), Arch::X86_64).unwrap();
        (program.flags().bits(), program.has_listener())
    };
    assert_eq!(flags(Flags::NONE, vec![]), (0, false));
    assert_eq!(flags(Flags::LOG | Flags::SPEC_ALLOW | Flags::TSYNC, vec![]), (0b111, false));
    assert_eq!(flags(Flags::NONE, notify()), (1 << 3, true));
    assert_eq!(flags(Flags::WAIT_KILLABLE_RECV, notify()), (1 << 5 | 1 << 3, true));
    assert_eq!(flags(Flags::TSYNC, notify()), (1 | 1 << 3 | 1 << 4, true));
}

#[test]
fn flags_are_read() {
    let names = ["TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"];
    let bits = names.map(|name| Flags::parse(&format!("SECCOMP_FILTER_FLAG_{name}")).unwrap().bits());
    assert_eq!(bits, [1, 2, 4, 32]);
}

#[test]
fn notify_by_default_and_flags_for_nobody_are_refused() {
    assert_eq!(
        refusal(&profile(Action::Notify, Flags::NONE, vec![])),
        "seccomp defaultAction SCMP_ACT_NOTIFY: it is possible in a rule only"
    );
    assert_eq!(
        refusal(&profile(Action::Allow, Flags::WAIT_KILLABLE_RECV, vec![])),
        "seccomp flag SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: no rule has SCMP_ACT_NOTIFY"
    );
}

/// Rules that take two instructions each, on one call.
fn many(count: u64) -> Vec<Rule<'static>> {
    (0..count)
        .map(|value| {
            let condition = Condition::new(0, Op::Eq, value, 0).unwrap();
            rule("prctl", Action::Errno(value as u16 % 2 + 1), vec![condition])
        })
        .collect()
}

#[test]
fn long_programs_reach_everything_and_too_long_ones_are_refused() {
    let rules = many(2000);
    let program = compile_for(&profile(Action::Allow, Flags::NONE, rules), Arch::X86_64).unwrap();
    machine::check(&program);
    for value in [0, 1, 126, 127, 128, 1000, 1999, 2000] {
        let expected = if value < 2000 { Action::Errno(value as u16 % 2 + 1) } else { Action::Allow };
        let call = Call::named(Arch::X86_64, "prctl", value);
        assert_eq!(machine::verdict(&program, &call), expected.return_value(), "prctl({value})");
    }
    assert_eq!(
        machine::verdict(&program, &Call::named(Arch::X86_64, "read", 0)),
        Action::Allow.return_value()
    );
    let error = compile_for(&profile(Action::Allow, Flags::NONE, many(2100)), Arch::X86_64).unwrap_err();
    assert!(matches!(error, Error::TooLong { instructions } if instructions > 4096), "{error}");
    assert!(error.to_string().ends_with("the kernel takes 4096"), "{error}");
}

#[test]
fn instruction_has_the_layout_of_sock_filter() {
    assert_eq!((size_of::<Instruction>(), align_of::<Instruction>()), (8, 4));
    assert_eq!(std::mem::offset_of!(Instruction, jt), 2);
    assert_eq!(std::mem::offset_of!(Instruction, jf), 3);
    assert_eq!(std::mem::offset_of!(Instruction, k), 4);
}

#[test]
fn denied_socket_calls_are_denied_behind_socketcall_too() {
    let rules = vec![
        rule("socket", Action::Errno(97), vec![Condition::new(0, Op::Eq, 38, 0).unwrap()]),
        rule("shmat", Action::Errno(13), vec![]),
    ];
    let profile =
        Profile { arches: Cow::Borrowed(&[Arch::X86]), ..profile(Action::Allow, Flags::NONE, rules) };
    let program = compile_for(&profile, Arch::X86_64).unwrap();
    let verdict = |name, argument| machine::verdict(&program, &Call::named(Arch::X86, name, argument));
    let (allow, denied) = (Action::Allow.return_value(), Action::Errno(97).return_value());
    assert_eq!(verdict("socket", 38), denied);
    assert_eq!(verdict("socket", 2), allow);
    // Its arguments are out of sight, so that all of it is denied.
    assert_eq!(verdict("socketcall", 1), denied);
    assert_eq!(verdict("socketcall", 2), allow);
    assert_eq!(verdict("ipc", 21), Action::Errno(13).return_value());
    assert_eq!(verdict("ipc", 21 | 1 << 16), Action::Errno(13).return_value());
    assert_eq!(verdict("ipc", 23), allow);
}

#[test]
fn upper_half_that_the_kernel_ignores_hides_nothing() {
    let forbidden =
        vec![rule("ioctl", Action::Errno(1), vec![Condition::new(1, Op::Eq, 0x5412, 0).unwrap()])];
    let program = compile_for(&profile(Action::Allow, Flags::NONE, forbidden), Arch::X86_64).unwrap();
    let ioctl = |command| machine::verdict(&program, &Call::new(Arch::X86_64, 16, [0, command, 0, 0, 0, 0]));
    assert_eq!(ioctl(0x5412), Action::Errno(1).return_value());
    assert_eq!(ioctl(0x5412 | 1 << 32), Action::Errno(1).return_value());
    assert_eq!(ioctl(0x5413), Action::Allow.return_value());
}
