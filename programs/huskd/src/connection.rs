//! A connection: requests, one after another, in one of two languages.

use std::sync::Arc;

use instance::message::{Reason, Refusal, Request};
use sys::fd::OwnedFd;

use crate::client::{Client, Line, REQUEST};
use crate::daemon::Daemon;
use crate::events::Heard;
use crate::refusal::refuse;
use crate::{initns, journal, requests};

/// How long a client may take to begin, in milliseconds.
const FIRST_MS: u64 = 30_000;

/// Serves a client until it goes. What goes wrong with the connection ends it, and nothing else.
pub fn serve(daemon: &Arc<Daemon>, socket: OwnedFd) {
    let served = Client::new(socket).and_then(|mut client| match client.first_byte(FIRST_MS)? {
        None => Ok(()),
        Some(b'{') => serve_requests(daemon, &mut client),
        Some(_) => initns::serve(daemon, &mut client),
    });
    match served {
        // It has gone, or does not read.
        Ok(()) | Err(sys::Errno::PIPE | sys::Errno::CONNRESET | sys::Errno::AGAIN) => {}
        Err(errno) => journal::write(format!("a connection: {}", sys::strerror::describe(errno))),
    }
}

fn serve_requests(daemon: &Arc<Daemon>, client: &mut Client) -> sys::Result<()> {
    loop {
        let line = match client.line(REQUEST)? {
            Line::Whole(line) => line,
            Line::TooLong => {
                let text = format!("a request is at most {REQUEST} bytes long");
                return client.answer(&Err(refuse(Reason::Invalid, text)));
            }
            Line::End => return Ok(()),
        };
        let answer = match serde_json::from_slice(&line) {
            Ok(Request::Events) => {
                return match daemon.events.serve(client)? {
                    Heard::Gone => Ok(()),
                    Heard::TooSlow => client.answer(&Err(too_slow())),
                };
            }
            Ok(request) => requests::perform(daemon, client, request),
            Err(error) => Err(refuse(Reason::Invalid, format!("the request: {error}"))),
        };
        client.forget_passed();
        client.answer(&answer)?;
    }
}

fn too_slow() -> Refusal {
    refuse(Reason::Interrupted, "events: more has happened than was read")
}
