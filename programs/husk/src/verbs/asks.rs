//! Verbs that are requests and nothing else: what is asked, and what is printed of the answer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use container::Failure;
use instance::message::{Answer, Files, Form, IfRunning, Others, Reason, Request, Stdin};
use instance::state::Then;
use serde_json::{Map, Value};

use super::said::{Said, milliseconds};
use super::settings;
use crate::daemon::{self, Connection};

/// How long somebody else may take to start the next daemon.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
/// A daemon that has gone within this time has not begun to wait, and how many of those in a row are enough.
const SHORT: Duration = Duration::from_secs(1);
const MOST_SHORT: u32 = 3;

/// The requests of a verb, in the order in which they are made; none where the verb is more than that.
pub fn requests(said: &Said) -> Result<Vec<Request>, Failure> {
    let each = |request: &dyn Fn(instance::InstanceName) -> Request| -> Result<Vec<Request>, Failure> {
        Ok(said.instances()?.into_iter().map(request).collect())
    };
    match said.verb.name {
        "new" => {
            let files = if said.has("copy") { Files::Copy } else { Files::Overlay };
            let settings = Box::new(settings::settings(said)?);
            let at_end = Then::Stay;
            Ok(vec![Request::New { name: said.instance(0)?, image: said.image(1)?, files, settings, at_end }])
        }
        "set" => Ok(vec![Request::Set { name: said.instance(0)?, changes: settings::changes(said)? }]),
        "start" => each(&start),
        "stop" | "restart" => {
            let grace_ms = grace_ms(said)?;
            each(&|name| Request::Stop { name, grace_ms })
        }
        "pause" => each(&|name| Request::Pause { name }),
        "resume" => each(&|name| Request::Resume { name }),
        "rm" => {
            let if_running = if said.has("force") { IfRunning::Stop } else { IfRunning::Refuse };
            let grace_ms = grace_ms(said)?;
            each(&|name| Request::Rm { name, if_running, grace_ms })
        }
        "rename" => Ok(vec![Request::Rename { name: said.instance(0)?, to: said.instance(1)? }]),
        "rmi" => (0..said.words.len()).map(|place| Ok(Request::Rmi { image: said.image(place)? })).collect(),
        "wait" => each(&|name| Request::Wait { name }),
        "inspect" => (0..said.words.len())
            .map(|place| Ok(Request::Inspect { name: said.word(place)?.to_owned() }))
            .collect(),
        "commit" => {
            let form = if said.has("flat") { Form::Flat } else { Form::Changes };
            Ok(vec![Request::Commit { name: said.instance(0)?, image: said.image(1)?, form }])
        }
        "seed" => Ok(vec![Request::Seed { directory: directory(said)?, image: said.image(1)? }]),
        _ => Ok(Vec::new()),
    }
}

/// Starts an instance as it is.
fn start(name: instance::InstanceName) -> Request {
    let (others, stdin) = (Others::Keep, Stdin::None);
    Request::Run { name, command: Vec::new(), others, terminal: None, stdin }
}

fn grace_ms(said: &Said) -> Result<Option<u64>, Failure> {
    said.text("grace").map(|text| milliseconds("grace", text)).transpose()
}

/// A directory of the host, whatever the daemon's working directory is.
fn directory(said: &Said) -> Result<String, Failure> {
    let word = said.word(0)?;
    let path = std::path::absolute(word).map_err(|error| Failure::io(word, &error))?;
    path.into_os_string().into_string().map_err(|_| Failure::usage(format!("{word}: not UTF-8")))
}

/// How many requests are under way at once: each has a connection, and the daemon has a thread for it.
const AT_ONCE: usize = 64;

/// A request that the daemon has, and the connection on which it answers.
type Asked = (Request, Connection);

/// Makes the requests side by side, and takes the answers in the order of the names. Where one is refused the others
/// are made all the same, as rm(1) does, and the first refusal that was not the last is said at once.
pub fn perform(said: &Said) -> Result<u8, Failure> {
    let mut requests = requests(said)?.into_iter();
    let mut under_way: VecDeque<Result<Asked, Failure>> = VecDeque::new();
    let mut failure: Option<Failure> = None;
    let mut values = Vec::new();
    loop {
        let room = AT_ONCE - under_way.len();
        for request in requests.by_ref().take(room) {
            if let Some(refusal) = is_lost(said, &request) {
                under_way.push_back(Err(refusal));
                continue;
            }
            let begun = begin(said, request);
            let is_reached = begun.is_ok();
            under_way.push_back(begun);
            if !is_reached {
                // Nor would it be for those that are left.
                requests = Vec::new().into_iter();
                break;
            }
        }
        let Some(next) = under_way.pop_front() else { break };
        match next.and_then(|asked| finish(said, asked)) {
            Ok(answer) => take(said, answer, &mut values)?,
            Err(next) => {
                if let Some(before) = failure.replace(next) {
                    crate::tell(&before.to_string());
                }
            }
        }
    }
    if said.verb.name == "inspect" && !values.is_empty() {
        let value = if said.words.len() == 1 { values.remove(0) } else { Value::Array(values) };
        crate::show(&format!("{value:#}\n"))?;
    }
    failure.map_or(Ok(0), Err)
}

/// Why an instance is not started again: it would be removed as soon as it is stopped. What cannot be found out is for
/// the request itself to say.
fn is_lost(said: &Said, request: &Request) -> Option<Failure> {
    let Request::Stop { name, .. } = request else { return None };
    if said.verb.name != "restart" {
        return None;
    }
    let mut connection = daemon::open(said).ok()?;
    let answer = super::ask(&mut connection, &Request::Inspect { name: name.as_str().into() }).ok()?;
    let at_end = answer.get("value")?.get("at_end")?.as_str()?;
    (at_end == "remove").then(|| {
        let text =
            format!("instance {name}: is removed when it has stopped (run --rm), and cannot be restarted");
        Failure::ours(text)
    })
}

