//! Programs of small profiles, read instruction by instruction.

mod machine;

use std::borrow::Cow;

use seccomp::{Action, Arch, Condition, Flags, Op, Profile, Rule, Syscall, compile_for};

fn rule(names: &[&str], action: Action, conditions: &[Condition]) -> Rule<'static> {
    let syscalls = names.iter().map(|name| Syscall::named(name).unwrap()).collect();
    Rule { syscalls: Cow::Owned(syscalls), action, conditions: Cow::Owned(conditions.to_vec()) }
}

fn listing(default: Action, arches: &[Arch], rules: Vec<Rule<'_>>) -> String {
    let profile =
        Profile { default, arches: Cow::Borrowed(arches), flags: Flags::NONE, rules: Cow::Owned(rules) };
    let program = compile_for(&profile, Arch::X86_64).unwrap();
    machine::check(&program);
    format!("\n{program}")
}

#[test]
fn denied_calls_are_single_tests_in_an_allowing_profile() {
    let rules =
        vec![rule(&["mount", "umount2"], Action::Errno(1), &[]), rule(&["ptrace"], Action::KillProcess, &[])];
    assert_eq!(
        listing(Action::Allow, &[], rules),
        "
   0  load arch
   1  if == 0xc000003e goto 2 else 10
   2  load number
   3  if >= 167 goto 8 else 4
   4  if >= 165 goto 5 else 6
   5  ERRNO 1
   6  if == 101 goto 7 else 11
   7  KILL_PROCESS
   8  if >= 0x40000000 goto 9 else 11
   9  if >= 0xffffffff goto 11 else 10
  10  KILL_THREAD
  11  ALLOW
"
    );
}

#[test]
fn conditions_stand_behind_the_search_for_the_number() {
    let rules = vec![
        rule(&["read", "write", "exit_group"], Action::Allow, &[]),
        rule(
            &["clone"],
            Action::Allow,
            &[
                Condition::new(1, Op::Eq, 0x5401, 0).unwrap(),
                Condition::new(2, Op::MaskedEq, 0xff00, 0x1200).unwrap(),
            ],
        ),
        rule(&["clone"], Action::Trap, &[Condition::new(0, Op::Gt, 0x1_0000_0002, 0).unwrap()]),
    ];
    assert_eq!(
        listing(Action::Errno(1), &[], rules),
        "
   0  load arch
   1  if == 0xc000003e goto 2 else 24
   2  load number
   3  if >= 232 goto 22 else 4
   4  if >= 2 goto 5 else 14
   5  if >= 231 goto 14 else 6
   6  if == 56 goto 7 else 20
   7  load arg1 high
   8  if == 0 goto 9 else 15
   9  load arg1 low
  10  if == 21505 goto 11 else 15
  11  load arg2 low
  12  and 0xff00
  13  if == 4608 goto 14 else 15
  14  ALLOW
  15  load arg0 high
  16  if > 1 goto 21 else 17
  17  if == 1 goto 18 else 20
  18  load arg0 low
  19  if > 2 goto 21 else 20
  20  ERRNO 1
  21  TRAP
  22  if >= 0x40000000 goto 23 else 25
  23  if >= 0xffffffff goto 25 else 24
  24  KILL_THREAD
  25  ERRNO 38
"
    );
}

#[test]
fn each_architecture_has_its_own_numbers() {
    let rules = vec![rule(&["socket"], Action::Errno(97), &[])];
    assert_eq!(
        listing(Action::Allow, &[Arch::X86, Arch::X32, Arch::Aarch64], rules),
        "
   0  load arch
   1  if == 0xc000003e goto 5 else 2
   2  if == 0x40000003 goto 9 else 3
   3  if == 0xc00000b7 goto 15 else 4
   4  KILL_THREAD
   5  load number
   6  if >= 42 goto 8 else 7
   7  if == 41 goto 18 else 17
   8  if == 0x40000029 goto 18 else 17
   9  load number
  10  if >= 103 goto 14 else 11
  11  if == 102 goto 12 else 17
  12  load arg0 low
  13  if == 1 goto 18 else 17
  14  if == 359 goto 18 else 17
  15  load number
  16  if == 198 goto 18 else 17
  17  ALLOW
  18  ERRNO 97
"
    );
}
