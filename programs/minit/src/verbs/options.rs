//! What follows a verb: where the server is, the verb's own options, and what is left.

use alloc::vec::Vec;
use core::ffi::CStr;

use husk_client::{Address, Client};
use sys::exec::Argument;
use sys::start::Invocation;

use super::{Failure, Verb};
use crate::message::Part::{Text, Value as Shown};
use crate::message::ours;
use crate::settings::DEFAULT_SOCKET;
use crate::values::{milliseconds, number};
use crate::words::{Word, Words};

/// An option: its long name, its letter or 0, and whether a value follows.
pub type Row = (&'static str, u8, Value);

/// Whether a value follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    None,
    Needed,
}

/// Options of every verb.
const SHARED: [Row; 4] = [
    ("socket", 0, Value::Needed),
    ("vsock", 0, Value::Needed),
    ("firecracker", 0, Value::Needed),
    ("help", b'h', Value::None),
];

/// The arguments of a verb.
#[derive(Debug)]
pub struct Options<'a> {
    verb: &'static Verb,
    words: Words<'a>,
    address: Address<'a>,
    /// Whether the options are over: what follows may look like one.
    ended: bool,
    /// Kept here, so that it is closed in one place.
    client: Option<Client>,
    /// How the process was started, for its environment.
    pub invocation: &'a Invocation,
}

impl<'a> Options<'a> {
    pub fn new(verb: &'static Verb, invocation: &'a Invocation) -> Self {
        let words = Words::new(invocation.arguments.get(1..).unwrap_or(&[Argument::END]));
        Self {
            verb,
            words,
            address: Address::Unix(DEFAULT_SOCKET.to_bytes()),
            ended: false,
            client: None,
            invocation,
        }
    }

    /// The verb's own options.
    pub const fn rows(&self) -> &'static [Row] {
        self.verb.rows
    }

    /// The next option that is the verb's own, and its value.
    pub fn next(&mut self) -> Result<Option<(&'static str, &'a CStr)>, Failure> {
        while !self.ended
            && let Some(word) = self.words.next_option()
        {
            let find = |row: &&Row| match word {
                Word::Short(letter) => row.1 == letter,
                Word::Long(name, _) => row.0.as_bytes() == name,
            };
            let Some((name, _, kind)) = self.verb.rows.iter().chain(&SHARED).find(find) else {
                return Err(match word {
                    Word::Short(letter) => self.refuse("-", &[letter], "no such option"),
                    Word::Long(name, _) => self.refuse("--", name, "no such option"),
                });
            };
            let joined = if let Word::Long(_, value) = word { value } else { None };
            let value = match (kind, joined) {
                (Value::None, None) => c"",
                (Value::None, Some(_)) => return Err(self.refuse("--", name.as_bytes(), "takes no value")),
                (Value::Needed, Some(value)) => value,
                (Value::Needed, None) => match self.words.value() {
                    Some(value) => value,
                    None => return Err(self.refuse("--", name.as_bytes(), "needs a value")),
                },
            };
            match *name {
                "socket" => self.address = Address::Unix(value.to_bytes()),
                "vsock" | "firecracker" => match address(name, value.to_bytes()) {
                    Some(address) => self.address = address,
                    None => return Err(self.refuse("--", name.as_bytes(), "it is CID:PORT, or PATH:PORT")),
                },
                "help" => {
                    self.verb.explain();
                    return Err(Failure::Answered(0));
                }
                name => return Ok(Some((name, value))),
            }
        }
        self.ended = true;
        Ok(None)
    }

    /// What the options left, from `least` to `most` words.
    pub fn rest(&mut self, least: usize, most: usize) -> Result<Vec<&'a str>, Failure> {
        // A verb without options of its own still has the shared ones.
        self.next()?;
        let mut words: Vec<&str> = Vec::new();
        for word in self.words.command().iter().map_while(|word| word.text()) {
            words.push(self.text(word)?);
        }
        if words.len() < least || words.len() > most {
            return Err(self.refuse("", b"wrong number of arguments", "see --help"));
        }
        Ok(words)
    }

    /// A word as text: the protocol has no other.
    pub fn text(&self, word: &'a CStr) -> Result<&'a str, Failure> {
        word.to_str().map_err(|_| self.refuse("", word.to_bytes(), "is not UTF-8"))
    }

    /// A time in milliseconds.
    pub fn time(&self, word: &CStr) -> Result<u64, Failure> {
        milliseconds(word.to_bytes())
            .ok_or_else(|| self.refuse("", word.to_bytes(), "a time is 10s, 500ms or 2m"))
    }

    /// A number.
    pub fn number(&self, word: &CStr) -> Result<u64, Failure> {
        number(word.to_bytes()).ok_or_else(|| self.refuse("", word.to_bytes(), "is no number"))
    }

    /// Says that an argument is wrong.
    pub fn refuse(&self, dashes: &str, what: &[u8], why: &str) -> Failure {
        let verb = Text(self.verb.name);
        ours(&[verb, Text(": "), Text(dashes), Shown(what), Text(": "), Text(why)]);
        Failure::Answered(125)
    }

    /// Connects; answers are waited for no longer than `ms`.
    pub fn connect(&mut self, ms: u64) -> Result<&mut Client, husk_client::Error> {
        let client = Client::connect_within(self.address, ms)?;
        Ok(self.client.insert(client))
    }
}

fn address<'a>(name: &str, value: &'a [u8]) -> Option<Address<'a>> {
    let colon = value.iter().rposition(|byte| *byte == b':')?;
    let (head, port) = (value.get(..colon)?, value.get(colon + 1..)?);
    let port = u32::try_from(number(port)?).ok()?;
    if name == "firecracker" {
        return Some(Address::Firecracker { path: head, port });
    }
    Some(Address::Vsock { cid: u32::try_from(number(head)?).ok()?, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_port_behind_the_last_colon() {
        assert_eq!(address("vsock", b"3:1024"), Some(Address::Vsock { cid: 3, port: 1024 }));
        let device = Address::Firecracker { path: b"/run/a:b", port: 5 };
        assert_eq!(address("firecracker", b"/run/a:b:5"), Some(device));
        for wrong in [&b"3"[..], b"3:", b":", b"x:1", b"3:4294967296"] {
            assert_eq!(address("vsock", wrong), None, "{}", wrong.escape_ascii());
        }
    }
}
