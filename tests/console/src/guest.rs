//! The machine: keys in, pictures and lines out. A shell of its own on a second serial line tells what is the case in it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use boot::parts::Folder;
use boot::{Machine, Plan, Root, Shape};

use crate::Picture;

/// How long something may take that should happen at once, on a machine that is emulated.
const PATIENCE: Duration = Duration::from_secs(20);

/// What runs as main command: a counter in a process group of its own, the program that stands for the daemon, and
/// a loop that does what the second serial line says.
const START: &str = "#!/bin/sh
ln -s /bin/sh /run/sh
# Not as children of this shell: one that ends makes it forget what it has read of a line.
(setsid sh -c 'while :; do n=$((n+1)); echo $n > /run/count; usleep 20000; done' </dev/null >/dev/null 2>&1 &
echo $! > /run/counter)
mkfifo /run/orders
(stand-in /run/sh $(cat /run/counter) </run/orders >/dev/console 2>&1 &)
exec 9>/run/orders
# Only now are there keyboards, and the folder they are in.
ls -d /dev/input
usleep 300000
for module in evdev virtio_pci virtio_input; do modprobe $module; done
stty -F /dev/ttyS1 raw -echo
# The pids of the processes whose words have this form.
pids() {
  ps -o pid,args | sed -n \"s|^ *\\([0-9]*\\) $1$|\\1|p\"
}
{
  echo ready >/dev/console
  while read -r line; do
    eval \"$line\" 2>&1
    echo \"@end $?\"
  done
} </dev/ttyS1 >/dev/ttyS1
";

/// A machine that runs.
pub struct Guest {
    /// QEMU and the first serial line.
    pub machine: Machine,
    line: BufReader<UnixStream>,
    folder: Folder,
}

impl Guest {
    /// Boots it, with the program `stand_in` in it.
    ///
    /// # Panics
    /// Where it does not come up.
    #[must_use]
    pub fn boot(stand_in: &Path) -> Self {
        let folder = Folder::new();
        let stripped = folder.file("stand-in");
        let strip = Command::new("strip").arg("-o").arg(&stripped).arg(stand_in).status();
        assert!(strip.expect("strip starts").success());
        let root = Root::usual().with_modules().program("bin/stand-in", &stripped).script("start", START);
        let socket = folder.file("line");
        let line = format!("socket,id=line,path={},server=on,wait=off", socket.display());
        let devices = ["-chardev", &line, "-serial", "chardev:line"];
        let plan = Plan { shape: Shape::Screen, devices: &devices, ..Plan::pc(root, &["/start"]) };
        let mut machine = Machine::boot(plan);
        machine.until("ls: /dev/input: No such file or directory");
        machine.until("ready");
        let until = Instant::now() + PATIENCE;
        while !machine.console().contains("console: plugged") {
            assert!(Instant::now() < until, "no keyboard: {}", machine.console());
            std::thread::sleep(Duration::from_millis(20));
        }
        let line = UnixStream::connect(socket).expect("the second line");
        line.set_read_timeout(Some(PATIENCE)).expect("a time is set");
        Self { machine, line: BufReader::new(line), folder }
    }

    /// What a shell command in the machine prints.
    ///
    /// # Panics
    /// Where no answer comes.
    pub fn run(&mut self, command: &str) -> String {
        writeln!(self.line.get_mut(), "{command}").expect("the line takes it");
        let mut answer = String::new();
        loop {
            let mut line = String::new();
            let length = self.line.read_line(&mut line);
            assert!(
                length.is_ok_and(|length| length > 0),
                "{command}: no answer:\n{}",
                self.machine.console()
            );
            if line.starts_with("@end ") {
                return answer;
            }
            answer.push_str(&line.replace('\r', ""));
        }
    }

    /// Has the main command end, and the machine with it.
    ///
    /// # Panics
    /// Where it does not, or not well.
    pub fn end(mut self) {
        writeln!(self.line.get_mut(), "exit 0").expect("the line takes it");
        drop(self.machine.end());
    }

    /// Waits until a command prints what `is_right` says.
    ///
    /// # Panics
    /// Where it does not.
    pub fn wait(&mut self, command: &str, is_right: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.run(command);
            if is_right(&answer) {
                return answer;
            }
            if Instant::now() >= until {
                let screen = self.run("fold -w 80 /dev/vcs; echo");
                panic!("{command}: {answer}\n{screen}\n{}", self.machine.console());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Types a line for the shell on terminal 63. A machine that stands still for a moment loses keys, as a real one
    /// does: whoever types looks at the screen before he ends the line.
    ///
    /// # Panics
    /// Where it never arrives, or there is no key for a character.
    pub fn type_line(&mut self, line: &str) {
        for _ in 0..5 {
            self.type_text(line);
            let until = Instant::now() + Duration::from_secs(2);
            while Instant::now() < until {
                let rows = self.text(63);
                if rows
                    .iter()
                    .rfind(|row| !row.is_empty())
                    .is_some_and(|row| row.ends_with(&format!("# {line}")))
                {
                    self.machine.press("ret");
                    return;
                }
            }
            self.machine.press("ctrl-u");
        }
        panic!("{line}: is not typed\n{:#?}", self.text(63));
    }

    /// Presses the keys of a text, one after the other.
    ///
    /// # Panics
    /// Where there is no key for a character.
    pub fn type_text(&self, text: &str) {
        for character in text.chars() {
            let key = match character {
                'a'..='z' | '0'..='9' => character.to_string(),
                ' ' => "spc".to_owned(),
                '/' => "slash".to_owned(),
                '.' => "dot".to_owned(),
                other => panic!("{other}: no key"),
            };
            // Held for 20 ms; the next key comes when it has been released.
            self.machine.command(&format!("sendkey {key} 20"));
        }
    }

    /// Looks at the screen.
    ///
    /// # Panics
    /// Where there is no picture.
    #[must_use]
    pub fn picture(&self, name: &str) -> Picture {
        let path = self.folder.file(name);
        self.machine.command(&format!("screendump {}", path.display()));
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(picture) = Picture::read(&path) {
                return picture;
            }
            assert!(Instant::now() < until, "no picture");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The text on a virtual terminal, a line for each row (vcs(4)).
    pub fn text(&mut self, terminal: u8) -> Vec<String> {
        let text = self.run(&format!("fold -w 80 /dev/vcs{terminal}; echo"));
        text.lines().map(|line| line.trim_end().to_owned()).collect()
    }
}
