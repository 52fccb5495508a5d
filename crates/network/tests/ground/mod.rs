//! A host to try things on: network namespaces of the test's own, so that the machine's stays as it is.
#![allow(dead_code)] // Each test takes what it needs.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use network::{Attachment, Network, Settings};
use sys::fd::{AsFd, OwnedFd};

/// The address of the host in the network that it shares with the outside, and the one of the outside.
pub const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

const PATIENCE: Duration = Duration::from_millis(950);

/// A host, in whose namespace the test's thread is, and a machine outside.
pub struct Host {
    pub outside: OwnedFd,
    here: OwnedFd,
}

impl Host {
    /// The namespace of the host.
    pub fn here(&self) -> &OwnedFd {
        &self.here
    }
}

/// Runs the test on a new host, which is alone in the world.
pub fn on_a_lonely_host(test: impl FnOnce(&OwnedFd) + Send) {
    let run = || {
        if let Err(why) = sys::namespace::unshare_network() {
            println!("skipped: a network namespace: {why}");
            return;
        }
        sys::loopback::bring_up().expect("lo");
        test(&sys::namespace::current_network().expect("itself"));
    };
    thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// Runs the test on a new host that shares a network with the outside.
pub fn on_a_host(test: impl FnOnce(&Host) + Send) {
    on_a_lonely_host(|here| {
        let host = Host { outside: namespace(), here: here.try_clone().expect("a descriptor") };
        let outside = format!("/proc/{}/fd/{}", std::process::id(), number(&host.outside));
        run("ip link add wan0 type veth peer name eth0 address 02:00:00:00:00:02");
        run(&format!("ip link set eth0 netns {outside}"));
        run("ip address add 192.0.2.1/24 dev wan0");
        // Its link-local address would become another's after a second, which is no change of ours.
        fs::write("/proc/sys/net/ipv6/conf/wan0/disable_ipv6", "1").expect("a sysctl of the host's");
        run("ip link set wan0 up");
        run("ip route add default via 192.0.2.2");
        inside(&host.outside, || {
            run("ip address add 192.0.2.2/24 dev eth0");
            run("ip link set eth0 up");
        });
        // Asked for by name, the kernel notes that it has a carrier.
        run("ip link show dev wan0");
        test(&host);
    });
}

fn number(fd: &OwnedFd) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(fd)
}

/// A new network namespace.
fn namespace() -> OwnedFd {
    let make = || {
        sys::namespace::unshare_network().expect("a namespace");
        sys::loopback::bring_up().expect("lo");
        sys::namespace::current_network().expect("itself")
    };
    thread::spawn(make).join().expect("a namespace")
}

/// Does something in a namespace; what it starts and the sockets that it makes are there too.
pub fn inside<T: Send>(namespace: &OwnedFd, action: impl FnOnce() -> T + Send) -> T {
    let run = || {
        sys::namespace::enter_network(namespace.as_fd()).expect("the namespace");
        action()
    };
    thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Runs a command and returns what it printed.
pub fn run(words: &str) -> String {
    let (succeeded, output) = attempt(words);
    assert!(succeeded, "{words}: {output}");
    output
}

/// Runs a command, and returns whether it succeeded, and what it printed.
pub fn attempt(words: &str) -> (bool, String) {
    let mut words = words.split(' ');
    let program = words.next().unwrap_or_default();
    let done = Command::new(program).args(words).output().unwrap_or_else(|why| panic!("{program}: {why}"));
    let output = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    (done.status.success(), output.into_owned())
}

/// The networks of a new host.
pub fn network() -> Network {
    Network::open(Settings::default()).expect("netlink sockets")
}

/// An instance: its name, the last number of its address, and its ports.
pub fn attachment(name: &str, last: u8, publish: &[&str]) -> Attachment {
    Attachment {
        name: name.parse().expect("a name"),
        address: address(last),
        publish: publish.iter().map(|text| text.parse().expect("a port")).collect(),
    }
}

/// An address of the default subnet.
pub const fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 231, 64, last)
}

