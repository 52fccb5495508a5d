//! What happens, for those who listen. A listener has a queue of its own with an end: who does not read is cut off, and
//! nobody waits for him.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use instance::message::{Answer, Event};
use serde_json::{Map, Value};
use sys::event::{PollFd, PollFlags, poll};
use sys::fd::AsFd as _;

use crate::client::{Client, Peer};
use crate::journal;
use crate::wake::Wake;

/// How many events may wait for a listener.
const LONGEST_QUEUE: usize = 1024;

/// Who listens.
#[derive(Debug, Default)]
pub struct Events(Mutex<Vec<Arc<Listener>>>);

#[derive(Debug)]
struct Listener {
    wake: Wake,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Arc<[u8]>>,
    is_cut: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a listener's time ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// It went, or could not be written to.
    Gone,
    /// It did not read fast enough.
    TooSlow,
}

impl Events {
    /// Something has happened: a line of log, and an event for each who listens.
    pub fn tell(&self, event: &str, name: &str, by: Option<Peer>, more: &[(&str, Value)]) {
        let mut line = format!("{name}: {event}");
        for (key, value) in more {
            match value {
                Value::String(text) => line += &format!(", {key} {text}"),
                value => line += &format!(", {key} {value}"),
            }
        }
        if let Some(by) = by {
            line += &format!(", by {by}");
        }
        journal::write(line);
        let listeners = locked(&self.0);
        if listeners.is_empty() {
            return;
        }
        let mut told: Map<String, Value> =
            more.iter().map(|(key, value)| ((*key).to_string(), value.clone())).collect();
        if let Some(by) = by {
            told.insert("by".into(), serde_json::json!({"uid": by.uid, "pid": by.pid}));
        }
        let time_ns = sys::clock::since_1970();
        let event = Answer::Event(Event { time_ns, event: event.into(), name: name.into(), more: told });
        let Ok(mut line) = serde_json::to_vec(&event) else { return };
        line.push(b'\n');
        let line: Arc<[u8]> = line.into();
        for listener in listeners.iter() {
            let mut queue = locked(&listener.queue);
            if queue.lines.len() < LONGEST_QUEUE {
                queue.lines.push_back(line.clone());
            } else {
                queue.is_cut = true;
            }
            listener.wake.raise();
        }
    }

    /// Something that should be known to who keeps the machine.
    pub fn warn(&self, name: &str, text: impl std::fmt::Display) {
        self.tell("warning", name, None, &[("text", text.to_string().into())]);
    }

    /// Writes what happens to a client, until that goes.
    ///
    /// # Errors
    /// Those of eventfd(2) and poll(2).
    pub fn serve(&self, client: &Client) -> sys::Result<Heard> {
        let listener = Arc::new(Listener { wake: Wake::new()?, queue: Mutex::default() });
        locked(&self.0).push(listener.clone());
        let heard = write_until_gone(&listener, client);
        locked(&self.0).retain(|one| !Arc::ptr_eq(one, &listener));
        heard
    }
}

fn write_until_gone(listener: &Listener, client: &Client) -> sys::Result<Heard> {
    loop {
        let mut fds = [
            PollFd::new(&listener.wake, PollFlags::IN),
            PollFd::from_borrowed_fd(client.as_fd(), PollFlags::RDHUP),
        ];
        match poll(&mut fds, None) {
            Ok(_) if !fds[1].revents().is_empty() => return Ok(Heard::Gone),
            Ok(_) => listener.wake.lower(),
            Err(sys::Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        }
        loop {
            let next = {
                let mut queue = locked(&listener.queue);
                match (queue.is_cut, queue.lines.pop_front()) {
                    (true, _) => return Ok(Heard::TooSlow),
                    (false, next) => next,
                }
            };
            let Some(line) = next else { break };
            if client.send(&line, None).is_err() {
                return Ok(Heard::Gone);
            }
        }
    }
}
