//! Beyond the base protocol.

mod client;

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use client::{Ground, script, script_with, text, wait_until};
use serde_json::{Value, json};
use wire::{Frame, FrameKind};

#[test]
fn events_say_when_a_command_starts_where_its_bytes_are_and_how_it_ends() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client
        .send(&script_with("echo one; echo two; exit 3", &json!({"id": "job", "events": true, "tag": "t"})));
    let started = client.next();
    assert_eq!((&started["type"], &started["id"]), (&json!("started"), &json!("job")));
    assert_eq!(client.next(), json!({"type": "stdout", "data": "one", "id": "job", "off": 0}));
    assert_eq!(client.next(), json!({"type": "stdout", "data": "two", "id": "job", "off": 4}));
    let last = [client.next(), client.next(), client.next()];
    let of = |kind: &str| last.iter().filter(|message| message["type"] == kind).collect::<Vec<_>>();
    let ends: Vec<_> = of("eof").iter().map(|end| (end["stream"].clone(), end["off"].clone())).collect();
    assert!(ends.contains(&(json!("stdout"), json!(8))) && ends.contains(&(json!("stderr"), json!(0))));
    let exit = of("exit")[0];
    assert_eq!((&exit["code"], &exit["timed_out"], &exit["left"]), (&json!(3), &json!(false), &json!(0)));
    assert!(exit["rusage"]["maxrss_kb"].as_u64().unwrap() > 0, "{exit}");
    // The connection goes on.
    client.send(&json!({"type": "list", "filter": {"tag": "t"}}));
    let list = client.next();
    assert_eq!(list["execs"][0]["exit"]["code"], 3);
    assert_eq!(list["execs"][0]["bytes"], json!({"stdout": 8, "stderr": 0}));
}

#[test]
fn an_id_runs_once_however_often_it_is_asked_for() {
    let ground = Ground::new(&[]);
    let count = ground.directory.join("count");
    let request = script_with(
        &format!("echo x >> {}; echo out; sleep 0.3", count.display()),
        &json!({"id": "once", "events": true}),
    );
    let mut clients: Vec<_> = (0..5).map(|_| ground.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(&request));
    for client in &mut clients {
        assert_eq!(text(&client.until("exit"), "stdout", "\n"), "out\n");
    }
    let mut late = ground.connect();
    late.send(&request);
    assert_eq!(text(&late.until("exit"), "stdout", "\n"), "out\n");
    assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n");
}

#[test]
fn who_attaches_gets_the_bytes_from_where_it_left_off() {
    let ground = Ground::new(&[]);
    let mut first = ground.connect();
    first.send(&script_with(
        "for i in $(seq 1 50); do echo line $i; sleep 0.01; done",
        &json!({"id": "a", "events": true, "output": "chunks"}),
    ));
    let (mut bytes, mut offset) = (String::new(), 0);
    // Five connections one after the other, each cut off at some point.
    let mut client = first;
    for _ in 0..5 {
        for _ in 0..6 {
            let message = client.next();
            if message["type"] == "stdout" {
                assert_eq!(message["off"], offset);
                bytes.push_str(message["data"].as_str().unwrap());
                offset = bytes.len();
            }
        }
        client = ground.connect();
        client.send(&json!({"type": "attach", "id": "a", "from_stdout": offset}));
    }
    bytes.push_str(&text(&client.until("exit"), "stdout", ""));
    let expected: String = (1..=50).map(|number| format!("line {number}\n")).collect();
    assert_eq!(bytes, expected);
}

#[test]
fn bytes_that_are_not_kept_any_more_are_a_gap() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&script_with("seq 1 100000", &json!({"id": "g", "output": "chunks", "replay_bytes": 1000})));
    client.until("exit");
    client.send(&json!({"type": "attach", "id": "g", "from_stdout": 0}));
    let messages = client.until("exit");
    let gap = messages.iter().find(|message| message["type"] == "gap").unwrap();
    assert_eq!(
        (&gap["stream"], &gap["from"], &gap["to"]),
        (&json!("stdout"), &json!(0), &json!(588_895 - 1000))
    );
    assert_eq!(text(&messages, "stdout", "").len(), 1000);
}

