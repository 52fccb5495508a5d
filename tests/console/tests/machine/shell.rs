//! The shell: how it comes, what it is, how it goes.

use std::collections::HashMap;

use console_test::picture::{COLUMNS, ROWS};
use console_test::{Guest, Picture};

use crate::{WHILE, counts, left, open, prompt, shell_pid, shown};

pub fn a_hotkey_brings_a_root_shell_while_everything_else_is_frozen(guest: &mut Guest) {
    assert_eq!(shown(guest), "tty1");
    assert!(counts(guest));
    let before = guest.picture("before");
    open(guest);
    assert!(!counts(guest));
    guest.type_line("echo hello");
    guest.wait("fold -w 80 /dev/vcs63; echo", |text| text.lines().any(|line| line.trim_end() == "hello"));
    prompt(guest);
    let rows = guest.text(63);
    let greeting =
        ["husk: control console", "frozen: counter", "back: exit, husk run NAME or husk resume NAME"];
    assert_eq!(rows[..3], greeting);
    let typed = rows.windows(3).any(|rows| rows == ["/root # echo hello", "hello", "/root #"]);
    assert!(typed, "{rows:#?}");
    let after = guest.picture("after");
    assert!(after.is_text());
    assert_ne!(before.lit(), after.lit());
    shows(&after, &rows);
    is_a_root_shell_of_its_own(guest);
}

/// Whether a picture shows a text: nothing where it has a space, and for each character one form, of its own.
fn shows(picture: &Picture, rows: &[String]) {
    let mut forms: HashMap<char, Vec<bool>> = HashMap::new();
    let cursor = rows.iter().rposition(|row| !row.is_empty()).expect("a prompt");
    assert!(rows.len() >= ROWS, "{rows:#?}");
    for (row, text) in rows.iter().enumerate().take(ROWS) {
        let mut characters = text.chars();
        for column in 0..COLUMNS {
            let character = characters.next().unwrap_or(' ');
            // Behind the prompt and its space, which blinks.
            if row == cursor && column == text.len() + 1 {
                continue;
            }
            let form = picture.cell(row, column);
            assert_eq!(form.contains(&true), character != ' ', "{character:?} in row {row}, column {column}");
            let known = forms.entry(character).or_insert_with(|| form.clone());
            assert_eq!(*known, form, "{character:?} in row {row}, column {column}");
        }
    }
    for (character, form) in &forms {
        let same = forms.iter().filter(|(_, other)| *other == form).count();
        assert_eq!(same, 1, "{character:?} looks like another character");
    }
    assert!(forms.len() > 15, "{}", forms.len());
}

fn is_a_root_shell_of_its_own(guest: &mut Guest) {
    let pid = shell_pid(guest);
    let stat = guest.run(&format!("cat /proc/{pid}/stat"));
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    // Group and session are its own, the terminal is 4:63, and its group is in the foreground there.
    assert_eq!(fields[2..6], [&pid, &pid, &(4 << 8 | 63).to_string(), &pid], "{stat}");
    let environment = guest.run(&format!("tr '\\0' '\\n' < /proc/{pid}/environ"));
    assert_eq!(
        environment.lines().collect::<Vec<_>>(),
        [
            "TERM=linux",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=/root",
            "USER=root",
            "LOGNAME=root",
            "SHELL=/run/sh",
        ]
    );
    let status =
        guest.run(&format!("grep -E '^(Uid|SigBlk|SigIgn|Umask)' /proc/{pid}/status; ls /proc/{pid}/fd"));
    assert!(status.contains("Umask:\t0022\nUid:\t0\t0\t0\t0\nSigBlk:\t0000000000000000\n"), "{status}");
    let links = guest.run(&format!("for link in cwd fd/0 fd/1 fd/2; do readlink /proc/{pid}/$link; done"));
    assert_eq!(links, "/root\n/dev/tty63\n/dev/tty63\n/dev/tty63\n");
}

pub fn nothing_switches_away_from_it(guest: &mut Guest) {
    for key in ["alt-f1", "ctrl-alt-f2", "alt-left"] {
        guest.machine.press(key);
        std::thread::sleep(WHILE);
        assert_eq!(shown(guest), "tty63", "{key}");
    }
    // The program waits for the switch, and is ended.
    guest.run("timeout 1 chvt 2");
    assert_eq!(shown(guest), "tty63");
}

pub fn the_hotkey_does_nothing_while_it_is_up(guest: &mut Guest) {
    let pid = shell_pid(guest);
    guest.machine.press("ctrl-alt-j");
    std::thread::sleep(WHILE);
    assert_eq!(shown(guest), "tty63");
    assert_eq!(shell_pid(guest), pid);
}

pub fn the_end_of_the_shell_goes_back(guest: &mut Guest) {
    // What has been typed stays typed: a character of the keys pressed above is ended with the line.
    guest.machine.press("ret");
    prompt(guest);
    guest.type_line("exit");
    assert_eq!(guest.machine.until("console: thaw"), "console: thaw counter");
    left(guest);
}

pub fn an_order_to_leave_ends_what_the_shell_started(guest: &mut Guest) {
    // One that is hung up, one that does not mind that, and one with a session of its own.
    let jobs = "sleep 1000 & (trap \"\" HUP; exec sleep 1001) & setsid sleep 1002 & stty -icanon -echo";
    guest.run(&format!("echo '{jobs}' > /run/jobs"));
    open(guest);
    guest.type_line(". /run/jobs");
    guest.wait("pids 'sleep 100.'", |pids| pids.lines().count() == 3);
    guest.wait("stty -a -F /dev/tty63", |settings| settings.contains("-icanon"));
    guest.run("echo leave >&9");
    left(guest);
    assert_eq!(guest.run("pids 'sleep 100.'"), guest.run("pids 'sleep 1002'"));
    // A daemon lives on, but has lost the terminal.
    let pid = guest.run("pids 'sleep 1002'").trim().to_owned();
    let parent = guest.run(&format!("grep PPid /proc/{pid}/status"));
    assert_eq!(parent.trim(), "PPid:\t1");
    assert_eq!(guest.run(&format!("echo x > /proc/{pid}/fd/1; cut -d ' ' -f 7 /proc/{pid}/stat")), "0\n");
    guest.run(&format!("kill {pid}"));
    guest.wait(&format!("ls -d /proc/{pid} 2>&1"), |answer| answer.contains("No such file"));
    assert_eq!(crate::zombies(guest), "");
}

pub fn the_next_one_has_a_terminal_in_order(guest: &mut Guest) {
    open(guest);
    // While a command runs: at its prompt the shell edits the line itself.
    guest.type_line("sleep 1000");
    guest.wait("pids 'sleep 1000'", |pids| !pids.is_empty());
    let settings = guest.run("stty -a -F /dev/tty63");
    for wanted in [" icanon", " echo ", " isig", " icrnl", " opost", " onlcr", " iutf8"] {
        assert!(settings.replace('\n', " ").contains(wanted), "{wanted}: {settings}");
    }
    assert_eq!(guest.text(63)[0], "husk: control console", "the screen was cleared");
    guest.machine.press("ctrl-c");
    prompt(guest);
    guest.type_line("exit");
    left(guest);
}
