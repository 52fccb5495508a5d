//! Bad input is refused in one line that says what, on what and why, with the right exit code, and leaves
//! nothing behind: the command line itself. What is wrong with root file systems is in `bad_rootfs.rs`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use cli::{Scratch, Table, husk, husk_run, program, rootfs, run};

fn table() -> Table {
    let scratch = Scratch::new();
    let root = rootfs(&scratch);
    Table { scratch, root }
}

#[test]
fn words_that_make_no_command_are_refused() {
    table().check(&[
        (&[], 2, &["no command", "husk help"]),
        (&["fly"], 2, &["fly", "no such command"]),
        (&[""], 2, &["no such command"]),
        (&["--fly"], 2, &["--fly"]),
        (&["help", "fly"], 2, &["help"]),
        (&["plan"], 2, &["plan"]),
        (&["run"], 125, &["run", "no command"]),
        (&["run", "--"], 125, &["no command"]),
        (&["run", "{R}"], 125, &["no command"]),
        (&["run", "{R}", "--"], 125, &["no command"]),
        (&["run", "--fly", "{R}", "true"], 125, &["--fly"]),
        (&["run", "-Z", "{R}", "true"], 125, &["-Z"]),
        (&["run", "--read-only=yes", "{R}", "true"], 125, &["--read-only"]),
        (&["run", "--memory"], 125, &["--memory"]),
        (&["run", "-e"], 125, &["-e"]),
        (&["run", "rootfs", "true"], 125, &["starts with / or ."]),
        (&["run", "", "true"], 125, &["starts with / or ."]),
    ]);
}

