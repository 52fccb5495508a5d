//! Arguments one after the other, as getopt(3) takes them apart: short options that may be written together,
//! long ones whose value may follow a `=`. What is not an option ends them.

use core::ffi::CStr;

use sys::exec::Argument;

use crate::values::after;

/// An option on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word<'a> {
    /// `-x`
    Short(u8),
    /// `--name`, and what followed the `=`.
    Long(&'a [u8], Option<&'a CStr>),
}

/// The arguments that are left.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    rest: &'a [Argument<'a>],
    /// What is left of an argument of several short options.
    cluster: Option<&'a CStr>,
}

impl<'a> Words<'a> {
    /// The arguments after the program's name, with their end mark.
    #[must_use]
    pub const fn new(arguments: &'a [Argument<'a>]) -> Self {
        let rest = match arguments {
            [_, rest @ ..] if !rest.is_empty() => rest,
            _ => arguments,
        };
        Self { rest, cluster: None }
    }

    /// The next option; `None` where the options end, with `--` or with what is none.
    pub fn next_option(&mut self) -> Option<Word<'a>> {
        if let Some(letter) = self.next_letter() {
            return Some(Word::Short(letter));
        }
        let text = self.rest.first()?.text()?;
        match text.to_bytes() {
            b"--" => {
                self.take();
                None
            }
            [b'-', b'-', long @ ..] => {
                self.take();
                let equals = long.iter().position(|byte| *byte == b'=');
                let value = equals.and_then(|equals| after(text, equals + 3));
                Some(Word::Long(long.get(..equals.unwrap_or(long.len())).unwrap_or_default(), value))
            }
            [b'-', _, ..] => {
                self.take();
                self.cluster = after(text, 1);
                self.next_letter().map(Word::Short)
            }
            _ => None,
        }
    }

    /// The value of the option that came last: the rest of its argument, or the next one.
    pub fn value(&mut self) -> Option<&'a CStr> {
        self.cluster.take().or_else(|| self.take())
    }

    /// What the options left, with its end mark; empty where nothing is.
    #[must_use]
    pub fn command(&self) -> &'a [Argument<'a>] {
        if self.rest.len() > 1 { self.rest } else { &[] }
    }

    fn next_letter(&mut self) -> Option<u8> {
        let cluster = self.cluster.take()?;
        let letter = *cluster.to_bytes().first()?;
        self.cluster = after(cluster, 1).filter(|rest| !rest.is_empty());
        Some(letter)
    }

    fn take(&mut self) -> Option<&'a CStr> {
        let text = self.rest.first()?.text()?;
        self.rest = self.rest.get(1..)?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_end_at_the_first_word_that_is_none() {
        let arguments = [c"x", c"-ab", c"-c1", c"--long=v=w", c"--bare", c"--", c"-z"].map(Argument::new);
        let arguments: std::vec::Vec<_> = arguments.into_iter().chain([Argument::END]).collect();
        let mut words = Words::new(&arguments);
        assert_eq!(words.next_option(), Some(Word::Short(b'a')));
        assert_eq!(words.next_option(), Some(Word::Short(b'b')));
        assert_eq!(words.next_option(), Some(Word::Short(b'c')));
        assert_eq!(words.value(), Some(c"1"));
        assert_eq!(words.next_option(), Some(Word::Long(b"long", Some(c"v=w"))));
        assert_eq!(words.next_option(), Some(Word::Long(b"bare", None)));
        assert_eq!(words.next_option(), None);
        assert_eq!(words.command().len(), 2);
        assert_eq!(words.command()[0].text(), Some(c"-z"));
    }

    #[test]
    fn a_value_may_be_missing_and_a_dash_alone_is_a_command() {
        let arguments = [Argument::new(c"x"), Argument::new(c"-e"), Argument::END];
        let mut words = Words::new(&arguments);
        assert_eq!(words.next_option(), Some(Word::Short(b'e')));
        assert_eq!(words.value(), None);
        assert!(words.command().is_empty());
        let arguments = [Argument::new(c"x"), Argument::new(c"-"), Argument::END];
        assert_eq!(Words::new(&arguments).next_option(), None);
        assert!(Words::new(&[Argument::END]).command().is_empty());
    }
}
