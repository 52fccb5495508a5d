//! From a profile to a program: a test of the architecture, a balanced tree of comparisons over ranges of
//! numbers, conditions at its leaves.

use alloc::vec;
use alloc::vec::Vec;

use crate::assembly::{Assembly, Target};
use crate::multiplex::Multiplexer;
use crate::narrow::EVERY;
use crate::program::{ARCH, ARGUMENTS, JEQ, JGE, JGT, JSET, NUMBER};
use crate::ranges::{FOREIGN, Numbering, Range, Ranges};
use crate::verdicts::{Mention, Verdict, Verdicts};
use crate::{Action, Arch, Condition, Error, Flags, Instruction, MAX_INSTRUCTIONS, Op};
use crate::{Profile, Program, Rule};

/// Compiles a profile for the machine this was built for. The same profile always gives the same program.
///
/// The crate's description says what a profile means. It is stricter than libseccomp where that leaves holes:
/// - The upper half of an argument is ignored where the kernel ignores it, so that it cannot be used to slip
///   through (CVE-2019-10063).
/// - On 32-bit x86, a conditional rule that allows `socket` does not allow all of `socketcall`, and the
///   choice of `ipc` is compared without the version in its upper half.
///
/// # Errors
/// NOTIFY is the default action, a flag has no meaning without NOTIFY, or the program gets too long.
#[cfg(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64", target_arch = "arm"))]
pub fn compile(profile: &Profile<'_>) -> Result<Program, Error> {
    compile_for(profile, Arch::NATIVE)
}

/// Compiles a profile for a machine of architecture `native`.
///
/// # Errors
/// As [`compile`].
pub fn compile_for(profile: &Profile<'_>, native: Arch) -> Result<Program, Error> {
    let listener = profile.rules.iter().any(|rule| rule.action == Action::Notify);
    if profile.default == Action::Notify {
        return Err(Error::NotifyByDefault);
    }
    if profile.flags.contains(Flags::WAIT_KILLABLE_RECV) && !listener {
        return Err(Error::FlagNeedsNotify);
    }
    let verdicts = Verdicts::of(profile);
    let default = Target::Return(profile.default.return_value());
    let chains = vec![None; verdicts.links.len()];
    let compiler = Compiler { profile, verdicts: &verdicts, default, assembly: Assembly::new(), chains };
    let instructions = compiler.compile(native);
    match instructions.len() {
        0..=MAX_INSTRUCTIONS => Ok(Program { instructions, flags: profile.flags, listener }),
        instructions => Err(Error::TooLong { instructions }),
    }
}

struct Compiler<'p, 'd> {
    profile: &'p Profile<'d>,
    verdicts: &'p Verdicts,
    default: Target,
    assembly: Assembly,
    /// Where the chains start that have been written, with their narrow arguments.
    chains: Vec<Option<(u8, Target)>>,
}

impl Compiler<'_, '_> {
    fn compile(mut self, native: Arch) -> Vec<Instruction> {
        let mut arches = Vec::with_capacity(1 + self.profile.arches.len());
        arches.push(native);
        arches.extend_from_slice(&self.profile.arches);
        let mut tokens: Vec<u32> = Vec::with_capacity(Arch::COUNT);
        for token in arches.iter().map(|arch| arch.token()) {
            if !tokens.contains(&token) {
                tokens.push(token);
            }
        }
        // The native architecture, first, is written last: it then stands in front, with the shortest way.
        let mut blocks = Vec::with_capacity(tokens.len());
        let mut ranges = Ranges::new();
        let numbering = Numbering { profile: self.profile, verdicts: self.verdicts };
        for token in tokens.into_iter().rev() {
            let tree = self.tree(ranges.fill(&numbering, &arches, token));
            let block = match tree {
                Target::Label(_) => self.assembly.load_before(NUMBER, tree),
                verdict => verdict,
            };
            blocks.push((token, block));
        }
        let mut entry = Target::Return(FOREIGN);
        for (token, block) in blocks {
            entry = self.assembly.branch(JEQ, token, block, entry);
        }
        self.assembly.load_before(ARCH, entry);
        self.assembly.finish()
    }

    /// Finds the range of a number, which is loaded.
    fn tree(&mut self, ranges: &[Range]) -> Target {
        if let [range] = ranges {
            return self.leaf(range);
        }
        let (lower, upper) = ranges.split_at(ranges.len() / 2);
        let no_less = self.tree(upper);
        let less = self.tree(lower);
        self.assembly.branch(JGE, upper[0].start, no_less, less)
    }

    fn leaf(&mut self, range: &Range) -> Target {
        let verdict = self.verdict(range.verdict);
        match range.exception {
            None => verdict,
            Some((number, other)) => {
                let other = self.verdict(other);
                self.assembly.branch(JEQ, number, other, verdict)
            }
        }
    }

