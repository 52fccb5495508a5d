//! What people type who come from docker(1) and podman(1).

use std::fs;
use std::time::{Duration, Instant};

use cli::run;
use instances::Ground;

/// An instance whose process 1 takes no notice of TERM, running.
fn stubborn(ground: &Ground, name: &str) {
    ground.good(&[
        "new",
        name,
        "busybox",
        "--grace",
        "2s",
        "--",
        "/bin/sh",
        "-c",
        "while :; do sleep 1; done",
    ]);
    ground.good(&["run", "-d", name]);
}

#[test]
fn several_are_stopped_and_removed_side_by_side() {
    let ground = Ground::with_image();
    let names = ["a", "b", "c"];
    for name in names {
        stubborn(&ground, name);
    }
    let asked = Instant::now();
    ground.good(&["stop", "a", "b", "c"]);
    // One after another they would take six seconds.
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert_eq!(ground.good(&["wait", "a", "b", "c"]), "137\n137\n137");
    for name in names {
        ground.good(&["run", "-d", name]);
    }
    let asked = Instant::now();
    ground.good(&["rm", "-f", "a", "b", "c"]);
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    assert_eq!(ground.good(&["ls", "-q"]), "");
}

#[test]
fn no_time_to_stop_is_a_kill() {
    let ground = Ground::with_image();
    for name in ["a", "b"] {
        stubborn(&ground, name);
        ground.good(&["set", name, "--grace", "1m"]);
    }
    let asked = Instant::now();
    ground.good(&["stop", "-t", "0", "a"]);
    ground.good(&["rm", "-f", "--grace", "0", "b"]);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(ground.good(&["ls", "-q"]), "a");
}

#[test]
fn a_copy_to_where_nothing_can_be_says_so_however_much_it_is() {
    let ground = Ground::with_image();
    ground.good(&["new", "c", "busybox"]);
    let large = ground.join("large");
    fs::write(&large, vec![b'x'; 2_000_000]).unwrap();
    let long = format!("c:/tmp/{}", "x".repeat(300));
    for (to, part) in [
        ("c:/etc/passwd/x", "Not a directory"),
        ("c:/nodir/y", "No such file or directory"),
        (&long, "File name too long"),
    ] {
        // The daemon may close the pipe before it has answered, or after.
        for _ in 0..5 {
            let ended = run(&mut ground.husk(&["cp", large.to_str().unwrap(), to]));
            assert!(
                ended.code() == 1 && ended.err().contains(part),
                "{to}: {}: {}",
                ended.code(),
                ended.err()
            );
        }
    }
}

/// Waits until there is no instance.
fn until_nothing_is_left(ground: &Ground) {
    cli::wait_until("the instance is removed", Duration::from_secs(20), || {
        ground.good(&["ls", "-q"]).is_empty()
    });
}

#[test]
fn a_command_in_an_image_leaves_its_exit_code_and_nothing_else() {
    let ground = Ground::with_image();
    for number in 0..10 {
        let script = format!("echo number {number}; exit {number}");
        let ended = run(&mut ground.husk(&["run", "--rm", "busybox", "/bin/sh", "-c", &script]));
        assert_eq!((ended.code(), ended.out()), (number, format!("number {number}\n")), "{}", ended.err());
        assert_eq!(ground.good(&["ls", "-q"]), "");
    }
    let line =
        ["run", "--rm", "-i", "--name", "web", "--hostname", "box", "-e", "A=b", "--net", "none", "busybox"];
    let words = [&line[..], &["--", "/bin/sh", "-c", "hostname; echo $A; cat"]].concat();
    let ended = cli::run_with(&mut ground.husk(&words), b"through");
    assert_eq!((ended.code(), ended.out().as_str()), (0, "box\nb\nthrough"), "{}", ended.err());
    let ended = run(&mut ground.husk(&["run", "--rm", "busybox", "/bin/none"]));
    assert_eq!(ended.code(), 127, "{}", ended.err());
    assert_eq!(ground.good(&["ls", "-q"]), "");
}

