//! A terminal's traffic through a session: whole, in both directions, however slow the other side is.

use std::thread;
use std::time::Duration;

use session::{Ended, Kind, Session, block_signals};
use spawn::{Exit, Launch, Memory, Others, Plan};
use sys::clone::Namespaces;
use sys::exec::Argument;
use sys::fd::{AsFd as _, OwnedFd};
use sys::pipe::{PipeFlags, pipe_with};
use sys::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};

mod ground;

/// Everything until the end, a little at a time.
fn read_all(from: &OwnedFd, pause: Duration) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 1000];
    loop {
        thread::sleep(pause);
        match sys::io::read(from, &mut piece[..]).expect("the output") {
            0 => return String::from_utf8(all).expect("UTF-8"),
            length => all.extend_from_slice(&piece[..length]),
        }
    }
}

/// Runs a script with a terminal, types `typed`, reads with `pause` before each read; what was shown, and the end.
fn on_a_terminal(script: &std::ffi::CStr, typed: &'static [u8], pause: Duration) -> (String, Ended) {
    let how = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(how).expect("a terminal");
    unlockpt(&master).expect("a terminal");
    let slave = ioctl_tiocgptpeer(&master, how).expect("its other side");
    let (shown, output) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    let (input, keys) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
    let signals = block_signals().expect("signalfd");
    let argv = [c"sh", c"-c", script].map(Argument::new);
    let argv = [argv[0], argv[1], argv[2], Argument::END];
    let steps = ground::program(&argv);
    let launch = Launch {
        plan: Plan { steps: &steps },
        namespaces: Namespaces::NONE,
        cgroup: None,
        standard: [Some(slave.as_fd()); 3],
        others: Others::Close,
        memory: Memory::Copied,
    };
    let child = spawn::start(&launch, &mut ground::Bystander).expect("sh");
    drop(slave);
    let typist = thread::spawn(move || {
        let mut rest = typed;
        while !rest.is_empty() {
            rest = &rest[sys::io::write(&keys, rest).expect("the keys")..];
        }
    });
    let reader = thread::spawn(move || read_all(&shown, pause));
    let session = Session {
        child: &child,
        kind: Kind::Plain,
        signals: signals.as_fd(),
        terminal: Some(master.as_fd()),
        input: Some(input.as_fd()),
        output: output.as_fd(),
    };
    let ended = session.run().expect("its end");
    drop(output);
    typist.join().expect("the typist");
    (reader.join().expect("the reader"), ended)
}

const LINES: usize = 3_000;

fn numbers() -> String {
    // A terminal makes two characters of the end of a line.
    (0..LINES).map(|number| format!("line {number}\r\n")).collect()
}

const COUNT: &std::ffi::CStr = c"i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; exit 3";

#[test]
fn everything_that_is_written_is_shown_before_the_end() {
    let (shown, ended) = on_a_terminal(COUNT, b"", Duration::ZERO);
    assert_eq!(ended.exit, Exit::Code(3));
    assert_eq!(shown, numbers());
}

#[test]
fn a_slow_reader_loses_nothing() {
    let (shown, ended) = on_a_terminal(COUNT, b"", Duration::from_millis(5));
    assert_eq!(ended.exit, Exit::Code(3));
    assert_eq!(shown, numbers());
}

#[test]
fn what_is_typed_arrives() {
    let script = c"stty -echo 2>/dev/null; read one; read two; echo got $two $one";
    let (shown, ended) = on_a_terminal(script, b"hello\nworld\n", Duration::ZERO);
    assert_eq!(ended.exit, Exit::Code(0));
    assert!(shown.ends_with("got world hello\r\n"), "{shown:?}");
}

#[test]
fn the_end_of_the_input_is_an_end_of_file_for_the_program() {
    let (shown, ended) = on_a_terminal(c"cat > /dev/null; echo after", b"a line\n", Duration::ZERO);
    assert_eq!(ended.exit, Exit::Code(0));
    assert!(shown.ends_with("after\r\n"), "{shown:?}");
}
