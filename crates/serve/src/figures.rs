//! `stats`: what the server's own group uses, and what the server has done. What is not known is left out.

use cgroup::{Own, Pressure, Stall, Stats};
use wire::json::Object;

use crate::key::Key;
use crate::machine::Machine;
use crate::proc;
use crate::server::Server;

impl Server {
    pub(crate) fn stats(&mut self, key: Key, machine: &mut dyn Machine) {
        let mut line = alloc::vec::Vec::new();
        let mut message = Object::message(&mut line, "stats");
        let running = self.leaders.len() + self.orphaned.len();
        message.count("api_uptime_secs", self.uptime_secs());
        message.count("sessions_open", running as u64).count("execs_running", running as u64);
        message.count("execs_kept", self.sessions.len().saturating_sub(running) as u64);
        message.count("connections", self.connections.len() as u64);
        message.count("execs_started", self.serial).count("api_orphans_reaped", self.reaped);
        let main = self.main.as_ref().and_then(|main| self.sessions.get(main.found));
        let stats = match main.and_then(|main| main.group.as_ref()) {
            Some(group) => Some(group.stats()),
            None => Own::find().map(|own| own.stats()),
        };
        if let Some(stats) = &stats {
            write(&mut message, stats);
        }
        if machine.is_whole() {
            write_machine(&mut message, stats.unwrap_or_default());
        }
        if let Some(log) = main.and_then(|main| main.log.as_ref()) {
            log.stats(&mut message);
        }
        machine.stats(&mut message);
        message.line();
        self.say(key, |out| out.extend_from_slice(&line));
    }
}

fn write(message: &mut Object<'_>, stats: &Stats) {
    let memory = [
        ("current", stats.memory_current),
        ("peak", stats.memory_peak),
        ("max", stats.memory_max),
        ("swap_current", stats.swap_current),
    ];
    known(message, "memory", &memory);
    let cpu = stats.cpu.map_or([None; 6], |cpu| {
        let always = [cpu.usage_usec, cpu.user_usec, cpu.system_usec].map(Some);
        [always[0], always[1], always[2], cpu.nr_periods, cpu.nr_throttled, cpu.throttled_usec]
    });
    let names = ["usage_usec", "user_usec", "system_usec", "nr_periods", "nr_throttled", "throttled_usec"];
    known(message, "cpu", &core::array::from_fn::<_, 6, _>(|number| (names[number], cpu[number])));
    let pids = [("current", stats.pids_current), ("peak", stats.pids_peak), ("max", stats.pids_max)];
    known(message, "pids", &pids);
    if let Some(io) = stats.io {
        let io = [("rbytes", io.rbytes), ("wbytes", io.wbytes), ("rios", io.rios), ("wios", io.wios)];
        known(message, "io", &io.map(|(name, value)| (name, Some(value))));
    }
    if stats.pressure.iter().all(Option::is_none) {
        return;
    }
    let mut all = message.object("pressure");
    for (name, pressure) in ["memory", "cpu", "io"].into_iter().zip(stats.pressure) {
        let Some(Pressure { some, full }) = pressure else { continue };
        let mut one = all.object(name);
        stall(&mut one, "some", some);
        if let Some(full) = full {
            stall(&mut one, "full", full);
        }
        one.end();
    }
    all.end();
}

/// What the root of a machine's hierarchy has no files for: the machine's own figures (proc_meminfo(5)), under names of
/// their own where they mean something else.
fn write_machine(message: &mut Object<'_>, stats: Stats) {
    if stats.memory_current.or(stats.memory_peak).or(stats.memory_max).or(stats.swap_current).is_none()
        && let Ok(text) = proc::read("/proc/meminfo", 1 << 16)
    {
        let [total, available] = [&b"MemTotal:"[..], b"MemAvailable:"].map(|name| kibibytes(&text, name));
        known(message, "memory", &[("total", total), ("available", available)]);
    }
    if stats.pids_current.or(stats.pids_peak).or(stats.pids_max).is_none()
        && let Ok(count) = proc::count()
    {
        known(message, "pids", &[("current", Some(count))]);
    }
}

/// A line of /proc/meminfo, in bytes.
fn kibibytes(text: &[u8], name: &[u8]) -> Option<u64> {
    let line = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name))?;
    proc::number::<u64>(line.trim_ascii().strip_suffix(b"kB")?.trim_ascii()).map(|number| number << 10)
}

/// An object of those figures that are known, unless none is.
fn known(message: &mut Object<'_>, name: &str, figures: &[(&str, Option<u64>)]) {
    if figures.iter().all(|(_, figure)| figure.is_none()) {
        return;
    }
    let mut object = message.object(name);
    for (name, figure) in figures {
        if let Some(figure) = figure {
            object.count(name, *figure);
        }
    }
    object.end();
}

fn stall(message: &mut Object<'_>, name: &str, stall: Stall) {
    let mut object = message.object(name);
    for (name, average) in ["avg10", "avg60", "avg300"].into_iter().zip(stall.averages) {
        object.hundredths(name, average);
    }
    object.count("total_usec", stall.total_usec);
    object.end();
}
