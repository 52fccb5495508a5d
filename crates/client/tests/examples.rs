//! The examples, run as a user runs them.

mod bed;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use bed::Ground;
use husk_client::{Address, Client, Exec};

/// Where the examples are, built as the tests are.
fn examples() -> &'static Path {
    static EXAMPLES: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLES.get_or_init(|| {
        let test = std::env::current_exe().expect("own path");
        // …/debug/deps/NAME-HASH of this test.
        let directory = test.parent().and_then(Path::parent).expect("target directory");
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--package", "husk-client", "--examples"]);
        if directory.ends_with("release") {
            build.arg("--release");
        }
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        assert!(build.status().expect("cargo").success(), "cargo build of the examples");
        directory.join("examples")
    })
}

fn run(name: &str, socket: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let done = Command::new(examples().join(name)).arg(socket).args(words).output();
    let Output { status, stdout, stderr } = done.expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn run_passes_output_and_the_exit_code_on() {
    let ground = Ground::new();
    let done = run("run", &ground.socket(), &["sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(done, (Some(7), "out\n".to_owned(), "err\n".to_owned()));
}

#[test]
fn follow_shows_all_of_an_exec_and_ends_with_its_code() {
    let ground = Ground::new();
    let mut client = Client::connect(Address::from(&*ground.socket())).expect("it serves");
    let script = "echo one; sleep 0.3; echo two; echo err >&2; exit 5";
    client.start(&Exec::new("sh").args(["-c", script]).id("job")).expect("it starts");
    let done = run("follow", &ground.socket(), &["job"]);
    assert_eq!(done, (Some(5), "one\ntwo\n".to_owned(), "err\n".to_owned()));
}

#[test]
fn failures_are_one_line_in_words_and_a_code() {
    let ground = Ground::new();
    let nowhere = Path::new("/nowhere/s");
    let missing = "connect to /nowhere/s: No such file or directory\n";
    for (name, socket, words, code, said) in [
        ("run", &*ground.socket(), &["no-such-program"][..], 127, "run: "),
        ("run", &*ground.socket(), &["/"], 126, "run: "),
        ("run", nowhere, &["true"], 125, &*format!("run: {missing}")),
        ("run", nowhere, &[], 125, "run: usage: "),
        ("follow", &*ground.socket(), &["nothing"], 125, "follow: "),
        ("follow", nowhere, &["job"], 125, &*format!("follow: {missing}")),
        ("follow", nowhere, &[], 125, "follow: usage: "),
    ] {
        let (got, _, err) = run(name, socket, words);
        assert_eq!((got, err.lines().count()), (Some(code), 1), "{name} {words:?}: {err}");
        assert!(err.starts_with(said) && !err.contains(['{', '}']), "{name} {words:?}: {err}");
    }
}

#[test]
fn follow_waits_for_a_server_that_was_there_before() {
    let mut ground = Ground::new();
    let mut client = Client::connect(Address::from(&*ground.socket())).expect("it serves");
    client.start(&Exec::new("sh").args(["-c", "echo one; exec sleep 60"]).id("job")).expect("it starts");
    let socket = ground.socket();
    let following = std::thread::spawn(move || run("follow", &socket, &["job"]));
    std::thread::sleep(Duration::from_millis(500));
    // It had been heard; the one in its place knows nothing of the exec, which is an answer.
    ground.restart();
    let (code, out, err) = following.join().expect("no panic");
    assert_eq!((code, &*out, err.lines().count()), (Some(125), "one\n", 1), "{err}");
}