#[test]
fn values_that_make_no_sense_are_refused() {
    let rows: [(&[&str], &[&str]); 50] = [
        (&["--memory", "12q"], &["memory", "12q"]),
        (&["--memory", ""], &["memory"]),
        (&["--memory", "-1"], &["memory", "-1"]),
        (&["--memory", "1e3"], &["memory", "1e3"]),
        (&["--memory", "99999999999999999999g"], &["memory"]),
        (&["--memory", "m"], &["memory", "m"]),
        (&["--cpus", "0"], &["cpus", "0"]),
        (&["--cpus", "much"], &["cpus", "much"]),
        (&["--cpus", "-0.5"], &["cpus", "-0.5"]),
        (&["--cpus", "1,5"], &["cpus", "1,5"]),
        (&["--pids", "0"], &["pids", "0"]),
        (&["--pids", "many"], &["pids", "many"]),
        (&["--pids", "99999999999"], &["pids", "99999999999"]),
        (&["--cpuset", "3-1"], &["cpuset", "3-1"]),
        (&["--cpuset", "a"], &["cpuset", "a"]),
        (&["--cpuset", ""], &["cpuset"]),
        (&["--io-weight", "0"], &["weight", "0"]),
        (&["--io-weight", "10001"], &["weight", "10001"]),
        (&["--io-weight", "x"], &["weight", "x"]),
        (&["--bind", "/etc"], &["--bind", "/etc", "destination"]),
        (&["--bind", "etc:/etc"], &["--bind", "source"]),
        (&["--bind", "/etc:etc"], &["--bind", "absolute"]),
        (&["--bind", "/etc:/mnt:fly"], &["--bind", "fly"]),
        (&["--bind", "/etc:/"], &["below /"]),
        (&["--tmpfs", "tmp"], &["--tmpfs", "absolute"]),
        (&["--tmpfs", ""], &["--tmpfs"]),
        (&["--env", ""], &["--env", "empty"]),
        (&["--env", "=x"], &["--env", "no name"]),
        (&["--env", "HUSK_TEST_NOT_SET"], &["--env", "HUSK_TEST_NOT_SET", "not set"]),
        (&["--user", "ghost"], &["--user", "ghost", "/etc/passwd"]),
        (&["--user", "0:ghost"], &["--user", "ghost", "/etc/group"]),
        (&["--user", "4294967295"], &["--user", "4294967295"]),
        (&["--workdir", "tmp"], &["--workdir", "tmp", "absolute"]),
        (&["--hostname", ""], &["--hostname"]),
        (&["--hostname", "a b"], &["--hostname", "a b"]),
        (
            &["--hostname", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
            &["--hostname", "64"],
        ),
        (&["--net", "bridge"], &["--net", "bridge", "host or none"]),
        (&["--cap-add", "FLY"], &["--cap-add", "FLY", "no capability"]),
        (&["--cap-drop", ""], &["--cap-drop", "no capability"]),
        (&["--device", "/etc/passwd"], &["--device", "/etc/passwd", "/dev"]),
        (&["--device", "/dev/null:/dev/null:r"], &["--device", "whole"]),
        (&["--rlimit", "nofile"], &["--rlimit", "nofile", "="]),
        (&["--rlimit", "nofile=few"], &["--rlimit", "few"]),
        (&["--rlimit", "nofile=99999999999999999999"], &["--rlimit", "99999999999999999999"]),
        (&["--rlimit", "fly=1"], &["rlimit", "FLY"]),
        (&["--rlimit", "nofile=2:1"], &["rlimit", "2", "above", "1"]),
        (&["--id", "../x"], &["--id", "../x"]),
        (&["--id", "a/b"], &["--id", "a/b"]),
        (&["--id", ""], &["--id"]),
        (&["--id=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], &["--id", "64"]),
    ];
    let table = table();
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(options, parts)| {
            table.refuses(&mut husk_run(options, &table.root, &["/bin/true"]), 125, parts).err()
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn what_does_not_exist_or_cannot_be_had_is_refused() {
    let table = table();
    fs::write(table.path("file"), "").expect("file");
    fs::write(table.path("half.json"), "{").expect("file");
    fs::write(table.path("nul.json"), b"{\"defaultAction\":\"SCMP\0\"}").expect("file");
    fs::write(table.path("action.json"), "{\"defaultAction\":\"SCMP_ACT_FLY\"}").expect("file");
    fs::write(table.path("binary.json"), [0xff, 0xfe, 0]).expect("file");
    table.check(&[
        (&["run", "--seccomp", "{S}/none", "{R}", "true"], 125, &["{S}/none", "No such file or directory"]),
        (&["run", "--seccomp", "{S}", "{R}", "true"], 125, &["{S}", "directory"]),
        (&["run", "--seccomp", "", "{R}", "true"], 125, &["--seccomp"]),
        (&["run", "--seccomp", "{S}/half.json", "{R}", "true"], 125, &["half.json", "EOF"]),
        (&["run", "--seccomp", "{S}/nul.json", "{R}", "true"], 125, &["nul.json"]),
        (&["run", "--seccomp", "{S}/binary.json", "{R}", "true"], 125, &["binary.json"]),
        (&["run", "--seccomp", "{S}/action.json", "{R}", "true"], 125, &["action.json", "SCMP_ACT_FLY"]),
        (&["run", "--bind", "{S}/none:/mnt", "{R}", "true"], 125, &["{S}/none", "No such file", "source"]),
        (&["run", "--bind", "{S}:/etc/passwd", "{R}", "true"], 125, &["/etc/passwd", "Not a directory"]),
        (&["run", "--bind", "{S}/file:/etc", "{R}", "true"], 125, &["/etc", "directory"]),
        (&["run", "--bind", "{S}:/proc", "{R}", "true"], 125, &["/proc"]),
        (&["run", "--bind", "{S}:/proc/self", "{R}", "true"], 125, &["/proc"]),
        (&["run", "--bind", "{S}:/etc/../proc/sys", "{R}", "true"], 125, &["/proc"]),
        (&["run", "--tmpfs", "/tmp:fly=1", "{R}", "true"], 125, &["/tmp", "fly=1", "Invalid argument"]),
        (&["run", "--device", "/dev/husk-none", "{R}", "true"], 125, &["/dev/husk-none", "No such file"]),
        (&["run", "--device", "/dev/shm", "{R}", "true"], 125, &["/dev/shm"]),
        (&["run", "--workdir", "/none", "{R}", "true"], 125, &["/none", "No such file or directory"]),
        (&["run", "--workdir", "/etc/passwd", "{R}", "true"], 125, &["/etc/passwd", "Not a directory"]),
        (&["run", "--rlimit", "nofile=999999999999", "{R}", "true"], 125, &["999999999999", "not permitted"]),
        (&["plan", "{S}/none"], 1, &["{S}/none", "No such file or directory"]),
        (&["plan", "{S}/half.json"], 1, &["half.json"]),
    ]);
}

#[test]
fn what_is_not_utf_8_is_refused_in_options_and_taken_in_the_command() {
    let table = table();
    let odd = OsStr::from_bytes(b"a\xffb");
    for option in ["--hostname", "--user", "--bind", "--tmpfs", "--memory", "--id", "--workdir", "--cap-add"]
    {
        let mut command = husk();
        command.args(["run", option]).arg(odd).arg(&table.root).arg("/bin/true");
        table.refuses(&mut command, 125, &[option, "UTF-8"]).unwrap();
    }
    let mut command = husk_run(&[], &table.root, &[OsStr::new("/bin/printf"), OsStr::new("%s"), odd]);
    assert_eq!(run(&mut command).stdout, odd.as_bytes());
    let mut variable = odd.to_os_string();
    variable.push("=1");
    let mut command = husk();
    command.args(["run", "-e"]).arg(variable).arg(&table.root).args(["/bin/busybox", "env"]);
    assert!(run(&mut command).stdout.windows(5).any(|window| window == b"a\xffb=1"));
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let table = table();
    let words: [&[&str]; 4] = [
        &["run", "/none\u{1b}[2J\nhusk: x", "true"],
        &["run", "{R}", "/none\r\u{7}\u{1b}]0;x"],
        &["run", "--hostname", "a\nb", "{R}", "true"],
        &["\u{1b}[31m"],
    ];
    for (words, code) in words.iter().zip([125, 127, 125, 2]) {
        let words = words.iter().map(|word| table.fill(OsStr::new(word)));
        table.refuses(husk().args(words), code, &[]).unwrap();
    }
}

#[test]
fn more_arguments_than_the_kernel_takes_are_refused_and_as_many_as_it_takes_are_taken() {
    let table = table();
    // One argument of 128 KiB is the kernel's limit (MAX_ARG_STRLEN, with its NUL).
    let long = "x".repeat(131_071);
    let ended = run(&mut husk_run(&[], &table.root, &["/bin/printf", "%s", &long]));
    assert_eq!((ended.code(), ended.stdout.len()), (0, 131_071));
    // husk itself gets 1.5 MiB; 4 MiB in total is beyond a quarter of the stack's usual limit for the child.
    let many = vec!["y".repeat(100_000); 15];
    let mut words =
        vec![String::from("/bin/sh"), String::from("-c"), String::from("echo $#"), String::from("sh")];
    words.extend(many);
    assert_eq!(run(&mut husk_run(&[], &table.root, &words)).good(), "15");
    // 4 MiB reach husk where its own stack may be larger than the container's.
    let script = "ulimit -s unlimited; set --; i=0; while [ $i -lt 42 ]; do set -- \"$@\" \"$X\"; i=$((i+1)); done; \
                  exec \"$H\" run --rlimit stack=1048576 \"$R\" /bin/true \"$@\"";
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script])
        .env("X", "z".repeat(100_000))
        .env("H", program("husk"))
        .env("R", &table.root);
    table.refuses(&mut command, 126, &["/bin/true", "too long"]).unwrap();
}