#[test]
fn wait_is_answered_now_later_and_long_after() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&script_with("sleep 0.2; exit 5", &json!({"id": "w", "detach": true, "events": true})));
    assert_eq!(client.next()["type"], "started");
    let mut others: Vec<_> = (0..3).map(|_| ground.connect()).collect();
    others.iter_mut().for_each(|other| other.send(&json!({"type": "wait", "id": "w"})));
    client.send(&json!({"type": "wait", "id": "w", "timeout_ms": 20}));
    assert!(client.next()["data"].as_str().unwrap().contains("still runs"));
    for other in &mut others {
        let exit = other.next();
        assert_eq!((&exit["code"], &exit["id"]), (&json!(5), &json!("w")));
    }
    client.send(&json!({"type": "wait", "ids": ["w", "none"]}));
    assert_eq!(client.next()["code"], 5);
    assert!(client.next()["data"].as_str().unwrap().contains("no exec has the id \"none\""));
    client.send(&json!({"type": "ack", "id": "w"}));
    assert_eq!(client.next(), json!({"type": "ok", "id": "w"}));
    client.send(&json!({"type": "wait", "id": "w"}));
    assert_eq!(client.next()["type"], "error");
}

#[test]
fn input_is_fed_as_the_command_reads_it() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&script_with(
        "read a; echo got $a; cat | wc -c",
        &json!({"id": "i", "stdin": "open", "events": true}),
    ));
    client.send(&json!({"type": "stdin", "id": "i", "data": "hello\n"}));
    assert_eq!(text(&client.until("stdout"), "stdout", ""), "got hello");
    let mut total = 0;
    for _ in 0..5 {
        client.send(&json!({"type": "stdin", "id": "i", "data_b64": "AP8B".repeat(20_000)}));
        total += 60_000;
        client.until("ok");
    }
    client.send(&json!({"type": "stdin_close", "id": "i"}));
    let messages = client.until("exit");
    assert_eq!(text(&messages, "stdout", ""), total.to_string());
}

#[test]
fn frames_carry_many_commands_and_a_stream_waits_for_credit() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&json!({"type": "hello", "frames": true}));
    assert_eq!(client.next()["type"], "ok");
    let mut out = Vec::new();
    for script_text in ["seq 1 20000", "cat; echo b >&2"] {
        let request = script_with(script_text, &json!({"events": true, "stdin": "open"})).to_string();
        Frame { kind: FrameKind::Json, exec: 0, offset: 0, bytes: request.as_bytes() }.write(&mut out);
    }
    for (kind, exec, offset, bytes) in [
        (FrameKind::Stdin, 1, 0, &b""[..]),
        (FrameKind::Stdin, 2, 0, b"\x00\xffinput"),
        (FrameKind::Stdin, 2, 7, b""),
        (FrameKind::Credit, 1, 1000, b""),
        (FrameKind::Credit, 2, 1000, b""),
    ] {
        Frame { kind, exec, offset, bytes }.write(&mut out);
    }
    client.stream().write_all(&out).unwrap();
    let (mut streams, mut exits, mut buffer) = ([Vec::new(), Vec::new(), Vec::new()], 0, Vec::new());
    let mut granted = false;
    while exits < 2 {
        let mut piece = [0u8; 4096];
        let count = client.stream().read(&mut piece).unwrap();
        assert!(count > 0);
        buffer.extend_from_slice(&piece[..count]);
        let mut rest = &buffer[..];
        while let Some((frame, behind)) = Frame::parse(rest).unwrap() {
            match (frame.kind, frame.exec) {
                (FrameKind::Json, _) => {
                    let message: Value = serde_json::from_slice(frame.bytes).unwrap();
                    exits += u32::from(message["type"] == "exit");
                }
                (FrameKind::Stdout, exec) => {
                    let stream: &mut Vec<u8> = &mut streams[exec as usize - 1];
                    assert_eq!(frame.offset, stream.len() as u64);
                    stream.extend_from_slice(frame.bytes);
                }
                (FrameKind::Stderr, _) => streams[2].extend_from_slice(frame.bytes),
                other => panic!("{other:?}"),
            }
            rest = behind;
        }
        buffer = rest.to_vec();
        assert!(granted || streams[0].len() <= 1000, "no more than the credit");
        if exits == 1 && !granted && streams[0].len() == 1000 {
            granted = true;
            let mut credit = Vec::new();
            Frame { kind: FrameKind::Credit, exec: 1, offset: 1 << 30, bytes: b"" }.write(&mut credit);
            client.stream().write_all(&credit).unwrap();
        }
    }
    let numbers: String = (1..=20_000).map(|number| format!("{number}\n")).collect();
    assert!(streams[0] == numbers.as_bytes(), "{}", streams[0].len());
    assert_eq!((&streams[1][..], &streams[2][..]), (&b"\x00\xffinput"[..], &b"b\n"[..]));
}

