//! `ls` and `images`: tables for people, JSON and names for programs.

use container::Failure;
use instance::message::{ImageSummary, Request, Summary, What};
use instance::state::Reboot;
use serde::de::DeserializeOwned;

use super::said::Said;
use super::table_text::{Colour, Table};
use super::{ask, words};
use crate::daemon::{self, Connection};

/// How a list is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// The format that was said.
pub fn format(said: &Said) -> Result<Format, Failure> {
    let choice = said.choice("format", &[("table", Format::Table), ("json", Format::Json)])?;
    Ok(choice.unwrap_or(Format::Table))
}

/// `ls` and `images`
pub fn perform(said: &Said) -> Result<u8, Failure> {
    let what = match (said.verb.name, said.word(0)?) {
        ("images", _) | (_, "images") => What::Images,
        (_, "" | "instances") => What::Instances,
        (_, other) => return Err(Failure::usage(format!("ls {other:?}: it is instances or images"))),
    };
    let format = format(said)?;
    let mut connection = daemon::open(said)?;
    let mut unreachable = Vec::new();
    let text = match what {
        What::Instances => {
            let all = instances(&mut connection)?;
            let hanging = all.iter().filter(|one| one.state == "unreachable");
            unreachable.extend(hanging.filter_map(|one| Some((one.name.clone(), one.reason.clone()?))));
            match (said.has("quiet"), format) {
                (true, _) => all.iter().map(|one| format!("{}\n", one.name)).collect(),
                (_, Format::Json) => json(&all)?,
                (_, Format::Table) => table(&all).to_text(Colour::of_stdout()),
            }
        }
        What::Images => {
            let all = images(&mut connection)?;
            match (said.has("quiet"), format) {
                (true, _) => all.iter().map(|one| format!("{}\n", one.name)).collect(),
                (_, Format::Json) => json(&all)?,
                (_, Format::Table) => table_of_images(&all).to_text(Colour::of_stdout()),
            }
        }
    };
    let shown = crate::show(&text);
    for (name, reason) in unreachable {
        crate::tell(&format!("{name}: {} (hint: husk stop {name} kills the shim)", words::plain(&reason)));
    }
    shown
}

/// Every instance, as the daemon lists them.
pub fn instances(connection: &mut Connection) -> Result<Vec<Summary>, Failure> {
    listed(connection, What::Instances, "instances")
}

/// Every image, as the daemon lists them.
pub fn images(connection: &mut Connection) -> Result<Vec<ImageSummary>, Failure> {
    listed(connection, What::Images, "images")
}

fn listed<T: DeserializeOwned>(
    connection: &mut Connection,
    what: What,
    member: &str,
) -> Result<Vec<T>, Failure> {
    let mut answer = ask(connection, &Request::Ls { what })?;
    let list = answer.remove(member).unwrap_or_default();
    serde_json::from_value(list)
        .map_err(|error| Failure::ours(format!("huskd: unexpected list of {member}: {error}")))
}

fn json<T: serde::Serialize>(list: &[T]) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(list);
    text.map(|text| text + "\n").map_err(|error| Failure::ours(format!("JSON: {error}")))
}

fn table(all: &[Summary]) -> Table {
    // A column in which there is nothing is not shown.
    let has_address = all.iter().any(|one| one.address.is_some());
    let mut titles = vec!["NAME", "IMAGE", "STATE", "SINCE", "PID", "COMMAND"];
    if has_address {
        titles.insert(5, "ADDRESS");
    }
    let mut table = Table::new(&titles);
    for one in all {
        let state = state(one);
        let colour = match (one.state.as_str(), one.code) {
            ("running", _) => Colour::Green,
            ("paused" | "stopping" | "restarting", _) => Colour::Yellow,
            ("exited", Some(_)) if one.reboot.is_some() => Colour::None,
            ("exited", Some(code)) if code != 0 => Colour::Red,
            ("unreachable", _) => Colour::Red,
            _ => Colour::None,
        };
        let mut row = vec![
            (one.name.to_string(), Colour::None),
            (one.image.to_string(), Colour::None),
            (state, colour),
            (words::ago(if one.since == 0 { one.created } else { one.since }), Colour::None),
            (one.pid.map_or_else(String::new, |pid| pid.to_string()), Colour::None),
            (words::command(&one.command, 40), Colour::None),
        ];
        if has_address {
            row.insert(5, (words::plain(one.address.as_deref().unwrap_or_default()), Colour::None));
        }
        table.push(row);
    }
    table
}