#[test]
fn what_is_removed_at_its_end_is_so_whoever_has_gone_by_then() {
    let mut ground = Ground::with_image();
    let name = ground.good(&["run", "--rm", "-d", "busybox", "sleep", "1"]);
    assert!(name.starts_with("run-") && ground.good(&["ls", "-q"]) == name, "{name}");
    until_nothing_is_left(&ground);
    // Who waits for it is told how it ended.
    let name = ground.good(&["run", "--rm", "-d", "busybox", "/bin/sh", "-c", "sleep 1; exit 5"]);
    assert_eq!(ground.good(&["wait", &name]), "5");
    assert_eq!(ground.good(&["ls", "-q"]), "");
    // husk is killed.
    let mut child = ground.husk(&["run", "--rm", "--name", "web", "busybox", "sleep", "2"]).spawn().unwrap();
    cli::wait_until("it runs", Duration::from_secs(20), || ground.good(&["ls"]).contains("running"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(ground.good(&["ls"]).contains("running"));
    until_nothing_is_left(&ground);
    // The daemon is killed.
    ground.good(&["run", "--rm", "-d", "busybox", "sleep", "3"]);
    ground.replace_daemon();
    until_nothing_is_left(&ground);
    // It is stopped.
    ground.good(&["run", "--rm", "-d", "--name", "web", "busybox", "sleep", "1000"]);
    let refused = run(&mut ground.husk(&["restart", "-t", "0", "web"]));
    assert!(refused.code() != 0 && refused.err().contains("cannot be restarted"), "{}", refused.err());
    assert!(ground.good(&["ls"]).contains("running"));
    ground.good(&["stop", "-t", "0", "web"]);
    assert_eq!(ground.good(&["ls", "-q"]), "");
}

#[test]
fn an_image_in_place_of_an_instance_is_told_apart() {
    let ground = Ground::with_image();
    ground.good(&["import", ground.join("busybox.tar").to_str().unwrap(), "box:1"]);
    for (line, part) in [
        (&["run", "busybox", "true"][..], "husk new NAME busybox makes an instance, husk run --rm busybox"),
        (&["run", "box:1", "true"], "husk run --rm box:1"),
        (&["run", "--rm", "busybix"], "did you mean busybox?"),
        (&["run", "--rm", "--privileged", "busybox"], "--profile unrestricted"),
        (&["run", "--rm", "--restart", "always", "busybox"], "not started again"),
        (&["run", "--rm", "-p", "80:80", "busybox"], "--net private"),
    ] {
        let ended = run(&mut ground.husk(line));
        assert!(ended.code() != 0 && ended.err().contains(part), "{line:?}: {}", ended.err());
    }
    assert_eq!(ground.good(&["ls", "-q"]), "");
}

#[test]
fn words_of_docker_do_what_they_do_there_or_lead_on() {
    let ground = Ground::with_image();
    let list = ground.join("list");
    fs::write(&list, "# what it needs\n\nA=of the file\nB=\"two\"\n").unwrap();
    let list = list.to_str().unwrap();
    let mounted = format!("{}:/mnt:ro", ground.join("rootfs").display());
    let line = ["create", "--env-file", list, "-e", "A=said", "--volume", &mounted, "--network", "none"];
    let script = "echo $A $B; ls /mnt/bin/busybox; trap 'echo hup' HUP; while :; do sleep 0.1; done";
    ground.good(
        &[&line[..], &["--ulimit", "nofile=64", "web", "busybox", "--", "/bin/sh", "-c", script]].concat(),
    );
    ground.good(&["start", "web"]);
    let expected = "said \"two\"\n/mnt/bin/busybox";
    cli::wait_until("it has begun", Duration::from_secs(20), || ground.good(&["logs", "web"]) == expected);
    ground.good(&["kill", "-s", "HUP", "web"]);
    cli::wait_until("the signal", Duration::from_secs(20), || {
        ground.good(&["logs", "web"]).ends_with("\nhup")
    });
    assert!(ground.good(&["ps", "-a"]).contains("running"));
    let pid = || {
        ground.good(&["ls", "--format", "json"]).lines().find(|line| line.contains("pid")).map(String::from)
    };
    let before = pid();
    ground.good(&["restart", "-t", "0", "web"]);
    assert_ne!(pid(), before);
    ground.good(&["kill", "web"]);
    assert_eq!(ground.good(&["wait", "web"]), "137");
    ground.good(&["restart", "web"]);
    assert!(ground.good(&["ls"]).contains("running"));
    let ended = run(&mut ground.husk(&["kill", "-s", "FLY", "web"]));
    assert!(ended.code() == 2 && ended.err().contains("--signal \"FLY\": no signal"), "{}", ended.err());
    assert_eq!(ground.good(&["exec", "--env-file", list, "web", "/bin/sh", "-c", "echo $A"]), "of the file");
}

#[test]
fn what_is_not_there_says_what_is_in_its_place() {
    let ground = Ground::new();
    for (line, part) in [
        (&["new", "-h", "host", "a", "busybox"][..], "hint: --hostname NAME"),
        (&["run", "-h", "host", "a"], "hint: --hostname NAME"),
        (&["new", "a", "small", "/bin/sh", "-c", "x"], "hint: husk new a small -- /bin/sh …"),
        (&["new", "--privileged", "a", "small"], "hint: --profile unrestricted"),
        (&["new", "--shm-size", "1g", "a", "small"], "--tmpfs /dev/shm"),
        (&["new", "-P", "a", "small"], "--publish PORT:PORT"),
        (&["new", "--net", "private", "-p", "80", "a", "small"], "[ADDRESS:]HOST:INSTANCE"),
        (&["new", "--net", "private", "-p", "80-90:80-90", "a", "small"], "a range of ports is not taken"),
        (&["new", "--env-file", "/none", "a", "small"], "--env-file /none: No such file"),
        (&["rmi", "-f", "small"], "removed without"),
        (&["inspect", "-f", "x", "a"], "| jq"),
        (&["pull", "debian"], "there are no registries here"),
        (&["tag", "a", "b"], "husk import - OTHER"),
    ] {
        let ended = run(&mut ground.husk(line));
        // A file that is not there is no wrong command line.
        let code = match line[1] {
            "--env-file" => 1,
            _ if line[0] == "run" => 125,
            _ => 2,
        };
        assert!(ended.code() == code && ended.err().contains(part), "{line:?}: {}", ended.err());
    }
    let ended = run(&mut ground.husk(&["bogus"]));
    assert!(ended.code() == 2 && !ended.err().contains("did you mean"), "{}", ended.err());
    assert!(ground.good(&["new", "-h"]).starts_with("husk new"));
}

#[test]
fn what_is_shown_is_what_is() {
    let ground = Ground::with_image();
    ground.good(&["new", "web", "busybox", "--", "sleep", "1000"]);
    ground.good(&["run", "-d", "web", "sleep", "777"]);
    assert!(ground.good(&["ls"]).contains("sleep 777"));
    ground.good(&["stop", "-t", "0", "web"]);
    assert!(ground.good(&["ls"]).contains("sleep 1000"));
    ground.good(&["start", "web"]);
    assert!(ground.good(&["ls"]).contains("sleep 1000"));
    // 3 MiB, in two files, and the busybox of the image: all of it is told of at the end.
    let from = ground.join("tree");
    fs::create_dir(&from).unwrap();
    fs::write(from.join("a"), vec![b'x'; 2 << 20]).unwrap();
    fs::write(from.join("b"), vec![b'x'; 1 << 20]).unwrap();
    let archive = ground.join("tree.tar");
    let mut tar = std::process::Command::new("tar");
    tar.arg("-C").arg(&from).arg("-cf").arg(&archive).arg(".");
    assert!(tar.status().unwrap().success());
    for input in [archive.to_str().unwrap(), "-"] {
        let mut command = ground.husk(&["import", input, if input == "-" { "piped" } else { "file" }]);
        let ended = run(command.stdin(fs::File::open(&archive).unwrap()));
        assert!(ended.code() == 0 && ended.err().contains(": 3.0MiB in "), "{input}: {}", ended.err());
    }
    assert!(ground.good(&["images"]).contains("3.0MiB"));
}

#[test]
fn what_went_wrong_is_named_as_it_is() {
    let ground = Ground::with_image();
    ground.good(&["new", "web", "busybox", "--", "sleep", "1000"]);
    ground.good(&["start", "web"]);
    let mut command = ground.husk(&["exec", "web", "echo", "x"]);
    let ended = command.stdout(fs::File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("standard output: No space left on device"), "{said}");
    let ended = run(&mut ground.husk(&["exec", "-u", "nobody2", "web", "true"]));
    assert!(ended.err().contains("a number needs no entry there"), "{}", ended.err());
    let script = "\"$H\" exec -it web cat; echo code $?";
    let mut child = instances::on_terminal(ground.join("s"), script).spawn().unwrap();
    let (mut typed, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    std::io::Write::write_all(&mut typed, b"seen\r").unwrap();
    // Once as the echo, once by cat.
    instances::until(&mut out, "seen");
    instances::until(&mut out, "seen");
    std::io::Write::write_all(&mut typed, b"\x10\x11").unwrap();
    let rest = instances::until(&mut out, "code 0");
    assert!(rest.contains("nothing comes back to it"), "{rest}");
    drop(typed);
    cli::wait(&mut child, &"script");
}

#[test]
fn an_interrupted_copy_leaves_no_part_of_a_file_and_says_what_is_there() {
    let ground = Ground::with_image();
    // `a` is copied whole, and `b` is so large that its copy takes its time.
    let script = "mkdir /d; echo a > /d/a; head -c 400000000 /dev/zero > /d/b; sleep 1000";
    ground.good(&["new", "web", "busybox", "--", "/bin/sh", "-c", script]);
    ground.good(&["start", "web"]);
    let size = || run(&mut ground.husk(&["exec", "web", "/bin/sh", "-c", "wc -c < /d/b"])).out();
    cli::wait_until("the file", Duration::from_secs(60), || size().trim() == "400000000");
    let to = ground.join("to");
    let mut child = ground.husk(&["cp", "web:/d", to.to_str().unwrap()]);
    let mut child = child.stderr(std::process::Stdio::piped()).spawn().unwrap();
    cli::wait_until("a part", Duration::from_secs(20), || {
        fs::metadata(to.join("b")).is_ok_and(|b| b.len() > 0)
    });
    std::process::Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    let status = cli::wait(&mut child, &"cp");
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted: 2 files and directories are in "), "{said}");
    assert!(fs::exists(to.join("a")).unwrap() && !fs::exists(to.join("b")).unwrap());
}
