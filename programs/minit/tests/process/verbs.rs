//! The verbs, asked of a minit that serves.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bed::{Outcome, Running, called, program, run, until};
use crate::client::Served;

/// A verb, with the socket of a server.
fn verb(served: &Served, words: &[&str]) -> Command {
    let (verb, rest) = words.split_first().expect("a verb");
    let mut command = called("minit", &[verb, "--socket", &served.place.socket()]);
    command.args(rest);
    command
}

fn ask(served: &Served, words: &[&str]) -> Outcome {
    run(&mut verb(served, words))
}

#[test]
fn exec_passes_output_errors_and_the_exit_code_on() {
    let served = Served::first(&[]);
    let done = ask(&served, &["exec", "--", "sh", "-c", "echo out; echo err >&2; exit 3"]);
    assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (Some(3), "out\n", "err\n"));
    let options = ["-e", "A=b c", "-w", "/usr", "-u", "65534:65534", "--no-new-privs"];
    let script = "echo $A; pwd; id -u; grep NoNewPrivs /proc/self/status";
    let done = ask(&served, &[&["exec"], &options[..], &["sh", "-c", script]].concat());
    assert_eq!(done.out, "b c\n/usr\n65534\nNoNewPrivs:\t1\n");
    // What follows the command is the command's.
    assert_eq!(ask(&served, &["exec", "echo", "-i", "--id"]).out, "-i --id\n");
    assert_eq!(ask(&served, &["exec", "--", "sh", "-c", "kill -9 $$"]).code, Some(137));
}

#[test]
fn exec_says_what_it_could_not_do_with_the_codes_of_a_shell() {
    let served = Served::first(&[]);
    let done = ask(&served, &["exec", "no-such-program"]);
    assert_eq!(done.code, Some(127));
    assert!(done.err.starts_with("minit: exec: \"no-such-program\": command not found"), "{}", done.err);
    assert_eq!(ask(&served, &["exec", "/etc/passwd"]).code, Some(126));
    let nobody = run(&mut called("minit", &["exec", "--socket", "/nowhere/s", "true"]));
    let why = "minit: exec: connect to /nowhere/s: No such file or directory\n";
    assert_eq!((nobody.code, nobody.err.as_str()), (Some(125), why));
    for wrong in
        [&["exec", "--nope", "true"][..], &["exec", "--timeout", "soon", "true"], &["exec"], &["wait"]]
    {
        let done = ask(&served, wrong);
        assert!(done.code == Some(125) && done.err.starts_with("minit: "), "{wrong:?}: {done:?}");
    }
}

#[test]
fn exec_passes_its_input_on_to_the_end() {
    let served = Served::first(&[]);
    let mut command = verb(&served, &["exec", "-i", "--", "sh", "-c", "wc -c; echo behind it"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut input = child.stdin.take().expect("an input");
    // More than fits into any buffer on the way.
    input.write_all(&vec![b'x'; 3_000_000]).expect("it is read");
    drop(input);
    let done = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&done.stdout), "3000000\nbehind it\n");
}

#[test]
fn exec_passes_signals_on_and_ends_with_what_they_do() {
    let served = Served::first(&[]);
    let script = "trap 'echo told; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut running = Running::start(&mut verb(&served, &["exec", "--", "sh", "-c", script]));
    assert_eq!(running.line(), "ready");
    running.signal("TERM");
    let done = running.end();
    assert_eq!((done.code, done.out.as_str()), (Some(9), "told\n"));
}

#[test]
fn exec_whose_reader_is_gone_ends_and_so_does_its_command() {
    let served = Served::first(&[]);
    let line = format!("{} exec --socket {} yes | head -n 1", program(), served.place.socket());
    let done = run(Command::new("bash").args(["-c", &format!("{line}; echo ${{PIPESTATUS[0]}}")]));
    assert_eq!(done.out, "y\n141\n");
    until("yes has ended", || !ask(&served, &["ps"]).out.contains("yes"));
}

#[test]
fn a_command_without_a_key_ends_with_its_client_and_one_with_a_key_goes_on() {
    let served = Served::first(&[]);
    let (first, second) = (["exec", "sleep", "12345"], ["exec", "--id", "kept", "sleep", "54321"]);
    let clients = [&first[..], &second].map(|words| Running::start(&mut verb(&served, words)));
    let runs = |what: &str| ask(&served, &["ps"]).out.contains(what);
    until("both run", || runs("sleep 12345") && runs("sleep 54321"));
    drop(clients);
    until("the one without a key has ended", || !runs("sleep 12345"));
    assert!(runs("sleep 54321"));
    assert_eq!(ask(&served, &["kill", "-s", "KILL", "kept"]).code, Some(0));
    assert_eq!(ask(&served, &["wait", "kept"]).code, Some(137));
}

