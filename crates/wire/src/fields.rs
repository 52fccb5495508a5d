//! The fields of one request, as far as the protocol knows them, typed on demand.
//!
//! What is wrong with a field is kept here and looked at once, when all have been read: thirty readers that each
//! returned an error of their own would leave thirty ways out of the reader of a request, each with all that was
//! read before to be freed on it, which is most of what such a function is made of.

use alloc::borrow::Cow;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt::Arguments;
use core::ops::RangeInclusive;

use crate::json::{Elements, Kind, Members, Value};
use crate::quoted::shortened;
use crate::{ExecId, Quoted, Refusal, SignalNumber, base64};

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
    /// The first that was wrong.
    refusal: RefCell<Option<Refusal>>,
}

impl<'a> Fields<'a> {
    /// Takes an object apart.
    pub fn new(request: Cow<'static, str>, object: Value<'a>) -> Result<Self, Refusal> {
        let Some(members) = object.members() else {
            let kind = object.kind().words();
            return Err(Refusal::new(format!("{request} must be a JSON object, not {kind}")));
        };
        let mut present: Vec<(&'static str, Value<'a>)> = Vec::with_capacity(8);
        for (name, value) in members {
            let Some(name) = NAMES.iter().find(|known| **known == name) else { continue };
            if present.iter().any(|(other, _)| other == name) {
                return Err(Refusal::field(&request, name, format_args!("is given twice")));
            }
            present.push((name, value));
        }
        Ok(Self { request, present, refusal: RefCell::new(None) })
    }

    /// Calls the object by another name from here on: that of its type.
    pub fn rename(&mut self, request: &'static str) {
        self.request = Cow::Borrowed(request);
    }

    /// What was read, unless something was wrong with it.
    pub fn outcome<T>(self, read: Option<T>) -> Result<T, Refusal> {
        match (self.refusal.into_inner(), read) {
            (None, Some(read)) => Ok(read),
            (Some(refusal), _) => Err(refusal),
            (None, None) => Err(Refusal::new(format!("{} is not understood", self.request))),
        }
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

    /// Whether something was wrong so far.
    pub fn is_refused(&self) -> bool {
        self.refusal.borrow().is_some()
    }

    /// Says what is wrong with the request. What was wrong before stands.
    pub fn note(&self, refusal: Refusal) {
        self.refusal.borrow_mut().get_or_insert(refusal);
    }

    /// Answers what was wrong as `kill_result`.
    pub fn answer_as_kill(&self) {
        let refusal = self.refusal.take();
        self.refusal.replace(refusal.map(Refusal::of_kill));
    }

    /// Refuses a field.
    pub fn refuse(&self, name: &str, why: Arguments<'_>) {
        self.note(Refusal::field(&self.request, name, why));
    }

    /// Refuses a field, in fixed words.
    #[inline(never)]
    pub fn object_to(&self, name: &str, why: &str) {
        self.refuse(name, format_args!("{why}"));
    }

    /// Refuses a field for its type.
    pub fn refuse_kind(&self, name: &str, wanted: &str, found: Value<'_>) {
        self.note(Refusal::kind(&self.request, name, wanted, found));
    }

    /// A field that must be there.
    pub fn required<T>(&self, name: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.object_to(name, "is missing");
        }
        value
    }

