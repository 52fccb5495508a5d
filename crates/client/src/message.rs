//! One message of the server.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use wire::json::Value;

/// A message: the text of a JSON object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message(String);

/// A member of an object.
#[must_use]
pub fn member<'a>(object: Value<'a>, name: &str) -> Option<Value<'a>> {
    object.members()?.find(|(found, _)| found == name).map(|(_, value)| value)
}

/// A text in an object, and nothing where there is none.
pub(crate) fn text<'a>(object: Value<'a>, name: &str) -> Cow<'a, str> {
    member(object, name).and_then(Value::string).unwrap_or_default()
}

/// A number in an object, and 0 where there is none.
pub(crate) fn count(object: Value<'_>, name: &str) -> u64 {
    member(object, name).and_then(Value::count).unwrap_or_default()
}

impl Message {
    /// Takes bytes that are one JSON object; or says what they are.
    pub(crate) fn new(bytes: Vec<u8>) -> Result<Self, String> {
        let text = String::from_utf8(bytes)
            .map_err(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())?;
        match Value::parse(&text) {
            Ok(value) if value.members().is_some() => Ok(Self(text)),
            _ => Err(text),
        }
    }

    /// Its JSON, on one line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The object, to be taken apart.
    ///
    /// # Panics
    /// Never: a message is checked when it comes.
    #[must_use]
    pub fn value(&self) -> Value<'_> {
        let Ok(value) = Value::parse(&self.0) else { unreachable!() };
        value
    }

    /// Its `type`.
    #[must_use]
    pub fn kind(&self) -> Cow<'_, str> {
        self.text("type").unwrap_or_default()
    }

    /// A text of it.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        member(self.value(), name)?.string()
    }

    /// A number of it.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<u64> {
        member(self.value(), name)?.count()
    }
}
