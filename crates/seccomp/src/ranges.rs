//! From calls to ranges of numbers.

use alloc::vec::Vec;

use crate::arch::X32_BIT;
use crate::multiplex::MULTIPLEXERS;
use crate::narrow::EVERY;
use crate::syscall::number_at;
use crate::table::{ABSENT, ORDINARY, PLACES, PRIVATE, TABLE};
use crate::verdicts::{Mention, Verdict, Verdicts};
use crate::{Action, Arch, Profile};

const ENOSYS: u16 = 38;
/// What becomes of calls of an architecture that is not listed: libseccomp's default.
pub(crate) const FOREIGN: u32 = Action::KillThread.return_value();

/// The numbers from `start` up to the next range have one verdict, but for at most one of them: a single
/// test settles such an exception, as two more ranges it would cost two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u32,
    pub(crate) verdict: Verdict,
    pub(crate) exception: Option<(u32, Verdict)>,
}

/// Ranges in ascending order that cover all numbers.
pub(crate) struct Ranges(Vec<Range>);

/// What numbers of an architecture a profile names.
struct Extent {
    /// Above the largest ordinary one.
    end: usize,
    /// Whether there are private ones.
    private: bool,
}

/// A profile, ready to be applied to architectures.
pub(crate) struct Numbering<'p, 'd> {
    pub(crate) profile: &'p Profile<'d>,
    pub(crate) verdicts: &'p Verdicts,
}

impl Ranges {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(256))
    }

    /// The ranges of everything that the kernel reports as `token`.
    pub(crate) fn fill(&mut self, numbering: &Numbering<'_, '_>, arches: &[Arch], token: u32) -> &[Range] {
        self.0.clear();
        let has = |wanted: Arch| arches.contains(&wanted);
        if token != Arch::X32.token() {
            let arch = arches.iter().find(|arch| arch.token() == token);
            arch.map(|arch| numbering.append(self, *arch));
            return &self.0;
        }
        let foreign = Verdict::Return(FOREIGN);
        // Below x32 lies x86_64; both may be missing.
        let beyond = if has(Arch::X86_64) { numbering.append(self, Arch::X86_64) } else { foreign };
        if self.0.is_empty() {
            self.push(0, foreign);
        }
        match has(Arch::X32) {
            true => _ = numbering.append(self, Arch::X32),
            false => self.push(X32_BIT, foreign),
        }
        // What a tracer writes to have a call skipped has the bit of x32, but is no call.
        self.push(u32::MAX, beyond);
        &self.0
    }

    /// From `start` on, which is above all starts so far, the verdict is this.
    fn push(&mut self, start: u32, verdict: Verdict) {
        if let [.., before, last] = &mut self.0[..]
            && before.verdict == verdict
            && last.exception.is_none()
            && start - last.start == 1
        {
            let exception = Some((last.start, last.verdict));
            match before.exception {
                None => {
                    before.exception = exception;
                    self.0.pop();
                }
                Some((earlier, _)) => *last = Range { start: earlier + 1, verdict, exception },
            }
        } else if self.0.last().is_none_or(|last| last.verdict != verdict) {
            self.0.push(Range { start, verdict, exception: None });
        }
    }
}

impl Numbering<'_, '_> {
    /// Appends the numbers of an architecture. Returns what becomes of those above all it knows.
    fn append(&self, ranges: &mut Ranges, arch: Arch) -> Verdict {
        let default = Verdict::Return(self.profile.default.return_value());
        let mut places = [default; PLACES];
        let Extent { end, private } = self.place(&mut places, arch);
        for (number, verdict) in (number_at(0, arch)..).zip(&places[..end]) {
            if ranges.0.last().is_none_or(|last| last.verdict != *verdict) {
                ranges.push(number, *verdict);
            }
        }
        let beyond = if end == 0 { default } else { self.beyond() };
        ranges.push(number_at(end as u16, arch), beyond);
        if private {
            for (number, verdict) in (PRIVATE..).zip(&places[usize::from(ORDINARY)..]) {
                ranges.push(number, *verdict);
            }
            ranges.push(PRIVATE + (PLACES - usize::from(ORDINARY)) as u32, beyond);
        }
        beyond
    }

    /// Puts every verdict in its place.
    fn place(&self, places: &mut [Verdict; PLACES], arch: Arch) -> Extent {
        let (mut end, mut private) = (0, false);
        let numbers = &TABLE.numbers[arch as usize];
        for (mention, place) in self.verdicts.mentions.iter().zip(numbers) {
            if *mention == Mention::Unnamed || *place == ABSENT {
                continue;
            }
            let place = usize::from(*place);
            match mention {
                Mention::Decided(Verdict::Chain(last, _)) if arch.is_narrow() => {
                    places[place] = Verdict::Chain(*last, EVERY);
                }
                Mention::Decided(verdict) => places[place] = *verdict,
                Mention::Unnamed | Mention::Default => {}
            }
            match place < usize::from(ORDINARY) {
                true => end = end.max(place + 1),
                false => private = true,
            }
        }
        if arch == Arch::X86 {
            for multiplexer in MULTIPLEXERS {
                let place = usize::from(numbers[multiplexer.syscall().row()]);
                if multiplexer.is_open(self.verdicts)
                    && multiplexer.decided(self.profile, self.verdicts).next().is_some()
                {
                    places[place] = Verdict::Multiplexed(multiplexer);
                    end = end.max(place + 1);
                }
            }
        }
        Extent { end, private }
    }

    /// What becomes of numbers that are newer than the profile.
    fn beyond(&self) -> Verdict {
        Verdict::Return(match self.profile.default {
            permissive if permissive.is_permissive() => permissive.return_value(),
            _ => Action::Errno(ENOSYS).return_value(),
        })
    }
}