fn begin(said: &Said, request: Request) -> Result<Asked, Failure> {
    let connection = daemon::open(said)?;
    connection.send(&request, &[])?;
    Ok((request, connection))
}

fn finish(said: &Said, (request, mut connection): Asked) -> Result<Map<String, Value>, Failure> {
    match request {
        Request::Wait { .. } => wait(said, &mut connection, &request),
        Request::Stop { name, grace_ms } if said.verb.name == "restart" => {
            stopped(&mut connection, &Request::Stop { name: name.clone(), grace_ms })?;
            super::ask(&mut connection, &start(name))
        }
        _ => super::answer(&mut connection, &request),
    }
}

/// Waits until it has stopped; one that does not run has.
fn stopped(connection: &mut Connection, request: &Request) -> Result<(), Failure> {
    loop {
        match connection.next()? {
            Answer::Ok(_) => return Ok(()),
            Answer::Error(refusal) if refusal.code == Reason::State => return Ok(()),
            Answer::Error(refusal) => return Err(super::refused(connection, request, refusal)),
            Answer::Progress(_) | Answer::Event(_) => {}
        }
    }
}

/// Waits for the end of an instance, which outlives the daemon: where that has gone the next one is asked.
fn wait(said: &Said, connection: &mut Connection, request: &Request) -> Result<Map<String, Value>, Failure> {
    let mut short = 0;
    loop {
        let asked = Instant::now();
        let outcome = super::answer(connection, request);
        if outcome.is_ok() || !connection.has_ended() {
            return outcome;
        }
        // One that ends as soon as it is asked would be started for ever.
        short = if asked.elapsed() < SHORT { short + 1 } else { 0 };
        if short == MOST_SHORT {
            return outcome;
        }
        *connection = reopened(said)?;
        connection.send(request, &[])?;
    }
}

/// A connection to the next daemon, which somebody else may be about to start.
fn reopened(said: &Said) -> Result<Connection, Failure> {
    let until = Instant::now() + PATIENCE;
    loop {
        match daemon::open(said) {
            Err(_) if Instant::now() < until => std::thread::sleep(PAUSE),
            done => return done,
        }
    }
}

fn take(said: &Said, mut answer: Map<String, Value>, values: &mut Vec<Value>) -> Result<(), Failure> {
    super::warn(&answer);
    match said.verb.name {
        "wait" => {
            let code = answer.get("code").and_then(Value::as_u64).unwrap_or_default();
            crate::show(&format!("{code}\n"))?;
        }
        "inspect" => values.push(answer.remove("value").unwrap_or_default()),
        _ => {}
    }
    Ok(())
}

/// All instances that run, by what the daemon lists.
pub fn running(connection: &mut Connection) -> Result<Vec<instance::message::Summary>, Failure> {
    let all = super::list::instances(connection)?;
    Ok(all
        .into_iter()
        .filter(|one| matches!(one.state.as_str(), "running" | "paused" | "stopping"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::said::tests::said;
    use super::*;

    #[test]
    fn each_verb_asks_for_what_was_said() {
        let golden = [
            (
                "new web debian:12",
                r#"{"type":"new","name":"web","image":"debian:12","files":"overlay","settings":"#,
            ),
            (
                "new --copy web debian",
                r#"{"type":"new","name":"web","image":"debian","files":"copy","settings":"#,
            ),
            ("set web -m 1g", r#"{"type":"set","name":"web","changes":{"memory":"1g"}}"#),
            ("set web --unset memory", r#"{"type":"set","name":"web","changes":{"memory":null}}"#),
            ("stop web", r#"{"type":"stop","name":"web","grace_ms":null}"#),
            (
                "stop --grace 1s a b",
                r#"{"type":"stop","name":"a","grace_ms":1000}{"type":"stop","name":"b","grace_ms":1000}"#,
            ),
            ("pause web", r#"{"type":"pause","name":"web"}"#),
            ("resume web", r#"{"type":"resume","name":"web"}"#),
            ("rm web", r#"{"type":"rm","name":"web","if_running":"refuse"}"#),
            ("rm -f web", r#"{"type":"rm","name":"web","if_running":"stop"}"#),
            ("rename web old", r#"{"type":"rename","name":"web","to":"old"}"#),
            ("rmi a b:1", r#"{"type":"rmi","image":"a"}{"type":"rmi","image":"b:1"}"#),
            ("wait web", r#"{"type":"wait","name":"web"}"#),
            (
                "inspect web debian:12",
                r#"{"type":"inspect","name":"web"}{"type":"inspect","name":"debian:12"}"#,
            ),
            ("commit web mine", r#"{"type":"commit","name":"web","image":"mine","form":"changes"}"#),
            ("commit --flat web mine", r#"{"type":"commit","name":"web","image":"mine","form":"flat"}"#),
            ("seed / base", r#"{"type":"seed","directory":"/","image":"base"}"#),
        ];
        for (line, expected) in golden {
            let requests = requests(&said(line).unwrap()).unwrap();
            let json: String =
                requests.iter().map(|request| serde_json::to_string(request).unwrap()).collect();
            assert!(json.starts_with(expected), "{line}: {json}");
        }
    }

    #[test]
    fn wrong_names_are_not_sent() {
        for line in ["rm ../a", "new a /etc/passwd", "rmi -- -x", "commit a b/c"] {
            assert!(requests(&said(line).unwrap()).is_err(), "{line}");
        }
    }
}
