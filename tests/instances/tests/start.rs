//! husk starts the daemon that it needs: it hands over the socket that it listens on.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use cli::{Scratch, copy, run};

/// A husk with a huskd beside it that writes down what it got, and then does this.
fn ground(then: &str) -> Scratch {
    let scratch = Scratch::new();
    copy(&cli::program("husk"), &scratch.join("husk"));
    let seen = scratch.join("seen");
    let script = format!(
        "#!/bin/sh\n{{ echo $$ $LISTEN_PID $LISTEN_FDS; readlink /proc/$$/fd/0; ls /proc/$$/fd | wc -l; \
         readlink /proc/$$/fd/3; pwd; env | sort | cut -d= -f1 | tr '\\n' ' '; ps -o sid= -p $$; }} > {0}.part\n\
         mv {0}.part {0}\necho said by huskd >&2\n{then}\n",
        seen.display()
    );
    fs::write(scratch.join("script"), script).unwrap();
    copy(&scratch.join("script"), &scratch.join("huskd"));
    Command::new("chmod").arg("755").arg(scratch.join("huskd")).status().unwrap();
    scratch
}

fn husk(scratch: &Scratch, line: &[&str]) -> Command {
    let mut command = Command::new(scratch.join("husk"));
    command
        .args(line)
        .env_remove("HUSK_NO_DAEMON")
        .env("HUSK_SOCKET", scratch.join("s"))
        .stdin(Stdio::null());
    command.env("SECRET", "of a person").env("HUSK_LOG", "debug");
    command
}

#[test]
fn the_daemon_gets_the_socket_and_little_else() {
    let scratch = ground("exit 1");
    let ended = run(&mut husk(&scratch, &["--verbose", "ls"]));
    assert_eq!(ended.code(), 1);
    let socket = scratch.join("s");
    let started = format!("husk: started huskd on {}\n", socket.display());
    assert!(ended.err().starts_with(&started), "{}", ended.err());
    // The connection was taken by nobody: its end is the daemon's.
    assert!(ended.err().contains("huskd: it has closed the connection"), "{}", ended.err());
    let seen = fs::read_to_string(scratch.join("seen")).unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    let numbers: Vec<&str> = lines[0].split(' ').collect();
    assert_eq!((numbers[0], numbers[2]), (numbers[1], "1"), "{seen}");
    assert_eq!(lines[1], "/dev/null", "{seen}");
    assert!(lines[3].starts_with("socket:"), "{seen}");
    assert_eq!(lines[4], "/", "{seen}");
    assert!(lines[5].contains("HUSK_LOG") && !lines[5].contains("SECRET"), "{seen}");
    assert!(lines[5].ends_with(numbers[0]), "a session of its own: {seen}");
    assert_eq!(fs::read_to_string(scratch.join("s.log")).unwrap(), "said by huskd\n");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn ten_that_need_one_start_one() {
    let scratch = ground("sleep 3");
    fs::write(scratch.join("count"), "").unwrap();
    let script = fs::read_to_string(scratch.join("script")).unwrap();
    let counted =
        script.replacen("sleep 3", &format!("echo x >> {}; sleep 3", scratch.join("count").display()), 1);
    fs::write(scratch.join("script"), counted).unwrap();
    fs::remove_file(scratch.join("huskd")).unwrap();
    copy(&scratch.join("script"), &scratch.join("huskd"));
    Command::new("chmod").arg("755").arg(scratch.join("huskd")).status().unwrap();
    let mut all: Vec<_> =
        (0..10).map(|_| husk(&scratch, &["ls"]).stderr(Stdio::null()).spawn().unwrap()).collect();
    for child in &mut all {
        assert_eq!(cli::wait(child, &"ls").code(), Some(1));
    }
    assert_eq!(fs::read_to_string(scratch.join("count")).unwrap(), "x\n");
}

#[test]
fn who_may_not_start_one_says_how_it_is_started() {
    let scratch = ground("exit 1");
    for (line, variable) in [(&["--no-daemon", "ls"][..], "0"), (&["ls"], "1"), (&["ls", "--no-daemon"], "0")]
    {
        let ended = run(husk(&scratch, line).env("HUSK_NO_DAEMON", variable));
        assert!(ended.err().contains("no huskd listens there"), "{line:?}: {}", ended.err());
    }
    assert!(!scratch.join("seen").exists() && !scratch.join("s").exists());
    fs::remove_file(scratch.join("huskd")).unwrap();
    let ended = run(&mut husk(&scratch, &["ls"]));
    assert!(ended.err().contains("no huskd runs, and there is none to start"), "{}", ended.err());
}

#[test]
fn a_socket_that_a_killed_daemon_has_left_is_replaced() {
    let scratch = ground("exit 1");
    drop(std::os::unix::net::UnixListener::bind(scratch.join("s")).unwrap());
    run(&mut husk(&scratch, &["ls"]));
    cli::wait_until("it was started", Duration::from_secs(10), || scratch.join("seen").exists());
}
