//! `top`: the processes of instances, as the host's /proc has them. A process is an instance's if it is in the pid
//! namespace of its process 1, wherever it came from.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Instant;

use container::Failure;
use instance::InstanceName;
use instance::message::Request;

use super::live::{self, Times};
use super::said::Said;
use super::table_text::{Colour, Table};
use super::{ask, asks, words};
use crate::daemon::{self, Connection};

/// One process.
#[derive(Clone, PartialEq, Debug)]
struct Process {
    instance: InstanceName,
    pid: u32,
    uid: u32,
    state: char,
    /// Of one processor, in percent.
    cpu: f64,
    /// Resident, in bytes.
    memory: u64,
    /// Processor time in hundredths of a second.
    time: u64,
    command: String,
}

/// What a look leaves for the next one.
#[derive(Default)]
struct Before {
    when: Option<Instant>,
    /// Processor time of each process, in ticks; a pid that is used again has another start.
    ticks: HashMap<(u32, u64), u64>,
}

/// `top`
pub fn perform(said: &Said) -> Result<u8, Failure> {
    let wanted = said.instances()?;
    let times = match said.text("count") {
        None => Times::by_stdout(),
        Some(text) => match text.parse() {
            Ok(count) if count > 0 => Times::Limited(count),
            _ => return Err(Failure::usage(format!("--count {text:?}: it is a number from 1"))),
        },
    };
    if !sys::privilege::ids().are_root() {
        return Err(
            Failure::ours("top: Operation not permitted").hint(Some("only root sees whose a process is"))
        );
    }
    let mut connection = daemon::open(said)?;
    for name in &wanted {
        // A name that is wrong is said at once, and not by an empty table.
        ask(&mut connection, &Request::Connect { name: name.clone(), exec: None })?;
        drop(connection.take_descriptor());
    }
    let mut before = Before::default();
    live::show(times, || {
        let namespaces = namespaces(&mut connection, &wanted)?;
        let mut processes = look(&namespaces, &mut before)?;
        processes.sort_by(|left, right| right.cpu.total_cmp(&left.cpu).then(right.memory.cmp(&left.memory)));
        Ok(table(&processes).to_text(Colour::of_stdout()))
    })
}

/// The pid namespaces of the instances that run.
fn namespaces(
    connection: &mut Connection,
    wanted: &[InstanceName],
) -> Result<HashMap<u64, InstanceName>, Failure> {
    let running = asks::running(connection)?.into_iter();
    let running = running.filter(|one| wanted.is_empty() || wanted.contains(&one.name));
    Ok(running.filter_map(|one| Some((namespace(one.pid?.try_into().ok()?)?, one.name))).collect())
}

fn namespace(pid: u32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/pid")).ok().map(|metadata| metadata.ino())
}

fn look(namespaces: &HashMap<u64, InstanceName>, before: &mut Before) -> Result<Vec<Process>, Failure> {
    let now = Instant::now();
    let past = before.when.replace(now).map(|then| now.duration_since(then).as_secs_f64());
    let mut ticks = HashMap::new();
    let mut found = Vec::new();
    let entries = fs::read_dir("/proc").map_err(|error| Failure::io("/proc", &error))?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids {
        let Some(instance) = namespace(pid).and_then(|namespace| namespaces.get(&namespace)) else {
            continue;
        };
        // One that has ended meanwhile is left out.
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let Some(stat) = Stat::parse(&text) else { continue };
        let uid = fs::metadata(format!("/proc/{pid}")).map_or(0, |metadata| metadata.uid());
        let used = before.ticks.get(&(pid, stat.start)).map(|earlier| stat.ticks.saturating_sub(*earlier));
        let per_second = sys::param::clock_ticks_per_second();
        let cpu = match (past, used) {
            (Some(seconds), Some(used)) if seconds > 0.0 => used as f64 * 100.0 / per_second as f64 / seconds,
            _ => 0.0,
        };
        ticks.insert((pid, stat.start), stat.ticks);
        found.push(Process {
            instance: instance.clone(),
            pid,
            uid,
            state: stat.state,
            cpu,
            memory: stat.pages * sys::param::page_size() as u64,
            time: stat.ticks * 100 / per_second.max(1),
            command: command(pid).unwrap_or_else(|| format!("[{}]", words::plain(stat.name))),
        });
    }
    before.ticks = ticks;
    Ok(found)
}

/// Its arguments; kernel threads and dead processes have none.
fn command(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok().filter(|bytes| !bytes.is_empty())?;
    let words = bytes.strip_suffix(b"\0").unwrap_or(&bytes).split(|byte| *byte == 0);
    let words: Vec<String> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    Some(words::command(&words, 200))
}

/// Fields of proc_pid_stat(5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stat<'s> {
    name: &'s str,
    state: char,
    ticks: u64,
    start: u64,
    pages: u64,
}

impl<'s> Stat<'s> {
    fn parse(text: &'s str) -> Option<Self> {
        // A name may have anything in it, also `)`.
        let (head, rest) = text.rsplit_once(") ")?;
        let (_, name) = head.split_once('(')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // The state is field 3 of the manual page.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            name,
            state: fields.first()?.chars().next()?,
            ticks: number(14)? + number(15)?,
            start: number(22)?,
            pages: number(24)?,
        })
    }
}

fn table(processes: &[Process]) -> Table {
    let mut table = Table::new(&["INSTANCE", "PID", "UID", "S", "CPU", "MEMORY", "TIME", "COMMAND"]);
    for one in processes {
        let seconds = one.time / 100;
        let cells = [
            one.instance.to_string(),
            one.pid.to_string(),
            one.uid.to_string(),
            one.state.to_string(),
            format!("{:.1}%", one.cpu),
            words::size(one.memory),
            format!("{}:{:02}.{:02}", seconds / 60, seconds % 60, one.time % 100),
            one.command.clone(),
        ];
        table.push(cells.map(|cell| (cell, Colour::None)).to_vec());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_is_read_whatever_the_name() {
        let text = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 7 5 0 0 20 0 1 0 12345 1000000 250 18446744073709551615\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat, Stat { name: "a) b (c", state: 'S', ticks: 12, start: 12_345, pages: 250 });
        assert_eq!(Stat::parse("42 (a"), None);
        assert_eq!(Stat::parse("42 (a) S 1"), None);
    }

    #[test]
    fn our_own_processes_are_found_by_their_namespace() {
        let own = namespace(std::process::id()).unwrap();
        let namespaces = HashMap::from([(own, InstanceName::new("own").unwrap())]);
        let mut before = Before::default();
        look(&namespaces, &mut before).unwrap();
        let found = look(&namespaces, &mut before).unwrap();
        let us = found.iter().find(|process| process.pid == std::process::id()).expect("this process");
        assert!(us.memory > 0 && us.command.contains("husk"), "{us:?}");
        assert!(
            table(std::slice::from_ref(us)).to_text(false).lines().nth(1).unwrap().starts_with("own       ")
        );
    }
}
