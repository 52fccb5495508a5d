//! The requests.

use alloc::vec::Vec;

use wire::json::{Object, Value};
use wire::{Mode, Scope};

use crate::answers::{Listed, Pong, Process};
use crate::client::{Client, Question, Refusal, Until};
use crate::error::Error;
use crate::event::Exit;
use crate::message::{Message, member};

/// Which execs are listed: those that fit every part given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Filter<'f> {
    /// That of this key.
    pub id: Option<&'f str>,
    /// Those with this tag.
    pub tag: Option<&'f str>,
    /// `running`, `exited` or `orphaned`.
    pub state: Option<&'f str>,
}

/// What a guest is told that was restored from a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct News<'n> {
    /// Nanoseconds since 1970.
    pub unix_ns: Option<u64>,
    /// Fresh randomness.
    pub seed: Option<&'n [u8]>,
    /// The new name of the machine.
    pub hostname: Option<&'n str>,
    /// Its new id: 32 hexadecimal digits (machine-id(5)).
    pub machine_id: Option<&'n str>,
}

const fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Leader => "leader",
        Scope::Group => "group",
        Scope::Tree => "tree",
    }
}

pub(crate) fn request(kind: &str, write: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut message = Object::message(&mut out, kind);
    write(&mut message);
    message.end();
    out
}

impl Client {
    /// A request that is answered with `ok`.
    pub(crate) fn command(
        &mut self,
        question: &Question<'_>,
        write: impl FnOnce(&mut Object<'_>),
    ) -> Result<(), Error> {
        let request = request(question.during, |message| {
            if let Some(id) = question.id {
                message.text("id", id);
            }
            write(message);
        });
        self.ask(&request, question).map(drop)
    }

    /// Any request of the protocol, as one JSON object, for callers that have no use for types: `kind` is its type,
    /// `answer` that of its answer, `id` that of the exec that it is about.
    ///
    /// # Errors
    /// [`Error::Refused`], and those of the connection.
    pub fn request(
        &mut self,
        request: &[u8],
        [kind, answer]: [&'static str; 2],
        id: Option<&str>,
        until: Until,
    ) -> Result<Message, Error> {
        self.ask_with(request, &[], &Question::new(kind, answer, id), until)
    }

    /// Whether the server is there, and what it is.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn ping(&mut self) -> Result<Pong, Error> {
        let question = Question::new("ping", "pong", None);
        self.ask(&request("ping", |_| {}), &question).map(|message| Pong::read(&message))
    }

    /// Waits for an exec's end, also long after it, no longer than `timeout_ms`.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is none of this id, or it still runs.
    pub fn wait(&mut self, id: &str, timeout_ms: Option<u64>) -> Result<Exit, Error> {
        let request = request("wait", |message| {
            message.text("id", id);
            if let Some(timeout) = timeout_ms {
                message.count("timeout_ms", timeout);
            }
        });
        let question = Question::new("wait", "exit", Some(id));
        let answer = self.ask_with(&request, &[], &question, Until::Ever)?;
        Ok(Exit::read(answer.value()))
    }

    /// The record of an exec that is over is not needed any more.
    ///
    /// # Errors
    /// [`Error::Refused`] where it still runs, or there is none of this id.
    pub fn ack(&mut self, id: &str) -> Result<(), Error> {
        self.command(&Question::new("ack", "ok", Some(id)), |_| {})
    }

    /// Sends a signal, by name or number, to a process of the machine.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is no such process, or it is process 1.
    pub fn kill_process(&mut self, pid: u64, signal: &str, scope: Scope) -> Result<(), Error> {
        self.kill(signal, scope, |message| {
            message.count("pid", pid);
        })
    }

    /// Sends a signal, by name or number, to an exec.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is none of this id, or nobody of it is left.
    pub fn kill_exec(&mut self, id: &str, signal: &str, scope: Scope) -> Result<(), Error> {
        self.kill(signal, scope, |message| {
            message.text("id", id);
        })
    }

    fn kill(&mut self, signal: &str, scope: Scope, whom: impl FnOnce(&mut Object<'_>)) -> Result<(), Error> {
        let request = request("kill", |message| {
            whom(message);
            message.text("signal", signal).text("scope", scope_word(scope));
        });
        self.ask(&request, &Question::new("kill", "kill_result", None)).map(drop)
    }

    /// An exec's terminal has another size.
    ///
    /// # Errors
    /// [`Error::Refused`] where it has none, or there is none of this id.
    pub fn resize(&mut self, id: &str, rows: u16, cols: u16) -> Result<(), Error> {
        let question = Question { refusal: Refusal::Named, ..Question::new("resize", "ok", Some(id)) };
        self.command(&question, |message| {
            message.count("rows", rows.max(1).into()).count("cols", cols.max(1).into());
        })
    }

    /// The execs that run, and those that ended and are remembered.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn list(&mut self, filter: Filter<'_>) -> Result<Vec<Listed>, Error> {
        let request = request("list", |message| {
            let mut object = message.object("filter");
            for (name, part) in [("id", filter.id), ("tag", filter.tag), ("state", filter.state)] {
                if let Some(part) = part {
                    object.text(name, part);
                }
            }
            object.end();
        });
        let answer = self.ask(&request, &Question::new("list", "execs", None))?;
        let execs = member(answer.value(), "execs").and_then(Value::elements);
        Ok(execs.into_iter().flatten().map(Listed::read).collect())
    }

    /// All processes of the machine or container.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn list_processes(&mut self) -> Result<Vec<Process>, Error> {
        let question = Question::new("list_processes", "processes", None);
        let answer = self.ask(&request("list_processes", |_| {}), &question)?;
        let processes = member(answer.value(), "processes").and_then(Value::elements);
        Ok(processes.into_iter().flatten().map(Process::read).collect())
    }