/// Connects from one namespace to `target`, where a program in another one listens on `port`. Returns who that
/// program sees.
pub fn tcp(from: &OwnedFd, to: &OwnedFd, port: u16, target: (Ipv4Addr, u16)) -> io::Result<IpAddr> {
    let listener = bind(|| inside(to, || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))))?;
    let target = SocketAddr::from(target);
    let mut client = inside(from, || TcpStream::connect_timeout(&target, PATIENCE))?;
    let (mut served, peer) = listener.accept()?;
    for end in [&client, &served] {
        end.set_read_timeout(Some(PATIENCE))?;
    }
    let mut word = [0; 4];
    client.write_all(b"ping")?;
    served.read_exact(&mut word)?;
    served.write_all(&word)?;
    client.read_exact(&mut word)?;
    assert_eq!(&word, b"ping");
    Ok(peer.ip())
}

/// Sends a datagram and has it answered, as above.
pub fn udp(from: &OwnedFd, to: &OwnedFd, port: u16, target: (Ipv4Addr, u16)) -> io::Result<IpAddr> {
    let server = bind(|| inside(to, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))))?;
    let client = inside(from, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))?;
    for end in [&client, &server] {
        end.set_read_timeout(Some(PATIENCE))?;
    }
    // From the first thread too it is sent by the socket's namespace.
    client.connect(target)?;
    client.send(b"ping")?;
    let mut word = [0; 4];
    let (_, peer) = server.recv_from(&mut word)?;
    server.send_to(&word, peer)?;
    client.recv(&mut word)?;
    assert_eq!(&word, b"ping");
    Ok(peer.ip())
}

/// Binds a socket. A command that another test has just started holds the one that was closed here before until it
/// executes.
fn bind<T>(attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..200 {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => thread::sleep(Duration::from_millis(5)),
            outcome => return outcome,
        }
    }
    attempt()
}

/// Everything that can be seen of the network of a host: interfaces, addresses, routes, rules, sysctls. Whether
/// an interface has a carrier is left out: the kernel notes that up to a second later.
pub fn dump() -> String {
    let mut text = String::new();
    for command in [
        "ip link show",
        "ip address show",
        "ip route show table all",
        "ip -6 route show table all",
        "ip rule show",
        "nft list ruleset",
    ] {
        let shown = run(command).replace("NO-CARRIER,", "").replace(" linkdown", "");
        let shown = ["UP", "DOWN", "UNKNOWN", "LOWERLAYERDOWN"]
            .iter()
            .fold(shown, |shown, state| shown.replace(&format!(" state {state} "), " "));
        let _ = writeln!(text, "# {command}\n{shown}");
    }
    // The namespace of the thread: /proc/sys/net is of whoever looks.
    sysctls(Path::new("/proc/sys/net"), &mut text);
    text
}

fn sysctls(folder: &Path, text: &mut String) {
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("sysctls").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            sysctls(&path, text);
        } else if !path.ends_with("nf_conntrack_count") {
            // Some can only be written.
            let value = fs::read_to_string(&path).unwrap_or_default();
            let _ = writeln!(text, "{} {}", path.display(), value.trim());
        }
    }
}

/// As [`demand_same`], within ten seconds: the kernel removes what a namespace held when it finds the time.
pub fn await_same(before: &str) {
    let end = Instant::now() + Duration::from_secs(10);
    while dump() != before && Instant::now() < end {
        thread::sleep(Duration::from_millis(10));
    }
    demand_same(before, &dump());
}

/// Fails with the lines that differ.
pub fn demand_same(before: &str, after: &str) {
    let only = |one: &str, other: &str| {
        one.lines().filter(|line| !other.lines().any(|same| same == *line)).collect::<Vec<_>>().join("\n")
    };
    assert!(before == after, "gone:\n{}\nleft:\n{}", only(before, after), only(after, before));
}
