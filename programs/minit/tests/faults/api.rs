//! The api: its calls fail while it serves, and while it starts. The first process goes on in any case; a client is
//! answered, refused or hung up on; and once the calls succeed again, so does everything.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::bed::children;
use crate::choice::{alone, faults, name, pid_of, try_all};
use crate::traced::{Fault, First, Folder, Lasting, PATIENCE, Reach, SIGKILL, SIGTERM, Tracer, kill};

const COMMAND: &str = "trap 'exit 9' TERM; echo runs; while :; do sleep 30 & wait; done";

/// Longer than any answer takes, the delay before a restart included.
const ANSWER: Duration = Duration::from_millis(1500);

/// What a client asks for, each on a connection of its own, and how its last answer begins.
const REQUESTS: [(&str, &str); 8] = [
    (r#"{"type":"ping"}"#, r#"{"type":"pong""#),
    (r#"{"type":"exec","cmd":"sh","args":["-c","echo out; echo err >&2"]}"#, r#"{"type":"exit""#),
    (
        r#"{"type":"exec","cmd":"cat","id":"a","events":true,"output":"chunks","stdin_data":"in"}"#,
        r#"{"type":"exit""#,
    ),
    (r#"{"type":"exec","cmd":"sleep","args":["30"],"timeout_ms":50,"grace_ms":50}"#, r#"{"type":"exit""#),
    (
        r#"{"type":"exec","cmd":"true","pty":{"rows":2,"cols":2},"user":"root","env":{"A":"1"}}"#,
        r#"{"type":"exit""#,
    ),
    (r#"{"type":"list_processes"}"#, r#"{"type":"processes""#),
    (r#"{"type":"stats"}"#, r#"{"type":"stats""#),
    ("no request", r#"{"type":"error""#),
];

/// Asks, and reads up to the last answer; whether that came.
fn ask(socket: &Path, (request, last): (&str, &str)) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else { return false };
    stream.set_read_timeout(Some(ANSWER)).expect("a timeout");
    if stream.write_all(format!("{request}\n").as_bytes()).is_err() {
        return false;
    }
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.any(|line| line.starts_with(last))
}

/// Whether it comes to be answered.
fn is_answered(socket: &Path, request: (&str, &str)) -> bool {
    let end = Instant::now() + PATIENCE / 2;
    while Instant::now() < end {
        if ask(socket, request) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// A first process that serves.
struct Served {
    folder: Folder,
    first: First,
    socket: PathBuf,
}

impl Served {
    fn start() -> Self {
        let folder = Folder::new();
        let arguments = ["--socket=SOCKET", "--on-exit=stay", "--grace=300ms", "sh", "-c", COMMAND];
        let mut first = First::prepare(&folder, "minit", &arguments);
        first.go();
        assert_eq!(first.line(PATIENCE), "runs", "{}", first.said());
        let socket = folder.join("socket");
        assert!(is_answered(&socket, REQUESTS[0]), "{}", first.said());
        Self { folder, first, socket }
    }

    /// The api's pid, as it is numbered outside.
    fn api(&self) -> u32 {
        let is_api = |pid: &u32| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "minit-api")
        };
        children(self.first.pid).into_iter().find(is_api).expect("the api runs")
    }

    /// With the calls succeeding again: everything works, and ends as it should.
    fn recovers(mut self) -> Result<(), String> {
        let again = is_answered(&self.socket, REQUESTS[0]) && is_answered(&self.socket, REQUESTS[1]);
        self.first.signal(SIGTERM);
        let (code, said) = (self.first.end(), self.first.said());
        if !again {
            return Err(format!("nobody answers any more; code {code:?}, said {said:?}"));
        }
        if code != Some(9) { Err(format!("code {code:?}, said {said:?}")) } else { Ok(()) }
    }
}

/// What a log of so much time may have in it, as of the first process: no loop that does not wait.
fn is_calm(log: &[String], usual: usize, took: Duration) -> Result<(), String> {
    let calls = log.iter().filter(|line| name(line).is_some()).count();
    let most = usual + 100 + 600 * (1 + took.as_secs() as usize);
    if calls > most { Err(format!("spins: {calls} calls in {took:?}")) } else { Ok(()) }
}

/// Everything that a client asks for while a call of the api fails.
fn served(fault: Option<&Fault>) -> (Served, Vec<String>, Duration, bool) {
    let served = Served::start();
    let began = Instant::now();
    let tracer = Tracer::attach(served.api(), served.folder.join("log"), fault, Reach::Alone);
    let answered = REQUESTS.iter().filter(|request| ask(&served.socket, **request)).count();
    let is_once = fault.is_none_or(|fault| fault.lasting == Lasting::Once);
    let answers = if is_once { is_answered(&served.socket, REQUESTS[0]) } else { true };
    assert!(fault.is_some() || answered == REQUESTS.len(), "{answered} are answered without a fault");
    let took = began.elapsed();
    (served, tracer.detach(), took, answers)
}

#[test]
fn whatever_call_of_the_api_fails_it_serves_again() {
    let _alone = alone();
    let (usual, log, ..) = served(None);
    assert_eq!(usual.recovers(), Ok(()));
    let faults = faults(&log, |_, _| true);
    let wrong = try_all("an api that serves", faults, 200, |fault| {
        let (served, lines, took, answers) = served(Some(fault));
        is_calm(&lines, log.len(), took)?;
        if !answers {
            return Err(format!("no answer after one fault, said {:?}", served.first.said()));
        }
        served.recovers()
    });
    assert!(wrong.is_empty(), "{} faults\n{}", wrong.len(), wrong.join("\n"));
}

/// The api is killed; a call of the next one fails, or of the first process meanwhile.
fn restarted(fault: Option<&Fault>) -> (Served, Vec<String>, Duration) {
    let served = Served::start();
    let before = served.api();
    let began = Instant::now();
    let tracer = Tracer::attach(served.first.pid, served.folder.join("log"), fault, Reach::WithChildren);
    kill(before, SIGKILL);
    let is_lasting = fault.is_some_and(|fault| fault.lasting == Lasting::FromThereOn);
    if is_lasting {
        std::thread::sleep(ANSWER / 3);
    } else {
        is_answered(&served.socket, REQUESTS[0]);
    }
    let took = began.elapsed();
    (served, tracer.detach(), took)
}

#[test]
fn whatever_call_of_a_starting_api_fails_there_is_one_in_the_end() {
    let _alone = alone();
    let (usual, log, ..) = restarted(None);
    assert_eq!(usual.recovers(), Ok(()));
    // The first process is traced first.
    let first = log.first().and_then(|line| pid_of(line));
    let of_api: Vec<String> = log.iter().filter(|line| pid_of(line) != first).cloned().collect();
    let faults = faults(&of_api, |_, _| true);
    let wrong = try_all("an api that starts", faults, 100, |fault| {
        let (served, lines, took) = restarted(Some(fault));
        // It may be started several times within the first second.
        is_calm(&lines, 10 * log.len(), took)?;
        served.recovers()
    });
    assert!(wrong.is_empty(), "{} faults\n{}", wrong.len(), wrong.join("\n"));
}
