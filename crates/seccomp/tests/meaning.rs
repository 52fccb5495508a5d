//! Programs mean what their profiles mean: random profiles, and every kind of call to each.

mod machine;
mod reference;

use std::borrow::Cow;

use machine::Call;
use seccomp::{Action, Arch, Condition, Flags, Op, Profile, Rule, Syscall, compile_for};

const ARCHES: [Arch; 5] = [Arch::X86_64, Arch::X86, Arch::X32, Arch::Aarch64, Arch::Arm];

/// xorshift64*: the same profiles on every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

fn action(dice: &mut Dice) -> Action {
    dice.pick(&[
        Action::KillThread,
        Action::KillProcess,
        Action::Trap,
        Action::Errno(1),
        Action::Errno(13),
        Action::Errno(38),
        Action::Trace(7),
        Action::Allow,
        Action::Allow,
        Action::Log,
    ])
}

fn value(dice: &mut Dice) -> u64 {
    let wide = dice.next();
    dice.pick(&[0, 1, 2, 38, 40, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000, 0x28_0000_0028, u64::MAX, wide])
}

fn condition(dice: &mut Dice) -> Condition {
    let op = dice.pick(&[Op::Ne, Op::Lt, Op::Le, Op::Eq, Op::Ge, Op::Gt, Op::MaskedEq]);
    Condition::new(dice.below(3) as u32, op, value(dice), value(dice)).unwrap()
}

/// Most rules take neighbours from the table, so that ranges and holes of all lengths come about.
fn rule(dice: &mut Dice, all: &[Syscall], special: &[Syscall]) -> Rule<'static> {
    let mut syscalls = Vec::new();
    if dice.below(2) == 0 {
        let start = dice.below(all.len());
        let end = (start + 1 + dice.below(30)).min(all.len());
        syscalls.extend(all[start..end].iter().filter(|_| dice.below(8) != 0));
    }
    syscalls.extend((0..dice.below(4)).map(|_| dice.pick(special)));
    let conditions: Vec<_> =
        if dice.below(2) == 0 { Vec::new() } else { (0..dice.below(4)).map(|_| condition(dice)).collect() };
    Rule { syscalls: Cow::Owned(syscalls), action: action(dice), conditions: Cow::Owned(conditions) }
}

fn profile(dice: &mut Dice, all: &[Syscall], special: &[Syscall]) -> Profile<'static> {
    let arches = (0..dice.below(5)).map(|_| dice.pick(&ARCHES)).collect();
    let rules = (0..dice.below(25)).map(|_| rule(dice, all, special)).collect();
    Profile {
        default: action(dice),
        arches: Cow::Owned(arches),
        flags: Flags::NONE,
        rules: Cow::Owned(rules),
    }
}

/// Values at and around those that the rules compare with.
fn arguments(dice: &mut Dice, profile: &Profile<'_>) -> [u64; 6] {
    let conditions: Vec<_> = profile.rules.iter().flat_map(|rule| rule.conditions.iter()).collect();
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        let base = match dice.below(3) {
            0 => dice.below(26) as u64,
            _ if conditions.is_empty() => dice.next(),
            1 => dice.pick(&conditions).value(),
            _ => dice.pick(&conditions).value_two(),
        };
        let off = dice.pick(&[0, 0, 1, u64::MAX]);
        let high = dice.pick(&[0, 0, 0, 1 << 32]);
        *argument = base.wrapping_add(off) ^ high;
    }
    arguments
}

fn numbers() -> Vec<(u32, u32)> {
    let mut calls = Vec::new();
    for token in [Arch::X86_64, Arch::X86, Arch::Aarch64, Arch::Arm].map(Arch::token) {
        let edges =
            [639, 640, 641, 647, 0x3fff_ffff, 0x7fff_ffff, 0x8000_0000, 0xc000_0000, u32::MAX - 1, u32::MAX];
        let x32 = (0..560).map(|n| 0x4000_0000 + n).filter(|_| token == Arch::X32.token());
        let private = 0xe_ffff..0xf_0009;
        calls.extend((0..560).chain(edges).chain(x32).chain(private).map(|number| (token, number)));
    }
    calls.extend([(0, 0), (1, 1), (0xc000_003f, 0)]);
    calls
}

#[test]
fn program_of_a_random_profile_agrees_with_the_rules_for_every_call() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let all: Vec<Syscall> = Syscall::all().collect();
    let special: Vec<Syscall> =
        ["socket", "socketcall", "ipc", "semop", "shmat", "clone", "set_tls", "cacheflush"]
            .iter()
            .chain(&[
                "execve",
                "personality",
                "read",
                "accept",
                "recv",
                "listns",
                "break",
                "prctl",
                "ioctl",
                "write",
            ])
            .map(|name| Syscall::named(name).unwrap())
            .collect();
    let numbers = numbers();
    for round in 0..60 {
        let profile = profile(&mut dice, &all, &special);
        let native = dice.pick(&ARCHES);
        let program = compile_for(&profile, native).unwrap();
        machine::check(&program);
        for (token, number) in &numbers {
            let tries = if profile.rules.len() < 8 { 4 } else { 2 };
            for _ in 0..tries {
                let call = Call { token: *token, number: *number, arguments: arguments(&mut dice, &profile) };
                let expected = reference::evaluate(&profile, native, &call);
                let got = machine::verdict(&program, &call);
                assert_eq!(got, expected, "round {round}: {call:x?} on {native:?}\n{profile:#?}\n{program}");
            }
        }
    }
}

#[test]
fn every_comparison_is_exact_at_its_boundaries() {
    let syscall = Syscall::named("clone").unwrap();
    let values = [
        0,
        1,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        0x1_0000_0000,
        0x1_0000_0001,
        0xffff_ffff_0000_0000,
        u64::MAX,
    ];
    for op in [Op::Ne, Op::Lt, Op::Le, Op::Eq, Op::Ge, Op::Gt, Op::MaskedEq] {
        for value in values {
            for two in values {
                let condition = Condition::new(5, op, value, two).unwrap();
                let rule = Rule {
                    syscalls: Cow::Owned(vec![syscall]),
                    action: Action::Errno(13),
                    conditions: Cow::Owned(vec![condition]),
                };
                let profile = Profile {
                    default: Action::Allow,
                    arches: Cow::Borrowed(&ARCHES),
                    flags: Flags::NONE,
                    rules: Cow::Owned(vec![rule]),
                };
                let program = compile_for(&profile, Arch::X86_64).unwrap();
                for arch in ARCHES {
                    for near in values.iter().flat_map(|v| [v.wrapping_sub(1), *v, v.wrapping_add(1)]) {
                        let call = Call::new(arch, syscall.number(arch).unwrap(), [0, 0, 0, 0, 0, near]);
                        let expected = reference::evaluate(&profile, Arch::X86_64, &call);
                        assert_eq!(machine::verdict(&program, &call), expected, "{condition:x?} {call:x?}");
                    }
                }
            }
        }
    }
}