#[test]
fn a_terminal_is_raw_while_a_command_uses_it_and_restored_on_every_way_out() {
    let served = Served::first(&[]);
    let minit = format!("{} exec --socket {}", program(), served.place.socket());
    let [ready, go, pid] = ["ready", "go", "pid"].map(|name| served.place.socket() + "." + name);
    let on_a_terminal = |line: &str| {
        let mode = "stty -a </dev/tty | grep -oE -- '-?icanon'";
        let line = format!("rm -f {ready} {go}; stty rows 33 cols 77; {line}; echo code $?; {mode}");
        let out = run(Command::new("script").args(["-qec", &line, "/dev/null"])).out;
        // script(1) types an end of file, and a NUL when nobody takes that.
        out.replace('\r', "").replace("^@", "")
    };
    let until = |what: &str| format!("until {what}; do sleep 0.02; done");
    // Beside the client, once the terminal is raw and the command is ready: something happens.
    let raw = until(&format!("[ -e {ready} ] && stty -a </dev/tty | grep -q -- -icanon"));
    let meanwhile = |what: &str| format!("({raw}; {what}) &");
    let script = format!("stty size; touch {ready}; {}; exit 4", until(&format!("[ -e {go} ]")));
    let out = on_a_terminal(&format!("{} {minit} -it sh -c '{script}'", meanwhile(&format!("touch {go}"))));
    assert_eq!(out, "33 77\ncode 4\nicanon\n");
    // The client itself is told to end; the command is, and says so.
    let told = meanwhile(&format!("kill -TERM $(cat {pid})"));
    let out = on_a_terminal(&format!(
        "{told} sh -c 'echo $$ >{pid}; exec {minit} -it sh -c \"touch {ready}; exec sleep 98765\"'"
    ));
    assert!(out.ends_with("code 143\nicanon\n"), "{out}");
    assert!(on_a_terminal(&format!("{minit} -it no-such-program")).ends_with("code 127\nicanon\n"));
    let script = format!("trap \"stty size; exit 0\" WINCH; touch {ready}; while :; do sleep 0.05; done");
    let resized = meanwhile("stty rows 44 cols 99 </dev/tty");
    let out = on_a_terminal(&format!("{resized} {minit} -it sh -c '{script}'"));
    assert!(out.ends_with("44 99\ncode 0\nicanon\n"), "{out}");
}

#[test]
fn what_runs_detached_is_listed_shown_attached_to_waited_for_and_forgotten() {
    let served = Served::first(&[]);
    let script = "echo one; while [ ! -e $0 ]; do sleep 0.02; done; echo two; exit 6";
    let stop = served.place.socket() + ".stop";
    let done = ask(&served, &["exec", "-d", "--id", "job", "--tag", "t", "--", "sh", "-c", script, &stop]);
    assert_eq!((done.code, done.out.as_str()), (Some(0), "job\n"));
    until("its first line is kept", || ask(&served, &["logs", "job"]).out == "one\n");
    let listed = ask(&served, &["list", "--tag", "t", "--state", "running"]).out;
    assert!(
        listed.lines().nth(1).is_some_and(|line| line.starts_with("job ") && line.contains(" t ")),
        "{listed}"
    );
    let mut attached = Running::start(&mut verb(&served, &["attach", "--from-stdout", "2", "job"]));
    assert_eq!(attached.line(), "e");
    std::fs::write(&stop, "").expect("a file");
    let done = attached.end();
    assert_eq!((done.code, done.out.as_str()), (Some(6), "two\n"));
    let done = ask(&served, &["wait", "job"]);
    assert_eq!((done.code, done.out.as_str()), (Some(6), "6\n"));
    assert_eq!(ask(&served, &["logs", "-f", "job"]).out, "one\ntwo\n");
    assert_eq!(ask(&served, &["ack", "job"]).code, Some(0));
    let done = ask(&served, &["attach", "job"]);
    assert_eq!((done.code, done.err.as_str()), (Some(125), "minit: attach: no exec has the id \"job\"\n"));
}

