//! Limits on a kernel with all of cgroup v2: what is asked is what the kernel then has, and it holds.
mod ground;

use cgroup::{Cpus, Cpuset, Key, Limits, Memory, Name, OomGroup, Pids, Weight};
use ground::{Ground, Running};
use std::time::Duration;
use sys::Errno;
use sys::fd::AsFd;

const PATIENCE: Duration = Duration::from_secs(20);

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

/// Runs the probe in a group, from its first instruction on.
fn probe(ground: &Ground, arguments: &str) -> Running {
    let script = format!("echo $$ > {}/web/cgroup.procs && exec probe {arguments}", ground.path);
    Running::start(&["/bin/sh", "-c", &script])
}

#[test]
fn each_limit_is_what_its_file_says_afterwards() {
    let Some(ground) = Ground::prepare("limits") else { return };
    let limits = Limits {
        memory_max: Memory::parse("64m").ok(),
        memory_high: Memory::parse("48m").ok(),
        memory_low: Some(Memory::Bytes(0)),
        memory_oom_group: Some(OomGroup::WholeGroup),
        cpu_max: Cpus::parse("0.5").ok(),
        cpu_burst: Some(10_000),
        cpu_weight: Weight::new(50),
        pids_max: Pids::parse("33").ok(),
        cpuset_cpus: Cpuset::parse("0").ok(),
        cpuset_mems: Cpuset::parse("0").ok(),
        unified: vec![(Key::new("cgroup.max.depth").expect("a key"), "3".into())],
        ..Limits::default()
    };
    let group = ground.parent.create(&name("web"), &limits).expect("a group");
    for (file, expected) in [
        ("memory.max", "67108864"),
        ("memory.high", "50331648"),
        ("memory.low", "0"),
        ("memory.oom.group", "1"),
        ("cpu.max", "50000 100000"),
        ("cpu.max.burst", "10000"),
        ("cpu.weight", "50"),
        ("pids.max", "33"),
        ("cpuset.cpus", "0"),
        ("cpuset.mems", "0"),
        ("cgroup.max.depth", "3"),
    ] {
        assert_eq!(ground.text(&format!("web/{file}")), expected, "{file}");
    }
    assert_eq!(ground.text("cgroup.subtree_control"), "cpuset cpu memory pids");
    group.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
}

#[test]
fn only_controllers_that_a_limit_needs_are_enabled() {
    let Some(ground) = Ground::prepare("needed") else { return };
    let none = ground.parent.create(&name("none"), &Limits::default()).expect("a group");
    assert_eq!(ground.text("cgroup.subtree_control"), "");
    let limits = Limits { pids_max: Some(Pids::Count(5)), ..Limits::default() };
    let some = ground.parent.create(&name("some"), &limits).expect("a group");
    assert_eq!(ground.text("cgroup.subtree_control"), "pids");
    for group in [none, some] {
        group.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
    }
}

#[test]
fn quota_and_burst_shrink_and_grow_together() {
    let Some(ground) = Ground::prepare("burst") else { return };
    let limits = |quota: u64| {
        let cpu_max = Some(Cpus { quota_us: Some(quota), period_us: 100_000 });
        Limits { cpu_max, cpu_burst: Some(quota), ..Limits::default() }
    };
    let group = ground.parent.create(&name("web"), &limits(50_000)).expect("a group");
    for quota in [10_000, 80_000, 1_000] {
        group.apply(&limits(quota)).expect("applied");
        assert_eq!(ground.text("web/cpu.max"), format!("{quota} 100000"));
        assert_eq!(ground.text("web/cpu.max.burst"), quota.to_string());
    }
    group.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
}

#[test]
fn a_processor_that_does_not_exist_is_refused_with_a_hint_and_nothing_is_left() {
    let Some(ground) = Ground::prepare("nocpu") else { return };
    let limits = Limits { cpuset_cpus: Cpuset::parse("8000").ok(), ..Limits::default() };
    let error = ground.parent.create(&name("web"), &limits).expect_err("no such processor");
    assert!(matches!(error.errno, Errno::RANGE | Errno::INVAL), "{error}");
    assert!(error.to_string().starts_with("write \"8000\" to cpuset.cpus of cgroup web: "), "{error}");
    assert!(error.hint().expect("a hint").contains("no such processor"));
    assert!(ground.groups().is_empty());
}

#[test]
fn a_memory_bomb_is_killed_in_its_group_and_counted() {
    let Some(ground) = Ground::prepare("bomb") else { return };
    let limits = Limits { memory_max: Memory::parse("16m").ok(), ..Limits::default() };
    let group = ground.parent.create(&name("web"), &limits).expect("a group");
    let (signal, output) = probe(&ground, "allocate 64m").outcome();
    assert_eq!((signal, output.as_str()), (Some(9), ""));
    let events = group.events().expect("events");
    assert!(events.oom_kill >= Some(1) && events.oom >= Some(1), "{events:?}");
    let peak = group.stats().memory_peak;
    assert!(peak.is_none_or(|peak| peak <= 16 << 20), "{peak:?}");
    group.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
}

#[test]
fn a_fork_beyond_the_limit_is_refused() {
    let Some(ground) = Ground::prepare("forks") else { return };
    let limits = Limits { pids_max: Some(Pids::Count(5)), ..Limits::default() };
    let group = ground.parent.create(&name("web"), &limits).expect("a group");
    let (_, output) = probe(&ground, "fork 20").outcome();
    assert!(output.contains("EAGAIN"), "{output}");
    assert!(group.stats().pids_peak.is_none_or(|peak| peak <= 5));
    group.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
}

#[test]
fn a_busy_loop_stays_within_its_share() {
    let Some(ground) = Ground::prepare("share") else { return };
    let limits = Limits { cpu_max: Cpus::parse("0.2").ok(), ..Limits::default() };
    let group = ground.parent.create(&name("web"), &limits).expect("a group");
    let (signal, output) = probe(&ground, "spin 2").outcome();
    assert_eq!(signal, None, "{output}");
    let cpu = group.stats().cpu.expect("cpu.stat");
    assert!(cpu.nr_throttled > Some(5), "{cpu:?}");
    // Two seconds at a fifth; the last period may begin just before the end.
    assert!((200_000..=700_000).contains(&cpu.usage_usec), "{cpu:?}");
    group.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
}

#[test]
fn what_a_group_uses_is_reported() {
    let Some(ground) = Ground::prepare("stats") else { return };
    let limits = Limits { memory_max: Some(Memory::Max), pids_max: Some(Pids::Max), ..Limits::default() };
    let group = ground.parent.create(&name("web"), &limits).expect("a group");
    let running = Running::start(&["/bin/sleep", "1000"]);
    group.add(running.pid()).expect("moved");
    let stats = group.stats();
    assert_eq!(stats.pids_current, Some(1));
    assert!(stats.memory_current.is_some() && stats.memory.is_some() && stats.cpu.is_some(), "{stats:?}");
    drop(running);
    group.remove(ground.parent.as_fd(), PATIENCE).expect("removed");
}
