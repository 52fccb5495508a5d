//! A terminal of the container's own: where there is one, what comes through it, and what it leaves of the
//! caller's. The caller's terminal is one that script(1) makes.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use cli::{Ended, Scratch, husk_run, program, rootfs, run, run_with, wait, wait_until};

fn place() -> (Scratch, PathBuf) {
    let scratch = Scratch::new();
    let root = rootfs(&scratch);
    (scratch, root)
}

/// A shell with a terminal, in which `$H` is husk and `$R` the root file system.
fn on_terminal(root: &Path, script: &str) -> Command {
    let mut command = Command::new("script");
    command.args(["-qec", script, "/dev/null"]).env("H", program("husk")).env("R", root);
    // A pipe that stays open: at the end of its input script(1) would type ^D.
    command.env("SHELL", "/bin/sh").stdin(Stdio::piped());
    command
}

/// What a shell on a terminal says, with the line ends of a terminal undone.
fn said(ended: &Ended) -> String {
    ended.out().replace("\r\n", "\n").trim_end().to_owned()
}

/// Starts it, and reads until a line has the word in it.
fn until(command: &mut Command, word: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script(1)");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains(word) {
        line.clear();
        assert_ne!(output.read_line(&mut line).expect("output"), 0, "{command:?}: no {word}");
    }
    (child, output)
}

#[test]
fn on_a_terminal_the_container_has_one_of_its_own() {
    let (_scratch, root) = place();
    let inner = "tty; test -c /dev/console && echo console; test -t 0 && test -t 1 && test -t 2 && echo all; \
                 ls /dev/pts; echo $TERM; ps -o pid,tty | grep -c pts/0; exit 3";
    let script = format!("TERM=vt220 \"$H\" run \"$R\" /bin/sh -c '{inner}'");
    let ended = run(&mut on_terminal(&root, &script));
    let text = said(&ended);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..3], ["/dev/pts/0", "console", "all"], "{text}");
    assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), ["0", "ptmx"], "{text}");
    assert_eq!(lines[4], "vt220", "{text}");
    assert_eq!(ended.code(), 3);
}

#[test]
fn the_console_is_that_terminal_and_the_controlling_one() {
    let (_scratch, root) = place();
    let inner = "echo on console > /dev/console; echo on tty > /dev/tty; \
                 test \"$(stat -L -c %t:%T /dev/console)\" = \"$(stat -L -c %t:%T /dev/pts/0)\" && echo same";
    let mut command = husk_run(&["-t"], &root, &["/bin/sh", "-c", inner]);
    assert_eq!(said(&run(&mut command)), "on console\non tty\nsame");
}

#[test]
fn a_pipe_stays_a_pipe_beside_a_terminal() {
    let (_scratch, root) = place();
    let inner =
        "test -t 0 && echo in >&2; test -t 1 || echo pipe >&2; test -t 2 && echo err >&2; echo a; echo b";
    let script = format!("\"$H\" run \"$R\" /bin/sh -c '{inner}' | od -An -c");
    let text = said(&run(&mut on_terminal(&root, &script)));
    assert!(text.contains("in\npipe\nerr"), "{text}");
    // No carriage return came into the pipe.
    assert!(text.contains(r"a  \n   b  \n"), "{text}");
}

#[test]
fn without_a_terminal_there_is_none_unless_it_was_asked_for() {
    let (_scratch, root) = place();
    assert_eq!(run(&mut husk_run(&[], &root, &["/bin/tty"])).out(), "not a tty\n");
    assert_eq!(run(&mut husk_run(&["-t"], &root, &["/bin/tty"])).out(), "/dev/pts/0\r\n");
    assert_eq!(run(&mut husk_run(&["--tty", "-i"], &root, &["/bin/tty"])).out(), "/dev/pts/0\r\n");
}

#[test]
fn the_end_of_the_input_is_an_end_on_the_terminal() {
    let (_scratch, root) = place();
    let ended = run_with(&mut husk_run(&["-t"], &root, &["/bin/cat"]), b"hello\n");
    assert_eq!((ended.code(), said(&ended).as_str()), (0, "hello\nhello"));
    // Also where the last line has no end.
    let ended =
        run_with(&mut husk_run(&["-t"], &root, &["/bin/sh", "-c", "cat >/dev/null; echo end"]), b"half");
    assert!(said(&ended).ends_with("end"), "{ended:?}");
}

#[test]
fn the_window_has_the_callers_size_and_follows_it() {
    let (_scratch, root) = place();
    let inner = "stty size; trap \"stty size; exit 5\" WINCH; echo ready; while :; do sleep 0.05; done";
    // The shell changes the size of the terminal once the container is ready.
    let script = format!(
        "stty rows 33 cols 101; (sleep 1; stty rows 44 cols 140 < /dev/tty) & \"$H\" run \"$R\" /bin/sh -c '{inner}'"
    );
    let ended = run(&mut on_terminal(&root, &script));
    assert_eq!((said(&ended).as_str(), ended.code()), ("33 101\nready\n44 140", 5));
}

