//! What goes wrong is one line with what to do, and an exit code that says whose it is.

use std::sync::atomic::{AtomicUsize, Ordering};

use cli::run;
use instance::message::{Reason, Request, What};
use instances::{Fake, husk};
use serde_json::json;

fn summary(name: &str) -> serde_json::Value {
    json!({"name": name, "image": "debian:12", "state": "exited", "pid": null, "code": 0, "created": 1, "since": 1,
           "address": null, "command": []})
}

/// A daemon that has an instance `web` and an image `debian:12`, and refuses everything.
fn refusing(code: Reason, text: &'static str) -> Fake {
    Fake::new(move |request, peer| match request {
        Request::Ls { what: What::Instances } => peer.ok(json!({"instances": [summary("web")]})),
        Request::Ls { what: What::Images } => peer.ok(json!({"images": [{"name": "debian:12"}]})),
        _ => peer.refuse(code, text),
    })
}

#[test]
fn a_name_that_is_nearly_one_is_suggested() {
    let fake = refusing(Reason::NotFound, "no such thing");
    for (line, hint) in [
        (&["stop", "wbe"][..], "did you mean web?"),
        (&["new", "x", "debain:12"], "did you mean debian:12?"),
        (&["inspect", "debian:11"], "did you mean debian:12?"),
        (&["new", "x", "alpine"], "husk images lists what there is, husk import and husk seed make one"),
        (&["stop", "unrelated"], "husk ls lists instances"),
        (&["run", "unrelated"], "a root file system starts with / or ."),
    ] {
        let ended = run(&mut husk(&fake, line));
        assert!(ended.err().starts_with("husk: no such thing (hint: "), "{line:?}: {}", ended.err());
        assert!(ended.err().contains(hint) && ended.err().lines().count() == 1, "{line:?}: {}", ended.err());
    }
}

#[test]
fn exit_codes_say_whose_failure_it_is() {
    let fake = refusing(Reason::State, "instance web: does not run");
    for (line, code) in [
        (&["stop", "web"][..], 1),
        (&["stop"], 2),
        (&["stop", "--fly", "web"], 2),
        (&["stop", "../x"], 2),
        (&["fly"], 2),
        (&[], 2),
        (&["exec", "web", "ls"], 125),
        (&["exec", "web"], 125),
        (&["run", "web"], 125),
        (&["run", "--fly", "web"], 125),
        (&["attach", "web"], 125),
        (&["logs", "web"], 1),
        (&["cp", "web:/a", "/"], 1),
        (&["cp", "a", "b"], 2),
        (&["help", "fly"], 2),
        (&["ls", "fly"], 2),
    ] {
        let ended = run(&mut husk(&fake, line));
        assert_eq!(ended.code(), code, "{line:?}: {}", ended.err());
        assert!(
            ended.err().starts_with("husk: ") && ended.err().lines().count() == 1,
            "{line:?}: {}",
            ended.err()
        );
    }
}

#[test]
fn a_command_that_cannot_be_started_has_the_code_that_the_daemon_says() {
    let fake = Fake::new(|_, peer| {
        let line = r#"{"data":"web: /bin/fly: No such file or directory","code":"failed","exit":127}"#;
        peer.refuse_with(serde_json::from_str(line).unwrap());
    });
    let ended = run(&mut husk(&fake, &["run", "web", "fly"]));
    assert_eq!(
        (ended.code(), ended.err().as_str()),
        (127, "husk: web: /bin/fly: No such file or directory\n")
    );
}

#[test]
fn several_names_are_all_tried_and_each_failure_is_said() {
    let fake = Fake::new(|request, peer| match request {
        Request::Rm { name, .. } if name.as_str() == "b" => peer.ok(json!({})),
        _ => peer.refuse(Reason::State, "it runs"),
    });
    let ended = run(&mut husk(&fake, &["rm", "a", "b", "c"]));
    assert_eq!((ended.code(), ended.err().lines().count()), (1, 2), "{}", ended.err());
    assert_eq!(fake.asked().len(), 3);
    assert!(ended.err().contains("husk stop a") && ended.err().contains("husk stop c"));
}

#[test]
fn without_a_daemon_it_is_said_what_to_do() {
    let fake = Fake::new(|_, _| {});
    let mut command = husk(&fake, &["ls"]);
    let ended = run(command.env("HUSK_SOCKET", fake.directory().join("none")));
    assert_eq!(ended.code(), 1);
    assert!(
        ended.err().contains("none: No such file or directory (hint: no huskd listens there"),
        "{}",
        ended.err()
    );
    let mut command = husk(&fake, &["--socket", "/dev/null", "ls"]);
    assert!(run(&mut command).err().starts_with("husk: /dev/null: "));
}

