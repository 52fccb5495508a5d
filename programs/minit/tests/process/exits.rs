//! Exit codes, and what is said before them.

use crate::bed::{first, minit, run};

#[test]
fn the_code_is_that_of_the_command() {
    for code in [0, 1, 42, 127, 255] {
        let script = format!("exit {code}");
        assert_eq!(run(&mut minit(&["sh", "-c", &script])).code, Some(code));
        assert_eq!(run(&mut first(&["sh", "-c", &script])).code, Some(code));
    }
}

#[test]
fn a_signal_that_kills_the_command_is_128_and_its_number() {
    for (signal, code) in [("KILL", 137), ("TERM", 143), ("SEGV", 139), ("HUP", 129)] {
        let script = format!("kill -{signal} $$");
        assert_eq!(run(&mut minit(&["sh", "-c", &script])).code, Some(code));
        assert_eq!(run(&mut first(&["sh", "-c", &script])).code, Some(code));
    }
}

#[test]
fn what_is_not_there_is_127_and_what_cannot_run_126() {
    for (command, code, why) in [
        ("no-such-program", 127, "command not found"),
        ("/no/such/program", 127, "command not found"),
        ("/etc/passwd", 126, "not executable"),
        ("/etc", 126, "not executable"),
    ] {
        for outcome in [run(&mut minit(&[command])), run(&mut first(&["--", command]))] {
            assert_eq!(outcome.code, Some(code), "{command}");
            assert!(outcome.err.contains(&format!("minit: {command}: {why}")), "{}", outcome.err);
            assert_eq!(outcome.err.lines().count(), 1, "{}", outcome.err);
        }
    }
}

#[test]
fn an_option_that_is_none_is_125_and_named() {
    for (arguments, words) in [
        (&["--frobnicate", "true"][..], "--frobnicate: no such option"),
        (&["-x", "true"], "-x: no such option"),
        (&["--grace"], "--grace: needs a value"),
        (&["--grace", "soon", "true"], "--grace soon: a time is"),
        (&["--all=yes", "true"], "--all: takes no value"),
        (&["-e", "256", "true"], "--remap 256: an exit code is"),
        (&["-r", "TERM", "true"], "--rewrite TERM: it is FROM:TO"),
        (&["--user", "4294967295", "true"], "--user 4294967295: no such id"),
        (&["--user", "nobody-of-that-name", "true"], "--user nobody-of-that-name: no such name"),
        (
            &["--user", "123456", "true"],
            "--user 123456: not in /etc/passwd: give its group too, as USER:GROUP",
        ),
        (&["--user", "0:nobodys", "true"], "--user 0:nobodys: no such name"),
        (&["--user", "0:", "true"], "--user 0:: no such id"),
        (&["--user", "0:4294967295", "true"], "--user 0:4294967295: no such id"),
        (&["--hostname", "", "true"], "--hostname : a host name has 1 to 64 bytes"),
        (&["--hostname", &"h".repeat(65), "true"], "a host name has 1 to 64 bytes"),
        (&["--rlimit", "foo=3", "true"], "--rlimit foo=3: no such limit"),
        (
            &["--rlimit", "nofile=20:10", "true"],
            "--rlimit nofile=20:10: the soft limit is above the hard one",
        ),
        (&["-r", "FOO:TERM", "true"], "--rewrite FOO:TERM: what is to be rewritten is no signal"),
        (&["-r", "TERM:BAR", "true"], "--rewrite TERM:BAR: what it is to become is no signal"),
        (&["-r", "99:1", "true"], "--rewrite 99:1: what is to be rewritten is no signal"),
        (&["-r", "KILL:TERM", "true"], "--rewrite KILL:TERM: it never comes"),
        (&["-r", "STOP:0", "true"], "--rewrite STOP:0: it never comes"),
        (&["-r", "17:1", "true"], "--rewrite 17:1: it never comes"),
        (&["--nice", "\x1b[2J\n", "true"], "--nice \\x1b[2J\\x0a: it is -20 to 19"),
        (&["--memory", "12q", "true"], "minit: --memory 12q: has an unknown unit \"q\" (for example"),
        (&["--nice", &"9".repeat(5000), "true"], "…99"),
        (&["--nice", &"9".repeat(5000), "true"], "99: it is -20 to 19"),
        (&["--on-exit", "poweroff", "true"], "poweroff and reboot are for process 1"),
        (&["--chdir", "/no/such", "true"], "--chdir /no/such: No such file or directory (fchdir)"),
        (&[], "no command"),
    ] {
        let outcome = run(&mut minit(arguments));
        assert_eq!(outcome.code, Some(125), "{arguments:?}");
        assert!(outcome.err.starts_with("minit: ") && outcome.err.contains(words), "{}", outcome.err);
        assert_eq!(outcome.err.lines().count(), 1, "{}", outcome.err);
    }
}

