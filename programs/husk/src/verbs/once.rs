//! `run --rm IMAGE`: an instance that is made for one command, and removed when that has ended.

use container::Failure;
use instance::InstanceName;
use instance::message::{Answer, Files, IfRunning, Reason, Request};
use instance::state::Then;

use super::follow::{Outcome, Start};
use super::said::Said;
use super::{refused, settings, warn};
use crate::daemon::{self, Connection};

/// How many names are tried where one was not given: each is in use by chance alone.
const TRIES: u32 = 8;

/// Runs it; the exit code. The daemon removes the instance at its end, whatever becomes of us; where we see the end we wait
/// until that is done.
pub fn run(said: &Said) -> Result<u8, Failure> {
    let start = Start::of(said)?;
    let mut connection = daemon::open(said)?;
    let name = make(said, &mut connection)?;
    let outcome = start.follow(&mut connection, &name, Vec::new());
    if !matches!(outcome, Ok(Outcome::Left(_))) {
        remove(said, &name);
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

/// Removes it now. Where somebody else has, or the daemon is about to, there is nothing to say.
fn remove(said: &Said, name: &InstanceName) {
    let Ok(mut connection) = daemon::open(said) else { return };
    let request = Request::Rm { name: name.clone(), if_running: IfRunning::Stop, grace_ms: None };
    if connection.send(&request, &[]).is_err() {
        return;
    }
    if let Ok(Answer::Error(refusal)) = connection.next()
        && refusal.code != Reason::NotFound
    {
        crate::tell(&format!("warning: {}", super::words::plain(&refusal.data)));
    }
}