#[test]
fn ping_is_a_health_check_that_may_wait() {
    let served = Served::first(&[]);
    let done = ask(&served, &["ping"]);
    assert!(done.code == Some(0) && done.out.starts_with("minit "), "{done:?}");
    let begun = Instant::now();
    let done = run(&mut called("minit", &["ping", "--socket", "/nowhere/s", "--wait", "300ms"]));
    assert_eq!(done.code, Some(1));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    let place = crate::client::Place::new();
    let waiting =
        Running::start(&mut called("minit", &["ping", "--socket", &place.socket(), "--wait", "20s"]));
    std::thread::sleep(Duration::from_millis(50));
    let server = Running::start(&mut called("minit", &["--socket", &place.socket(), "--", "sleep", "1000"]));
    assert_eq!(waiting.end().code, Some(0));
    drop(server);
}

#[test]
fn the_main_command_is_signalled_and_the_container_shut_down() {
    let mut served =
        Served::first(&["sh", "-c", "trap 'echo hup' HUP; echo ready; while :; do sleep 0.05; done"]);
    assert_eq!(served.running.line(), "ready");
    assert_eq!(ask(&served, &["signal", "HUP"]).code, Some(0));
    assert_eq!(served.running.line(), "hup");
    let stats = ask(&served, &["stats"]).out;
    assert!(stats.starts_with("{\"type\":\"stats\",") && stats.ends_with("}\n"), "{stats}");
    let mut events = Running::start(&mut verb(&served, &["events"]));
    // Its connection, and that of who asks.
    until("it has subscribed", || ask(&served, &["stats"]).out.contains("\"connections\":2"));
    ask(&served, &["exec", "--id", "seen", "true"]);
    while !events.line().contains("\"id\":\"seen\"") {}
    assert_eq!(ask(&served, &["shutdown", "--code", "8"]).code, Some(0));
    assert_eq!(served.running.end().code, Some(8));
    assert_eq!(events.end().code, Some(125), "the server has gone");
}

#[test]
fn a_command_of_a_verbs_name_is_run_behind_two_dashes() {
    let done = run(&mut called("minit", &["--no-api", "--", "kill", "-l", "15"]));
    assert_eq!((done.code, done.out.trim()), (Some(0), "TERM"));
    let help = run(&mut called("minit", &["exec", "--help"])).out;
    assert!(
        help.starts_with("minit exec [--socket PATH") && help.contains("\n  -e, --env NAME[=VALUE]  "),
        "{help}"
    );
    let help = run(&mut called("minit", &["--help"])).out;
    assert_eq!(run(&mut called("minit", &["help"])).out, help);
    assert!(
        help.contains("\n  kill       signals a command")
            && help.contains("\n  --grace TIME            from"),
        "{help}"
    );
    assert!(!help.contains('\t') && help.lines().all(|line| line.chars().count() <= 100), "{help}");
}

#[test]
fn kill_takes_an_id_before_a_pid_and_a_pid_where_it_is_called_one() {
    let served = Served::first(&[]);
    let start = |id: &str| {
        assert_eq!(ask(&served, &["exec", "-d", "--id", id, "sleep", "1000"]).code, Some(0));
        let listed = ask(&served, &["list", "--state", "running"]).out;
        let line =
            listed.lines().find(|line| line.starts_with(&format!("{id} "))).expect("it runs").to_owned();
        line.split_whitespace().nth(1).expect("a pid").to_owned()
    };
    // The id of another is the pid of one.
    let victim = start("victim");
    start(&victim);
    assert_eq!(ask(&served, &["kill", "-s", "KILL", &victim]).code, Some(0));
    assert_eq!(ask(&served, &["wait", &victim]).code, Some(137));
    assert!(ask(&served, &["list", "--state", "running"]).out.contains("victim "));
    assert_eq!(ask(&served, &["kill", "-s", "TERM", "--pid", &victim]).code, Some(0));
    assert_eq!(ask(&served, &["wait", "victim"]).code, Some(143));
    let third = start("third");
    assert_eq!(ask(&served, &["kill", "-s", "HUP", &third]).code, Some(0), "there is no such id");
    assert_eq!(ask(&served, &["wait", "third"]).code, Some(129));
    for arguments in
        [&["kill"][..], &["kill", "--pid", "7", "8"], &["kill", "--pid", "x"], &["kill", "nobody"]]
    {
        assert_eq!(ask(&served, arguments).code, Some(125), "{arguments:?}");
    }
}