#[test]
fn limits_on_output_are_kept() {
    let ground = Ground::new(&[]);
    let run = |on_limit: &str| {
        let mut client = ground.connect();
        let fields = json!({"events": true, "output": "chunks", "max_output": 1000, "on_limit": on_limit, "timeout_ms": 3000, "grace_ms": 50});
        client.send(&script_with("seq 1 20000", &fields));
        let messages = client.until("exit");
        (text(&messages, "stdout", "").len(), messages.last().unwrap().clone())
    };
    let (length, exit) = run("truncate");
    assert_eq!((length, &exit["code"], &exit["truncated"]), (1000, &json!(0), &json!(true)));
    let (length, exit) = run("kill");
    assert_eq!((length, &exit["killed_by"]), (1000, &json!("max_output")));
    let (length, exit) = run("stop_reading");
    assert_eq!((length, &exit["timed_out"]), (1000, &json!(true)));
}

#[test]
fn identity_and_limits_of_a_command_are_as_asked() {
    let ground = Ground::new(&[]);
    let fields = json!({
        "user": "4711:4712", "groups": [13, 14], "umask": "027", "cwd": "/tmp", "no_new_privs": true,
        "rlimits": {"nofile": {"soft": 100, "hard": 200}}, "argv0": "sh", "env_mode": "replace",
        "env": {"ONLY": "1"}, "oom_score_adj": 300, "ambient": ["CAP_NET_BIND_SERVICE"], "events": true,
        "args": ["-c", "b=/bin/busybox; $b id -u; $b id -g; $b id -G; umask; pwd; ulimit -n; ulimit -Hn; \
            $b env | $b grep -vE '^(PATH|PWD|SHLVL|_)='; $b cat /proc/self/oom_score_adj; \
            $b grep -E 'NoNewPrivs|CapAmb' /proc/self/status | $b tr '\\t' ' '"]
    });
    let mut client = ground.connect();
    client.send(&script_with("", &fields));
    let messages = client.until("exit");
    assert_eq!(
        text(&messages, "stdout", "|"),
        "4711|4712|4712 13 14|0027|/tmp|100|200|ONLY=1|300|CapAmb: 0000000000000400|NoNewPrivs: 1|",
        "{messages:?}"
    );
}

#[test]
fn what_is_not_there_is_said_by_name() {
    let ground = Ground::new(&[]);
    for (fields, words) in [
        (json!({"cwd": "/no/such/place"}), "/no/such/place"),
        (json!({"user": "no-such-user"}), "no-such-user"),
        (json!({"rlimits": {"nofiles": 1}}), "nofiles"),
        (json!({"ambient": ["CAP_NOPE"]}), "CAP_NOPE"),
        (json!({"output": "fds"}), "needs 3 descriptors"),
    ] {
        let answer = ground.ask_one(&script_with("true", &fields));
        assert!(answer["type"] == "error" && answer["data"].as_str().unwrap().contains(words), "{answer}");
    }
    for request in
        [json!({"type": "resize", "id": "x", "rows": 1, "cols": 1}), json!({"type": "detach", "id": "x"})]
    {
        assert!(ground.ask_one(&request)["data"].as_str().unwrap().contains("no exec has the id \"x\""));
    }
}

#[test]
fn subscribers_hear_of_every_start_and_end() {
    let ground = Ground::new(&[]);
    let mut subscriber = ground.connect();
    subscriber.send(&json!({"type": "events"}));
    assert_eq!(subscriber.next()["type"], "ok");
    ground.ask(&script("exit 9").to_string());
    let started = subscriber.next();
    assert_eq!((&started["type"], &started["event"]), (&json!("event"), &json!("started")));
    let exit = subscriber.next();
    assert_eq!((&exit["event"], &exit["code"], &exit["pid"]), (&json!("exit"), &json!(9), &started["pid"]));
}

