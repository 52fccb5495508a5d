//! A connection of initns' client: lines of words (`instance::text`).

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;

use instance::message::{Reason, Refusal, Request};
use instance::state::Phase;
use instance::text::{Asked, LONGEST_LINE, Said, parse, print};
use instance::{ImageName, message::What};
use serde_json::Value;

use crate::client::{Client, Done, Hears, Line};
use crate::daemon::Daemon;
use crate::refusal::refuse;
use crate::verbs::images;
use crate::{journal, requests};

/// Serves a client until it goes.
///
/// # Errors
/// Those of the connection.
pub fn serve(daemon: &Arc<Daemon>, client: &mut Client) -> sys::Result<()> {
    client.hears(Hears::Answers);
    loop {
        let said = match client.line(LONGEST_LINE)? {
            Line::Whole(line) => answer(daemon, client, &line),
            Line::TooLong => return client.send(print(&Said::Syntax).as_bytes(), None),
            Line::End => return Ok(()),
        };
        client.forget_passed();
        client.send(print(&said).as_bytes(), None)?;
    }
}

fn answer(daemon: &Arc<Daemon>, client: &mut Client, line: &[u8]) -> Said {
    let Ok(line) = std::str::from_utf8(line) else { return Said::Syntax };
    let request = match parse(line) {
        Ok(Asked::Request(request)) => request,
        Ok(Asked::Help) => return Said::Help,
        Err(said) => return said,
    };
    match perform(daemon, client, request) {
        Ok(said) => said,
        Err(refusal) => {
            // There is no word for it in this protocol.
            journal::write(format!("{}: {}", client.peer(), refusal.data));
            Said::Error
        }
    }
}

fn perform(daemon: &Arc<Daemon>, client: &mut Client, request: Request) -> Result<Said, Refusal> {
    match request {
        Request::Ls { what } => {
            let mut names = names(&requests::perform(daemon, client, request)?, what);
            if what == What::Images {
                names.extend(archives(daemon));
                names.sort_unstable();
                names.dedup();
            }
            Ok(Said::List(names))
        }
        Request::Run { ref name, .. } => {
            // To run what runs is to resume it, and no error.
            let is_running = daemon
                .seat(name)
                .is_ok_and(|seat| matches!(seat.record().state.phase, Phase::Running { .. }));
            if !is_running {
                requests::perform(daemon, client, request)?;
            }
            daemon.leave_console();
            Ok(Said::Ok)
        }
        Request::New { ref image, .. } => {
            if images::find(daemon, image).is_err_and(|refusal| refusal.code == Reason::NotFound) {
                import(daemon, client, image)?;
            }
            requests::perform(daemon, client, request).map(|_| Said::Ok)
        }
        // In its language that is an error.
        Request::Stop { ref name, .. }
            if daemon.seat(name).is_ok_and(|seat| is_over(&seat.record().state.phase)) =>
        {
            Err(refuse(Reason::State, format!("instance {name}: does not run")))
        }
        request => requests::perform(daemon, client, request).map(|_| Said::Ok),
    }
}

const fn is_over(phase: &Phase) -> bool {
    matches!(phase, Phase::Created | Phase::Exited { .. })
}

/// initns' images are archives in its root's `images`: one becomes an image of the same name when it is first used.
fn import(daemon: &Daemon, client: &Client, image: &ImageName) -> Result<(), Refusal> {
    const NOFOLLOW_NONBLOCK: i32 = 0o404_000;
    let path = daemon.arguments.root.join("images").join(image.as_str());
    let archive = File::options().read(true).custom_flags(NOFOLLOW_NONBLOCK).open(&path);
    match archive.and_then(|file| file.metadata().map(|metadata| (file, metadata.is_file()))) {
        Ok((file, true)) => images::import_from(daemon, client, file.into(), image).map(drop),
        _ => Ok(()),
    }
}

/// The archives among the images: what can be named although it has not been used yet. The store's own records in
/// that directory end in `.json`.
fn archives(daemon: &Daemon) -> Vec<String> {
    let entries = std::fs::read_dir(daemon.arguments.root.join("images"));
    let files = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let names = files.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| !name.ends_with(".json") && ImageName::new(name.as_str()).is_ok()).collect()
}

/// The names in an answer to `ls`.
fn names(done: &Done, what: What) -> Vec<String> {
    let list = match what {
        What::Instances => "instances",
        What::Images => "images",
    };
    let all = done.told.get(list).and_then(Value::as_array);
    all.into_iter().flatten().filter_map(|one| one["name"].as_str().map(String::from)).collect()
}
