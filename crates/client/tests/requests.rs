//! Every request, against a real server.

mod bed;

use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};

use bed::{Ground, script};
use husk_client::{
    Address, Attach, Client, Error, Event, Exec, Filter, Mode, OnDisconnect, OnLimit, Scope, Stream,
};

fn refusal(result: Result<impl std::fmt::Debug, Error>) -> (String, u8) {
    match result {
        Err(Error::Refused { text, code }) => (text, code),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn ping_tells_version_pid_and_features() {
    let ground = Ground::new();
    let pong = ground.connect().ping().unwrap();
    assert!(!pong.version.is_empty() && pong.pid > 1 && pong.uptime_secs < 60, "{pong:?}");
    assert!(pong.features.iter().any(|feature| feature == "frames"), "{pong:?}");
}

#[test]
fn output_and_exit_code_of_a_command_are_collected() {
    let ground = Ground::new();
    let mut client = ground.connect();
    let output = client.output(&script("echo out; printf err >&2; exit 7"), b"").unwrap();
    assert_eq!((output.text().as_str(), output.stderr.as_slice()), ("out\n", &b"err"[..]));
    assert_eq!((output.exit.code, output.exit.signal, output.exit.timed_out), (7, None, false));
    let killed = client.output(&script("kill -KILL $$"), b"").unwrap().exit;
    assert_eq!((killed.code, killed.signal), (137, Some(9)));
}

#[test]
fn input_of_any_size_and_any_bytes_comes_back_from_cat() {
    let ground = Ground::new();
    let mut client = ground.connect();
    let input: Vec<u8> = (0..3_000_000u32).map(|number| (number % 251) as u8).collect();
    let output = client.output(&Exec::new("cat"), &input).unwrap();
    assert!(output.stdout == input, "{} bytes", output.stdout.len());
    // One that does not read its input is none the worse for it.
    assert_eq!(client.output(&Exec::new("true"), &input).unwrap().exit.code, 0);
}

#[test]
fn every_field_of_an_exec_reaches_the_command() {
    let ground = Ground::new();
    let mut client = ground.connect();
    let text =
        "echo $0; pwd; umask; id -u; id -G; ulimit -n; echo $A $B $FROM_SERVER; cat /proc/self/oom_score_adj";
    let exec = script(text)
        .argv0("busybox")
        .cwd("/usr")
        .umask(0o27)
        .user("65534:65534")
        .groups(&[7, 8])
        .rlimit("nofile", Some(99), Some(100))
        .env("A", "x")
        .env("A", "a \"quoted\" \u{e4}\n")
        .env("B", "b")
        .clear_env()
        .env("PATH", "/usr/bin:/bin")
        .no_new_privs()
        .nice(1)
        .oom_score_adj(500)
        .tag("all")
        .kill_signal("INT")
        .grace_ms(100)
        .linger_ms(10)
        .max_output(100_000, OnLimit::Truncate)
        .replay_bytes(1000)
        .on_disconnect(OnDisconnect::Kill)
        .id("fields");
    let output = client.output(&exec, b"").unwrap();
    let expected = "sh\n/usr\n0027\n65534\n65534 7 8\n99\na \"quoted\" \u{e4} b\n500\n";
    assert_eq!((output.text().as_str(), output.stderr.as_slice()), (expected, &b""[..]));
    let ambient = Exec::new("grep").args(["CapAmb", "/proc/self/status"]).user("65534").ambient(&["kill"]);
    assert!(client.output(&ambient, b"").unwrap().text().contains("0000000000000020"));
    let limits = script("true").memory("32m").cpus("0.5").pids("10");
    assert!(refusal(client.output(&limits, b"")).0.contains("limits"), "this server has no cgroup");
}

#[test]
fn what_cannot_be_started_says_why_and_with_the_code_of_a_shell() {
    let ground = Ground::new();
    let mut client = ground.connect();
    let (text, code) = refusal(client.exec(&Exec::new("no-such-program")));
    assert!(text.contains("no-such-program") && code == 127, "{text} {code}");
    assert_eq!(refusal(client.exec(&Exec::new("/etc/passwd").id("named"))).1, 126);
    let (text, code) = refusal(client.exec(&Exec::new("true").env("LD_PRELOAD", "x")));
    assert!(text.contains("LD_PRELOAD") && code == 125, "{text}");
    assert!(refusal(client.exec(&Exec::new("x").arg(&"y".repeat(1 << 20)))).0.contains("1048576"));
    assert_eq!(client.output(&Exec::new("true"), b"").unwrap().exit.code, 0, "the connection goes on");
}

#[test]
fn connecting_to_nobody_says_where_and_why() {
    let error = Client::connect(Address::Unix(b"/nowhere/s")).unwrap_err();
    assert_eq!(error.to_string(), "connect to /nowhere/s: No such file or directory");
    assert_eq!(error.code(), 125);
}

#[test]
fn a_server_that_does_not_answer_is_given_up_in_time() {
    let directory = std::env::temp_dir().join(format!("husk-client-mute-{}", std::process::id()));
    let _ = std::fs::remove_file(&directory);
    let _listener = UnixListener::bind(&directory).unwrap();
    let error = Client::connect_within(Address::from(directory.as_path()), 50).unwrap_err();
    std::fs::remove_file(&directory).unwrap();
    assert_eq!(error.to_string(), "hello: no answer within 50 ms");
    assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::TimedOut);
}

#[test]
fn firecracker_is_asked_for_the_port_first() {
    let ground = Ground::new();
    let path = ground.directory.join("v.sock");
    let device = UnixListener::bind(&path).unwrap();
    let server = ground.socket();
    let proxy = std::thread::spawn(move || {
        let (mut guest, _) = device.accept().unwrap();
        let mut request = [0; 13];
        guest.read_exact(&mut request).unwrap();
        assert_eq!(&request, b"CONNECT 1024\n");
        guest.write_all(b"OK 1073741824\n").unwrap();
        let mut there = UnixStream::connect(server).unwrap();
        let (mut back, mut from) = (guest.try_clone().unwrap(), there.try_clone().unwrap());
        let other = std::thread::spawn(move || std::io::copy(&mut from, &mut back));
        let _ = std::io::copy(&mut guest, &mut there);
        there.shutdown(std::net::Shutdown::Both).unwrap();
        let _ = other.join();
        // A port on which nobody listens: the device closes.
        drop(device.accept().unwrap());
    });
    let address = Address::Firecracker { path: path.as_os_str().as_encoded_bytes(), port: 1024 };
    let output = Client::connect(address).unwrap().output(&Exec::new("echo").arg("guest"), b"").unwrap();
    assert_eq!(output.text(), "guest\n");
    let error = Client::connect(address).unwrap_err().to_string();
    assert!(error.ends_with("v.sock:1024: Connection refused"), "{error}");
    proxy.join().unwrap();
}

#[test]
fn vsock_without_a_device_or_a_listener_is_an_error_that_names_the_address() {
    let error = Client::connect_within(Address::Vsock { cid: 4_000_000, port: 7 }, 2000).unwrap_err();
    assert!(error.to_string().starts_with("connect to vsock:4000000:7: "), "{error}");
}

#[test]
fn a_connection_that_exists_is_used() {
    let ground = Ground::new();
    let socket = UnixStream::connect(ground.socket()).unwrap();
    assert!(Client::over(socket.into()).unwrap().ping().is_ok());
}

#[test]
fn descriptors_that_are_passed_are_the_streams_of_the_command() {
    let ground = Ground::new();
    let mut client = ground.connect();
    let mut files = ["in", "out", "err"].map(|name| {
        let path = ground.directory.join(name);
        std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).unwrap()
    });
    files[0].write_all(b"from a file\n").unwrap();
    files[0].rewind().unwrap();
    let [stdin, stdout, stderr] = &files;
    let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    let running = client.exec_on(&script("cat; echo oops >&2; exit 3"), streams).unwrap();
    let mut code = None;
    while let Some(event) = running.next(&mut client).unwrap() {
        match event {
            Event::Exit(exit) => code = Some(exit.code),
            Event::Eof { offset: 0, .. } => {}
            other => panic!("nothing is relayed, but {other:?}"),
        }
    }
    assert_eq!(code, Some(3));
    let text = |name| std::fs::read_to_string(ground.directory.join(name)).unwrap();
    assert_eq!((text("out").as_str(), text("err").as_str()), ("from a file\n", "oops\n"));
}

