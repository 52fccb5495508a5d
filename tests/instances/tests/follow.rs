//! `run`, `exec` and `attach`: the streams, signals and exit code of what is followed.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cli::{run, run_with};
use husk_client::Exec;
use instance::message::Request;
use instances::{Fake, Shim, husk, on_terminal, until};
use serde_json::json;

fn script(text: &str) -> Exec {
    Exec::new("/bin/busybox").args(["sh", "-c", text])
}

/// A daemon with one instance, `web`, that runs.
fn serving(shim: &Arc<Shim>) -> Fake {
    // The daemon of a test ends with the program, and the shim with the test.
    let shim = Arc::downgrade(shim);
    Fake::new(move |request, peer| match request {
        Request::Run { .. } | Request::Connect { .. } => {
            peer.ok_with(
                json!({"pid": 4711, "state": "running"}),
                shim.upgrade().expect("the shim").connect(),
            );
            // It dies at once: nobody needs it any more.
            peer.hang_up();
        }
        // It has died before it could hear it.
        Request::Wait { .. } => {}
        other => panic!("{other:?}"),
    })
}

fn ground(main: &Exec) -> (Arc<Shim>, Fake) {
    let shim = Arc::new(Shim::new(main));
    let fake = serving(&shim);
    (shim, fake)
}

#[test]
fn run_shows_both_streams_and_ends_with_the_code_though_the_daemon_is_gone() {
    let (_shim, fake) = ground(&script("echo out; echo err >&2; sleep 0.2; echo more; exit 7"));
    let ended = run(&mut husk(&fake, &["run", "web"]));
    assert_eq!((ended.code(), ended.out().as_str(), ended.err().as_str()), (7, "out\nmore\n", "err\n"));
}

#[test]
fn run_asks_for_what_was_said() {
    let (_shim, fake) = ground(&script("exit 0"));
    run(&mut husk(&fake, &["run", "-d", "--exclusive", "web", "ls", "-l", "--", "x"])).good();
    let asked = fake.asked();
    let expected = json!({"type": "run", "name": "web", "command": ["ls", "-l", "--", "x"], "others": "stop",
                          "terminal": null, "stdin": "none"});
    assert_eq!(asked, [expected]);
}

#[test]
fn in_the_background_its_name_is_printed_and_nothing_is_followed() {
    let (_shim, fake) = ground(&script("sleep 1000"));
    assert_eq!(run(&mut husk(&fake, &["run", "-d", "web"])).good(), "web");
}

#[test]
fn standard_input_goes_to_it_to_its_end() {
    let (_shim, fake) = ground(&script("cat; echo end").open_stdin());
    let ended = run_with(&mut husk(&fake, &["run", "-i", "web"]), b"a\nb\n");
    assert_eq!((ended.code(), ended.out().as_str()), (0, "a\nb\nend\n"));
}