#[test]
fn a_daemon_that_goes_away_is_an_error_and_no_hang() {
    let fake = Fake::new(|_, peer| peer.hang_up());
    for line in [&["ls"][..], &["stop", "web"], &["import", "/dev/null", "x"], &["logs", "web"]] {
        let ended = run(&mut husk(&fake, line));
        assert!(ended.err().contains("huskd: it has closed the connection"), "{line:?}: {}", ended.err());
        // Its log is beside its socket.
        let log = format!("{}.log", fake.socket().display());
        assert!(ended.err().contains(&log), "{line:?}: {}", ended.err());
        assert_eq!(ended.code(), 1, "{line:?}");
    }
}

#[test]
fn an_archive_that_is_refused_is_named() {
    let fake = refusing(Reason::Failed, "the archive is cut off");
    let ended = run(&mut husk(&fake, &["import", "/dev/null", "x"]));
    assert_eq!((ended.code(), ended.err().as_str()), (1, "husk: import /dev/null: the archive is cut off\n"));
}

#[test]
fn what_is_done_with_a_warning_is_done_and_the_warning_is_said() {
    let fake =
        Fake::new(|_, peer| peer.ok(json!({"warnings": ["bind /a:/b:\u{1b} /a: none"], "more_warnings": 2})));
    let expected = "husk: warning: bind /a:/b:\\u{1b} /a: none\nhusk: warning: 2 more of these\n";
    for line in
        [&["new", "web", "debian"][..], &["set", "web", "--memory", "1m"], &["import", "/dev/null", "x"]]
    {
        let ended = run(&mut husk(&fake, line));
        assert!(ended.code() == 0 && ended.err().ends_with(expected), "{line:?}: {}", ended.err());
    }
}

#[test]
fn an_instance_that_cannot_be_reached_is_said_with_the_reason() {
    let fake = Fake::new(|_, peer| {
        let mut one = summary("web");
        (one["state"], one["reason"]) = (json!("unreachable"), json!("its shim, process 7, does not answer"));
        peer.ok(json!({"instances": [one]}));
    });
    let ended = run(&mut husk(&fake, &["ls"]));
    assert!(ended.out().contains(" unreachable "), "{}", ended.out());
    let expected = "husk: web: its shim, process 7, does not answer (hint: husk stop web kills the shim)\n";
    assert_eq!((ended.code(), ended.err().as_str()), (0, expected));
}

#[test]
fn events_end_with_the_daemon_and_say_so() {
    let fake = Fake::new(|_, peer| {
        peer.event(json!({"time_ns": 0, "event": "exited", "name": "web"}));
        peer.hang_up();
    });
    let ended = run(&mut husk(&fake, &["events"]));
    assert_eq!((ended.code(), ended.out().as_str()), (1, "1970-01-01T00:00:00Z exited web\n"));
    assert!(
        ended.err().starts_with("husk: events: huskd has ended, and with it the events"),
        "{}",
        ended.err()
    );
    assert_eq!(ended.err().lines().count(), 1);
}

#[test]
fn waiting_outlives_a_daemon_but_not_one_that_always_ends() {
    let asked = AtomicUsize::new(0);
    let fake = Fake::new(move |_, peer| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => peer.hang_up(),
        _ => peer.ok(json!({"code": 4, "signal": null, "oom": false})),
    });
    let ended = run(&mut husk(&fake, &["wait", "web"]));
    assert_eq!((ended.code(), ended.out().as_str(), ended.err().as_str()), (0, "4\n", ""));
    let fake = Fake::new(|_, peer| peer.hang_up());
    let ended = run(&mut husk(&fake, &["wait", "web"]));
    assert_eq!(ended.code(), 1);
    assert!(ended.err().contains("huskd: it has closed the connection"), "{}", ended.err());
    assert_eq!(fake.asked().len(), 3);
}

#[test]
fn what_the_daemon_says_cannot_move_the_cursor() {
    let fake = refusing(Reason::Failed, "a\u{1b}[2Jb\nc");
    assert_eq!(run(&mut husk(&fake, &["stop", "web"])).err(), "husk: a\\u{1b}[2Jb\\nc\n");
}

#[test]
fn an_option_of_an_instance_is_not_for_run_and_the_other_way_around() {
    let fake = Fake::new(|_, _| {});
    let ended = run(&mut husk(&fake, &["run", "--memory", "1g", "web"]));
    assert!(ended.err().contains("husk set web --memory") && ended.code() == 125, "{}", ended.err());
    let ended = run(&mut husk(&fake, &["run", "--exclusive", "/", "true"]));
    assert!(ended.err().contains("--exclusive: is for instances") && ended.code() == 125, "{}", ended.err());
}
