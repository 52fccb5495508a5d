//! Clients that follow the main command.

use husk_client::{Attach, Client, Event, Running};

use crate::ground::{Ground, until};
use container::task::Size;
use instance::Terminal;

/// What is written until a text is in it.
fn read_until(client: &mut Client, running: &Running, text: &str) -> String {
    let mut all = String::new();
    while !all.contains(text) {
        match running.next(client).expect("an event") {
            // What these tests write is ASCII. A terminal writes \r\n for \n.
            Some(Event::Stdout { bytes, .. } | Event::Stderr { bytes, .. }) => {
                all += &String::from_utf8_lossy(&bytes).replace('\r', "");
            }
            Some(Event::Exit(exit)) => panic!("{exit:?} after {all}"),
            Some(_) => {}
            None => panic!("the end after {all}"),
        }
    }
    all
}

#[test]
fn who_comes_later_has_what_was_written_before() {
    let ground = Ground::new();
    let shim = ground.run("echo before; while read line; do echo \"got $line\"; done");
    until("it has written", || ground.logged().contains("before"));
    let (mut one, mut other) = (shim.client(), shim.client());
    let (first, second) =
        (one.attach("main", Attach::default()).unwrap(), other.attach("main", Attach::default()).unwrap());
    first.write(&mut one, b"words\n").unwrap();
    for (client, running) in [(&mut one, &first), (&mut other, &second)] {
        assert_eq!(read_until(client, running, "words\n"), "before\ngot words\n");
    }
    let mut late = shim.client();
    let from = Attach { stdout: Some(7), stderr: None };
    let running = late.attach("main", from).unwrap();
    assert_eq!(read_until(&mut late, &running, "words\n"), "got words\n");
    // The end of its input is its end.
    first.close_input(&mut one).unwrap();
    assert_eq!(shim.wait().code, 0);
}

#[test]
fn a_main_command_without_input_reads_the_end_of_a_file() {
    let ground = Ground::new();
    let mut task = ground.task("cat; echo over");
    task.stdin = container::task::Stdin::None;
    ground.start(&task).unwrap().wait();
    assert_eq!(ground.logged(), "over\n");
}

#[test]
fn a_main_command_has_a_terminal_that_was_asked_for() {
    let ground = Ground::new();
    let mut task = ground.task("tty; stty size; echo $TERM; readlink -f /dev/console; while read line; do stty size; echo \"got $line\"; done");
    task.settings.terminal = Terminal::Own;
    task.size = Some(Size { rows: 12, cols: 34 });
    let shim = ground.start(&task).unwrap();
    let mut client = shim.client();
    let running = client.attach("main", Attach::default()).unwrap();
    assert_eq!(read_until(&mut client, &running, "console\n"), "/dev/pts/0\n12 34\nxterm\n/dev/console\n");
    running.write(&mut client, b"words\n").unwrap();
    assert!(read_until(&mut client, &running, "got words\n").contains("12 34"));
    running.resize(&mut client, 50, 100).unwrap();
    running.write(&mut client, b"more\n").unwrap();
    assert!(read_until(&mut client, &running, "got more\n").contains("50 100"));
    until("it is in the log", || ground.logged().contains("got words"));
}

#[test]
fn what_nobody_reads_stops_nothing_and_is_in_the_log() {
    let ground = Ground::new();
    let shim = ground.run("seq 1 20000; exit 3");
    assert_eq!(shim.wait().code, 3);
    let expected: String = (1..=20_000).map(|number| format!("{number}\n")).collect();
    assert!(ground.logged() == expected, "{} bytes", ground.logged().len());
}
