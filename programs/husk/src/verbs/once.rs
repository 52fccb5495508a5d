//! `run --rm IMAGE`: an instance that is made for one command, and removed when that has ended.

use std::time::{Duration, Instant};

use container::Failure;
use instance::InstanceName;
use instance::message::{Answer, Files, Reason, Request};
use instance::state::Then;

use super::follow::{Outcome, Start};
use super::said::Said;
use super::{refused, settings, warn};
use crate::daemon::{self, Connection};

/// How many names are tried where one was not given: each is in use by chance alone.
const TRIES: u32 = 8;
/// How long its removal is waited for, and how often it is looked for.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// Runs it; the exit code. The daemon removes the instance at its end, whatever becomes of us; where we see the end we wait
/// until that is done.
pub fn run(said: &Said) -> Result<u8, Failure> {
    let start = Start::of(said)?;
    let mut connection = daemon::open(said)?;
    let name = make(said, &mut connection)?;
    let outcome = start.follow(&mut connection, &name, Vec::new());
    // It is kept from being removed as long as there is this connection.
    drop(connection);
    if !matches!(outcome, Ok(Outcome::Left(_))) {
        await_removal(said, &name);
    }
    outcome.map(Outcome::code)
}

fn make(said: &Said, connection: &mut Connection) -> Result<InstanceName, Failure> {
    let (image, settings) = (said.image(0)?, Box::new(settings::settings(said)?));
    let files = if said.has("copy") { Files::Copy } else { Files::Overlay };
    let given = said.text("name").map(InstanceName::new).transpose();
    let given = given.map_err(|error| Failure::usage(error.to_string()))?;
    let mut tries = 0;
    loop {
        let name = match &given {
            Some(name) => name.clone(),
            None => InstanceName::new(format!("run-{}", crate::run::digits()))
                .map_err(|error| Failure::ours(error.to_string()))?,
        };
        tries += 1;
        let (image, settings) = (image.clone(), settings.clone());
        let request = Request::New { name: name.clone(), image, files, settings, at_end: Then::Remove };
        connection.send(&request, &[])?;
        let answer = loop {
            match connection.next()? {
                Answer::Progress(_) | Answer::Event(_) => {}
                end => break end,
            }
        };
        match answer {
            Answer::Error(refusal) if refusal.code == Reason::Exists && given.is_none() && tries < TRIES => {}
            Answer::Error(refusal) => return Err(refused(connection, &request, refusal)),
            Answer::Ok(answer) => {
                warn(&answer);
                return Ok(name);
            }
            Answer::Progress(_) | Answer::Event(_) => {}
        }
    }
}

/// Waits until the daemon has removed it, so that its name is free for the next one. Not by its name: another instance
/// may have that by now.
fn await_removal(said: &Said, name: &InstanceName) {
    let until = Instant::now() + PATIENCE;
    let Ok(mut connection) = daemon::open(said) else { return };
    let request = Request::Inspect { name: name.to_string() };
    while Instant::now() < until && connection.send(&request, &[]).is_ok() {
        let Ok(Answer::Ok(answer)) = connection.next() else { return };
        let Some(value) = answer.get("value") else { return };
        let is_ours = value["at_end"] == "remove"
            && matches!(value["summary"]["state"].as_str(), Some("created" | "exited" | "removing"));
        if !is_ours {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}
