//! `stats` of a machine: what no cgroup's files have is the kernel's, and process 1 counts whom it reaps.

use boot::{Machine, Plan, Root};

/// The number behind `"name":` after the first place where `within` begins.
fn number(line: &str, within: &str, name: &str) -> u64 {
    let from = line.split_once(within).unwrap_or_else(|| panic!("no {within}: {line}")).1;
    let from = from.split_once(&format!("\"{name}\":")).unwrap_or_else(|| panic!("no {name}: {line}")).1;
    let digits: String = from.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{name} is no number: {line}"))
}

#[test]
fn a_machine_has_memory_processes_and_orphans_that_were_reaped() {
    let script = "/init ping --wait 10s; /init stats; \
                  for n in 1 2 3 4 5 6 7; do (sleep 0.1 &); done; sleep 1; ls -d /proc/[0-9]* | wc -l; /init stats";
    let console = Machine::boot(Plan::pc(Root::usual(), &["/bin/sh", "-c", script])).end();
    let stats: Vec<&String> = console.iter().filter(|line| line.contains("\"type\":\"stats\"")).collect();
    let [before, after] = stats[..] else { panic!("two lines: {console:#?}") };
    let (total, available) = (number(after, "\"memory\"", "total"), number(after, "\"memory\"", "available"));
    assert!((100 << 20..256 << 20).contains(&total), "of 256 MiB: {after}");
    assert!(available > 0 && available < total, "{after}");
    let counted = console.iter().find_map(|line| line.parse::<u64>().ok()).expect("a count");
    let told = number(after, "\"pids\"", "current");
    assert!(told.abs_diff(counted) <= 3, "{counted} were counted, {told} told");
    let reaped = |line: &str| number(line, "\"type\"", "orphans_reaped");
    assert_eq!(reaped(after) - reaped(before), 7, "{before}\n{after}");
}