#[test]
fn what_the_kernel_does_not_permit_is_named_with_what_is_missing() {
    let place = crate::client::Place::new();
    // Where it is built others may not look.
    let copy = place.socket();
    std::fs::copy(crate::bed::program(), &copy).expect("a copy");
    for (arguments, words) in [
        (&["--user", "root"][..], "--user root: Operation not permitted: it needs CAP_SETUID and CAP_SETGID"),
        (&["--group", "0"], "--group 0: Operation not permitted: it needs CAP_SETUID and CAP_SETGID"),
        (&["--groups", "0,1"], "--groups 0,1: Operation not permitted: it needs CAP_SETUID and CAP_SETGID"),
        (&["--nice", "-5"], "--nice -5: Permission denied: to lower it needs CAP_SYS_NICE"),
        (
            &["--oom-score-adj", "-5"],
            "--oom-score-adj -5: Permission denied: to lower it needs CAP_SYS_RESOURCE",
        ),
        (
            &["--rlimit", "stack=1024:unlimited"],
            "--rlimit stack=1024:unlimited: Operation not permitted: to raise a hard limit needs CAP_SYS_RESOURCE \
             (nofile is fs.nr_open at most)",
        ),
    ] {
        let mut command = std::process::Command::new("prlimit");
        command.args(["--stack=8388608:8388608", "setpriv", "--reuid", "65534", "--regid", "65534"]);
        command.args(["--clear-groups", &copy, "--no-api"]).args(arguments).arg("true");
        let outcome = run(&mut command);
        assert_eq!((outcome.code, outcome.err), (Some(125), format!("minit: {words}\n")));
    }
}

#[test]
fn values_of_the_apis_options_are_refused_in_words() {
    let table = [
        ("--socket", "", "it is a path, or none"),
        ("--vsock", "0", "a port is 1 to 4294967294"),
        ("--vsock", "4294967295", "a port is 1 to 4294967294"),
        ("--dial", "2:5", "it is vsock:CID:PORT; the host is CID 2"),
        ("--dial", "vsock:2:5:6", "it is vsock:CID:PORT; the host is CID 2"),
        ("--listen-fd", "2", "it is the number of a descriptor above 2"),
        ("--allow-uid", "65534", "it is the number of a user, and 65534 is nobody in particular"),
        ("--allow-uid", "4294967295", "it is the number of a user, and 65534 is nobody in particular"),
        ("--allow-env", "A=B", "it is the name of a variable"),
    ];
    for (option, value, why) in table {
        let outcome = run(&mut minit(&[option, value, "true"]));
        let between = if value.is_empty() { " : ".to_owned() } else { format!(" {value}: ") };
        assert_eq!((outcome.code, outcome.err), (Some(125), format!("minit: {option}{between}{why}\n")));
    }
    let outcome = run(&mut minit(&["--listen-fd", "77", "true"]));
    assert_eq!((outcome.code, &*outcome.err), (Some(125), "minit: --listen-fd 77: it is not open\n"));
}

#[test]
fn a_remapped_code_becomes_success_and_no_other() {
    assert_eq!(run(&mut minit(&["-e", "3", "-e143", "sh", "-c", "exit 3"])).code, Some(0));
    assert_eq!(run(&mut minit(&["-e", "3", "-e143", "sh", "-c", "kill -TERM $$"])).code, Some(0));
    assert_eq!(run(&mut minit(&["-e", "3", "-e143", "sh", "-c", "exit 4"])).code, Some(4));
}

#[test]
fn it_dies_of_the_signal_that_the_command_died_of_where_it_can() {
    let script = ["--same-signal", "sh", "-c", "kill -TERM $$"];
    let outcome = run(&mut minit(&script));
    assert_eq!((outcome.code, outcome.signal), (None, Some(15)));
    assert_eq!(run(&mut first(&script)).code, Some(143), "a first process survives its own signals");
}
