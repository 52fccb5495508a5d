//! The environment of the main command, where it is not simply ours.

use core::ffi::CStr;

use sys::exec::Argument;

use crate::settings::Changes;

/// How many variables there can be where some are changed.
pub const MOST: usize = 1024;

/// A vector of pointers, in fixed space.
#[derive(Debug)]
pub struct Environment<'a> {
    entries: [Argument<'a>; MOST],
    length: usize,
}

impl<'a> Environment<'a> {
    /// `ours` with `changes`; `None` where there are too many.
    #[must_use]
    pub fn new(ours: &[Argument<'a>], changes: &Changes<'a>) -> Option<Self> {
        let mut environment = Self { entries: [Argument::END; MOST], length: 0 };
        if !changes.clear {
            for entry in ours.iter().map_while(|entry| entry.text()) {
                environment.set(entry)?;
            }
        }
        for entry in changes.set.iter().flatten() {
            environment.set(entry)?;
        }
        Some(environment)
    }

    /// The vector, with its end mark.
    #[must_use]
    pub fn vector(&self) -> &[Argument<'a>] {
        self.entries.get(..=self.length).unwrap_or_default()
    }

    /// Replaces the variable, or adds it. One place stays for the end mark.
    fn set(&mut self, entry: &'a CStr) -> Option<()> {
        let same = |place: &Argument<'a>| place.text().is_some_and(|known| name(known) == name(entry));
        let used = self.entries.get(..self.length).unwrap_or_default();
        let index = used.iter().position(same).unwrap_or(self.length);
        if index + 1 >= MOST {
            return None;
        }
        *self.entries.get_mut(index)? = Argument::new(entry);
        self.length = self.length.max(index + 1);
        Some(())
    }
}

fn name(entry: &CStr) -> &[u8] {
    entry.to_bytes().split(|byte| *byte == b'=').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(clear: bool) -> Changes<'static> {
        let mut changes = Changes { clear, set: [None; crate::settings::MOST_CHANGES] };
        changes.set[0] = Some(c"A=new");
        changes.set[1] = Some(c"C=3");
        changes
    }

    fn texts(environment: &Environment<'static>) -> std::vec::Vec<&'static CStr> {
        environment.vector().iter().map_while(|entry| entry.text()).collect()
    }

    #[test]
    fn variables_are_replaced_and_added() {
        let ours = [Argument::new(c"A=1"), Argument::new(c"AB=2"), Argument::END];
        let environment = Environment::new(&ours, &changes(false)).expect("they fit");
        assert_eq!(texts(&environment), [c"A=new", c"AB=2", c"C=3"]);
        assert!(environment.vector().last().is_some_and(|end| end.text().is_none()));
    }

    #[test]
    fn a_cleared_environment_has_only_what_was_set() {
        let ours = [Argument::new(c"AB=2"), Argument::END];
        let environment = Environment::new(&ours, &changes(true)).expect("they fit");
        assert_eq!(texts(&environment), [c"A=new", c"C=3"]);
    }
}
