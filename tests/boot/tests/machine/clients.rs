//! Clients on the host of a machine, over vsock.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

use boot::vsock::Vsock;
use boot::{Machine, Plan, Root};

const MODULES: &str = "virtio_pci,vmw_vsock_virtio_transport";

/// Sends a request and returns the answers up to the one of type `last`, or to the end of the connection.
fn ask(stream: &mut BufReader<UnixStream>, request: &str, last: &str) -> Vec<String> {
    writeln!(stream.get_mut(), "{request}").expect("the machine reads");
    let mut answers = Vec::new();
    loop {
        let mut line = String::new();
        if !matches!(stream.read_line(&mut line), Ok(1..)) {
            return answers;
        }
        answers.push(line.trim_end().to_owned());
        if line.contains(&format!("\"type\":\"{last}\"")) {
            return answers;
        }
    }
}

fn boot(vsock: &Vsock, options: &[&str]) -> Machine {
    let devices = vsock.arguments();
    let devices: Vec<&str> = devices.iter().map(String::as_str).collect();
    let arguments = [&["--modules", MODULES, "--report", "console"], options].concat();
    Machine::boot(Plan { devices: &devices, ..Plan::pc(Root::usual().with_modules(), &arguments) })
}

/// What every client must be able to do.
fn work(stream: &mut BufReader<UnixStream>) {
    let pong = ask(stream, r#"{"type":"ping"}"#, "pong");
    assert!(pong.iter().any(|line| line.contains("\"uptime_secs\":")), "{pong:#?}");
    let request = r#"{"type":"exec","cmd":"sh","args":["-c","uname -s; echo no >&2; exit 9"]}"#;
    let answers = ask(stream, request, "exit");
    assert!(answers.iter().any(|line| line.contains("stdout") && line.contains("Linux")), "{answers:#?}");
    assert!(answers.iter().any(|line| line.contains("stderr") && line.contains("no")), "{answers:#?}");
    assert!(answers.last().is_some_and(|line| line.contains("\"code\":9")), "{answers:#?}");
}

/// Ends the machine.
fn shut_down(stream: &mut BufReader<UnixStream>, machine: Machine) {
    // The answer may be lost with the device, when the machine is gone before the host has read it.
    let answers = ask(stream, r#"{"type":"shutdown","mode":"poweroff","grace_ms":500,"code":3}"#, "ok");
    assert!(answers.iter().all(|line| line.contains("\"ok\"")), "{answers:#?}");
    let console = machine.end();
    assert!(console.iter().any(|line| line == "minit: exit 3"), "{console:#?}");
    assert!(console.iter().any(|line| line.contains("reboot: Power down")), "{console:#?}");
}

#[test]
fn the_host_connects_to_a_machine_that_listens() {
    let vsock = Vsock::start();
    let mut machine = boot(&vsock, &["--vsock", "1024", "/bin/sleep", "1000"]);
    work(&mut vsock.connect(1024, &mut machine));
    shut_down(&mut vsock.connect(1024, &mut machine), machine);
}

#[test]
fn a_machine_connects_to_a_host_that_listens() {
    let vsock = Vsock::start();
    let port = vsock.listen(1026);
    let mut machine = boot(&vsock, &["--dial", "vsock:2:1026", "--on-exit", "stay", "/bin/true"]);
    let mut stream = port.accept(&mut machine);
    work(&mut stream);
    shut_down(&mut stream, machine);
}

#[test]
fn a_machine_takes_the_time_and_a_name_after_a_snapshot() {
    let script = "until /init ping; do sleep 0.1; done; date -s 2001-01-01; \
                  /init resume --hostname restored; echo code $?; hostname; date +%Y";
    let arguments = ["/bin/sh", "-c", script];
    let console = Machine::boot(Plan::pc(Root::usual(), &arguments)).end();
    let has = |line: &str| console.iter().any(|seen| seen == line);
    // The caller is in the machine, so that the clock it gives is the machine's.
    assert!(has("code 0") && has("restored") && has("2001"), "{console:#?}");
}
