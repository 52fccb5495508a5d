//! What the kernel says of processes and groups, in files whose content a process can have a part in: its name.

use cgroup::{Controllers, CpuStat, Cpus, Cpuset, Events, Membership, Memory, MemoryStat, Owner, Pids};

use minit::boot::end::unescape;
use minit::boot::kernel_line::config_in;

use crate::proc::Stat;
use crate::source::Source;

pub fn run(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    match source.below(6) {
        0 => any_line(source.rest()),
        1 => made_line(&mut source),
        2 => limits(&String::from_utf8_lossy(source.rest())),
        4 => kernel_line(source.rest()),
        5 => mount_point(source.rest()),
        _ => group(&String::from_utf8_lossy(source.rest())),
    }
}

/// Any bytes: what is read is what a reader of the standard library finds at the same places.
fn any_line(text: &[u8]) {
    let Some(stat) = Stat::parse(text) else { return };
    let open = text.iter().position(|byte| *byte == b'(').expect("a name begins");
    let close = text.iter().rposition(|byte| *byte == b')').expect("a name ends");
    assert_eq!(stat.name, &text[open + 1..close]);
    let behind = &text[close + 1..];
    let fields: Vec<&[u8]> = behind.split(|byte| *byte == b' ').filter(|field| !field.is_empty()).collect();
    let number = |index: usize| -> Option<u64> {
        std::str::from_utf8(fields.get(index)?.trim_ascii()).ok()?.parse::<i128>().ok()?.try_into().ok()
    };
    assert_eq!((Some(stat.started), Some(stat.resident)), (number(19), number(21)));
}

/// A line as the kernel makes it: everything comes back.
fn made_line(source: &mut Source<'_>) {
    let mut whole = || source.long() as i32;
    let (pid, ppid, group, session) = (whole(), whole(), whole(), whole());
    // Ticks since boot, and pages: neither needs 64 bits.
    let (started, resident) = (source.long() >> 1, source.long() >> 1);
    let state = b"RSDZTtXxKWPI"[source.below(12)];
    let name = source.rest();
    let mut line = format!("{pid} (").into_bytes();
    line.extend_from_slice(name);
    let ids = format!(") {} {ppid} {group} {session} 0 -1 4194560", char::from(state));
    line.extend_from_slice(ids.as_bytes());
    line.extend_from_slice(b" 1 2 3 4 5 6 7 8 20 0 1 0");
    line.extend_from_slice(format!(" {started} 9000 {resident} 18446744073709551615 1\n").as_bytes());
    let stat = Stat::parse(&line).expect("the kernel's own line");
    let ids = (stat.pid, stat.ppid, stat.group, stat.session);
    assert_eq!(ids, (pid, ppid, group, session));
    assert_eq!((stat.started, stat.resident, stat.state), (started, resident, state));
    assert_eq!(stat.name, name);
    assert_eq!(stat.is_alive(), !b"ZXx".contains(&state));
}

/// A group's files, and the names of groups.
fn group(text: &str) {
    let cpu = CpuStat::parse(text);
    assert_eq!(cpu.usage_usec, value(text, "usage_usec").unwrap_or(0));
    assert_eq!(cpu.nr_throttled, value(text, "nr_throttled"));
    let memory = MemoryStat::parse(text);
    assert_eq!(
        (memory.anon, memory.file),
        (value(text, "anon").unwrap_or(0), value(text, "file").unwrap_or(0))
    );
    let events = Events::parse(text, Some(text));
    assert_eq!(events.populated, value(text, "populated") == Some(1));
    assert_eq!((events.oom, events.oom_kill), (value(text, "oom"), value(text, "oom_kill")));
    let without = Events::parse(text, None);
    assert_eq!((without.oom, without.memory_max), (None, None));
    match Membership::parse(text) {
        Membership::Inside(path) => {
            let climbs = path == ".." || path.starts_with("../");
            assert!(!climbs && !path.ends_with(" (deleted)") && text.contains(&format!("0::/{path}")));
        }
        Membership::Deleted(path) => assert!(text.contains(&format!("0::/{path} (deleted)"))),
        Membership::Outside(path) => assert!(path.starts_with("..")),
        Membership::Absent => assert!(!text.starts_with("0::/") && !text.contains("\n0::/")),
    }
    let set = Controllers::parse(text);
    let printed = set.to_string();
    assert_eq!(Controllers::parse(&printed), set, "{printed}");
    if let Some(owner) = Owner::parse(text)
        && let Ok(name) = owner.format()
    {
        assert_eq!(Owner::parse(name.as_str()), Some(owner), "{name}");
    }
}

/// Limits as a request words them: what is accepted is written as the kernel reads it, and is read as the same.
fn limits(text: &str) {
    if let Ok(memory) = Memory::parse(text) {
        assert_eq!(Memory::parse(&memory.to_string()).as_ref(), Ok(&memory));
    }
    if let Ok(pids) = Pids::parse(text) {
        assert_eq!(Pids::parse(&pids.to_string()).as_ref(), Ok(&pids));
    }
    if let Ok(set) = Cpuset::parse(text) {
        assert_eq!(Cpuset::parse(&set.to_string()).as_ref(), Ok(&set));
    }
    if let Ok(cpus) = Cpus::parse(text) {
        let printed = cpus.to_string();
        let (quota, period) = printed.split_once(' ').expect("cpu.max has two words");
        assert_eq!(period.parse(), Ok(100_000));
        assert!(quota == "max" || quota.parse::<u64>().is_ok_and(|quota| quota >= 1_000), "{printed}");
    }
    for refusal in [Memory::parse(text).err(), Pids::parse(text).err(), Cpuset::parse(text).err()] {
        assert!(!refusal.is_some_and(|refusal| refusal.to_string().contains(['\n', '\0'])), "{text:?}");
    }
}

/// /proc/cmdline: what is found stands there, as a word of its own, and none follows before `--`.
fn kernel_line(line: &[u8]) {
    const NAME: &[u8] = b"minit.config=";
    let words = || line.split(u8::is_ascii_whitespace).take_while(|word| *word != b"--");
    let last = words().filter(|word| word.starts_with(NAME)).last().map(|word| &word[NAME.len()..]);
    let found = config_in(line).map(|(start, length)| {
        assert!(line[..start].ends_with(NAME));
        assert!(line.get(start + length).is_none_or(u8::is_ascii_whitespace));
        &line[start..start + length]
    });
    assert_eq!(found, last);
}

/// The place of a mount as the kernel writes it, and as anybody might have written it, in a space that is large
/// enough or not.
fn mount_point(place: &[u8]) {
    let mut escaped = Vec::new();
    for byte in place {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => escaped.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            _ => escaped.push(*byte),
        }
    }
    let mut space = vec![0xee; place.len() + 1];
    assert_eq!(unescape(&escaped, &mut space), Some(place.len()));
    assert_eq!((&space[..place.len()], space[place.len()]), (place, 0));
    space.pop();
    assert_eq!(unescape(&escaped, &mut space), None, "there is no room for the null");
    let mut any = vec![0xee; place.len() + 1];
    let length = unescape(place, &mut any).expect("it does not become longer");
    assert!(length <= place.len() && any[length] == 0);
}

/// The value of a key: the first line that has it, whole, and a number.
fn value(text: &str, key: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' ')).filter(|(name, _)| *name == key);
    lines.next()?.1.trim_end().parse().ok()
}