#[test]
fn descriptors_of_the_client_become_those_of_the_command() {
    use std::fs::File;
    use std::os::fd::AsFd;
    let ground = Ground::new(&[]);
    let (input, output) = (ground.directory.join("in"), ground.directory.join("out"));
    std::fs::write(&input, "from the file\n").unwrap();
    let (input, written) = (File::open(input).unwrap(), File::create(&output).unwrap());
    let mut client = ground.connect();
    let request = script_with("cat; echo error >&2; exit 6", &json!({"output": "fds", "events": true}));
    let line = format!("{request}\n");
    let mut space = [std::mem::MaybeUninit::uninit(); 64];
    let mut ancillary = sys::net::SendAncillaryBuffer::new(&mut space);
    let descriptors = [input.as_fd(), written.as_fd(), written.as_fd()];
    assert!(ancillary.push(sys::net::SendAncillaryMessage::ScmRights(&descriptors)));
    let parts = [sys::io::IoSlice::new(line.as_bytes())];
    sys::net::sendmsg(client.stream(), &parts, &mut ancillary, sys::net::SendFlags::empty()).unwrap();
    assert_eq!(client.until("exit").pop().unwrap()["code"], 6);
    assert_eq!(std::fs::read_to_string(output).unwrap(), "from the file\nerror\n");
}

#[test]
fn kill_passes_although_the_same_client_does_not_read() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&script_with("yes", &json!({"id": "y", "events": true, "timeout_ms": 0})));
    std::thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    client.send(&json!({"type": "kill", "id": "y", "signal": "KILL"}));
    wait_until("the command is gone", || ground.children().is_empty());
    assert!(begun.elapsed() < Duration::from_secs(10));
    let messages = client.until("exit");
    assert!(messages.iter().any(|message| message["type"] == "kill_result"));
}

#[test]
fn a_terminal_has_a_size_is_the_controlling_one_and_passes_keys_on() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    let fields = json!({
        "id": "tty", "events": true, "output": "chunks", "stdin": "open",
        "pty": {"rows": 33, "cols": 101, "term": "vt220"}
    });
    client.send(&script_with(
        "trap 'echo resized; stty size' WINCH; stty size; echo $TERM; echo ctty > /dev/tty; \
         while ! read a; do :; done; echo [$a]; sleep 9",
        &fields,
    ));
    let mut seen = String::new();
    let mut read_until = |client: &mut client::Client, what: &str| {
        while !seen.contains(what) {
            seen.push_str(&text(&client.until("stdout"), "stdout", ""));
        }
        std::mem::take(&mut seen)
    };
    assert_eq!(read_until(&mut client, "ctty\r\n"), "33 101\r\nvt220\r\nctty\r\n");
    client.send(&json!({"type": "stdin", "id": "tty", "data": "typed\n"}));
    read_until(&mut client, "[typed]\r\n");
    client.send(&json!({"type": "resize", "id": "tty", "rows": 44, "cols": 99}));
    assert_eq!(client.until("ok").pop().unwrap()["id"], "tty");
    // ^C means a signal to the terminal's foreground group.
    client.send(&json!({"type": "stdin", "id": "tty", "data": "\u{3}"}));
    let exit = client.until("exit").pop().unwrap();
    assert_eq!(exit["signal"], 2, "{exit}");
}

#[test]
fn an_end_of_input_is_one_for_every_program_that_asks_for_more() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    let fields = json!({"id": "e", "events": true, "stdin": "open", "pty": {}});
    client.send(&script_with("cat; printf 'more? '; cat; printf 'more? '; cat; exit 6", &fields));
    client.send(&json!({"type": "stdin_close", "id": "e"}));
    assert_eq!(client.until("exit").pop().unwrap()["code"], 6);
}

#[test]
fn a_new_size_reaches_the_program_and_the_same_one_if_it_is_to_redraw() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    let fields = json!({"id": "w", "events": true, "pty": {"rows": 10, "cols": 20}});
    client.send(&script_with("trap 'stty size' WINCH; echo up; while :; do sleep 0.02; done", &fields));
    client.until("stdout");
    let mut size_after = |request: Value| {
        client.send(&request);
        // Several changes may be one signal: the last size is what counts.
        loop {
            let size = text(&client.until("stdout"), "stdout", "");
            if size.trim() == "44 99" {
                return;
            }
        }
    };
    size_after(json!({"type": "resize", "id": "w", "rows": 44, "cols": 99}));
    size_after(json!({"type": "resize", "id": "w", "rows": 44, "cols": 99, "redraw": true}));
}

