//! What a machine has to do with its host.

use std::io::BufRead as _;

use boot::vsock::Vsock;
use boot::{Machine, Plan, Root};

const MODULES: &str = "virtio_pci,virtio-net,vmw_vsock_virtio_transport,ext4";

#[test]
fn a_card_gets_its_address_and_the_host_is_told_the_code_over_vsock() {
    let vsock = Vsock::start();
    let port = vsock.listen(1025);
    let script =
        "ip -4 addr show eth0 | grep inet; ip route; ping -c 1 -W 5 10.0.2.2 | grep received; kill -TERM $$";
    let arguments = [
        "--modules",
        MODULES,
        "--net",
        "10.0.2.15/24,10.0.2.2",
        "--report",
        "vsock:1025",
        "/bin/sh",
        "-c",
        script,
    ];
    let mut devices = vsock.arguments();
    devices.extend(
        ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="].map(str::to_owned),
    );
    let devices: Vec<&str> = devices.iter().map(String::as_str).collect();
    let root = Root::usual().with_modules();
    let mut machine = Machine::boot(Plan { devices: &devices, ..Plan::pc(root, &arguments) });
    let mut stream = port.accept(&mut machine);
    let mut line = String::new();
    stream.read_line(&mut line).expect("it says something");
    drop(stream);
    assert_eq!(line, "{\"type\":\"exit\",\"code\":143,\"signal\":15}\n");
    let console = machine.end();
    let has = |text: &str| assert!(console.iter().any(|line| line.contains(text)), "{text}: {console:#?}");
    has("inet 10.0.2.15/24");
    has("default via 10.0.2.2 dev eth0");
    has("1 packets received");
    has("reboot: Power down");
    assert!(!console.iter().any(|line| line.contains("warning")), "{console:#?}");
}

#[test]
fn what_is_not_there_is_said_and_the_command_runs_all_the_same() {
    let arguments = [
        "--modules",
        "virtio_pci,nothing_of_that_name,/bin/sh",
        "--net",
        "fd00::2/64,fd00::1",
        "--report",
        "vsock:1025",
        "/bin/sh",
        "-c",
        "echo all the same",
    ];
    // A clock that was never set, and a processor that makes no random numbers.
    let devices = ["-rtc", "base=2019-06-01", "-cpu", "qemu64"];
    let name = "longer-than-any-name-of-a-machine-may-be-since-the-kernel-keeps-64-bytes-for-it";
    let root = Root::usual().with_modules().file("etc/hostname", name);
    let plan = Plan { devices: &devices, ..Plan::pc(root, &arguments) };
    let console = Machine::boot(plan).end();
    for line in [
        "minit: warning: the clock is before 2020: certificates will not be valid yet",
        "minit: warning: random numbers: not ready: what asks for them waits (virtio-rng, or random.trust_cpu=on, makes \
         them ready)",
        "minit: warning: module /bin/sh: Exec format error",
        "minit: warning: module nothing_of_that_name: No such file or directory: not in /lib/modules/RELEASE/modules.dep of \
         this kernel",
        "minit: warning: --net: network card: No such device: nothing but localhost can be reached",
        "minit: warning: --report vsock: Address family not supported by protocol: the host was not told",
        "all the same",
    ] {
        assert!(console.iter().any(|seen| seen == line), "{line}: {console:#?}");
    }
    assert!(
        console.iter().any(|line| line.starts_with("minit: warning: hostname longer-than")),
        "{console:#?}"
    );
}
