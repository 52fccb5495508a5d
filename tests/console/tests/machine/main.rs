//! The control console's promises, on one machine: it is booted once, and each promise leaves it as it was.

mod broken;
mod keyboards;
mod shell;

use std::path::Path;
use std::time::{Duration, Instant};

use console_test::Guest;

/// A promise, and the name of its function for whoever reads the output.
type Promise = (&'static str, fn(&mut Guest));

macro_rules! promises {
    ($($module:ident::$name:ident),* $(,)?) => {
        &[$((stringify!($name), $module::$name)),*]
    };
}

const PROMISES: &[Promise] = promises![
    keyboards::other_keys_do_not_wake_it,
    shell::a_hotkey_brings_a_root_shell_while_everything_else_is_frozen,
    shell::nothing_switches_away_from_it,
    shell::the_hotkey_does_nothing_while_it_is_up,
    shell::the_end_of_the_shell_goes_back,
    shell::an_order_to_leave_ends_what_the_shell_started,
    shell::the_next_one_has_a_terminal_in_order,
    keyboards::a_keyboard_that_is_plugged_in_works,
    keyboards::a_keyboard_that_is_pulled_out_releases_its_keys,
    broken::what_fails_is_undone_with_one_line,
    broken::many_presses_come_to_as_many_as_the_debounce_lets_pass,
    broken::a_screen_that_nobody_lets_go_of_is_taken_and_given_back,
    broken::a_killed_daemon_leaves_the_shell_and_the_next_one_takes_over,
    broken::a_stopped_daemon_leaves_everything_as_it_was,
];

#[test]
fn console_keeps_its_promises_on_a_machine() {
    let mut guest = Guest::boot(Path::new(env!("CARGO_BIN_EXE_stand-in")));
    for (name, promise) in PROMISES {
        println!("{name}");
        guest.machine.rest();
        promise(&mut guest);
    }
    assert_eq!(zombies(&mut guest), "");
    guest.end();
}

/// Long enough for something to happen that should not.
const WHILE: Duration = Duration::from_millis(500);

/// The terminal that is shown.
fn shown(guest: &mut Guest) -> String {
    guest.run("cat /sys/class/tty/tty0/active").trim().to_owned()
}

/// Presses the hotkey, and follows until the shell asks for a command.
fn open(guest: &mut Guest) {
    guest.machine.press("ctrl-alt-j");
    let line = guest.machine.until("console: opened");
    assert_eq!(line, "console: opened 63 before 1 frozen counter");
    assert_eq!(shown(guest), "tty63");
    prompt(guest);
}

/// Waits for the shell's prompt at the end of what its terminal shows.
fn prompt(guest: &mut Guest) {
    guest.wait("fold -w 80 /dev/vcs63; echo", |text| {
        text.lines().rfind(|line| !line.trim().is_empty()).is_some_and(|line| line.trim() == "/root #")
    });
}

/// The pid of the shell on terminal 63.
fn shell_pid(guest: &mut Guest) -> String {
    guest.wait("pids -sh", |pids| pids.lines().count() == 1).trim().to_owned()
}

/// Follows until the console has been left, and looks whether all is as before.
fn left(guest: &mut Guest) {
    assert_eq!(guest.machine.until("console: left"), "console: left 1");
    is_as_before(guest);
}

/// Terminal 1 is shown, the counter counts, there is no shell and no zombie.
fn is_as_before(guest: &mut Guest) {
    assert_eq!(shown(guest), "tty1");
    assert!(counts(guest));
    assert_eq!(guest.run("pids -sh"), "");
    assert_eq!(zombies(guest), "");
}

/// Whether the process that counts does.
fn counts(guest: &mut Guest) -> bool {
    let first = guest.run("cat /run/count");
    let until = Instant::now() + WHILE;
    while Instant::now() < until {
        if guest.run("cat /run/count") != first {
            return true;
        }
    }
    false
}

fn zombies(guest: &mut Guest) -> String {
    guest.run("grep -l 'State:.Z' /proc/[0-9]*/status 2>/dev/null")
}

/// Asserts that the console does not come up for a while.
fn stays_down(guest: &mut Guest) {
    std::thread::sleep(WHILE);
    assert_eq!(shown(guest), "tty1");
}