    /// A field of this kind; `wanted` says in a message what that is.
    #[inline(never)]
    fn typed(&self, name: &str, kind: Kind, wanted: &str) -> Option<Value<'a>> {
        let value = self.get(name)?;
        if value.kind() != kind {
            self.refuse_kind(name, wanted, value);
            return None;
        }
        Some(value)
    }

    /// A string.
    pub fn string(&self, name: &str) -> Option<Cow<'a, str>> {
        self.typed(name, Kind::String, "a string")?.string()
    }

    /// A string of at most `limit` bytes.
    pub fn short(&self, name: &str, limit: usize) -> Option<String> {
        let text = self.string(name)?;
        if text.len() > limit {
            self.refuse(name, format_args!("has {} bytes; the limit is {limit}", text.len()));
            return None;
        }
        Some(text.into_owned())
    }

    /// A string for the kernel.
    pub fn c_string(&self, name: &str) -> Option<CString> {
        let text = CString::new(self.string(name)?.into_owned()).ok();
        if text.is_none() {
            self.object_to(name, "has a NUL character in it");
        }
        text
    }

    /// True or false.
    pub fn truth(&self, name: &str) -> Option<bool> {
        self.typed(name, Kind::Truth, "true or false")?.truth()
    }

    /// True; false where it is not there.
    pub fn is_true(&self, name: &str) -> bool {
        self.truth(name).unwrap_or(false)
    }

    /// A whole number within limits.
    pub fn count(&self, name: &str, limits: RangeInclusive<u64>) -> Option<u64> {
        let value = self.typed(name, Kind::Number, "a whole number")?;
        let count = value.count().filter(|count| limits.contains(count));
        if count.is_none() {
            let (from, to) = limits.into_inner();
            self.refuse_range(name, value, format_args!("{from} to {to}"));
        }
        count
    }

    /// A whole number within limits, perhaps negative.
    pub fn integer(&self, name: &str, limits: RangeInclusive<i64>) -> Option<i64> {
        let value = self.typed(name, Kind::Number, "a whole number")?;
        let integer = value.integer().filter(|integer| limits.contains(integer));
        if integer.is_none() {
            let (from, to) = limits.into_inner();
            self.refuse_range(name, value, format_args!("{from} to {to}"));
        }
        integer
    }

    fn refuse_range(&self, name: &str, value: Value<'_>, range: Arguments<'_>) {
        let digits = value.digits().unwrap_or_default();
        let (shown, more) = digits.get(..24).map_or((digits, ""), |start| (start, "…"));
        self.refuse(name, format_args!("must be a whole number from {range}, not {shown}{more}"));
    }

    /// One of several words, and what it stands for.
    pub fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let chosen = self.choice(name, &|index| words.get(index).map(|(word, _)| *word))?;
        words.get(chosen).map(|(_, meaning)| *meaning)
    }

    /// The index of a word among those that `known` has.
    fn choice<'w>(&self, name: &str, known: &dyn Fn(usize) -> Option<&'w str>) -> Option<usize> {
        let text = self.string(name)?;
        let mut all = String::new();
        let mut index = 0;
        while let Some(word) = known(index) {
            if *word == *text {
                return Some(index);
            }
            if index > 0 {
                all.push_str(", ");
            }
            all.push_str(word);
            index += 1;
        }
        self.refuse(name, format_args!("must be one of {all}"));
        None
    }

    /// The elements of an array.
    pub fn elements(&self, name: &str, wanted: &str) -> Option<Elements<'a>> {
        self.typed(name, Kind::Array, wanted)?.elements()
    }

    /// An object within, read by `read`, with the name under which messages know it.
    pub fn object<T>(&self, name: &str, read: impl FnOnce(&Self) -> T) -> Option<T> {
        let fields = self.within(name)?;
        let read = read(&fields);
        if let Some(refusal) = fields.refusal.into_inner() {
            self.note(refusal);
        }
        Some(read)
    }

    fn within(&self, name: &str) -> Option<Self> {
        let value = self.typed(name, Kind::Object, "an object")?;
        match Self::new(Cow::Owned(format!("{}.{name}", self.request)), value) {
            Ok(fields) => Some(fields),
            Err(refusal) => {
                self.note(refusal);
                None
            }
        }
    }

    /// The members of an object.
    pub fn members(&self, name: &str, wanted: &str) -> Option<Members<'a>> {
        self.typed(name, Kind::Object, wanted)?.members()
    }

    /// An exec's key.
    pub fn exec_id(&self, name: &str) -> Option<ExecId> {
        let id = ExecId::new(&self.string(name)?);
        if id.is_none() {
            self.object_to(name, ID_RULE);
        }
        id
    }

    /// A signal, by name or number.
    pub fn signal(&self, name: &str) -> Option<SignalNumber> {
        let value = self.get(name)?;
        let signal = match value.kind() {
            Kind::Number => value.count().and_then(SignalNumber::new),
            Kind::String => value.string().and_then(|text| SignalNumber::parse(&text)),
            _ => {
                self.refuse_kind(name, "the name or number of a signal", value);
                return None;
            }
        };
        if signal.is_none() {
            let text = value.string().unwrap_or_else(|| value.digits().unwrap_or_default().into());
            self.refuse(name, format_args!("is no signal: {}", Quoted(shortened(&text, 32))));
        }
        signal
    }

    /// Bytes in base64.
    pub fn base64(&self, name: &str) -> Option<Vec<u8>> {
        let bytes = base64::decode(&self.string(name)?);
        if bytes.is_none() {
            self.object_to(name, "is not base64 with padding");
        }
        bytes
    }
}

/// What [`ExecId::new`] demands.
pub const ID_RULE: &str = "must have 1 to 128 bytes and no control characters";
