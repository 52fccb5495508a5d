//! The fields of one request, as far as the protocol knows them, typed on demand.

use alloc::borrow::{Cow, ToOwned};
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use crate::json::{Kind, Value};
use crate::{ExecId, Refusal, SignalNumber, base64};

/// Every field that some request has. Others are checked to be JSON and otherwise passed over.
const NAMES: &[&str] = &[
    "type",
    "id",
    "cmd",
    "args",
    "env",
    "timeout_ms",
    "stdin_data",
    "pid",
    "signal",
    "scope",
    "events",
    "cwd",
    "env_mode",
    "argv0",
    "user",
    "groups",
    "ambient",
    "rlimits",
    "no_new_privs",
    "umask",
    "nice",
    "oom_score_adj",
    "limits",
    "pty",
    "stdin",
    "output",
    "detach",
    "tag",
    "kill_signal",
    "grace_ms",
    "on_disconnect",
    "linger_ms",
    "max_output",
    "on_limit",
    "replay_bytes",
    "from_stdout",
    "from_stderr",
    "follow",
    "data",
    "data_b64",
    "rows",
    "cols",
    "redraw",
    "ids",
    "filter",
    "mode",
    "code",
    "unix_ns",
    "seed_b64",
    "hostname",
    "machine_id",
    "frames",
    "term",
    "memory",
    "cpus",
    "pids",
    "state",
];

/// The known fields of an object.
#[derive(Debug)]
pub struct Fields<'a> {
    /// What the object is called in messages.
    request: Cow<'static, str>,
    present: Vec<(&'static str, Value<'a>)>,
}

type Field<T> = Result<T, Refusal>;

impl<'a> Fields<'a> {
    /// Takes an object apart.
    pub fn new(request: Cow<'static, str>, object: Value<'a>) -> Field<Self> {
        let Some(members) = object.members() else {
            let kind = object.kind().words();
            return Err(Refusal::new(format!("{request} must be a JSON object, not {kind}")));
        };
        let mut present: Vec<(&'static str, Value<'a>)> = Vec::with_capacity(8);
        for (name, value) in members {
            let Some(name) = NAMES.iter().find(|known| **known == name) else { continue };
            if present.iter().any(|(other, _)| other == name) {
                return Err(Refusal::field(&request, name, "is given twice"));
            }
            present.push((name, value));
        }
        Ok(Self { request, present })
    }

    /// Calls the object by another name from here on: that of its type.
    pub fn rename(&mut self, request: &'static str) {
        self.request = Cow::Borrowed(request);
    }

