//! What becomes of each system call, whatever its number on an architecture.

use alloc::vec;
use alloc::vec::Vec;

use crate::multiplex::Multiplexer;
use crate::narrow::narrow_parameters;
use crate::table::ROWS;
use crate::{Action, Profile, Rule, Syscall};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Always this.
    Return(u32),
    /// Up to conditional rules: the last of them, and the arguments whose upper half does not count.
    Chain(u32, u8),
    /// Up to what the calls that this one stands for may do.
    Multiplexed(Multiplexer),
}

/// What the profile says of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mention {
    /// Nothing.
    Unnamed,
    /// That it gets the default action.
    Default,
    /// Something else.
    Decided(Verdict),
}

/// A conditional rule and those that are tried before it: chains that start alike share their start.
pub(crate) struct Link {
    pub(crate) before: Option<u32>,
    pub(crate) rule: u32,
}

/// The rules of a profile, turned from rule → calls to call → rules.
pub(crate) struct Verdicts {
    pub(crate) mentions: Vec<Mention>,
    pub(crate) links: Vec<Link>,
}

impl Verdicts {
    pub(crate) fn of(profile: &Profile<'_>) -> Self {
        let mut verdicts = Self { mentions: vec![Mention::Unnamed; ROWS], links: Vec::new() };
        for (at, rule) in profile.rules.iter().enumerate() {
            if rule.action == profile.default {
                verdicts.mention(rule);
            } else if rule.conditions.is_empty() {
                verdicts.decide(rule);
            } else {
                verdicts.add_conditional(rule, at as u32);
            }
        }
        verdicts
    }

    pub(crate) fn get(&self, syscall: Syscall) -> Mention {
        self.mentions[syscall.row()]
    }

    /// A rule that changes nothing but the range of numbers the profile is taken to know.
    fn mention(&mut self, rule: &Rule<'_>) {
        for syscall in rule.syscalls.iter() {
            let mention = &mut self.mentions[syscall.row()];
            if *mention == Mention::Unnamed {
                *mention = Mention::Default;
            }
        }
    }

    /// A rule without conditions: beats conditional ones, before and after it.
    fn decide(&mut self, rule: &Rule<'_>) {
        let verdict = Mention::Decided(Verdict::Return(rule.action.return_value()));
        for syscall in rule.syscalls.iter() {
            let mention = &mut self.mentions[syscall.row()];
            if !matches!(mention, Mention::Decided(Verdict::Return(_))) {
                *mention = verdict;
            }
        }
    }

    fn add_conditional(&mut self, rule: &Rule<'_>, at: u32) {
        let first = self.links.len();
        for syscall in rule.syscalls.iter() {
            let before = match self.mentions[syscall.row()] {
                Mention::Unnamed | Mention::Default => None,
                // The same name twice in one rule.
                Mention::Decided(Verdict::Chain(link, _)) if link as usize >= first => continue,
                Mention::Decided(Verdict::Chain(link, _)) => Some(link),
                Mention::Decided(_) => continue,
            };
            let link = match self.links[first..].iter().position(|link| link.before == before) {
                Some(known) => first + known,
                None => {
                    self.links.push(Link { before, rule: at });
                    self.links.len() - 1
                }
            };
            self.mentions[syscall.row()] =
                Mention::Decided(Verdict::Chain(link as u32, narrow_parameters(syscall.row())));
        }
    }

    /// The rules of a chain, last one first.
    pub(crate) fn chain(&self, last: u32) -> impl Iterator<Item = usize> + '_ {
        let mut next = Some(last);
        core::iter::from_fn(move || {
            let link = &self.links[next? as usize];
            next = link.before;
            Some(link.rule as usize)
        })
    }

    /// The first action in a chain that refuses the call.
    pub(crate) fn refusal(&self, profile: &Profile<'_>, last: u32) -> Option<Action> {
        self.chain(last)
            .map(|rule| profile.rules[rule].action)
            .filter(|action| !action.is_permissive())
            .last()
    }
}
