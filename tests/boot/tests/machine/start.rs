//! From the kernel to the command.

use boot::parts::{TINI, part};
use boot::{Machine, Plan, Root, Shape};

/// What /proc/mounts has when everything is mounted: place, type, and the flags that are promised.
const MOUNTS: &str = "\
/dev devtmpfs nosuid mode=755
/proc proc nosuid,nodev,noexec
/sys sysfs nosuid,nodev,noexec
/dev/pts devpts nosuid,noexec gid=5,mode=620,ptmxmode=666
/dev/shm tmpfs nosuid,nodev
/run tmpfs nosuid,nodev mode=755
/tmp tmpfs nosuid,nodev
/sys/fs/cgroup cgroup2 nosuid,nodev,noexec nsdelegate,memory_recursiveprot";

/// The lines between `begin WHAT` and `end WHAT`.
fn section<'a>(console: &'a [String], what: &str) -> Vec<&'a str> {
    let from = console.iter().position(|line| *line == format!("begin {what}"));
    let lines = console.iter().skip(from.unwrap_or_else(|| panic!("no {what}: {console:#?}")) + 1);
    lines.take_while(|line| **line != format!("end {what}")).map(String::as_str).collect()
}

/// A script that prints what commands say, each in a section of its own.
fn sections(commands: &[(&str, &str)]) -> String {
    let lines =
        commands.iter().map(|(what, command)| format!("echo begin {what}; {command}; echo end {what}"));
    lines.collect::<Vec<_>>().join("; ")
}

#[test]
fn everything_is_mounted_and_named_and_the_command_has_the_console() {
    let script = sections(&[
        ("mounts", "cat /proc/mounts"),
        ("modes", "stat -c %a /dev /run /tmp /dev/shm"),
        ("name", "hostname"),
        ("lo", "ip addr show lo"),
        ("descriptors", "for n in 0 1 2; do readlink /proc/$$/fd/$n; done"),
        ("links", "readlink /dev/fd; readlink /dev/stdin; readlink /dev/stdout; readlink /dev/stderr"),
        ("terminal", "echo heard > /dev/tty"),
        ("session", "cut -d ' ' -f 1,6 /proc/self/stat | head -1; cut -d ' ' -f 1,6 /proc/$$/stat"),
        ("words", "cat /proc/$$/cmdline | tr '\\0' '+'; echo"),
    ]);
    let root = Root::usual().file("etc/hostname", "# a comment\n\n  guest \n");
    let console = Machine::boot(Plan::pc(root, &["--report", "console", "/bin/sh", "-c", &script])).end();
    let mounts = section(&console, "mounts");
    for wanted in MOUNTS.lines() {
        let mut words = wanted.split(' ');
        let (place, kind) = (words.next().expect("a place"), words.next().expect("a type"));
        let found: Vec<_> = mounts.iter().filter(|line| line.split(' ').nth(1) == Some(place)).collect();
        assert_eq!(found.len(), 1, "{place}: {mounts:#?}");
        let fields: Vec<&str> = found[0].split(' ').collect();
        assert_eq!(fields[2], kind, "{place}");
        let options: Vec<&str> = fields[3].split(',').collect();
        let missing: Vec<&str> =
            words.flat_map(|list| list.split(',')).filter(|word| !options.contains(word)).collect();
        assert!(missing.is_empty(), "{place}: {missing:?} not in {options:?}");
    }
    assert_eq!(mounts.len(), MOUNTS.lines().count() + 1, "and the root: {mounts:#?}");
    assert_eq!(section(&console, "modes"), ["755", "755", "1777", "1777"]);
    assert_eq!(section(&console, "name"), ["guest"]);
    assert!(section(&console, "lo").iter().any(|line| line.contains("inet 127.0.0.1/8")), "{console:#?}");
    assert_eq!(section(&console, "descriptors"), ["/dev/console"; 3]);
    assert_eq!(section(&console, "links"), ["/proc/self/fd", "fd/0", "fd/1", "fd/2"]);
    assert_eq!(section(&console, "terminal"), ["heard"]);
    let session = section(&console, "session");
    let leader: Vec<&str> = session[1].split(' ').collect();
    assert_eq!(leader[0], leader[1], "the command leads a session");
    assert!(section(&console, "words")[0].starts_with("/bin/sh+-c+echo begin"), "{console:#?}");
    assert!(!console.iter().any(|line| line.contains("warning")), "{console:#?}");
    assert_eq!(console.iter().filter(|line| *line == "minit: exit 0").count(), 1, "{console:#?}");
    assert!(console.iter().any(|line| line.contains("reboot: Power down")), "{console:#?}");
}

#[test]
fn a_root_without_a_single_folder_gets_them_and_a_name_is_taken() {
    let script = "busybox hostname; busybox ls -1 -d /dev/pts /dev/shm /sys/fs/cgroup /run /tmp /proc/1; echo to you > /dev/console";
    let arguments = ["--hostname", "bare", "--net", "none", "/bin/sh", "-c", script];
    let console = Machine::boot(Plan::pc(Root::bare(), &arguments)).end();
    for line in ["bare", "/dev/pts", "/dev/shm", "/sys/fs/cgroup", "/run", "/tmp", "/proc/1", "to you"] {
        assert!(console.iter().any(|seen| seen == line), "{line}: {console:#?}");
    }
    assert!(!console.iter().any(|line| line.contains("warning")), "{console:#?}");
}

/// Nanoseconds of the machine's own time from the start of the first process to that of its command.
fn time_to_command(arguments: &[&str]) -> u64 {
    let root = Root::usual().program("bin/stamp", part("STAMP")).program("bin/tini", TINI.as_ref());
    let root = root.file("etc/hostname", "guest\n");
    let plan = Plan { shape: Shape::Counted, init: "/bin/stamp", ..Plan::pc(root, arguments) };
    let line = Machine::boot(plan).until("stamp ");
    let number = line.split(' ').nth(1).and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("{line}: no number"))
}

#[test]
fn a_command_runs_soon_after_the_first_process_starts() {
    let minit = time_to_command(&["/init", "/bin/stamp"]);
    let bare = time_to_command(&["/init", "--mount", "none", "--net", "none", "/bin/stamp"]);
    let tini = time_to_command(&["/bin/tini", "/bin/stamp"]);
    let nobody = time_to_command(&["/bin/stamp"]);
    println!(
        "with mounts, name and lo {minit} ns, without {bare} ns; tini-static {tini} ns; exec alone {nobody} ns"
    );
    assert!(minit <= 1_250_000, "{minit} ns");
    assert!(bare < tini, "{bare} ns, and tini-static {tini} ns");
}

#[test]
fn process_1_is_spared_when_memory_is_short_and_all_others_have_what_it_had() {
    let begin =
        "#!/bin/sh\nmount -t proc proc /proc\necho 123 > /proc/self/oom_score_adj\nexec /init \"$@\"\n";
    let script = "f=oom_score_adj; echo main $(cat /proc/1/$f) $(cat /proc/$$/$f); /init ping --wait 10s; \
                  /init exec -- /bin/sh -c 'echo api $(cat /proc/$PPID/oom_score_adj) $(cat /proc/$$/oom_score_adj)'";
    let arguments = ["/bin/sh", "-c", script];
    let plan = Plan::pc(Root::usual().script("start", begin), &arguments);
    let console = Machine::boot(Plan { init: "/start", ..plan }).end();
    for line in ["main -1000 123", "api 123 123"] {
        assert!(console.iter().any(|seen| seen == line), "{line}: {console:#?}");
    }
}
