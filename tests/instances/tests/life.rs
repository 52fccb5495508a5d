//! The life of instances with the daemon that there is, as a person types it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use cli::run;
use instances::{Ground, on_terminal, programs, until};

#[test]
fn an_image_becomes_an_instance_that_runs_is_looked_at_and_goes() {
    let ground = Ground::with_image();
    let script = "echo out; echo err >&2; cat /etc/hostname 2>/dev/null; exit 5";
    ground.good(&["new", "web", "busybox", "--hostname", "box", "--", "/bin/sh", "-c", script]);
    let ended = run(&mut ground.husk(&["run", "web"]));
    assert_eq!((ended.code(), ended.out().as_str(), ended.err().as_str()), (5, "out\n", "err\n"));
    assert_eq!(run(&mut ground.husk(&["run", "web", "hostname"])).out(), "box\n");
    let ended = run(&mut ground.husk(&["logs", "web"]));
    assert_eq!((ended.out().as_str(), ended.err().as_str()), ("out\nbox\n", "err\n"));
    assert!(ground.good(&["ls"]).contains("exited 0"));
    assert_eq!(ground.good(&["wait", "web"]), "0");
    let ended = run(&mut ground.husk(&["run", "web", "/bin/none"]));
    assert_eq!(ended.code(), 127, "{}", ended.err());
    ground.good(&["rename", "web", "old"]);
    ground.good(&["set", "old", "--", "echo", "changed"]);
    assert_eq!(run(&mut ground.husk(&["run", "old"])).out(), "changed\n");
    ground.good(&["rm", "old"]);
    ground.good(&["rmi", "busybox"]);
    assert_eq!((ground.good(&["ls", "-q"]), ground.good(&["images", "-q"])), (String::new(), String::new()));
}

#[test]
fn a_short_command_shows_all_that_it_wrote_every_time() {
    let ground = Ground::with_image();
    ground.good(&["new", "web", "busybox"]);
    for number in 0..20 {
        let text = format!("number {number}");
        let ended = run(&mut ground.husk(&["run", "web", "echo", &text]));
        assert_eq!((ended.code(), ended.out()), (0, text + "\n"), "{}", ended.err());
    }
}

#[test]
fn an_instance_that_runs_takes_commands_and_files() {
    let ground = Ground::with_image();
    ground.good(&["new", "web", "busybox", "--", "sleep", "1000"]);
    assert_eq!(ground.good(&["run", "-d", "web"]), "web");
    let ended = run(&mut ground.husk(&[
        "exec",
        "-e",
        "A=b",
        "-w",
        "/etc",
        "web",
        "sh",
        "-c",
        "echo $A; pwd; exit 3",
    ]));
    assert_eq!((ended.code(), ended.out().as_str()), (3, "b\n/etc\n"));
    assert_eq!(cli::run_with(&mut ground.husk(&["exec", "-i", "web", "cat"]), b"through").out(), "through");
    let file = ground.join("file");
    fs::write(&file, "text").unwrap();
    ground.good(&["cp", file.to_str().unwrap(), "web:/tmp"]);
    ground.good(&["cp", file.to_str().unwrap(), "web:/root/other"]);
    assert_eq!(ground.good(&["exec", "web", "cat", "/tmp/file", "/root/other"]), "texttext");
    let out = ground.join("etc");
    ground.good(&["cp", "web:/etc", out.to_str().unwrap()]);
    assert!(fs::read_to_string(out.join("passwd")).unwrap().starts_with("root:"));
    assert!(ground.good(&["top", "-n", "1"]).contains("sleep 1000"));
    let ended = run(&mut ground.husk(&["stats", "--no-stream"]));
    match counts() {
        true => assert!(ended.out().lines().nth(1).unwrap().starts_with("web "), "{}", ended.err()),
        false => assert!(ended.code() == 1 && ended.err().contains("needs cgroup v2"), "{}", ended.err()),
    }
    let ended = run(&mut ground.husk(&["rm", "web"]));
    assert!(ended.code() == 1 && ended.err().contains("husk stop web"), "{}", ended.err());
    ground.good(&["stop", "--grace", "100ms", "web"]);
    assert_eq!(ground.good(&["wait", "web"]), "137");
    ground.good(&["cp", "web:/tmp/file", out.join("again").to_str().unwrap()]);
    assert_eq!(fs::read_to_string(out.join("again")).unwrap(), "text");
}