fn state(one: &Summary) -> String {
    match (one.state.as_str(), one.code, one.reboot) {
        ("exited", _, Some(Reboot::PowerOff)) => "powered off".into(),
        ("exited", _, Some(Reboot::Restart)) => "rebooted".into(),
        ("exited", Some(code), None) => format!("exited {code}"),
        (state, _, _) => words::plain(state),
    }
}

fn table_of_images(all: &[ImageSummary]) -> Table {
    let mut table = Table::new(&["IMAGE", "CREATED", "SIZE", "LAYERS", "INSTANCES"]);
    for one in all {
        let instances: Vec<String> = one.instances.iter().map(ToString::to_string).collect();
        let cells = [
            one.name.to_string(),
            words::ago(one.created),
            words::size(one.size),
            one.layers.to_string(),
            words::command(&instances, 40),
        ];
        table.push(cells.map(|cell| (cell, Colour::None)).to_vec());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_instances_says_what_they_do() {
        let now = words::now();
        let list = serde_json::json!([
            {"name": "web", "image": "debian:12", "state": "running", "pid": 4711, "code": null,
             "created": now - 500, "since": now - 300, "address": "10.88.0.2", "command": ["nginx", "-g", "daemon off;"]},
            {"name": "job", "image": "alpine", "state": "exited", "pid": null, "code": 137,
             "created": now - 90_000, "since": now - 4, "address": null, "command": ["a\u{1b}[2J"]},
            {"name": "x", "image": "alpine", "state": "created", "pid": null, "code": null,
             "created": now, "since": 0, "address": null, "command": []},
            {"name": "y", "image": "alpine", "state": "unreachable", "reason": "its shim does not answer", "pid": 9,
             "code": null, "created": now, "since": now - 2, "address": null, "command": ["sh"]},
            {"name": "deb", "image": "debian", "state": "exited", "pid": null, "code": 130, "reboot": "power_off",
             "created": now, "since": now, "address": null, "command": ["/sbin/init"]},
        ]);
        let all: Vec<Summary> = serde_json::from_value(list).unwrap();
        let text = table(&all).to_text(false);
        let expected = "\
NAME  IMAGE      STATE        SINCE          PID   ADDRESS    COMMAND
web   debian:12  running      5 minutes ago  4711  10.88.0.2  nginx -g daemon off;
job   alpine     exited 137   4 seconds ago                   a\\u{1b}[2J
x     alpine     created      now
y     alpine     unreachable  2 seconds ago  9                sh
deb   debian     powered off  now                             /sbin/init
";
        assert_eq!(text, expected);
        let coloured = table(&all).to_text(true);
        assert!(
            coloured.contains("\x1b[32mrunning\x1b[0m      5")
                && coloured.contains("\x1b[31mexited 137\x1b[0m   4")
                && coloured.contains("  powered off  now")
        );
        assert!(!table(&all[1..]).to_text(false).contains("ADDRESS"));
    }

    #[test]
    fn a_table_of_images_says_how_large_they_are() {
        let now = words::now();
        let list = serde_json::json!([
            {"name": "debian:12", "created": now - 86_400 * 15, "size": 104_857_600, "layers": 3, "instances": ["web", "db"]},
            {"name": "alpine", "created": now, "size": 7_340_032, "layers": 1, "instances": []},
        ]);
        let all: Vec<ImageSummary> = serde_json::from_value(list).unwrap();
        let expected = "\
IMAGE      CREATED      SIZE    LAYERS  INSTANCES
debian:12  2 weeks ago  100MiB  3       web db
alpine     now          7.0MiB  1
";
        assert_eq!(table_of_images(&all).to_text(false), expected);
    }
}
