//! Commands are started, followed and run to their end.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use sys::fd::BorrowedFd;

use crate::client::{Client, Question, Until};
use crate::error::Error;
use crate::event::{Event, Exit};
use crate::exec::Exec;
use crate::message::Message;
use crate::requests::request;
use crate::running::{Running, WINDOW, Watched};

/// What a command came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Output {
    /// All that its process wrote to standard output, or its terminal.
    pub stdout: Vec<u8>,
    /// All that its process wrote to standard error.
    pub stderr: Vec<u8>,
    /// How it ended.
    pub exit: Exit,
}

/// From where an exec is followed: offsets in its streams, the oldest bytes that are kept where not given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Attach {
    /// From which byte of standard output on.
    pub stdout: Option<u64>,
    /// From which byte of standard error on.
    pub stderr: Option<u64>,
}

impl Client {
    /// Starts a command and follows it. Where the exec of this id runs or has run, it is followed from its oldest
    /// bytes that are kept.
    ///
    /// # Errors
    /// [`Error::Refused`] where it was not started: code 127 where it was not found, 126 where it is not executable.
    pub fn exec(&mut self, exec: &Exec) -> Result<Running, Error> {
        let question = Question::new("exec", "started", exec.key());
        let answer = self.ask(&exec.request(b""), &question)?;
        self.follow(&answer)
    }

    /// Starts a command with these descriptors as its standard input, output and error: nothing is relayed. On unix
    /// sockets alone.
    ///
    /// # Errors
    /// As [`Client::exec`].
    pub fn exec_on(&mut self, exec: &Exec, streams: [BorrowedFd<'_>; 3]) -> Result<Running, Error> {
        let question = Question::new("exec", "started", exec.key());
        let request = exec.request(b",\"output\":\"fds\"");
        let answer = self.ask_with(&request, &streams, &question, Until::Ever)?;
        self.follow(&answer)
    }

    /// Starts a command and does not follow it; its id and pid.
    ///
    /// # Errors
    /// As [`Client::exec`].
    pub fn start(&mut self, exec: &Exec) -> Result<(String, u64), Error> {
        let question = Question::new("exec", "started", exec.key());
        let answer = self.ask(&exec.request(b",\"detach\":true"), &question)?;
        let id = answer.text("id").unwrap_or_default().into_owned();
        Ok((id, answer.count("pid").unwrap_or_default()))
    }

    fn follow(&mut self, started: &Message) -> Result<Running, Error> {
        let (Some(id), Some(number)) = (started.text("id"), started.count("exec")) else {
            let what = started.as_str().to_owned();
            return Err(Error::Unexpected { during: "exec", what });
        };
        let (number, pid) = (number as u32, started.count("pid").unwrap_or_default());
        let running = Running { number, id: id.into_owned(), pid };
        self.watched.push(Watched::new(number, running.id.clone(), pid));
        running.credit(self, WINDOW)?;
        Ok(running)
    }

    /// Runs a command to the end of its process with these bytes as its standard input, and collects what it wrote.
    ///
    /// # Errors
    /// As [`Client::exec`]. A command that fails is none.
    pub fn output(&mut self, exec: &Exec, mut input: &[u8]) -> Result<Output, Error> {
        let running =
            if input.is_empty() { self.exec(exec)? } else { self.exec(&exec.clone().open_stdin())? };
        let mut output = Output::default();
        let mut closed = input.is_empty();
        loop {
            if !closed {
                input = &input[running.write(self, input)?..];
                if input.is_empty() {
                    closed = true;
                    // It may have ended without reading all of it.
                    match running.close_input(self) {
                        Ok(()) | Err(Error::Refused { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            match running.next(self)? {
                Some(Event::Stdout { bytes, .. }) => output.stdout.extend_from_slice(&bytes),
                Some(Event::Stderr { bytes, .. }) => output.stderr.extend_from_slice(&bytes),
                Some(Event::InputRefused { .. }) => closed = true,
                Some(Event::Exit(exit)) => {
                    output.exit = exit;
                    break;
                }
                Some(_) => {}
                None => return Err(Error::Lost { during: "exec", why: None }),
            }
        }
        while running.fetched(self)?.is_some() {}
        if !running.is_over(self) {
            // Somebody else holds its streams; whom nobody follows the server forgets by itself.
            match running.detach(self) {
                Ok(()) | Err(Error::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(output)
    }

    /// Follows an exec. Not twice at a time on one connection.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is none of this id.
    pub fn attach(&mut self, id: &str, from: Attach) -> Result<Running, Error> {
        let request = request("attach", |message| {
            message.text("id", id);
            for (name, offset) in [("from_stdout", from.stdout), ("from_stderr", from.stderr)] {
                if let Some(offset) = offset {
                    message.count(name, offset);
                }
            }
        });
        let answer = self.ask(&request, &Question::new("attach", "started", Some(id)))?;
        self.follow(&answer)
    }
}

impl Output {
    /// Standard output as text, what is none of it replaced by U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}
