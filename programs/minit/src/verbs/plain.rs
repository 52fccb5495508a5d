//! Verbs that are one request each, as rows of tables: which options and words become which members, and what is shown
//! of the answer.

use alloc::string::ToString;
use alloc::vec::Vec;

use husk_client::{Client, Error, Message, Until};
use wire::json::Object;

use super::options::Options;
use super::table::{Column, show};
use super::{Failure, Outcome};
use crate::help::print;
use crate::values::{milliseconds, number};

/// How long an answer is waited for that needs no time, in milliseconds.
pub const PATIENCE: u64 = 10_000;

/// How a value is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Text,
    Number,
    /// In milliseconds.
    Time,
    /// An exec's id; a pid where no exec has it and it is a number.
    Target,
}

/// What is shown of an answer.
#[derive(Clone, Copy, Debug)]
enum Shown {
    Nothing,
    /// All of it, as it is.
    Line,
    /// All of it, and what else comes.
    Lines,
    /// The exit code, which is ours too.
    Code,
    /// The objects of its array.
    Table(&'static [Column]),
}

/// A verb that is one request; one for each word where its words may be many.
#[derive(Debug)]
pub struct Plain {
    /// Type of the request, and of its answer.
    types: [&'static str; 2],
    /// For each option of the verb, the member that it becomes.
    members: &'static [Member],
    words: &'static [Member],
    /// How many words there are at least and at most.
    count: [usize; 2],
    shown: Shown,
}

type Member = (&'static str, Form);

const MANY: usize = usize::MAX;
const PID: Member = ("pid", Form::Number);
const ID: Member = ("id", Form::Text);
/// A request without options and words that is answered with `ok`.
const BARE: Plain =
    Plain { types: ["", "ok"], members: &[], words: &[], count: [0, 0], shown: Shown::Nothing };

pub const WAIT: Plain = Plain {
    types: ["wait", "exit"],
    members: &[("timeout_ms", Form::Time)],
    words: &[ID],
    count: [1, MANY],
    shown: Shown::Code,
};
pub const KILL: Plain = Plain {
    types: ["kill", "kill_result"],
    members: &[("signal", Form::Text), ("scope", Form::Text), PID],
    words: &[("id", Form::Target)],
    count: [1, MANY],
    ..BARE
};
pub const LIST: Plain = Plain {
    types: ["list", "execs"],
    members: &[("tag", Form::Text), ("state", Form::Text)],
    shown: Shown::Table(&[
        ("ID", &["id"]),
        ("PID", &["pid"]),
        ("STATE", &["state"]),
        ("CODE", &["exit", "code"]),
        ("TAG", &["tag"]),
        ("COMMAND", &["cmd"]),
    ]),
    ..BARE
};
pub const PROCESSES: Plain = Plain {
    types: ["list_processes", "processes"],
    shown: Shown::Table(&[
        ("PID", &["pid"]),
        ("PPID", &["ppid"]),
        ("S", &["state"]),
        ("KB", &["memory_kb"]),
        ("COMMAND", &["command"]),
    ]),
    ..BARE
};
pub const STATS: Plain = Plain { types: ["stats", "stats"], shown: Shown::Line, ..BARE };
pub const EVENTS: Plain = Plain { types: ["events", "ok"], shown: Shown::Lines, ..BARE };
pub const FREEZE: Plain = Plain { types: ["freeze", "ok"], words: &[ID], count: [0, 1], ..BARE };
pub const THAW: Plain = Plain { types: ["thaw", "ok"], words: &[ID], count: [0, 1], ..BARE };
pub const ACK: Plain = Plain { types: ["ack", "ok"], words: &[ID], count: [1, MANY], ..BARE };
pub const RESIZE: Plain = Plain {
    types: ["resize", "ok"],
    words: &[ID, ("rows", Form::Number), ("cols", Form::Number)],
    count: [3, 3],
    ..BARE
};
pub const SIGNAL: Plain =
    Plain { types: ["signal_main", "ok"], words: &[("signal", Form::Text)], count: [1, 1], ..BARE };
pub const SHUTDOWN: Plain = Plain {
    types: ["shutdown", "ok"],
    members: &[("mode", Form::Text), ("grace_ms", Form::Time), ("code", Form::Number)],
    ..BARE
};
/// From the host to a guest that was restored from a snapshot: the time, fresh randomness, and who it is now.
pub const RESUME: Plain = Plain {
    types: ["resume", "ok"],
    members: &[("hostname", Form::Text), ("machine_id", Form::Text)],
    ..BARE
};

impl Plain {
    /// Does it.
    pub fn run(&self, options: &mut Options<'_>) -> Outcome {
        let mut given: Vec<(Member, &str)> = Vec::new();
        while let Some((name, value)) = options.next()? {
            let mut rows = options.rows().iter().zip(self.members);
            if let Some((_, member)) = rows.find(|((row, ..), _)| *row == name) {
                given.push((*member, options.checked(member.1, value)?));
            }
        }
        // Who is meant stands there already.
        let count = if given.iter().any(|(member, _)| *member == PID) { [0, 0] } else { self.count };
        let words = options.rest(count[0], count[1])?;
        for ((_, form), word) in self.words.iter().zip(&words) {
            if *form == Form::Number && number(word.as_bytes()).is_none() {
                return Err(options.refuse("", word.as_bytes(), "is no number"));
            }
        }
        // Words that may be many are one request each.
        let length = if self.count[1] == MANY { 1 } else { words.len().max(1) };
        let mut turns = words.chunks(length);
        let mut turn = turns.next().unwrap_or_default();
        let client = options.connect(PATIENCE)?;
        loop {
            let mut members = given.clone();
            members.extend(self.words.iter().copied().zip(turn.iter().copied()));
            let code = match (self.ask(client, &members), members.last_mut()) {
                (Err(Failure::Client(error)), Some((member @ (_, Form::Target), value)))
                    if is_no_exec(&error) && number(value.as_bytes()).is_some() =>
                {
                    *member = PID;
                    self.ask(client, &members)?
                }
                (answer, _) => answer?,
            };
            match turns.next() {
                Some(next) => turn = next,
                None => return Ok(code),
            }
        }
    }

    fn ask(&self, client: &mut Client, members: &[(Member, &str)]) -> Outcome {
        let [kind, _] = self.types;
        let mut request = Vec::new();
        let mut message = Object::message(&mut request, kind);
        match kind {
            "list" => {
                let mut filter = message.object("filter");
                write(&mut filter, members);
                filter.end();
            }
            "resume" => {
                write(&mut message, members);
                news(&mut message)?;
            }
            _ => write(&mut message, members),
        }
        message.end();
        let id = members.iter().find(|((name, form), _)| *name == "id" && *form == Form::Text);
        let until = if matches!(self.shown, Shown::Code) { Until::Ever } else { Until::in_ms(PATIENCE) };
        match client.request(&request, self.types, id.map(|(_, id)| *id), until) {
            // It was quicker than its answer.
            Err(Error::Lost { .. }) if kind == "shutdown" => Ok(0),
            answer => self.show(client, &answer?),
        }
    }

    fn show(&self, client: &mut Client, answer: &Message) -> Outcome {
        match self.shown {
            Shown::Nothing => {}
            Shown::Line => line(answer),
            Shown::Lines => loop {
                line(&client.next_notice()?);
            },
            Shown::Code => {
                let code = answer.count("code").unwrap_or(255).min(255) as u8;
                print(&(code.to_string() + "\n"));
                return Ok(code);
            }
            Shown::Table(columns) => show(answer, self.types[1], columns),
        }
        Ok(0)
    }
}

/// Whether the server knows no exec of the id that it was asked about.
fn is_no_exec(error: &Error) -> bool {
    matches!(error, Error::Refused { text, .. } if text.contains("no exec has the id"))
}

/// Members, whose values have been checked.
fn write(object: &mut Object<'_>, members: &[(Member, &str)]) {
    for ((name, form), value) in members {
        let bytes = value.as_bytes();
        match (form, number(bytes)) {
            (Form::Time, _) => object.count(name, milliseconds(bytes).unwrap_or_default()),
            (Form::Number, count) => object.count(name, count.unwrap_or_default()),
            (Form::Text | Form::Target, _) => object.text(name, value),
        };
    }
}

fn line(message: &Message) {
    print(message.as_str());
    print("\n");
}

/// What a guest that was restored from a snapshot cannot know.
fn news(message: &mut Object<'_>) -> Result<(), Failure> {
    let mut seed = [0u8; 64];
    match sys::rand::getrandom(&mut seed[..], sys::rand::GetRandomFlags::empty()) {
        Ok(_) => message.base64("seed_b64", &seed),
        Err(why) => return Err(Error::Lost { during: "getrandom", why: Some(why) }.into()),
    };
    message.count("unix_ns", sys::clock::since_1970());
    Ok(())
}

impl<'a> Options<'a> {
    /// A value as text, if it has its form.
    fn checked(&self, form: Form, value: &'a core::ffi::CStr) -> Result<&'a str, Failure> {
        match form {
            Form::Number => self.number(value).map(drop)?,
            Form::Time => self.time(value).map(drop)?,
            Form::Text | Form::Target => {}
        }
        self.text(value)
    }
}
