//! `stats`: what instances use, as their shims tell it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Instant;

use container::Failure;
use husk_client::Client;
use instance::InstanceName;
use serde::Deserialize;

use super::follow::to_shim;
use super::list::{Format, format};
use super::live::{self, Times};
use super::said::Said;
use super::table_text::{Colour, Table};
use super::{asks, words};
use crate::daemon::{self, Connection};

/// What a shim tells; what its kernel does not count is not there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Figures {
    memory: Memory,
    cpu: Cpu,
    pids: Pids,
    io: Io,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Memory {
    current: Option<u64>,
    max: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Cpu {
    usage_usec: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Pids {
    current: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Io {
    rbytes: Option<u64>,
    wbytes: Option<u64>,
}

/// One line of what is shown.
#[derive(Clone, PartialEq, Debug, serde::Serialize)]
struct Line {
    name: InstanceName,
    /// Of one processor.
    cpu_percent: Option<f64>,
    memory: Option<u64>,
    memory_max: Option<u64>,
    pids: Option<u64>,
    read: Option<u64>,
    written: Option<u64>,
}

/// A shim, and the processor time at the last look.
struct Shim {
    client: Client,
    before: Option<(Instant, u64)>,
}

/// `stats`
pub fn perform(said: &Said) -> Result<u8, Failure> {
    let (format, wanted) = (format(said)?, said.instances()?);
    let times = if said.has("no-stream") { Times::Limited(1) } else { Times::by_stdout() };
    let mut connection = daemon::open(said)?;
    // A name that is wrong is said at once, and not by an empty table.
    let mut shims = BTreeMap::new();
    for name in &wanted {
        let client = to_shim(&mut connection, name)?;
        shims.insert(name.clone(), Shim { client, before: None });
    }
    live::show(times, || {
        if wanted.is_empty() {
            find(&mut connection, &mut shims)?;
        }
        let lines = look(&mut shims);
        if !lines.is_empty() && lines.iter().all(Line::is_empty) {
            return Err(uncounted());
        }
        match format {
            Format::Table => Ok(table(&lines).to_text(Colour::of_stdout())),
            Format::Json => {
                let text =
                    serde_json::to_string(&lines).map_err(|error| Failure::ours(format!("JSON: {error}")))?;
                Ok(text + "\n")
            }
        }
    })
}

impl Line {
    /// Whether nothing of it is counted.
    const fn is_empty(&self) -> bool {
        self.cpu_percent.is_none() && self.memory.is_none() && self.pids.is_none() && self.read.is_none()
    }
}

/// What is said where a kernel counts nothing of any instance.
fn uncounted() -> Failure {
    Failure::ours("stats: nothing is counted here: this needs cgroup v2 with its controllers, which this machine does not have")
        .hint(Some("husk top shows what processes use"))
}

/// All that run now.
fn find(connection: &mut Connection, shims: &mut BTreeMap<InstanceName, Shim>) -> Result<(), Failure> {
    let running = asks::running(connection)?;
    shims.retain(|name, _| running.iter().any(|one| one.name == *name));
    for one in running {
        if let Entry::Vacant(free) = shims.entry(one.name) {
            // It may have ended meanwhile.
            if let Ok(client) = to_shim(connection, free.key()) {
                free.insert(Shim { client, before: None });
            }
        }
    }
    Ok(())
}

/// What each of them tells; one that does not answer has ended.
fn look(shims: &mut BTreeMap<InstanceName, Shim>) -> Vec<Line> {
    let mut lines = Vec::new();
    shims.retain(|name, shim| {
        let Ok(message) = shim.client.stats() else { return false };
        let now = Instant::now();
        let figures: Figures = serde_json::from_str(message.as_str()).unwrap_or_default();
        let usage = figures.cpu.usage_usec;
        let cpu_percent = match (shim.before, usage) {
            (Some((then, before)), Some(usage)) => {
                let micros = now.duration_since(then).as_micros().max(1) as f64;
                Some(usage.saturating_sub(before) as f64 * 100.0 / micros)
            }
            _ => None,
        };
        shim.before = usage.map(|usage| (now, usage));
        lines.push(Line {
            name: name.clone(),
            cpu_percent,
            memory: figures.memory.current,
            memory_max: figures.memory.max,
            pids: figures.pids.current,
            read: figures.io.rbytes,
            written: figures.io.wbytes,
        });
        true
    });
    lines
}

fn table(lines: &[Line]) -> Table {
    let mut table = Table::new(&["NAME", "CPU", "MEMORY", "LIMIT", "PIDS", "READ", "WRITTEN"]);
    let size = |bytes: Option<u64>| bytes.map_or_else(|| String::from("-"), words::size);
    for line in lines {
        let cells = [
            line.name.to_string(),
            line.cpu_percent.map_or_else(|| String::from("-"), |percent| format!("{percent:.1}%")),
            size(line.memory),
            size(line.memory_max),
            line.pids.map_or_else(|| String::from("-"), |count| count.to_string()),
            size(line.read),
            size(line.written),
        ];
        table.push(cells.map(|cell| (cell, Colour::None)).to_vec());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_counted_is_not_made_up() {
        let figures: Figures = serde_json::from_str(
            r#"{"type":"stats","memory":{"current":1500000},"pids":{"current":3,"peak":9}}"#,
        )
        .unwrap();
        let line = Line {
            name: InstanceName::new("web").unwrap(),
            cpu_percent: Some(12.34),
            memory: figures.memory.current,
            memory_max: figures.memory.max,
            pids: figures.pids.current,
            read: figures.io.rbytes,
            written: None,
        };
        let expected =
            "NAME  CPU    MEMORY  LIMIT  PIDS  READ  WRITTEN\nweb   12.3%  1.4MiB  -      3     -     -\n";
        assert_eq!(table(&[line]).to_text(false), expected);
    }
}