#[test]
fn many_execs_share_one_connection_and_none_waits_for_another() {
    let ground = Ground::new();
    let mut client = ground.connect();
    let never_fetched = client.exec(&script("yes never fetched")).unwrap();
    let all: Vec<_> = (0..40)
        .map(|number| client.exec(&script(&format!("seq 2000; echo {number} >&2; exit {number}"))).unwrap())
        .collect();
    for (number, running) in all.iter().enumerate().rev() {
        let (mut out, mut err, mut code) = (Vec::new(), Vec::new(), None);
        while let Some(event) = running.next(&mut client).unwrap() {
            match event {
                Event::Stdout { bytes, offset } => {
                    assert_eq!(offset as usize, out.len());
                    out.extend(bytes);
                }
                Event::Stderr { bytes, .. } => err.extend(bytes),
                Event::Exit(exit) => code = Some(usize::from(exit.code)),
                _ => {}
            }
        }
        let expected: String = (1..=2000).map(|line| format!("{line}\n")).collect();
        assert!(out == expected.as_bytes(), "{} bytes of {number}", out.len());
        assert_eq!((String::from_utf8(err).unwrap(), code), (format!("{number}\n"), Some(number)));
    }
    never_fetched.kill(&mut client, "KILL", Scope::Tree).unwrap();
}

