//! Under the names of other inits: their options, codes, texts and variables.

use crate::bed::{Running, called, children, run, until};

#[test]
fn versions_are_told_as_these_programs_tell_them() {
    for (name, option, out, err) in [
        ("tini", "--version", "tini version 0.19.0", ""),
        ("docker-init", "--version", "tini version 0.19.0", ""),
        ("dumb-init", "--version", "", "dumb-init v1.2.5\n"),
        ("catatonit", "--version", "tini version 0.2.1_catatonit", ""),
        ("minit", "--version", concat!("minit ", env!("CARGO_PKG_VERSION")), ""),
    ] {
        let outcome = run(&mut called(name, &[option]));
        assert_eq!(outcome.code, Some(0), "{name}");
        assert!(outcome.out.starts_with(out) && outcome.err.starts_with(err), "{name}: {outcome:?}");
    }
}

#[test]
fn a_command_that_is_not_there_has_each_programs_code_and_words() {
    for (name, code, words) in [
        ("tini", 127, "exec /no/such failed: No such file or directory"),
        ("docker-init", 127, "exec /no/such failed: No such file or directory"),
        ("dumb-init", 2, "[dumb-init] /no/such: No such file or directory"),
        ("podman-init", 1, "failed to exec pid1: No such file or directory"),
    ] {
        let outcome = run(&mut called(name, &["--", "/no/such"]));
        assert_eq!(outcome.code, Some(code), "{name}");
        assert!(outcome.err.contains(words), "{name}: {}", outcome.err);
    }
}

#[test]
fn a_command_line_that_is_wrong_is_named_in_the_words_of_getopt() {
    for (arguments, words) in [
        (
            &["tini", "-p"][..],
            "tini: option requires an argument -- 'p'\ntini (tini version 0.19.0)\nUsage: tini [",
        ),
        (&["tini", "-e"], "tini: option requires an argument -- 'e'\n"),
        (&["tini", "-x", "true"], "tini: invalid option -- 'x'\n"),
        (&["tini", "--foo", "true"], "tini: invalid option -- '-'\n"),
        (&["catatonit", "-x", "true"], "catatonit: invalid option -- 'x'\nusage: catatonit [-ghLPV]"),
        (
            &["catatonit", "--foo", "true"],
            "catatonit: unrecognized option '--foo'\nusage: catatonit [-ghLPV]",
        ),
    ] {
        let outcome = run(&mut called(arguments[0], &arguments[1..]));
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(outcome.err.starts_with(words), "{arguments:?}: {}", outcome.err);
    }
    for value in ["TERM", "sigterm", "15", "SIGIO", "SIGRTMIN", "SIG15", ""] {
        let outcome = run(&mut called("tini", &["-s", "-p", value, "true"]));
        assert_eq!(outcome.code, Some(1), "{value}");
        assert!(outcome.err.ends_with(&format!("] Not a valid option for -p: {value}\n")), "{}", outcome.err);
    }
    assert_eq!(run(&mut called("tini", &["-s", "-pSIGKILL", "true"])).code, Some(0));
    assert_eq!(run(&mut called("catatonit", &["--vers"])).code, Some(0));
    let help = run(&mut called("/some/where/tini", &["-h"]));
    assert!(help.out.contains("\nUsage: tini [") && help.out.contains("\n--version "), "{}", help.out);
}

#[test]
fn no_command_is_a_usage_message_and_code_1() {
    for name in ["tini", "dumb-init", "catatonit"] {
        let outcome = run(&mut called(name, &[]));
        assert_eq!(outcome.code, Some(1), "{name}");
        assert!(outcome.err.to_lowercase().contains("usage"), "{name}: {}", outcome.err);
    }
}

#[test]
fn tini_remaps_codes_and_ends_at_once_whoever_is_left() {
    assert_eq!(run(&mut called("tini", &["-s", "-e", "9", "sh", "-c", "exit 9"])).code, Some(0));
    assert_eq!(run(&mut called("tini", &["-s", "-e", "256", "true"])).code, Some(1));
    let mut running =
        Running::start(&mut called("tini", &["-s", "sh", "-c", "sleep 5 >&- 2>&- & echo $!; exit 2"]));
    let left: u32 = running.line().parse().expect("a pid");
    let outcome = running.end();
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.took.as_millis() < 3_000, "{:?}", outcome.took);
    crate::bed::send("KILL", left);
}