#[test]
fn files_become_images_and_images_archives() {
    let ground = Ground::with_image();
    ground.good(&["new", "web", "busybox"]);
    ground.good(&["run", "web", "sh", "-c", "echo mine > /root/file"]);
    ground.good(&["commit", "web", "mine:1"]);
    let archive = ground.join("mine.oci.tar.zst");
    ground.good(&["export", "--format", "oci", "-o", archive.to_str().unwrap(), "mine:1"]);
    ground.good(&["import", archive.to_str().unwrap(), "again"]);
    ground.good(&["new", "two", "again"]);
    assert_eq!(run(&mut ground.husk(&["run", "two", "cat", "/root/file"])).out(), "mine\n");
    let from = ground.join("rootfs");
    ground.good(&["seed", from.to_str().unwrap(), "seeded"]);
    assert_eq!(ground.good(&["images", "-q"]), "again\nbusybox\nmine:1\nseeded");
    let ended = run(&mut ground.husk(&["commit", "web", "mine:1"]));
    assert!(ended.code() == 1 && ended.err().contains("husk rmi mine:1"), "{}", ended.err());
}

#[test]
fn a_killed_daemon_costs_who_follows_nothing() {
    let mut ground = Ground::with_image();
    let script = "echo before; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo after; exit 6";
    ground.good(&["new", "web", "busybox", "--", "/bin/sh", "-c", script]);
    let mut child = ground.husk(&["run", "web"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "before");
    let mut waiting = ground.husk(&["wait", "web"]).stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    ground.replace_daemon();
    assert!(ground.good(&["ls"]).contains("running"));
    ground.good(&["exec", "web", "touch", "/tmp/go"]);
    assert_eq!(lines.next().unwrap().unwrap(), "after");
    assert_eq!(cli::wait(&mut child, &"run").code(), Some(6));
    assert_eq!(ground.good(&["wait", "web"]), "6");
    assert_eq!(cli::wait(&mut waiting, &"wait").code(), Some(0));
    let mut code = String::new();
    waiting.stdout.take().unwrap().read_to_string(&mut code).unwrap();
    assert_eq!(code, "6\n");
}

#[test]
fn an_interrupted_import_leaves_nothing() {
    let ground = Ground::new();
    let mut child =
        ground.husk(&["import", "-", "large"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_path("large").unwrap();
    header.set_size(1 << 30);
    header.set_mode(0o644);
    header.set_cksum();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(header.as_bytes()).unwrap();
    pipe.write_all(&vec![b'x'; 5_000_000]).unwrap();
    Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    let status = cli::wait(&mut child, &"import");
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((status.code(), said.contains("interrupted: nothing was left")), (Some(130), true), "{said}");
    assert_eq!(ground.good(&["images", "-q"]), "");
    for place in ["tmp", "layers", "images"] {
        let left = fs::read_dir(ground.join("root").join(place)).unwrap().count();
        assert_eq!(left, 0, "{place}");
    }
}

#[test]
fn a_terminal_is_let_go_of_and_come_back_to() {
    let ground = Ground::with_image();
    let script = "stty size; while read line; do echo \"got $line\"; test \"$line\" = end && exit 4; done";
    ground.good(&["new", "web", "busybox", "--", "/bin/sh", "-c", script]);
    let text = "stty rows 31 cols 91; \"$H\" run -it web; echo first $?; \"$H\" attach web; echo second $?";
    let mut child = on_terminal(ground.join("s"), text).spawn().unwrap();
    let (mut keys, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    until(&mut out, "31 91");
    keys.write_all(b"one\r").unwrap();
    until(&mut out, "got one");
    keys.write_all(b"\x10\x11").unwrap();
    let rest = until(&mut out, "first 0");
    assert!(rest.contains("let go of web"), "{rest:?}");
    // What was shown before is shown again.
    until(&mut out, "got one");
    keys.write_all(b"end\r").unwrap();
    let rest = until(&mut out, "second 4");
    assert!(rest.contains("got end"), "{rest:?}");
    drop(keys);
    cli::wait(&mut child, &"script");
}

/// Whether this machine has cgroup v2, and counts what instances use.
fn counts() -> bool {
    fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap()
}

/// Whether the terminal has lines and an echo.
const RESTORED: &str = "stty -a | grep -qw icanon && stty -a | grep -qw echo && echo restored";

#[test]
fn what_is_shown_again_and_again_ends_with_q_and_leaves_the_terminal_as_it_was() {
    let ground = Ground::with_image();
    ground.good(&["new", "web", "busybox", "--", "sleep", "1000"]);
    ground.good(&["run", "-d", "web"]);
    // Ctrl-Z does nothing where no shell could continue it.
    for (verb, keys, code) in [
        ("top", &b"q"[..], 0),
        ("top", b"xyzQ", 0),
        ("top", b"\x1aq", 0),
        ("stats", b"q", 0),
        ("top", b"\x03", 130),
    ] {
        if verb == "stats" && !counts() {
            continue;
        }
        let text = format!("trap : INT; \"$H\" {verb}; echo code $?; {RESTORED}");
        let mut child = on_terminal(ground.join("s"), &text).spawn().unwrap();
        let (mut typed, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        until(&mut out, "web ");
        typed.write_all(keys).unwrap();
        let rest = until(&mut out, "restored");
        assert!(rest.contains(&format!("code {code}\r")), "{verb} {keys:?}: {rest:?}");
        assert!(!rest.contains("xyz"), "{verb}: no echo of what is typed: {rest:?}");
        drop(typed);
        cli::wait(&mut child, &"script");
    }
}

#[test]
fn a_shell_stops_and_continues_what_is_shown_again_and_again() {
    let ground = Ground::with_image();
    ground.good(&["new", "web", "busybox", "--", "sleep", "1000"]);
    ground.good(&["run", "-d", "web"]);
    let text = format!("set -m; \"$H\" top; {RESTORED}; fg; echo code $?; {RESTORED}");
    let mut child = on_terminal(ground.join("s"), &text).spawn().unwrap();
    let (mut typed, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    until(&mut out, "web ");
    typed.write_all(b"\x1a").unwrap();
    until(&mut out, "restored");
    until(&mut out, "web ");
    typed.write_all(b"q").unwrap();
    let rest = until(&mut out, "restored");
    assert!(rest.contains("code 0\r"), "{rest:?}");
    drop(typed);
    cli::wait(&mut child, &"script");
}

#[test]
fn a_signal_finds_the_terminal_as_it_was() {
    let ground = Ground::with_image();
    ground.good(&["new", "web", "busybox", "--", "sleep", "1000"]);
    ground.good(&["run", "-d", "web"]);
    let text = format!("sh -c 'echo pid $$ .; exec \"$H\" top'; echo code $?; {RESTORED}");
    let mut child = on_terminal(ground.join("s"), &text).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let shown = until(&mut out, "web ");
    let pid = shown.split("pid ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    let rest = until(&mut out, "restored");
    assert!(rest.contains("code 143\r"), "{rest:?}");
    drop(child.stdin.take());
    cli::wait(&mut child, &"script");
}

#[test]
fn a_shell_on_a_terminal_ends_where_standard_input_is_at_its_end() {
    let ground = Ground::with_image();
    ground.good(&["new", "web", "busybox"]);
    for _ in 0..3 {
        // Standard input of this husk is /dev/null.
        let ended = run(&mut ground.husk(&["run", "-it", "web", "/bin/sh"]));
        assert_eq!(ended.code(), 0, "{}{}", ended.out(), ended.err());
    }
    let ended = cli::run_with(&mut ground.husk(&["run", "-it", "web", "/bin/sh"]), b"exit 5\n");
    assert_eq!(ended.code(), 5, "{}{}", ended.out(), ended.err());
    ground.good(&["set", "web", "--", "sleep", "1000"]);
    ground.good(&["run", "-d", "web"]);
    let ended = run(&mut ground.husk(&["exec", "-it", "web", "/bin/sh"]));
    assert_eq!(ended.code(), 0, "{}{}", ended.out(), ended.err());
}

#[test]
fn a_log_is_followed_to_the_end_of_its_instance() {
    let ground = Ground::with_image();
    let script = "for i in 1 2 3; do echo line $i; sleep 0.2; done";
    ground.good(&["new", "web", "busybox", "--", "/bin/sh", "-c", script]);
    ground.good(&["run", "-d", "web"]);
    let ended = run(&mut ground.husk(&["logs", "-f", "web"]));
    assert_eq!((ended.code(), ended.out().as_str()), (0, "line 1\nline 2\nline 3\n"));
    let ended = run(&mut ground.husk(&["logs", "-f", "--tail", "1", "web"]));
    assert_eq!((ended.code(), ended.out().as_str()), (0, "line 3\n"));
}

#[test]
fn husk_starts_the_daemon_by_itself() {
    // Where it would be is this machine's: that is hidden in a mount namespace, and all of it ends with a pid namespace.
    let script = "set -e; mount -t tmpfs none /run; mount -t tmpfs none /var/lib; \
                  \"$P/husk\" --verbose ls -q; \"$P/husk\" import - bb < \"$A\" 2>/dev/null; \"$P/husk\" new a bb; \
                  \"$P/husk\" run a echo hello; \"$P/husk\" --verbose images -q; stat -c %a /run/husk.sock; \
                  cat /run/husk/huskd.log >&2";
    let ground = Ground::with_image();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "/bin/sh", "-c", script]);
    command.env("P", programs()).env("A", ground.join("busybox.tar")).stdin(Stdio::null());
    command.env_remove("HUSK_SOCKET").env_remove("HUSK_NO_DAEMON");
    let ended = run(&mut command);
    assert_eq!(ended.out(), "hello\nbb\n600\n", "{}", ended.err());
    let started = ended.err().matches("husk: started huskd on /run/husk.sock").count();
    assert_eq!(started, 1, "{}", ended.err());
}
