//! What goes wrong.

use std::time::Instant;

use console_test::Guest;

use crate::{counts, is_as_before, left, open, prompt, shown};

/// Presses the hotkey; the line of trouble that it comes to.
fn trouble(guest: &mut Guest) -> String {
    guest.machine.press("ctrl-alt-j");
    let line = guest.machine.until("console: trouble: ");
    // The debounce.
    std::thread::sleep(crate::WHILE);
    line.trim_start_matches("console: trouble: ").to_owned()
}

pub fn what_fails_is_undone_with_one_line(guest: &mut Guest) {
    let refuse = "mv /run/refused /run/refuse";
    let steps = [
        ("rm /run/sh", "ln -s /bin/sh /run/sh", "shell /run/sh: there is no such program"),
        (
            "ln -sf /etc/passwd /run/sh; echo > /etc/passwd",
            "ln -sf /bin/sh /run/sh; rm /etc/passwd",
            "shell /run/sh: it cannot be executed",
        ),
        (refuse, "mv /run/refuse /run/refused", "control console: freeze counter: it refuses"),
        ("mv /dev/tty63 /dev/x", "mv /dev/x /dev/tty63", "open /dev/tty63: No such file or directory"),
        (
            "mv /dev/tty63 /dev/x; ln -s tty62 /dev/tty63",
            "mv /dev/x /dev/tty63",
            "open /dev/tty63: it is not virtual terminal 63",
        ),
        ("mv /dev/tty0 /dev/x", "mv /dev/x /dev/tty0", "open /dev/tty0: No such file or directory"),
    ];
    guest.run("touch /run/refused");
    for (breaks, mends, line) in steps {
        guest.run(breaks);
        assert_eq!(trouble(guest), line);
        guest.run(mends);
        is_as_before(guest);
    }
    open(guest);
    guest.type_line("exit");
    left(guest);
}

pub fn many_presses_come_to_as_many_as_the_debounce_lets_pass(guest: &mut Guest) {
    guest.run("rm /run/sh");
    let line = "console: trouble: shell /run/sh: there is no such program";
    let count = |guest: &mut Guest| guest.machine.console().lines().filter(|seen| *seen == line).count();
    let (before, since) = (count(guest), Instant::now());
    for _ in 0..100 {
        guest.machine.command("sendkey ctrl-alt-j 5");
    }
    // QEMU presses them one after the other, and has not ended when it has taken the last.
    let (mut taken, mut elapsed) = (0, since.elapsed());
    loop {
        std::thread::sleep(2 * crate::WHILE);
        let now = count(guest) - before;
        if now == taken {
            break;
        }
        (taken, elapsed) = (now, since.elapsed());
    }
    // A machine that stands still for a moment loses keys: one whose release was lost is released by its next press.
    for key in ["ctrl", "alt", "j"] {
        guest.machine.press(key);
    }
    let most = elapsed.as_millis() as usize / 200 + 1;
    assert!(taken > 1 && taken <= most && taken < 100, "{taken} of at most {most}");
    guest.run("ln -s /bin/sh /run/sh");
    std::thread::sleep(crate::WHILE);
    is_as_before(guest);
}

pub fn a_screen_that_nobody_lets_go_of_is_taken_and_given_back(guest: &mut Guest) {
    guest.run("(stand-in hold 1 > /run/held & echo $! > /run/holder)");
    guest.wait("cat /run/held", |text| text == "held\n");
    open(guest);
    guest.type_line("exit");
    left(guest);
    assert_eq!(guest.run("stand-in display 1"), "graphics\n");
    guest.run("kill $(cat /run/holder)");
    assert_eq!(guest.run("stand-in text 1; stand-in display 1"), "text\n");
}

pub fn a_killed_daemon_leaves_the_shell_and_the_next_one_takes_over(guest: &mut Guest) {
    open(guest);
    let pid = crate::shell_pid(guest);
    guest.run("kill -KILL $(pids 'stand-in /run.*')");
    assert_eq!(crate::shell_pid(guest), pid);
    assert!(!counts(guest), "nobody is there to thaw it");
    guest.type_line("echo still here");
    prompt(guest);
    guest.run("(stand-in /run/sh $(cat /run/counter) </run/orders >/dev/console 2>&1 &)");
    guest.machine.until("console: plugged");
    guest.machine.press("ctrl-alt-j");
    assert_eq!(guest.machine.until("console: opened"), "console: opened 63 before 1 frozen counter");
    guest.wait("pids -sh", |pids| pids.lines().count() == 1 && pids.trim() != pid);
    prompt(guest);
    guest.type_line("exit");
    left(guest);
}

pub fn a_stopped_daemon_leaves_everything_as_it_was(guest: &mut Guest) {
    open(guest);
    guest.run("echo stop >&9");
    guest.machine.until("console: left 1");
    guest.machine.until("console: stopped");
    is_as_before(guest);
    guest.machine.press("ctrl-alt-j");
    std::thread::sleep(crate::WHILE);
    assert_eq!(shown(guest), "tty1");
}
