//! A value as the slice of the line that it stands in.

use alloc::borrow::Cow;

use super::scan::{self, Syntax, blanks};
use super::text::unescape;

/// One value of a checked document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Value<'a>(&'a str);

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the names are JSON's
pub enum Kind {
    Null,
    Truth,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    /// With its article, for a message.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Truth => "true or false",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

impl<'a> Value<'a> {
    /// Checks a whole text.
    ///
    /// # Errors
    /// [`Syntax`]: it is not one JSON value, or is nested deeper than [`super::MAX_DEPTH`].
    pub fn parse(text: &'a str) -> Result<Self, Syntax> {
        scan::check(text)?;
        Ok(Self(text.trim_matches([' ', '\t', '\n', '\r'])))
    }

    /// What it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'"') => Kind::String,
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b't' | b'f') => Kind::Truth,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn string(self) -> Option<Cow<'a, str>> {
        (self.kind() == Kind::String).then(|| unescape(self.0))
    }

    /// A whole number without sign, fraction and exponent.
    #[must_use]
    pub fn count(self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// A whole number without fraction and exponent.
    #[must_use]
    pub fn integer(self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The digits of a number as they stand in the document.
    #[must_use]
    pub fn digits(self) -> Option<&'a str> {
        (self.kind() == Kind::Number).then_some(self.0)
    }

    /// True or false.
    #[must_use]
    pub fn truth(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The elements of an array.
    #[must_use]
    pub fn elements(self) -> Option<Elements<'a>> {
        (self.kind() == Kind::Array).then_some(Elements { text: self.0, at: 1 })
    }

    /// The members of an object.
    #[must_use]
    pub fn members(self) -> Option<Members<'a>> {
        (self.kind() == Kind::Object).then_some(Members { text: self.0, at: 1 })
    }
}

/// Cuts the value at `at` out, and goes on behind it and the comma that may follow.
fn take<'a>(text: &'a str, at: &mut usize) -> Option<&'a str> {
    let start = blanks(text.as_bytes(), *at);
    let end = scan::value(text.as_bytes(), start).ok()?;
    *at = blanks(text.as_bytes(), end);
    if text.as_bytes().get(*at) == Some(&b',') {
        *at += 1;
    }
    text.get(start..end)
}

/// The elements of an array, in order.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        take(self.text, &mut self.at).map(Value)
    }
}

/// The members of an object, in order, with their names.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.text.as_bytes();
        let start = blanks(text, self.at);
        if text.get(start) != Some(&b'"') {
            return None;
        }
        let end = scan::string(text, start).ok()?;
        self.at = blanks(text, end) + 1;
        let name = unescape(self.text.get(start..end)?);
        Some((name, Value(take(self.text, &mut self.at)?)))
    }
}