#[test]
fn input_is_written_while_it_runs_and_ends_when_told() {
    let ground = Ground::new();
    let mut client = ground.connect();
    let running = client.exec(&Exec::new("cat").open_stdin()).unwrap();
    for line in ["one\n", "two\n"] {
        assert_eq!(running.write(&mut client, line.as_bytes()).unwrap(), 4);
        loop {
            match running.next(&mut client).unwrap() {
                Some(Event::Stdout { bytes, .. }) => break assert_eq!(bytes, line.as_bytes()),
                Some(Event::InputTaken) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    running.close_input(&mut client).unwrap();
    let events: Vec<Event> = std::iter::from_fn(|| running.next(&mut client).unwrap()).collect();
    assert!(events.iter().any(|event| matches!(event, Event::Exit(exit) if exit.code == 0)), "{events:?}");
    assert!(events.contains(&Event::Eof { stream: Stream::Stdout, offset: 8 }), "{events:?}");
}

#[test]
fn input_for_an_exec_that_has_just_ended_confuses_no_later_request() {
    let ground = Ground::new();
    let mut client = ground.connect();
    for turn in 0..50 {
        let running = client.exec(&Exec::new("true").open_stdin()).unwrap();
        for _ in 0..5 {
            running.write(&mut client, b"nobody reads this").unwrap();
        }
        // Its end may be known before the next request, or not.
        while turn % 2 == 0 && running.next(&mut client).unwrap().is_some() {}
        let output = client.output(&Exec::new("echo").arg("next"), b"").unwrap();
        assert_eq!(output.text(), "next\n");
        while running.next(&mut client).unwrap().is_some() {}
    }
}

#[test]
fn a_terminal_has_its_size_is_resized_and_takes_keys() {
    let ground = Ground::new();
    let mut client = ground.connect();
    let text =
        "stty size; echo $TERM; trap 'stty size; exit 4' WINCH; while :; do read x && echo got $x; done";
    let running = client.exec(&script(text).pty(33, 44, Some("dumb")).open_stdin()).unwrap();
    let mut screen = String::new();
    let mut keys = ["word\r"].into_iter();
    let mut resized = false;
    loop {
        match running.next(&mut client).unwrap() {
            Some(Event::Stdout { bytes, .. }) => screen.push_str(&String::from_utf8(bytes).unwrap()),
            Some(Event::Exit(exit)) => break assert_eq!(exit.code, 4),
            None => panic!("no exit: {screen}"),
            Some(_) => {}
        }
        if screen.contains("dumb")
            && let Some(key) = keys.next()
        {
            running.write(&mut client, key.as_bytes()).unwrap();
        }
        if screen.contains("got word") && !resized {
            resized = true;
            running.resize(&mut client, 50, 132).unwrap();
            // What wakes the shell's read up.
            running.write(&mut client, b"\r").unwrap();
        }
    }
    assert!(screen.starts_with("33 44\r\ndumb\r\n") && screen.contains("50 132"), "{screen}");
    let no_terminal = client.exec(&script("sleep 9")).unwrap();
    assert!(refusal(no_terminal.resize(&mut client, 1, 1)).0.contains("has no terminal"));
    no_terminal.kill(&mut client, "9", Scope::Group).unwrap();
}

#[test]
fn a_deadline_is_told_and_ends_it() {
    let ground = Ground::new();
    let mut client = ground.connect();
    let running = client.exec(&script("sleep 60 & wait").timeout_ms(100)).unwrap();
    let events: Vec<Event> = std::iter::from_fn(|| running.next(&mut client).unwrap()).collect();
    assert!(matches!(events.first(), Some(Event::Timeout { elapsed_ms: 100.., .. })), "{events:?}");
    let exit = events.iter().find_map(|event| match event {
        Event::Exit(exit) => Some(exit),
        _ => None,
    });
    let exit = exit.expect("an exit");
    assert_eq!((exit.code, exit.timed_out, exit.killed_by.as_deref()), (143, true, Some("timeout")));
}

#[test]
fn an_exec_with_a_key_is_listed_waited_for_attached_to_and_acknowledged() {
    let ground = Ground::new();
    let mut client = ground.connect();
    let exec = script("echo kept; read x; exit 5").id("key").tag("mine").open_stdin();
    let (id, pid) = client.start(&exec).unwrap();
    assert_eq!(id, "key");
    let listed = client.list(Filter { tag: Some("mine"), ..Filter::default() }).unwrap();
    assert_eq!((listed.len(), listed[0].pid, listed[0].exit.as_ref()), (1, pid, None));
    assert!(refusal(client.wait("key", Some(10))).0.contains("still runs"));
    let again = client.exec(&exec).unwrap();
    assert_eq!(again.pid, pid, "a repeat attaches");
    assert!(refusal(client.ack("key")).0.contains("not over"));
    let mut other = ground.connect();
    let seen = other.attach("key", Attach { stdout: Some(2), stderr: None }).unwrap();
    let first = seen.next(&mut other).unwrap();
    assert_eq!(first, Some(Event::Stdout { bytes: b"pt\n".to_vec(), offset: 2 }));
    again.write(&mut client, b"\n").unwrap();
    assert_eq!(client.wait("key", None).unwrap().code, 5);
    while seen.next(&mut other).unwrap().is_some() {}
    while again.next(&mut client).unwrap().is_some() {}
    let listed = client.list(Filter { state: Some("exited"), ..Filter::default() }).unwrap();
    assert_eq!(listed[0].exit.as_ref().map(|exit| exit.code), Some(5));
    assert_eq!((listed[0].stdout, listed[0].stderr), (5, 0));
    client.ack("key").unwrap();
    assert_eq!(refusal(client.wait("key", None)).0, "no exec has the id \"key\"");
    assert!(client.list(Filter::default()).unwrap().is_empty());
}

#[test]
fn bytes_that_are_not_kept_any_more_are_a_gap() {
    let ground = Ground::new();
    let mut client = ground.connect();
    client.start(&script("seq 1000; sleep 60").id("gap").replay_bytes(100)).unwrap();
    let full = (1..=1000).map(|line| format!("{line}\n")).collect::<String>().len() as u64;
    let written = |client: &mut Client| client.list(Filter::default()).unwrap()[0].stdout;
    while written(&mut client) < full {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let running = client.attach("gap", Attach { stdout: Some(0), stderr: None }).unwrap();
    let gap = running.next(&mut client).unwrap();
    assert_eq!(gap, Some(Event::Gap { stream: Stream::Stdout, from: 0, to: full - 100 }));
    running.detach(&mut client).unwrap();
    client.kill_exec("gap", "KILL", Scope::Tree).unwrap();
}

#[test]
fn processes_are_listed_and_killed_and_what_cannot_be_says_so() {
    let ground = Ground::new();
    let mut client = ground.connect();
    let running = client.exec(&Exec::new("sleep").arg("54321")).unwrap();
    // It is told as started before the kernel has given it all of its new image.
    let begun = std::time::Instant::now();
    let process = loop {
        let all = client.list_processes().unwrap();
        let process = all.into_iter().find(|process| process.pid == running.pid).expect("it is listed");
        if process.command.ends_with("sleep 54321") {
            break process;
        }
        assert!(begun.elapsed().as_secs() < 10, "{process:?}");
    };
    assert_eq!(process.ppid, client.ping().unwrap().pid);
    client.kill_process(process.pid, "SIGTERM", Scope::Leader).unwrap();
    assert_eq!(client.wait(&running.id, None).unwrap().code, 143);
    assert!(refusal(client.kill_process(1, "TERM", Scope::Leader)).0.contains("must be from 2"));
    assert!(refusal(client.kill_process(process.pid, "NOPE", Scope::Leader)).0.contains("NOPE"));
    assert!(refusal(client.kill_exec("nobody", "TERM", Scope::Group)).0.contains("nobody"));
}

#[test]
fn figures_and_events_are_told() {
    let ground = Ground::new();
    let (mut client, mut subscriber) = (ground.connect(), ground.connect());
    subscriber.events().unwrap();
    client.output(&Exec::new("true").id("seen"), b"").unwrap();
    let notices = [subscriber.next_notice().unwrap(), subscriber.next_notice().unwrap()];
    let words: Vec<_> = notices.iter().map(|notice| notice.text("event").unwrap().into_owned()).collect();
    assert_eq!(words, ["started", "exit"]);
    assert_eq!(notices[1].text("id").as_deref(), Some("seen"));
    assert_eq!(client.stats().unwrap().count("execs_started"), Some(1));
}

#[test]
fn what_a_server_without_a_main_command_cannot_do_is_refused_and_shutdown_ends_it() {
    let ground = Ground::new();
    let mut client = ground.connect();
    assert!(refusal(client.freeze(None)).0.starts_with("freeze"));
    assert!(refusal(client.thaw(None)).0.contains("thaw"));
    assert_eq!(refusal(client.signal_main("HUP")).0, "signal_main: there is no main command");
    client.shutdown(Mode::Exit, None, Some(3)).unwrap();
    let begun = std::time::Instant::now();
    while client.ping().is_ok() {
        assert!(begun.elapsed().as_secs() < 10, "it goes on");
    }
}

#[test]
fn a_list_of_more_processes_than_a_frame_of_a_client_holds_is_read() {
    let ground = Ground::new();
    let mut client = ground.connect();
    // 4096 bytes of each are told.
    let word = "y".repeat(5000);
    let mut others: Vec<std::process::Child> = (0..300)
        .map(|_| {
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", "read line", &word]).stdin(std::process::Stdio::piped());
            shell.spawn().unwrap()
        })
        .collect();
    let listed = client.list_processes();
    let again = client.ping();
    for other in &mut others {
        other.kill().unwrap();
        other.wait().unwrap();
    }
    let long = listed.unwrap().iter().filter(|process| process.command.len() > 4000).count();
    assert!(long >= 250, "{long}");
    again.unwrap();
}

#[test]
fn a_server_that_has_said_why_and_gone_is_heard_although_it_hears_nothing() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs
        .write_all(b"{\"type\":\"error\",\"data\":\"permission denied: user 7 may not connect\"}\n")
        .unwrap();
    drop(theirs);
    assert_eq!(refusal(Client::over(ours.into())).0, "permission denied: user 7 may not connect");
}
