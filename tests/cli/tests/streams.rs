//! Standard streams are the caller's own, and the exit code is the command's.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use cli::{Scratch, husk_run, program, rootfs, run, run_in, run_with, shell, wait};

fn place() -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let root = rootfs(&scratch);
    (scratch, root)
}

#[test]
fn a_pipe_that_husk_got_is_the_one_that_the_container_has() {
    let (_scratch, root) = place();
    let (mut from, to) = std::io::pipe().expect("pipe");
    let name = fs::read_link(format!("/proc/self/fd/{}", from.as_raw_fd())).expect("a link");
    let mut command = husk_run(&[], &root, &["/bin/readlink", "/proc/self/fd/1"]);
    let mut child = command.stdout(to).spawn().expect("starts");
    drop(command);
    let mut said = String::new();
    from.read_to_string(&mut said).expect("output");
    assert!(wait(&mut child, &"readlink").success());
    assert_eq!(said.trim(), name.to_string_lossy());
}

#[test]
fn files_that_husk_got_are_the_ones_that_the_container_has() {
    let (scratch, root) = place();
    let files: Vec<File> = ["in", "out", "err"]
        .iter()
        .map(|name| {
            File::options().read(true).append(true).create(true).open(scratch.join(name)).expect("file")
        })
        .collect();
    let copy = |number: usize| Stdio::from(files[number].try_clone().expect("descriptor"));
    let script = "for fd in 0 1 2; do stat -L -c '%d:%i' /proc/$$/fd/$fd; done; echo wrong >&2";
    let mut command = husk_run(&[], &root, &["/bin/sh", "-c", script]);
    let mut child = command.stdin(copy(0)).stdout(copy(1)).stderr(copy(2)).spawn().expect("starts");
    assert!(wait(&mut child, &command).success());
    let said = fs::read_to_string(scratch.join("out")).expect("output");
    let expected: String = files
        .iter()
        .map(|file| file.metadata().expect("metadata"))
        .map(|met| format!("{}:{}\n", met.dev(), met.ino()))
        .collect();
    assert_eq!(said, expected);
    assert_eq!(fs::read_to_string(scratch.join("err")).expect("errors"), "wrong\n");
}

