//! Puts a program together, last instruction first: jumps of BPF lead forwards only, so the place a jump
//! leads to is always there already, and its distance known.

use alloc::vec::Vec;

use crate::program::{AND, Instruction, JUMP, LOAD, RETURN};

/// Where a jump leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// To a verdict; any instruction that returns it will do.
    Return(u32),
    /// To the instruction with this many instructions behind it.
    Label(usize),
}

/// How far a conditional jump may be from its target before the other target has been settled, which can
/// add one instruction in between. The jump itself reaches 255.
const REACH: usize = 254;

/// A program in the making.
pub(crate) struct Assembly {
    /// Last instruction first.
    code: Vec<Instruction>,
    /// The foremost instruction for each verdict in use.
    returns: Vec<(u32, usize)>,
}

impl Assembly {
    pub(crate) fn new() -> Self {
        Self { code: Vec::with_capacity(512), returns: Vec::with_capacity(8) }
    }

    /// `A = seccomp_data[offset]`, then `next`.
    pub(crate) fn load_before(&mut self, offset: u32, next: Target) -> Target {
        self.fall_into(next);
        self.push(LOAD, offset)
    }

    /// `A = A & mask`, then what there is.
    pub(crate) fn and(&mut self, mask: u32) -> Target {
        self.push(AND, mask)
    }

    /// A conditional jump, in front of what there is.
    pub(crate) fn branch(&mut self, code: u16, k: u32, yes: Target, no: Target) -> Target {
        let yes = self.within_reach(yes);
        let no = self.within_reach(no);
        let (jt, jf) = (self.distance(yes) as u8, self.distance(no) as u8);
        self.code.push(Instruction { code, jt, jf, k });
        Target::Label(self.code.len() - 1)
    }

    /// The finished program, which starts with what was written last.
    pub(crate) fn finish(mut self) -> Vec<Instruction> {
        self.code.reverse();
        self.code
    }

    /// An instruction that is not a conditional jump.
    fn push(&mut self, code: u16, k: u32) -> Target {
        self.code.push(Instruction { code, jt: 0, jf: 0, k });
        Target::Label(self.code.len() - 1)
    }

    /// Makes sure that the next instruction written is followed by `target`.
    fn fall_into(&mut self, target: Target) {
        match target {
            Target::Label(label) if self.distance(label) == 0 => {}
            Target::Label(label) => _ = self.push(JUMP, self.distance(label) as u32),
            Target::Return(verdict) => _ = self.push(RETURN, verdict),
        }
    }

    /// How many instructions lie between a label and the next instruction.
    fn distance(&self, label: usize) -> usize {
        self.code.len() - label - 1
    }

    /// A place that the next jump can lead to and that means the target: the target itself, or a new
    /// return or long jump.
    fn within_reach(&mut self, target: Target) -> usize {
        match target {
            Target::Label(label) if self.distance(label) <= REACH => return label,
            Target::Label(label) => _ = self.push(JUMP, self.distance(label) as u32),
            Target::Return(verdict) => {
                let at = self.code.len();
                match self.returns.iter_mut().find(|(known, _)| *known == verdict) {
                    Some((_, label)) if at - *label - 1 <= REACH => return *label,
                    Some((_, label)) => *label = at,
                    None => self.returns.push((verdict, at)),
                }
                self.push(RETURN, verdict);
            }
        }
        self.code.len() - 1
    }
}