    fn verdict(&mut self, verdict: Verdict) -> Target {
        match verdict {
            Verdict::Return(value) => Target::Return(value),
            Verdict::Chain(last, narrow) => self.chain(last, narrow),
            Verdict::Multiplexed(multiplexer) => self.multiplexer(multiplexer),
        }
    }

    fn chain(&mut self, last: u32, narrow: u8) -> Target {
        match self.chains[last as usize] {
            Some((same, written)) if same == narrow => written,
            _ => {
                let start = self.rules(last, narrow, self.default);
                self.chains[last as usize] = Some((narrow, start));
                start
            }
        }
    }

    /// Tries the rules of a chain; `otherwise` if none matches.
    fn rules(&mut self, last: u32, narrow: u8, otherwise: Target) -> Target {
        let (profile, verdicts) = (self.profile, self.verdicts);
        verdicts.chain(last).fold(otherwise, |next, rule| self.rule(&profile.rules[rule], narrow, next))
    }

    fn rule(&mut self, rule: &Rule<'_>, narrow: u8, otherwise: Target) -> Target {
        let action = Target::Return(rule.action.return_value());
        let conditions = rule.conditions.iter().rev();
        if repeats_an_argument(&rule.conditions) {
            return conditions
                .fold(otherwise, |no, condition| self.assembly.condition(condition, narrow, action, no));
        }
        conditions.fold(action, |yes, condition| self.assembly.condition(condition, narrow, yes, otherwise))
    }

    /// The rules for the call itself, then those for what it may stand for.
    fn multiplexer(&mut self, multiplexer: Multiplexer) -> Target {
        let mut next = self.default;
        for (choice, verdict) in multiplexer.decided(self.profile, self.verdicts) {
            let verdict = Target::Return(verdict);
            next = self.assembly.condition(&multiplexer.chosen(choice), EVERY, verdict, next);
        }
        match self.verdicts.get(multiplexer.syscall()) {
            Mention::Decided(Verdict::Chain(last, _)) => self.rules(last, EVERY, next),
            _ => next,
        }
    }
}

fn repeats_an_argument(conditions: &[Condition]) -> bool {
    conditions
        .iter()
        .enumerate()
        .any(|(at, condition)| conditions[..at].iter().any(|earlier| earlier.index() == condition.index()))
}

impl Assembly {
    /// The code for one condition, in front of what there is.
    fn condition(&mut self, condition: &Condition, narrow: u8, yes: Target, no: Target) -> Target {
        let low = ARGUMENTS + 8 * condition.index();
        let high = low + 4;
        let value = halves(condition.value());
        let full = narrow >> condition.index() & 1 == 0;
        // What has no instruction is the opposite of what has one.
        let (op, yes, no) = match condition.op() {
            Op::Ne => (Op::Eq, no, yes),
            Op::Lt => (Op::Ge, no, yes),
            Op::Le => (Op::Gt, no, yes),
            op => (op, yes, no),
        };
        let code = match op {
            Op::Gt => JGT,
            Op::Ge => JGE,
            Op::MaskedEq => {
                let two = halves(condition.value_two());
                let rest = self.masked(low, value.low, two.low, yes, no);
                return if full { self.masked(high, value.high, two.high, rest, no) } else { rest };
            }
            _ => {
                let rest = self.test(low, JEQ, value.low, yes, no);
                return if full { self.test(high, JEQ, value.high, rest, no) } else { rest };
            }
        };
        let rest = self.test(low, code, value.low, yes, no);
        match (full, value.high) {
            (false, _) => rest,
            (true, 0) => self.test(high, JEQ, 0, rest, yes),
            (true, half) => {
                let equal = self.branch(JEQ, half, rest, no);
                self.test(high, JGT, half, yes, equal)
            }
        }
    }

    fn test(&mut self, offset: u32, code: u16, k: u32, yes: Target, no: Target) -> Target {
        let test = self.branch(code, k, yes, no);
        self.load_before(offset, test)
    }

    /// Compares the bits of one half that are set in the mask; bits of the value beyond it do not count.
    fn masked(&mut self, offset: u32, mask: u32, value: u32, yes: Target, no: Target) -> Target {
        match (mask, value & mask) {
            (0, _) => yes,
            (u32::MAX, value) => self.test(offset, JEQ, value, yes, no),
            (mask, 0) => self.test(offset, JSET, mask, no, yes),
            (mask, value) => {
                self.branch(JEQ, value, yes, no);
                let and = self.and(mask);
                self.load_before(offset, and)
            }
        }
    }
}

struct Halves {
    low: u32,
    high: u32,
}

const fn halves(value: u64) -> Halves {
    Halves { low: value as u32, high: (value >> 32) as u32 }
}