#[test]
fn tini_signals_the_command_alone_or_its_group() {
    let script = "trap : USR1; sh -c 'echo ready; sleep 3; exit 0'; exit 7";
    for (options, variable, seconds) in
        [(&["-s"][..], None, 2..20), (&["-s", "-g"], None, 0..2), (&["-s"], Some("1"), 0..2)]
    {
        let mut arguments = options.to_vec();
        arguments.extend(["bash", "-c", script]);
        let mut command = called("tini", &arguments);
        if let Some(value) = variable {
            command.env("TINI_KILL_PROCESS_GROUP", value);
        }
        let mut running = Running::start(&mut command);
        assert_eq!(running.line(), "ready");
        running.signal("USR1");
        let outcome = running.end();
        assert_eq!(outcome.code, Some(7));
        assert!(seconds.contains(&outcome.took.as_secs()), "{options:?} {variable:?}: {:?}", outcome.took);
    }
}

#[test]
fn tini_warns_where_orphans_do_not_come_to_it() {
    let outcome = run(&mut called("tini", &["true"]));
    assert!(outcome.err.contains("zombie reaping won't work"), "{}", outcome.err);
    let outcome = run(called("tini", &["true"]).env("TINI_VERBOSITY", "0"));
    assert_eq!(outcome.err, "");
    let outcome = run(called("tini", &["true"]).env("TINI_SUBREAPER", ""));
    assert_eq!(outcome.err, "");
}

#[test]
fn tini_passes_on_the_mask_and_the_ignored_signals_that_it_was_given() {
    let script = "trap '' HUP; exec env --block-signal=USR1 -S \"$0\"";
    let mut command = std::process::Command::new("bash");
    command.args([
        "-c",
        script,
        &format!("bash -c 'exec -a tini {} -s cat /proc/self/status'", crate::bed::program()),
    ]);
    let out = run(&mut command).out;
    let mask = |key: &str| {
        let line = out.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        u64::from_str_radix(line.trim(), 16).expect("a mask")
    };
    assert_eq!(mask("SigIgn:") & 1, 1, "SIGHUP");
    assert_eq!(mask("SigBlk:"), 1 << 9, "SIGUSR1");
}

#[test]
fn dumb_init_sends_sigterm_to_what_is_left_of_the_session() {
    let script =
        "(trap 'echo told; exit' TERM; echo ready; while :; do sleep 0.01; done) & sleep 0.5; exit 3";
    let mut running = Running::start(&mut called("dumb-init", &["bash", "-c", script]));
    assert_eq!((running.line(), running.line()), ("ready".to_owned(), "told".to_owned()));
    assert_eq!(running.end().code, Some(3));
}

#[test]
fn dumb_init_tells_what_it_does_when_asked() {
    let outcome = run(&mut called("dumb-init", &["-v", "-r", "15:3", "sh", "-c", "exit 4"]));
    assert_eq!(outcome.code, Some(4));
    for words in ["setsid complete.", "Child spawned with PID ", "Received signal 17.", "Goodbye."] {
        assert!(
            outcome.err.contains(&format!("[dumb-init] {words}")) || outcome.err.contains(words),
            "{words}"
        );
    }
    assert!(outcome.err.contains("Forwarded signal 3 to children."), "{}", outcome.err);
}

#[test]
fn catatonit_in_pause_mode_starts_nothing_and_ends_at_sigterm() {
    let running = Running::start(&mut called("catatonit", &["-P"]));
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(children(running.pid()).is_empty());
    running.signal("USR1");
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn signals_end_the_command_and_that_ends_the_init() {
    for name in ["tini", "dumb-init", "podman-init"] {
        let running = Running::start(&mut called(name, &["sleep", "100"]));
        let pid = running.pid();
        until("the command runs", || !children(pid).is_empty());
        std::thread::sleep(std::time::Duration::from_millis(50));
        running.signal("TERM");
        assert_eq!(running.end().code, Some(143), "{name}");
    }
}
