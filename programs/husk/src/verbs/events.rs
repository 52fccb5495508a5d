//! `events`: what happens, as it happens.

use container::Failure;
use instance::message::{Answer, Event, Request};

use serde_json::Value;

use super::list::{Format, format};
use super::said::Said;
use super::{refused, words};
use crate::daemon::{self, ended};

/// Prints events until the daemon ends.
pub fn perform(said: &Said) -> Result<u8, Failure> {
    let format = format(said)?;
    let mut connection = daemon::open(said)?;
    connection.send(&Request::Events, &[])?;
    loop {
        let answer = connection.next().map_err(|failure| match connection.has_ended() {
            true => Failure::ours("events: huskd has ended, and with it the events")
                .hint(Some("husk events once more: what happened meanwhile is not told")),
            false => failure,
        })?;
        match answer {
            Answer::Event(event) => match format {
                Format::Table => crate::show(&line(&event))?,
                Format::Json => {
                    let text = serde_json::to_string(&event);
                    crate::show(&(text.map_err(|error| Failure::ours(format!("JSON: {error}")))? + "\n"))?
                }
            },
            Answer::Error(refusal) => return Err(refused(&mut connection, &Request::Events, refusal)),
            Answer::Ok(_) => return Err(ended()),
            Answer::Progress(_) => continue,
        };
    }
}

/// `2026-11-30T12:00:00Z exited web (by uid 0 pid 4711, code 1)`
fn line(event: &Event) -> String {
    let more = event.more.iter().map(|(name, value)| format!("{} {}", words::plain(name), shown(value)));
    let more = more.collect::<Vec<_>>().join(", ");
    let more = if more.is_empty() { more } else { format!(" ({more})") };
    let time = words::date(event.time_ns / 1_000_000_000);
    format!("{time} {} {}{more}\n", words::plain(&event.event), words::plain(&event.name))
}

/// A value without the signs of JSON: `by uid 0 pid 4711`, `settings memory env`.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => words::plain(text),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(" "),
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            // Who it is before what it is.
            members.sort_by_key(|(name, _)| *name != "uid");
            let members =
                members.into_iter().map(|(name, value)| format!("{} {}", words::plain(name), shown(value)));
            members.collect::<Vec<_>>().join(" ")
        }
        other => words::plain(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let json = r#"{"time_ns":1709251199000000000,"event":"exited","name":"web","code":1,"text":"a\nb",
                        "by":{"pid":9,"uid":0},"settings":["memory","env"]}"#;
        let event: Event = serde_json::from_str(json).unwrap();
        assert_eq!(
            line(&event),
            "2024-02-29T23:59:59Z exited web (by uid 0 pid 9, code 1, settings memory env, text a\\nb)\n"
        );
    }
}
