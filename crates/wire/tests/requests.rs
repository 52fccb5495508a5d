//! Requests of every type, right and wrong.

use wire::{
    EnvironmentMode, ExecId, Kill, OnDisconnect, OnLimit, Output, Request, Scope, SignalNumber, Stdin, Target,
};

fn parse(line: &str) -> Result<Request, String> {
    Request::parse(line.as_bytes()).map_err(|refusal| refusal.to_string())
}

fn exec(fields: &str) -> wire::Exec {
    match parse(&format!("{{\"type\":\"exec\",{fields}}}")) {
        Ok(Request::Exec(exec)) => *exec,
        other => panic!("{fields}: {other:?}"),
    }
}

#[test]
fn exec_of_the_base_protocol_has_the_documented_defaults() {
    let exec = exec(r#""cmd":"true""#);
    assert_eq!(exec.cmd.as_c_str(), c"true");
    assert_eq!((exec.args.len(), exec.timeout_ms, &exec.stdin), (0, 30_000, &Stdin::Empty));
    assert_eq!((exec.events, exec.extended, exec.output), (false, false, Output::Lines));
    assert_eq!((exec.grace_ms, exec.linger_ms, exec.replay_bytes), (2000, 100, 65_536));
    assert_eq!((exec.kill_signal, exec.on_disconnect), (SignalNumber::TERM, OnDisconnect::Keep));
    assert_eq!(exec.env_mode, EnvironmentMode::Merge);
}

#[test]
fn every_field_of_exec_is_read() {
    let exec = exec(
        r#""cmd":"/bin/x","args":["a","","ü"],"env":{"A":"1","B":""},"timeout_ms":0,"stdin_data":"in\n",
        "id":"job 1","events":true,"cwd":"/tmp","env_mode":"replace","argv0":"y","user":"1:2","groups":[3,4],
        "ambient":["CAP_KILL"],"rlimits":{"NOFILE":[1],"x":1},"no_new_privs":true,"umask":"027","nice":-5,
        "oom_score_adj":500,"limits":{"memory":"64m","cpus":0.5,"pids":10},"pty":{"rows":3,"cols":4,"term":"vt"},
        "output":"chunks","detach":true,"tag":"t","kill_signal":"INT","grace_ms":5,"on_disconnect":"hup",
        "linger_ms":6,"max_output":7,"on_limit":"truncate","replay_bytes":8,"unknown":[{}]"#
            .replace(r#""NOFILE":[1],"x":1"#, r#""NOFILE":{"soft":1,"hard":"unlimited"},"core":0"#)
            .as_str(),
    );
    let args: Vec<_> = exec.args.iter().map(|word| word.to_str().unwrap()).collect();
    assert_eq!(args, ["a", "", "ü"]);
    let env: Vec<_> = exec.env.words.iter().map(|word| word.to_str().unwrap()).collect();
    assert_eq!(env, ["A=1", "B="]);
    assert_eq!(exec.stdin, Stdin::Bytes(b"in\n".to_vec()));
    assert_eq!(exec.id.as_ref().map(ExecId::as_str), Some("job 1"));
    assert_eq!((exec.cwd.as_deref(), exec.argv0.as_deref()), (Some(c"/tmp"), Some(c"y")));
    let user = exec.user.unwrap();
    assert_eq!((user.user.as_str(), user.group.as_deref()), ("1", Some("2")));
    assert_eq!(exec.groups.unwrap().iter().map(|id| id.get()).collect::<Vec<_>>(), [3, 4]);
    let limits: Vec<_> = exec.rlimits.iter().map(|l| (l.name.as_str(), l.soft, l.hard)).collect();
    assert_eq!(limits, [("nofile", Some(1), None), ("core", Some(0), Some(0))]);
    assert_eq!((exec.umask, exec.nice, exec.oom_score_adj), (Some(0o27), Some(-5), Some(500)));
    assert_eq!(exec.limits.memory.as_deref(), Some("64m"));
    assert_eq!((exec.limits.cpus.as_deref(), exec.limits.pids.as_deref()), (Some("0.5"), Some("10")));
    let pty = exec.pty.unwrap();
    assert_eq!((pty.rows, pty.cols, pty.term.as_deref()), (3, 4, Some(c"vt")));
    assert_eq!((exec.output, exec.detach, exec.no_new_privs), (Output::Chunks, true, true));
    assert_eq!((exec.tag.as_deref(), exec.kill_signal.get(), exec.grace_ms), (Some("t"), 2, 5));
    assert_eq!((exec.on_disconnect, exec.linger_ms, exec.max_output), (OnDisconnect::Hup, 6, Some(7)));
    assert_eq!((exec.on_limit, exec.replay_bytes), (OnLimit::Truncate, 8));
    assert!(exec.events && exec.extended);
}

#[test]
fn kill_names_a_process_or_an_exec() {
    let kill = |target, signal, scope| Ok(Request::Kill(Kill { target, signal, scope }));
    let job = || Target::Exec(ExecId::new("job").unwrap());
    assert_eq!(parse(r#"{"type":"kill","pid":7}"#), kill(Target::Pid(7), SignalNumber::TERM, Scope::Leader));
    assert_eq!(parse(r#"{"type":"kill","id":"job"}"#), kill(job(), SignalNumber::TERM, Scope::Group));
    for (text, number) in
        [("\"KILL\"", 9), ("\"SIGKILL\"", 9), ("\"kill\"", 9), ("\"RTMIN+3\"", 37), ("9", 9)]
    {
        let line = format!(r#"{{"type":"kill","id":"job","signal":{text},"scope":"tree"}}"#);
        assert_eq!(parse(&line), kill(job(), SignalNumber::new(number).unwrap(), Scope::Tree), "{text}");
    }
}

#[test]
fn pids_and_signals_that_may_not_be_killed_are_a_kill_result() {
    for fields in [
        r#""pid":1"#,
        r#""pid":0"#,
        r#""pid":-5"#,
        r#""pid":4294967298"#,
        r#""pid":2,"signal":"NOPE""#,
        r#""pid":2,"signal":0"#,
        r#""pid":2,"signal":65"#,
    ] {
        let mut out = Vec::new();
        Request::parse(format!("{{\"type\":\"kill\",{fields}}}").as_bytes()).unwrap_err().write(&mut out);
        let answer = String::from_utf8(out).unwrap();
        assert!(answer.starts_with(r#"{"type":"kill_result","success":false,"error":"kill: "#), "{answer}");
    }
}

/// A field, and values that it must not have.
type Wrong = (&'static str, &'static [&'static str]);

/// Each type with the fields it must have, then each field with a value of a wrong type or out of range.
const FIELDS: &[(&str, &str, &[Wrong])] = &[
    (
        "exec",
        r#""cmd":"x""#,
        &[
            ("cmd", &["1", "[]", "\"\"", "\"a\\u0000b\""]),
            ("args", &["\"x\"", "{}", "[1]", "[null]", "[\"a\\u0000\"]"]),
            (
                "env",
                &[
                    "[]",
                    "1",
                    "{\"A\":1}",
                    "{\"\":\"x\"}",
                    "{\"A=B\":\"x\"}",
                    "{\"A\":\"\\u0000\"}",
                    "{\"A\":\"\",\"A\":\"\"}",
                ],
            ),
            ("timeout_ms", &["\"1\"", "-1", "1.5", "1e3", "99999999999999999999"]),
            ("stdin_data", &["1", "[]"]),
            ("id", &["1", "\"\"", "\"a\\nb\""]),
            ("events", &["1", "\"true\""]),
            ("cwd", &["1", "\"\\u0000\""]),
            ("env_mode", &["1", "\"none\""]),
            ("argv0", &["1"]),
            (
                "user",
                &[
                    "4294967295",
                    "-1",
                    "1.5",
                    "[]",
                    "\"\"",
                    "\":1\"",
                    "\"1:\"",
                    "\"4294967295\"",
                    "\"1:99999999999\"",
                ],
            ),
            ("groups", &["1", "[\"a\"]", "[4294967295]", "[-1]"]),
            ("ambient", &["\"x\"", "[1]"]),
            ("rlimits", &["[]", "{\"nofile\":\"x\"}", "{\"nofile\":{\"soft\":1}}", "{\"nofile\":-1}"]),
            ("no_new_privs", &["1"]),
            ("umask", &["512", "-1", "\"9\"", "\"1000\"", "[]"]),
            ("nice", &["20", "-21", "\"1\"", "1.5"]),
            ("oom_score_adj", &["1001", "-1001", "\"1\""]),
            ("limits", &["1", "{\"memory\":[]}"]),
            ("pty", &["true", "{\"rows\":0}", "{\"cols\":65536}", "{\"term\":1}"]),
            ("stdin", &["1", "\"x\""]),
            ("output", &["1", "\"x\""]),
            ("detach", &["1"]),
            ("tag", &["1"]),
            ("kill_signal", &["\"NOPE\"", "0", "65", "[]"]),
            ("grace_ms", &["-1", "\"1\"", "9999999999999"]),
            ("on_disconnect", &["1", "\"x\""]),
            ("linger_ms", &["-1"]),
            ("max_output", &["-1", "\"1\""]),
            ("on_limit", &["\"x\""]),
            ("replay_bytes", &["-1", "1048577"]),
        ],
    ),
    (
        "kill",
        r#""pid":2"#,
        &[
            ("pid", &["\"2\"", "1.5", "[]"]),
            ("signal", &["[]", "{}", "true"]),
            ("scope", &["1", "\"all\""]),
            ("id", &["1", "\"x\""]),
        ],
    ),
    (
        "attach",
        r#""id":"x""#,
        &[
            ("id", &["1", "\"\""]),
            ("from_stdout", &["-1", "\"1\""]),
            ("from_stderr", &["-1"]),
            ("follow", &["1"]),
            ("output", &["\"fds\""]),
        ],
    ),
    ("detach", r#""id":"x""#, &[("id", &["1"])]),
    (
        "stdin",
        r#""id":"x","data":"y""#,
        &[("id", &["1"]), ("data", &["1"]), ("data_b64", &["\"!\"", "\"QQ\"", "\"QR==\"", "\"QQ==\""])],
    ),
    ("stdin_close", r#""id":"x""#, &[("id", &["[]"])]),
    (
        "resize",
        r#""id":"x","rows":1,"cols":1"#,
        &[("rows", &["0", "65536", "\"1\""]), ("cols", &["0", "-1"]), ("redraw", &["1"])],
    ),
    ("wait", r#""id":"x""#, &[("ids", &["\"x\"", "[1]"]), ("timeout_ms", &["-1"])]),
    ("ack", r#""id":"x""#, &[("ids", &["1"])]),
    ("list", "", &[("filter", &["1", "{\"state\":\"x\"}", "{\"tag\":1}"])]),
    ("freeze", "", &[("id", &["1"])]),
    ("thaw", "", &[("id", &["1"])]),
    ("signal_main", r#""signal":1"#, &[("signal", &["0", "\"x\"", "[]"])]),
    ("shutdown", "", &[("mode", &["1", "\"x\""]), ("grace_ms", &["-1"]), ("code", &["256", "-1"])]),
    (
        "resume",
        "",
        &[
            ("unix_ns", &["-1", "9223372036854775808"]),
            ("seed_b64", &["1", "\"*\""]),
            ("hostname", &["1", "\"\"", "\"a\\nb\""]),
            ("machine_id", &["1", "\"abc\""]),
        ],
    ),
    ("hello", "", &[("frames", &["1"])]),
];

#[test]
fn each_type_with_each_field_wrong_is_one_error_that_names_the_field() {
    for (kind, required, fields) in FIELDS {
        let whole = |fields: &str| {
            let comma = if fields.is_empty() { "" } else { "," };
            format!("{{\"type\":\"{kind}\"{comma}{fields}}}")
        };
        assert!(parse(&whole(required)).is_ok(), "{kind}: {:?}", parse(&whole(required)));
        for (field, values) in *fields {
            for value in *values {
                let own = format!("\"{field}\":");
                let others =
                    required.split(',').filter(|other| !other.is_empty() && !other.starts_with(&own));
                let all: Vec<String> = others.map(str::to_owned).chain([format!("{own}{value}")]).collect();
                let line = whole(&all.join(","));
                let error = parse(&line).expect_err(&line);
                let names = [format!("\"{field}\""), format!("{kind}.{field}: "), format!("\"{field}.")];
                let names_it = names.iter().any(|name| error.contains(name));
                assert!(names_it && error.starts_with(kind), "{line}: {error}");
                assert!(!error.contains('\n') && error.len() < 400, "{error}");
            }
        }
    }
}

#[test]
fn missing_fields_are_named() {
    for (line, field) in [
        ("{}", "type"),
        (r#"{"type":"exec"}"#, "cmd"),
        (r#"{"type":"exec","cmd":null}"#, "cmd"),
        (r#"{"type":"kill"}"#, "pid"),
        (r#"{"type":"attach"}"#, "id"),
        (r#"{"type":"stdin","id":"x"}"#, "data"),
        (r#"{"type":"resize","id":"x","rows":1}"#, "cols"),
        (r#"{"type":"wait"}"#, "id"),
        (r#"{"type":"signal_main"}"#, "signal"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.contains(&format!("\"{field}\" is missing")), "{line}: {error}");
    }
}

#[test]
fn lines_that_are_no_request_are_refused_in_words() {
    for (line, words) in [
        ("", "not valid JSON: it ends"),
        ("[]", "must be a JSON object, not an array"),
        ("nope", "not valid JSON: unexpected character"),
        ("{\"type\":\"ping\"} x", "more text behind the value at byte 16"),
        ("{\"type\":\"launch\"}", "\"type\" is unknown: \"launch\"; known are ping"),
        ("{\"type\":5}", "\"type\" must be a string, not a number"),
        ("{\"type\":\"ping\",\"type\":\"ping\"}", "\"type\" is given twice"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.contains(words), "{line}: {error}");
    }
    assert!(Request::parse(b"{\"type\":\"\xff\"}").unwrap_err().to_string().contains("not UTF-8 at byte 9"));
    let long = vec![b' '; wire::MAX_LINE + 1];
    assert!(Request::parse(&long).unwrap_err().to_string().contains("limit of 1048576 bytes"));
}

#[test]
fn unknown_fields_are_passed_over() {
    assert_eq!(parse(r#"{"type":"ping","x":1,"y":[{"type":2}]}"#), Ok(Request::Ping));
    assert_eq!(parse("{\"\\u0074ype\":\"ping\"}\n"), Ok(Request::Ping));
}

#[test]
fn names_that_load_other_code_are_found_in_any_letter_case() {
    let exec = exec(r#""cmd":"x","env":{"PATH":"/","ld_Preload":"x","NODE_PATH":"y"}"#);
    assert_eq!(exec.env.refused, ["ld_Preload", "NODE_PATH"]);
}

#[test]
fn a_mebibyte_of_arguments_takes_a_mebibyte() {
    let args = vec!["\"\""; 340_000].join(",");
    let exec = exec(&format!("\"cmd\":\"x\",\"args\":[{args}]"));
    assert_eq!(exec.args.len(), 340_000);
}