#[test]
fn control_c_ends_a_first_process_that_has_not_prepared_for_it() {
    let (_scratch, root) = place();
    for (key, code) in [(b"\x03", 130), (b"\x1c", 131)] {
        // Not a shell, which would catch ^C: the process that says the line is the one that sleeps.
        let script = "exec \"$H\" run \"$R\" /bin/probe sleep 100";
        let (mut child, _output) = until(&mut on_terminal(&root, script), "sleep");
        child.stdin.take().expect("a pipe").write_all(key).expect("key");
        assert_eq!(wait(&mut child, &script).code(), Some(code), "{key:?}");
    }
}

#[test]
fn control_c_reaches_a_command_that_has_prepared_for_it() {
    let (_scratch, root) = place();
    let script = "exec \"$H\" run \"$R\" /bin/sh -c 'trap \"echo got it; exit 4\" INT; echo ready; \
                  while :; do sleep 0.05; done'";
    let (mut child, mut output) = until(&mut on_terminal(&root, script), "ready");
    child.stdin.take().expect("a pipe").write_all(b"\x03").expect("key");
    let mut rest = String::new();
    while !rest.contains("got it") {
        assert_ne!(output.read_line(&mut rest).expect("output"), 0, "{rest}");
    }
    assert_eq!(wait(&mut child, &script).code(), Some(4));
}

#[test]
fn control_d_ends_who_reads() {
    let (_scratch, root) = place();
    let script = "\"$H\" run \"$R\" /bin/sh -c 'echo ready; cat; echo end; sleep 0'; echo code $?";
    let (mut child, mut output) = until(&mut on_terminal(&root, script), "ready");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(b"\x04").expect("key");
    let mut rest = String::new();
    while !rest.contains("code 0") {
        assert_ne!(output.read_line(&mut rest).expect("output"), 0, "{rest}");
    }
    assert!(rest.contains("end"), "{rest}");
    drop(input);
    wait(&mut child, &script);
}

#[test]
fn settings_of_the_callers_terminal_are_restored() {
    let (scratch, root) = place();
    let (before, during, after) = (scratch.join("before"), scratch.join("during"), scratch.join("after"));
    let settings = |path: &Path| fs::read_to_string(path).expect("settings");
    // However it ends: by itself, not at all, by a signal to it or to husk.
    for run in [
        "\"$H\" run \"$R\" /bin/sh -c 'stty raw; exit 1'",
        "\"$H\" run \"$R\" /nowhere",
        "\"$H\" run \"$R\" /bin/true",
        "sh -c 'echo $$ > \"$P\"; exec \"$H\" run \"$R\" sleep 100' & sleep 0.5; kill -TERM $(cat \"$P\"); wait $!",
    ] {
        let script = format!("stty -g > '{}'; {run}; stty -g > '{}'", before.display(), after.display());
        cli::run(on_terminal(&root, &script).env("P", scratch.join("pid")));
        assert_eq!(settings(&before), settings(&after), "{run}");
    }
    // And while it runs it is raw.
    let pid = scratch.join("pid");
    let script = format!(
        "stty -g > '{}'; sh -c 'echo $$ > {}; exec \"$H\" run \"$R\" /bin/sh -c \"echo ready; exec sleep 100\"'; \
         echo code $?; stty -g > '{}'",
        before.display(),
        pid.display(),
        after.display()
    );
    let (mut child, mut output) = until(&mut on_terminal(&root, &script), "ready");
    let number = settings(&pid);
    let tty = format!("/proc/{}/fd/0", number.trim());
    let state = run(Command::new("stty").args(["-g", "-F", &tty]));
    fs::write(&during, state.out()).expect("settings");
    assert_ne!(settings(&during), settings(&before), "the terminal is not raw");
    run(Command::new("kill").args(["-TERM", number.trim()])).good();
    let mut rest = String::new();
    while !rest.contains("code 143") {
        assert_ne!(output.read_line(&mut rest).expect("output"), 0, "{rest}");
    }
    wait(&mut child, &script);
    wait_until("settings", Duration::from_secs(5), || after.exists());
    assert_eq!(settings(&before), settings(&after));
}

#[test]
fn twenty_thousand_lines_come_through_complete() {
    let (_scratch, root) = place();
    let expected: String = (1..=20_000).map(|number| format!("{number}\r\n")).collect();
    for round in 0..3 {
        let ended = run(&mut husk_run(&["-t"], &root, &["/bin/seq", "1", "20000"]));
        assert!(ended.out() == expected, "round {round}: {} bytes of {}", ended.stdout.len(), expected.len());
    }
    let ended = run(&mut on_terminal(&root, "\"$H\" run \"$R\" /bin/seq 1 20000"));
    assert!(ended.out() == expected, "script: {} bytes of {}", ended.stdout.len(), expected.len());
}