#[test]
fn input_of_a_terminal_ends_with_the_key_that_means_so() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    let fields =
        json!({"events": true, "output": "chunks", "stdin_data": "one\ntwo\n", "pty": {}, "nice": 5});
    client.send(&script_with("stty -echo; cat; nice", &fields));
    let messages = client.until("exit");
    let output = text(&messages, "stdout", "");
    assert!(output.ends_with("one\r\ntwo\r\n5\r\n"), "{output:?}");
    assert_eq!(messages.last().unwrap()["code"], 0);
}

#[test]
fn a_client_that_was_connected_before_is_served_when_it_speaks() {
    let (ground, mut client) = Ground::with_client();
    std::thread::sleep(Duration::from_millis(100));
    for number in 0..3 {
        client.send(&script(&format!("exit {number}")));
        assert_eq!(client.next()["code"], number);
    }
    drop(client);
    assert_eq!(ground.ask_one(&json!({"type": "ping"}))["type"], "pong");
}

#[test]
fn an_offset_beyond_the_end_is_an_error_that_names_it() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&script_with("echo 12345", &json!({"id": "a", "events": true})));
    client.until("exit");
    for (field, end) in [("from_stdout", 6), ("from_stderr", 0)] {
        let error = ground.ask_one(&json!({"type": "attach", "id": "a", field: 7}));
        let text = format!("attach: the field \"{field}\" is 7, and the stream has {end} bytes so far");
        assert_eq!(error, json!({"type": "error", "id": "a", "data": text, "code": 125}));
    }
    client.send(&json!({"type": "attach", "id": "a", "from_stdout": 6, "follow": false}));
    let kinds: Vec<String> =
        client.until("exit").iter().map(|message| message["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["started", "eof", "eof", "exit"]);
}

#[test]
fn an_end_can_be_asked_for_by_the_id_that_the_server_gave() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&script_with("exit 3", &json!({"events": true})));
    let id = client.until("exit")[0]["id"].clone();
    assert_eq!(ground.ask_one(&json!({"type": "wait", "id": id}))["code"], 3);
    assert_eq!(ground.ask_one(&json!({"type": "ack", "ids": [id]})), json!({"type": "ok", "id": id}));
    assert_eq!(ground.ask_one(&json!({"type": "wait", "id": id}))["type"], "error");
}

#[test]
fn a_repeat_that_detaches_starts_nothing_and_follows_nothing() {
    let ground = Ground::new(&[]);
    let request = script_with("sleep 0.2; echo x", &json!({"id": "a", "detach": true, "events": true}));
    let mut client = ground.connect();
    client.send(&request);
    client.send(&request);
    assert_eq!((client.next(), client.next()["type"].clone()).1, "started");
    client.send(&json!({"type": "wait", "id": "a"}));
    assert_eq!(client.next()["type"], "exit");
}

#[test]
fn a_terminal_that_nobody_has_open_any_more_costs_nothing() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    let fields = json!({"id": "t", "events": true, "pty": {}});
    client.send(&script_with("echo up; exec sleep 30 <&- >&- 2>&-", &fields));
    client.until("stdout");
    std::thread::sleep(Duration::from_millis(100));
    // Fields 14 and 15 of proc_pid_stat(5): time on a processor, in hundredths of a second.
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", ground.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks();
    std::thread::sleep(Duration::from_millis(500));
    assert!(ticks() - before < 10, "{} ticks in half a second", ticks() - before);
    assert_eq!(ground.ask_one(&json!({"type": "kill", "id": "t"}))["success"], true);
    client.until("exit");
}

#[test]
fn input_that_a_command_does_not_read_waits_up_to_the_documented_limit() {
    let ground = Ground::new(&[]);
    let mut client = ground.connect();
    client.send(&script_with(
        "exec /bin/busybox sleep 60",
        &json!({"id": "deaf", "stdin": "open", "events": true}),
    ));
    client.until("started");
    // The pipe takes the first; sixteen more are a mebibyte.
    let piece = json!({"type": "stdin", "id": "deaf", "data": "x".repeat(65_536)});
    (0..17).for_each(|_| client.send(&piece));
    assert_eq!(client.next(), json!({"type": "ok", "id": "deaf"}));
    client.send(&json!({"type": "stdin", "id": "deaf", "data": "y"}));
    let refused = client.next();
    assert_eq!(refused["type"], "error", "{refused}");
    assert_eq!(
        refused["data"],
        format!("stdin: more than {} bytes wait for the command to read them", wire::MAX_LINE)
    );
    assert_eq!(ground.ask_one(&json!({"type": "kill", "id": "deaf", "signal": "KILL"}))["success"], true);
}