#[test]
fn a_signal_is_passed_on_and_its_code_comes_back() {
    let (_shim, fake) =
        ground(&script("trap 'echo got it; exit 3' TERM; echo ready; while :; do sleep 0.05; done"));
    let mut child = husk(&fake, &["run", "web"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    until(&mut out, "ready");
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    until(&mut out, "got it");
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn the_third_signal_leaves_alone_what_ignores_them() {
    // The shell tells on its standard error that what it waited for was ended too.
    let main = "exec 2> /dev/null; trap 'echo got INT' INT; trap 'echo got TERM' TERM; echo ready; while :; do sleep 0.05; done";
    let command = ["sh", "-c", main];
    for line in [vec!["run", "web"], vec!["attach", "web"], [&["exec", "web"][..], &command].concat()] {
        let (shim, fake) = ground(&script(main));
        let mut child = husk(&fake, &line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let kill = |signal: &str| {
            Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        };
        until(&mut out, "ready");
        kill("INT");
        until(&mut out, "got INT");
        kill("TERM");
        until(&mut out, "got TERM");
        kill("INT");
        assert_eq!(cli::wait(&mut child, &line).code(), Some(130), "{line:?}");
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let expected = if line[0] == "exec" { "" } else { "husk: web runs on (hint: husk stop web)\n" };
        assert_eq!(said, expected, "{line:?}");
        let running = || {
            let listed = shim.client().list(husk_client::Filter::default()).unwrap();
            listed.iter().filter(|one| one.state == "running").count()
        };
        cli::wait_until("the main command alone runs", Duration::from_secs(10), || running() == 1);
    }
}

#[test]
fn what_has_ended_before_it_could_be_followed_is_shown_all_the_same() {
    let fake = Fake::new(|request, peer| match request {
        Request::Run { .. } => peer.ok(json!({"state": "exited", "code": 4})),
        Request::Wait { .. } => peer.ok(json!({"code": 4, "signal": null, "oom": false})),
        Request::Logs { .. } => {
            let (mut read, mut write) = std::io::pipe().unwrap();
            write
                .write_all(b"1970-01-01T00:00:00Z stdout F old\n2100-01-01T00:00:00Z stdout F new\n")
                .unwrap();
            drop(write);
            let _ = &mut read;
            peer.ok_with(json!({"rotated": []}), read);
        }
        other => panic!("{other:?}"),
    });
    let ended = run(&mut husk(&fake, &["run", "web"]));
    assert_eq!((ended.code(), ended.out().as_str(), ended.err().as_str()), (4, "new\n", ""));
}

#[test]
fn exec_runs_a_command_with_what_was_said() {
    let (_shim, fake) = ground(&script("sleep 1000"));
    let ended = run(&mut husk(
        &fake,
        &["exec", "-e", "A=b c", "-w", "/usr", "web", "sh", "-c", "echo $A; pwd; exit 9"],
    ));
    assert_eq!((ended.code(), ended.out().as_str()), (9, "b c\n/usr\n"));
    let ended = run_with(&mut husk(&fake, &["exec", "-i", "web", "cat"]), b"through");
    assert_eq!((ended.code(), ended.out().as_str()), (0, "through"));
    let ended = run(&mut husk(&fake, &["exec", "web", "/none"]));
    assert_eq!(ended.code(), 127, "{}", ended.err());
    let ended = run(&mut husk(&fake, &["exec", "web", "/etc/passwd"]));
    assert_eq!(ended.code(), 126, "{}", ended.err());
}

#[test]
fn a_command_in_the_background_has_an_id_and_runs_on() {
    let (shim, fake) = ground(&script("sleep 1000"));
    let id = run(&mut husk(&fake, &["exec", "-d", "web", "sleep", "1000"])).good();
    let listed = shim.client().list(husk_client::Filter::default()).unwrap();
    assert!(listed.iter().any(|one| one.id == id && one.state == "running"), "{id}: {listed:?}");
}

#[test]
fn a_command_ends_with_its_husk() {
    let (shim, fake) = ground(&script("sleep 1000"));
    let mut child = husk(&fake, &["exec", "web", "sleep", "1000"]).spawn().unwrap();
    let running = || {
        shim.client()
            .list(husk_client::Filter::default())
            .unwrap()
            .iter()
            .filter(|one| one.state == "running")
            .count()
    };
    cli::wait_until("it runs", Duration::from_secs(10), || running() == 2);
    child.kill().unwrap();
    child.wait().unwrap();
    cli::wait_until("it has ended", Duration::from_secs(10), || running() == 1);
}

#[test]
fn a_reader_that_goes_away_ends_it_like_any_program() {
    let (_shim, fake) = ground(&script("sleep 1000"));
    let begun = Instant::now();
    let text = "\"$H\" exec web yes | head -1; \"$H\" exec web echo again";
    let ended = run(on_terminal(fake.socket(), text).stdin(Stdio::null()));
    assert_eq!(ended.out().replace("\r\n", "\n").trim_end_matches('\n'), "y\nagain");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_terminal_is_passed_through_and_its_keys_let_go() {
    let (shim, fake) = ground(
        &script("stty size; while read line; do echo \"got $line\"; done").open_stdin().pty(24, 80, None),
    );
    let text = "stty rows 30 cols 90; \"$H\" attach web; echo code $?; \
                stty -a | grep -qw icanon && echo restored";
    let mut child = on_terminal(fake.socket(), text).spawn().unwrap();
    let (mut keys, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    until(&mut out, "24 80");
    keys.write_all(b"hello\r").unwrap();
    until(&mut out, "got hello");
    // The first key alone is passed on with what follows it.
    keys.write_all(b"\x10").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    keys.write_all(b"\x11").unwrap();
    let rest = until(&mut out, "restored");
    assert!(rest.contains("let go of web") && rest.contains("code 0"), "{rest:?}");
    drop(keys);
    child.wait().unwrap();
    let listed = shim.client().list(husk_client::Filter::default()).unwrap();
    assert_eq!(listed.first().map(|one| one.state.as_str()), Some("running"), "it runs on");
}

#[test]
fn a_terminal_of_exec_has_the_size_of_ours_and_follows_it() {
    let (_shim, fake) = ground(&script("sleep 1000"));
    let text = "stty rows 30 cols 90; \"$H\" exec -it web sh -c 'stty size; tty >/dev/null && echo terminal; echo $TERM; \
                read x; stty size; exit 5'; echo code $?";
    let mut child = on_terminal(fake.socket(), text).spawn().unwrap();
    let (mut keys, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let first = until(&mut out, "vt220");
    assert!(first.contains("30 90") && first.contains("terminal"), "{first:?}");
    keys.write_all(b"\r").unwrap();
    let rest = until(&mut out, "code 5");
    assert!(rest.contains("30 90"), "{rest:?}");
    drop(keys);
    child.wait().unwrap();
}

#[test]
fn who_watches_alone_ends_with_a_key_and_the_watched_goes_on() {
    let (shim, fake) = ground(&script("echo ready; sleep 1000"));
    let mut child = husk(&fake, &["attach", "--no-stdin", "web"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    until(&mut out, "ready");
    Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(cli::wait(&mut child, &"attach").code(), None, "by the signal itself");
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let listed = shim.client().list(husk_client::Filter::default()).unwrap();
    assert_eq!(listed.first().map(|one| one.state.as_str()), Some("running"));
}