    /// Figures of the server and its machine, as it tells them.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn stats(&mut self) -> Result<Message, Error> {
        self.ask(&request("stats", |_| {}), &Question::new("stats", "stats", None))
    }

    /// Asks to be told of execs that start and end and of what happens to the machine: [`Client::next_notice`].
    ///
    /// # Errors
    /// Those of the connection.
    pub fn events(&mut self) -> Result<(), Error> {
        self.command(&Question::new("events", "ok", None), |_| {})
    }

    /// The next thing that has happened since [`Client::events`].
    ///
    /// # Errors
    /// Those of the connection.
    pub fn next_notice(&mut self) -> Result<Message, Error> {
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Ok(notice);
            }
            self.receive(Until::Ever)?;
        }
    }

    /// Stops an exec that has a cgroup of its own, or the main command where no id is given, until it is thawed.
    ///
    /// # Errors
    /// [`Error::Refused`] where that cannot be.
    pub fn freeze(&mut self, id: Option<&str>) -> Result<(), Error> {
        self.command(&Question::new("freeze", "ok", id), |_| {})
    }

    /// Lets what was frozen go on.
    ///
    /// # Errors
    /// As [`Client::freeze`].
    pub fn thaw(&mut self, id: Option<&str>) -> Result<(), Error> {
        self.command(&Question::new("thaw", "ok", id), |_| {})
    }

    /// Sends a signal, by name or number, to the main command.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is none.
    pub fn signal_main(&mut self, signal: &str) -> Result<(), Error> {
        self.command(&Question::new("signal_main", "ok", None), |message| {
            message.text("signal", signal);
        })
    }

    /// Ends everything: the container, or the machine.
    ///
    /// # Errors
    /// [`Error::Refused`] where that cannot be. A server that has gone before it answered is none.
    pub fn shutdown(&mut self, mode: Mode, grace_ms: Option<u64>, code: Option<u8>) -> Result<(), Error> {
        let word = match mode {
            Mode::Exit => "exit",
            Mode::Poweroff => "poweroff",
            Mode::Reboot => "reboot",
        };
        let done = self.command(&Question::new("shutdown", "ok", None), |message| {
            message.text("mode", word);
            for (name, value) in [("grace_ms", grace_ms), ("code", code.map(u64::from))] {
                if let Some(value) = value {
                    message.count(name, value);
                }
            }
        });
        match done {
            Err(Error::Lost { .. }) => Ok(()),
            done => done,
        }
    }

    /// Tells a guest that was restored from a snapshot what has changed.
    ///
    /// # Errors
    /// [`Error::Refused`] where it is none, or a part could not be done.
    pub fn resume(&mut self, news: News<'_>) -> Result<(), Error> {
        self.command(&Question::new("resume", "ok", None), |message| {
            if let Some(time) = news.unix_ns {
                message.count("unix_ns", time);
            }
            if let Some(seed) = news.seed {
                message.base64("seed_b64", seed);
            }
            for (name, value) in [("hostname", news.hostname), ("machine_id", news.machine_id)] {
                if let Some(value) = value {
                    message.text(name, value);
                }
            }
        })
    }
}