    /// A field, unless it is absent or null.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        let found = self.present.iter().find(|(present, _)| *present == name);
        found.map(|(_, value)| *value).filter(|value| value.kind() != Kind::Null)
    }

    /// Whether a field is there that is not one of `names`.
    pub fn has_beyond(&self, names: &[&str]) -> bool {
        self.present.iter().any(|(name, _)| !names.contains(name))
    }

    /// Refuses a field.
    pub fn refuse(&self, name: &str, why: impl core::fmt::Display) -> Refusal {
        Refusal::field(&self.request, name, why)
    }

    /// A field that must be there.
    pub fn required<T>(&self, name: &str, value: Option<T>) -> Field<T> {
        value.ok_or_else(|| self.refuse(name, "is missing"))
    }

    fn typed<T>(&self, name: &str, wanted: &str, read: impl Fn(Value<'a>) -> Option<T>) -> Field<Option<T>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| Refusal::kind(&self.request, name, wanted, value))
    }

    /// A string.
    pub fn string(&self, name: &str) -> Field<Option<Cow<'a, str>>> {
        self.typed(name, "a string", Value::string)
    }

    /// A string of at most `limit` bytes.
    pub fn short(&self, name: &str, limit: usize) -> Field<Option<String>> {
        match self.string(name)? {
            Some(text) if text.len() > limit => {
                Err(self.refuse(name, format_args!("has {} bytes; the limit is {limit}", text.len())))
            }
            text => Ok(text.map(Cow::into_owned)),
        }
    }

    /// A string for the kernel.
    pub fn c_string(&self, name: &str) -> Field<Option<CString>> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        CString::new(text.into_owned()).map(Some).map_err(|_| self.refuse(name, "has a NUL character in it"))
    }

    /// True or false.
    pub fn truth(&self, name: &str) -> Field<Option<bool>> {
        self.typed(name, "true or false", Value::truth)
    }

    /// A whole number within limits.
    pub fn count(&self, name: &str, limits: RangeInclusive<u64>) -> Field<Option<u64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        if value.kind() != Kind::Number {
            return Err(Refusal::kind(&self.request, name, "a whole number", value));
        }
        match value.count() {
            Some(count) if limits.contains(&count) => Ok(Some(count)),
            _ => Err(self.out_of_range(name, value, limits.start(), limits.end())),
        }
    }

    /// A whole number within limits, perhaps negative.
    pub fn integer(&self, name: &str, limits: RangeInclusive<i64>) -> Field<Option<i64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        if value.kind() != Kind::Number {
            return Err(Refusal::kind(&self.request, name, "a whole number", value));
        }
        match value.integer() {
            Some(integer) if limits.contains(&integer) => Ok(Some(integer)),
            _ => Err(self.out_of_range(name, value, limits.start(), limits.end())),
        }
    }

    fn out_of_range<N: core::fmt::Display>(&self, name: &str, value: Value<'_>, from: N, to: N) -> Refusal {
        let digits = value.digits().unwrap_or_default();
        let shown = digits.get(..24).map_or_else(|| digits.to_owned(), |start| format!("{start}…"));
        self.refuse(name, format_args!("must be a whole number from {from} to {to}, not {shown}"))
    }

    /// One of several words, and what it stands for.
    pub fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Field<Option<T>> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                Err(self.refuse(name, format_args!("must be one of {}", known.join(", "))))
            }
        }
    }

    /// The elements of an array.
    pub fn elements(&self, name: &str, of: &str) -> Field<Option<impl Iterator<Item = Value<'a>> + use<'a>>> {
        self.typed(name, of, Value::elements)
    }

    /// An object within, with the name under which messages know it.
    pub fn object(&self, name: &str) -> Field<Option<Self>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        if value.kind() != Kind::Object {
            return Err(Refusal::kind(&self.request, name, "an object", value));
        }
        Self::new(Cow::Owned(format!("{}.{name}", self.request)), value).map(Some)
    }

    /// The members of an object.
    pub fn members(
        &self,
        name: &str,
    ) -> Field<Option<impl Iterator<Item = (Cow<'a, str>, Value<'a>)> + use<'a>>> {
        self.typed(name, "an object", Value::members)
    }

    /// An exec's key.
    pub fn exec_id(&self, name: &str) -> Field<Option<ExecId>> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        ExecId::new(&text).map(Some).ok_or_else(|| self.refuse(name, ID_RULE))
    }

    /// A signal, by name or number.
    pub fn signal(&self, name: &str) -> Field<Option<SignalNumber>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let signal = match value.kind() {
            Kind::Number => value.count().and_then(SignalNumber::new),
            Kind::String => value.string().and_then(|text| SignalNumber::parse(&text)),
            _ => return Err(Refusal::kind(&self.request, name, "the name or number of a signal", value)),
        };
        match signal {
            Some(signal) => Ok(Some(signal)),
            None => {
                let text = value.string().unwrap_or_else(|| value.digits().unwrap_or_default().into());
                let shown: String = text.chars().take(32).collect();
                Err(self.refuse(name, format_args!("is no signal: {shown:?}")))
            }
        }
    }

    /// Bytes in base64.
    pub fn base64(&self, name: &str) -> Field<Option<Vec<u8>>> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        base64::decode(&text).map(Some).ok_or_else(|| self.refuse(name, "is not base64 with padding"))
    }
}

/// What [`ExecId::new`] demands.
pub const ID_RULE: &str = "must have 1 to 128 bytes and no control characters";
