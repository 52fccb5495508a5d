//! The part of the kernel's BPF machine that filters use: checks a program as `seccomp(2)` would, and runs it.
#![allow(dead_code, reason = "not every test uses all of it")]

use seccomp::{Arch, Instruction, Program};

/// What the kernel shows to a filter.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub token: u32,
    pub number: u32,
    pub arguments: [u64; 6],
}

impl Call {
    pub fn new(arch: Arch, number: u32, arguments: [u64; 6]) -> Self {
        Self { token: arch.token(), number, arguments }
    }

    /// A call by name, with its first argument.
    pub fn named(arch: Arch, name: &str, argument: u64) -> Self {
        let syscall = seccomp::Syscall::named(name).unwrap_or_else(|| panic!("{name} is unknown"));
        let number = syscall.number(arch).unwrap_or_else(|| panic!("{name} does not exist on {arch:?}"));
        Self::new(arch, number, [argument, 0, 0, 0, 0, 0])
    }

    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.token,
            16..64 => {
                let argument = self.arguments[(offset as usize - 16) / 8];
                if offset.is_multiple_of(8) { argument as u32 } else { (argument >> 32) as u32 }
            }
            _ => panic!("offset {offset} holds nothing that a profile can speak of"),
        }
    }
}

/// The verdict on a call, and how many instructions it took.
pub fn run(program: &Program, call: &Call) -> (u32, usize) {
    let code = program.instructions();
    let (mut at, mut a) = (0, 0u32);
    for steps in 1.. {
        let Instruction { code: operation, jt, jf, k } = code[at];
        at += 1;
        let holds = match operation {
            0x06 => return (k, steps),
            0x05 => {
                at += k as usize;
                continue;
            }
            0x20 => {
                a = call.word(k);
                continue;
            }
            0x54 => {
                a &= k;
                continue;
            }
            0x15 => a == k,
            0x25 => a > k,
            0x35 => a >= k,
            0x45 => a & k != 0,
            _ => panic!("operation {operation:#x} at {}", at - 1),
        };
        at += usize::from(if holds { jt } else { jf });
    }
    unreachable!()
}

/// The verdict alone.
pub fn verdict(program: &Program, call: &Call) -> u32 {
    run(program, call).0
}

/// What the kernel demands: a length from 1 to 4096, jumps that stay inside, a return at the end, loads
/// of whole words inside `struct seccomp_data`.
pub fn check(program: &Program) {
    let code = program.instructions();
    assert!((1..=4096).contains(&code.len()), "{} instructions", code.len());
    assert_eq!(code[code.len() - 1].code, 0x06, "the last instruction is no return:\n{program}");
    for (at, instruction) in code.iter().enumerate() {
        let farthest = match instruction.code {
            0x05 => instruction.k as usize,
            0x15 | 0x25 | 0x35 | 0x45 => usize::from(instruction.jt.max(instruction.jf)),
            0x20 => {
                assert!(instruction.k % 4 == 0 && instruction.k < 64, "load at {at}:\n{program}");
                0
            }
            _ => 0,
        };
        assert!(
            at + farthest < code.len() - usize::from(instruction.code != 0x06),
            "jump at {at}:\n{program}"
        );
    }
}
