//! One machine: QEMU, its console, its end.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::Root;
use crate::parts::{Folder, part};

/// Longer than any boot here takes, and any task: a machine that is not done by then is ended, and its console shown.
const PATIENCE: Duration = Duration::from_secs(120);

/// For the kernel: quiet but for its last words; a panic ends QEMU at once (with -no-reboot). An emulated machine on a
/// busy host may get no timer interrupt within the time in which the kernel wants to see some.
const KERNEL: &str = "console=ttyS0 loglevel=1 panic=-1 no_timer_check mitigations=off tsc=reliable random.trust_cpu=on \
                      nowatchdog";

/// What kind of machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// A PC with a PCI bus and ACPI, which can be switched off.
    Pc,
    /// An older one with a screen, and slots into which devices can be plugged while it runs. Its kernel is started by
    /// the firmware, which knows the screen; that takes longer.
    Screen,
    /// Like one of Firecracker's: neither PCI nor ACPI; it ends by a reset.
    Micro,
    /// As `Micro`, and an instruction takes a nanosecond of the machine's time: how long something takes does not
    /// depend on what else the host does.
    Counted,
}

/// A machine to be.
pub struct Plan<'a> {
    /// What kind.
    pub shape: Shape,
    /// Its root.
    pub root: Root,
    /// The first process, in the root.
    pub init: &'a str,
    /// More words for the kernel.
    pub kernel: &'a str,
    /// Arguments of the first process.
    pub arguments: &'a [&'a str],
    /// More arguments for QEMU.
    pub devices: &'a [&'a str],
}

impl Plan<'_> {
    /// A PC with minit as its first process.
    #[must_use]
    pub const fn pc<'a>(root: Root, arguments: &'a [&'a str]) -> Plan<'a> {
        Plan { shape: Shape::Pc, root, init: "/init", kernel: "", arguments, devices: &[] }
    }
}

/// One that runs. It is ended when it is dropped.
pub struct Machine {
    qemu: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    since: Instant,
    patience: Duration,
    folder: Folder,
}

impl Machine {
    /// Starts it.
    ///
    /// # Panics
    /// Where QEMU does not start.
    #[must_use]
    pub fn boot(plan: Plan<'_>) -> Self {
        let folder = Folder::new();
        let words = command_line(&plan);
        let archive = folder.file("root.cpio");
        std::fs::write(&archive, plan.root.finish()).expect("the archive is written");
        let monitor = format!("unix:{},server=on,wait=off", folder.file("monitor").display());
        // Whatever ends the test ends the machine.
        let mut qemu = Command::new("setpriv");
        qemu.args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64", "-nodefaults", "-no-user-config"])
            .args(["-display", "none", "-no-reboot", "-smp", "1", "-m", "256", "-cpu", "qemu64,+rdrand"])
            .args(machine(plan.shape))
            .arg("-kernel")
            .arg(part(if plan.shape == Shape::Screen { "IMAGE" } else { "KERNEL" }))
            .arg("-initrd")
            .arg(&archive)
            .args(["-append", &words, "-monitor", &monitor])
            .args(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"])
            .args(plan.devices)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut qemu = qemu.spawn().expect("QEMU starts");
        let output = qemu.stdout.take().expect("it has an output");
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if send.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                    return;
                }
            }
        });
        Self { qemu, lines, seen: Vec::new(), since: Instant::now(), patience: PATIENCE, folder }
    }

    /// Gives it more time than a boot needs.
    #[must_use]
    pub const fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Follows the console up to a line that has `text` in it.
    ///
    /// # Panics
    /// Where none comes.
    pub fn until(&mut self, text: &str) -> String {
        loop {
            match self.next_line() {
                Some(line) if line.contains(text) => return line,
                Some(_) => {}
                None => panic!("the machine has ended without {text:?}:\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Lets the time begin anew, for a machine with one task after the other.
    pub fn rest(&mut self) {
        self.since = Instant::now();
    }

    /// Follows it to its end; returns all lines of its console.
    ///
    /// # Panics
    /// Where it does not end, or by a panic.
    #[must_use]
    pub fn end(mut self) -> Vec<String> {
        while self.next_line().is_some() {}
        let panics = |line: &&String| line.contains("Kernel panic") || line.contains("minit: defect");
        assert_eq!(self.seen.iter().find(panics), None, "{:#?}", self.seen);
        std::mem::take(&mut self.seen)
    }

    /// What its console has shown by now.
    #[must_use]
    pub fn console(&mut self) -> String {
        self.seen.extend(self.lines.try_iter());
        self.seen.join("\n")
    }

    /// Presses keys, by the names of QEMU's monitor: `ctrl-alt-delete`.
    ///
    /// # Panics
    /// Where the monitor does not listen.
    pub fn press(&self, keys: &str) {
        self.command(&format!("sendkey {keys}"));
    }

    /// Gives QEMU's monitor a command.
    ///
    /// # Panics
    /// Where the monitor does not listen.
    pub fn command(&self, command: &str) {
        let mut monitor = UnixStream::connect(self.folder.file("monitor")).expect("the monitor listens");
        writeln!(monitor, "{command}").expect("it takes a command");
        // It has been carried out when the next prompt comes.
        monitor.set_read_timeout(Some(Duration::from_secs(10))).expect("a time is set");
        let mut answers = BufReader::new(monitor).split(b')');
        for _ in 0..2 {
            let _ = answers.next();
        }
    }

    fn next_line(&mut self) -> Option<String> {
        let left = self.patience.saturating_sub(self.since.elapsed());
        match self.lines.recv_timeout(left) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the machine hangs:\n{}", self.seen.join("\n")),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

const fn machine(shape: Shape) -> &'static [&'static str] {
    const MICRO: &str = "microvm,isa-serial=on,rtc=on,acpi=off,x-option-roms=off";
    match shape {
        Shape::Pc => &["-machine", "q35", "-accel", "tcg,thread=single"],
        Shape::Screen => &["-machine", "pc", "-vga", "std", "-accel", "tcg,thread=single"],
        Shape::Micro => &["-machine", MICRO, "-accel", "tcg,thread=single"],
        Shape::Counted => &["-machine", MICRO, "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"],
    }
}

/// The kernel passes on what follows `--`, and takes double quotes away; it knows no way to pass one of them on.
fn command_line(plan: &Plan<'_>) -> String {
    let mut line = format!("{KERNEL} {} rdinit={} --", plan.kernel, plan.init);
    for argument in plan.arguments {
        assert!(!argument.contains(['"', '\n']), "{argument}");
        let quotes = if argument.contains(' ') { "\"" } else { "" };
        line.push_str(&format!(" {quotes}{argument}{quotes}"));
    }
    assert!(line.len() < 2048, "COMMAND_LINE_SIZE of x86");
    line
}