#[test]
fn a_hundred_megabytes_come_through_a_pipe() {
    let (_scratch, root) = place();
    let mut command = husk_run(&[], &root, &["/bin/dd", "if=/dev/zero", "bs=1048576", "count=100"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    let mut output = child.stdout.take().expect("a pipe");
    let (mut buffer, mut count) = (vec![1; 65_536], 0_usize);
    loop {
        match output.read(&mut buffer).expect("output") {
            0 => break,
            length => {
                assert!(buffer[..length].iter().all(|byte| *byte == 0));
                count += length;
            }
        }
    }
    assert!(wait(&mut child, &command).success());
    assert_eq!(count, 100 << 20);
}

#[test]
fn every_byte_goes_from_standard_input_to_standard_output() {
    let (_scratch, root) = place();
    // All byte values, with a period that no buffer has.
    let input: Vec<u8> = (0..8_000_003_u32).map(|number| (number % 257) as u8).collect();
    let ended = run_with(&mut husk_run(&[], &root, &["/bin/cat"]), &input);
    assert_eq!((ended.code(), ended.err().as_str()), (0, ""));
    assert!(ended.stdout == input, "{} bytes came back of {}", ended.stdout.len(), input.len());
}

#[test]
fn the_two_outputs_are_two() {
    let (_scratch, root) = place();
    let ended = shell(&[], &root, "echo out; echo err >&2; exit 9");
    assert_eq!((ended.out().as_str(), ended.err().as_str(), ended.code()), ("out\n", "err\n", 9));
}

#[test]
fn a_reader_that_goes_away_ends_the_writer_with_141() {
    let (_scratch, root) = place();
    let mut command = husk_run(&[], &root, &["/bin/sh", "-c", "yes; exit $?"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
    drop(child.stdout.take());
    assert_eq!(wait(&mut child, &command).code(), Some(141));
}

#[test]
fn every_exit_code_is_passed_on() {
    let (_scratch, root) = place();
    thread::scope(|scope| {
        for half in 0..2 {
            let root = &root;
            scope.spawn(move || {
                for code in (0..=255).filter(|code| code % 2 == half) {
                    let ended = run_in(&[], root, &["/bin/probe", "exit", &code.to_string()]);
                    assert_eq!((ended.code(), ended.err()), (code, String::new()));
                }
            });
        }
    });
}

#[test]
fn a_command_that_a_signal_ended_gives_128_and_its_number() {
    let (scratch, root) = place();
    let file = scratch.join("kill.json");
    let profile = r#"{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls":
        [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS" }] }"#;
    fs::write(&file, profile).expect("profile");
    let file = file.to_string_lossy();
    // SIGSYS is 31, and SIGKILL of the limit on processor time 9.
    assert_eq!(run_in(&["--seccomp", &file], &root, &["/bin/mkdir", "/a"]).code(), 128 + 31);
    assert_eq!(run_in(&["--rlimit", "cpu=1"], &root, &["/bin/probe", "spin", "30"]).code(), 128 + 9);
    // A shell as process 1 tells of its child's end in the same way.
    assert_eq!(shell(&[], &root, "sh -c 'kill -USR1 $$'; exit $?").code(), 128 + 10);
}

#[test]
fn exit_codes_of_husk_itself_tell_what_went_wrong() {
    let (_scratch, root) = place();
    for (words, code) in
        [(&["/nowhere"][..], 127), (&["/etc/passwd"], 126), (&["/etc"], 126), (&["nowhere"], 127)]
    {
        assert_eq!(run_in(&[], &root, words).code(), code, "{words:?}");
    }
    assert_eq!(run_in(&["--hostname", "-"], &root, &["/bin/true"]).code(), 125);
}

#[test]
fn streams_that_are_closed_are_dev_null_in_the_container() {
    let (_scratch, root) = place();
    let husk = program("husk");
    for (closed, number) in [("<&-", 0), (">&-", 1), ("2>&-", 2)] {
        // The report goes to a stream that is open.
        let open = if number == 1 { 2 } else { 1 };
        let inner = format!("a=$(for fd in 0 1 2; do readlink /proc/$$/fd/$fd; done); echo \"$a\" >&{open}");
        let script = format!("exec \"$0\" run \"$1\" /bin/sh -c '{inner}' {closed}");
        let mut outer = Command::new("/bin/sh");
        let ended = run(outer.args(["-c", &script]).arg(&husk).arg(&root).stdin(Stdio::null()));
        let said = if open == 1 { ended.out() } else { ended.err() };
        assert_eq!(ended.code(), 0, "{closed}: {ended:?}");
        let links: Vec<&str> = said.lines().collect();
        assert_eq!(links.len(), 3, "{closed}: {said}");
        assert_eq!(links[number], "/dev/null", "{closed}: {said}");
    }
    // With all of them closed the exit code is still right.
    let script = "exec \"$0\" run \"$1\" /bin/sh -c 'exit 42' <&- >&- 2>&-";
    let ended = run(Command::new("/bin/sh").args(["-c", script]).arg(&husk).arg(&root));
    assert_eq!(ended.code(), 42);
}

#[test]
fn descriptors_beyond_the_third_stay_outside() {
    let (_scratch, root) = place();
    let script = "exec \"$0\" run \"$1\" /bin/probe 7</ 8</etc/passwd 9>/dev/null";
    let mut outer = Command::new("/bin/sh");
    let said = run(outer.args(["-c", script]).arg(program("husk")).arg(&root).stdin(Stdio::null())).good();
    let seen: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let numbers: Vec<&String> = seen["descriptors"].as_object().expect("descriptors").keys().collect();
    assert_eq!(numbers, ["0", "1", "2"]);
}

#[test]
fn what_husk_is_told_last_is_heard_before_it_ends() {
    // The end of a command that writes and exits at once loses nothing, many times over.
    let (_scratch, root) = place();
    for round in 0..50 {
        let ended = run_in(&[], &root, &["/bin/seq", "1", "500"]);
        assert_eq!(ended.out().lines().last(), Some("500"), "round {round}");
    }
}
