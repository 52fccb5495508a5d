//! Ports of the host that lead to instances.

mod ground;

use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::time::Duration;

use ground::{
    HOST, LOOPBACK, OUTSIDE, address, attachment, demand_same, dump, inside, network, on_a_host, run, tcp,
    udp,
};
use network::{Name, Publish};
use sys::fd::OwnedFd;

#[test]
fn a_published_port_is_reached_from_outside_from_the_host_and_from_instances() {
    on_a_host(|host| {
        let mut network = network();
        let web = network.prepare(&attachment("web", 2, &["8080:80", "5300:53/udp"])).expect("a network");
        let other = network.prepare(&attachment("other", 3, &[])).expect("a network");
        let (gateway, local) = (address(1), host.here());
        let ways: [(&str, &OwnedFd, Ipv4Addr, Ipv4Addr); 8] = [
            ("from outside", &host.outside, HOST, OUTSIDE),
            ("from the host by its loopback", local, LOOPBACK, gateway),
            ("from the host by its address", local, HOST, HOST),
            ("from the host by the bridge's", local, gateway, gateway),
            ("from another instance by the host's address", &other, HOST, gateway),
            ("from another instance by the bridge's", &other, gateway, gateway),
            ("from the instance itself", &web, HOST, gateway),
            ("from the instance itself by the bridge's", &web, gateway, gateway),
        ];
        for filtered in ["1", "0"] {
            let _ = std::fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", filtered);
            for (way, from, target, seen) in ways {
                let by_tcp = tcp(from, &web, 80, (target, 8080)).map_err(|error| error.kind());
                assert_eq!(by_tcp, Ok(IpAddr::V4(seen)), "{way}, br_netfilter {filtered}");
                let by_udp = udp(from, &web, 53, (target, 5300)).map_err(|error| error.kind());
                assert_eq!(by_udp, Ok(IpAddr::V4(seen)), "{way}, br_netfilter {filtered}");
            }
        }
        assert!(tcp(&host.outside, &web, 5300, (HOST, 5300)).is_err(), "udp is not tcp");
        assert!(tcp(&host.outside, &web, 81, (HOST, 81)).is_err(), "another port");
    });
}

#[test]
fn a_client_of_udp_that_never_falls_silent_is_led_to_whoever_has_the_port() {
    on_a_host(|host| {
        let mut network = network();
        let _other = network.prepare(&attachment("other", 9, &[])).expect("a network");
        let client = inside(&host.outside, || UdpSocket::bind("192.0.2.2:4000")).expect("a port");
        client.send_to(b"nobody", (HOST, 5300)).expect("sent");
        for last in [2, 3] {
            let web = attachment("web", last, &["5300:53/udp"]);
            let held = network.prepare(&web).expect("a network");
            let server = inside(&held, || UdpSocket::bind("0.0.0.0:53")).expect("a port");
            server.set_read_timeout(Some(Duration::from_secs(1))).expect("a limit");
            client.send_to(b"web", (HOST, 5300)).expect("sent");
            let mut word = [0; 8];
            assert_eq!(server.recv(&mut word).ok(), Some(3), "{last}");
            network.withdraw(&web.name).expect("withdrawn");
            client.send_to(b"nobody", (HOST, 5300)).expect("sent");
        }
    });
}

#[test]
fn flows_to_other_machines_are_not_forgotten() {
    on_a_host(|host| {
        let mut network = network();
        let one = network.prepare(&attachment("one", 2, &[])).expect("a network");
        let server = inside(&host.outside, || UdpSocket::bind("192.0.2.2:53")).expect("a port");
        let client = inside(&one, || UdpSocket::bind("0.0.0.0:4000")).expect("a port");
        for end in [&server, &client] {
            end.set_read_timeout(Some(Duration::from_secs(1))).expect("a limit");
        }
        let mut word = [0; 8];
        client.send_to(b"ask", (OUTSIDE, 53)).expect("sent");
        let (_, peer) = server.recv_from(&mut word).expect("it arrives");
        let _web = network.prepare(&attachment("web", 3, &["53:53/udp"])).expect("a network");
        // Its address is translated only as long as the kernel remembers the question.
        server.send_to(b"answer", peer).expect("sent");
        assert_eq!(client.recv(&mut word).ok(), Some(6));
    });
}

#[test]
fn a_port_published_at_one_address_is_reached_there_alone() {
    on_a_host(|host| {
        let mut network = network();
        let ports = ["127.0.0.1:8080:80", "192.0.2.1:8081:80"];
        let web = network.prepare(&attachment("web", 2, &ports)).expect("a network");
        assert!(tcp(host.here(), &web, 80, (LOOPBACK, 8080)).is_ok());
        assert!(tcp(&host.outside, &web, 80, (HOST, 8080)).is_err());
        assert!(tcp(&host.outside, &web, 80, (HOST, 8081)).is_ok());
        assert!(tcp(host.here(), &web, 80, (LOOPBACK, 8081)).is_err());
    });
}

#[test]
fn connections_to_other_machines_are_not_taken_by_a_published_port() {
    on_a_host(|host| {
        let one = network().prepare(&attachment("one", 2, &["80:80"])).expect("a network");
        assert_eq!(tcp(&one, &host.outside, 80, (OUTSIDE, 80)).ok(), Some(IpAddr::V4(HOST)));
        assert_eq!(tcp(host.here(), &host.outside, 80, (OUTSIDE, 80)).ok(), Some(IpAddr::V4(HOST)));
    });
}

#[test]
fn a_port_in_use_is_an_error_that_says_by_whom_and_changes_nothing() {
    on_a_host(|_| {
        let mut network = network();
        let before = dump();
        let _tcp = TcpListener::bind("[::]:8080").expect("a port");
        let _udp = UdpSocket::bind("192.0.2.1:5300").expect("a port");
        let mut refusal = |publish: &[&str]| {
            network.prepare(&attachment("web", 2, publish)).expect_err("a port is in use").to_string()
        };
        let own = std::fs::read_to_string("/proc/self/comm").expect("a name");
        let own = format!("{} (process {})", own.trim(), std::process::id());
        assert_eq!(
            refusal(&["80:80", "8080:80"]),
            format!("publish 8080:80/tcp: the port is in use by {own}")
        );
        assert_eq!(refusal(&["5300:53/udp"]), format!("publish 5300:53/udp: the port is in use by {own}"));
        assert_eq!(
            refusal(&["198.51.100.1:80:80"]),
            "publish 198.51.100.1:80:80/tcp: the host does not have this address"
        );
        assert_eq!(
            refusal(&["80:80", "127.0.0.1:80:81"]),
            "publish 127.0.0.1:80:81/tcp: 127.0.0.1:80/tcp is given twice"
        );
        demand_same(&before, &dump());
    });
}

#[test]
fn a_port_is_in_use_only_where_a_program_would_lose_something() {
    on_a_host(|_| {
        let mut network = network();
        let mut prepare = |publish: &str| {
            let made = network.prepare(&attachment("web", 2, &[publish]));
            network.withdraw(&attachment("web", 2, &[]).name).expect("withdrawn");
            made.map(drop).map_err(|error| error.to_string())
        };
        let (_loopback, _ipv6) = (
            TcpListener::bind("127.0.0.1:80").expect("a port"),
            TcpListener::bind("[::1]:81").expect("a port"),
        );
        let _connected = UdpSocket::bind("192.0.2.1:82").expect("a port");
        _connected.connect((OUTSIDE, 53)).expect("connected");
        assert!(prepare("80:80").is_err_and(|error| error.contains("in use by")));
        assert!(prepare("127.0.0.1:80:80").is_err_and(|error| error.contains("in use by")));
        assert_eq!(prepare("192.0.2.1:80:80"), Ok(()), "another address");
        assert_eq!(prepare("80:80/udp"), Ok(()), "another protocol");
        assert_eq!(prepare("81:81"), Ok(()), "a socket of IPv6 alone");
        assert_eq!(prepare("82:82/udp"), Ok(()), "one that hears from its peer alone");
        let _mapped = TcpListener::bind("[::ffff:127.0.0.1]:83").expect("a port");
        assert!(prepare("127.0.0.1:83:83").is_err_and(|error| error.contains("in use by")));
        assert_eq!(prepare("192.0.2.1:83:83"), Ok(()), "another address");
    });
}

#[test]
fn a_port_of_another_instance_is_an_error_that_names_it_and_changes_nothing() {
    on_a_host(|host| {
        let mut network = network();
        let web = network.prepare(&attachment("web", 2, &["8080:80"])).expect("a network");
        let before = dump();
        for port in ["8080:81", "127.0.0.1:8080:81"] {
            let error = network.prepare(&attachment("two", 3, &["80:80", port])).expect_err("it is in use");
            assert_eq!(error.to_string(), format!("publish {port}/tcp: the port is in use by instance web"));
        }
        demand_same(&before, &dump());
        assert!(tcp(&host.outside, &web, 80, (HOST, 8080)).is_ok());
        // udp is another port, and so is that of an instance that is withdrawn.
        let _two = network.prepare(&attachment("two", 3, &["8080:81/udp"])).expect("another port");
        network.withdraw(&attachment("web", 2, &[]).name).expect("withdrawn");
        network.prepare(&attachment("three", 4, &["8080:81"])).expect("a port that is free again");
    });
}

#[test]
fn what_is_published_can_be_listed_and_nft_shows_it_with_the_names() {
    on_a_host(|_| {
        let mut network = network();
        assert_eq!(network.published().expect("a list"), []);
        // Every byte that a name may have.
        let long = format!("A0._-{}", "z".repeat(59));
        let names = ["web", "0", "a.b-c_d", "add", "table", "drop", "flush", long.as_str()];
        let mut held = Vec::new();
        for (number, name) in names.into_iter().enumerate() {
            let ports = [format!("{}:80", 8000 + number), format!("127.0.0.1:{}:53/udp", 9000 + number)];
            let attachment = attachment(name, 2 + number as u8, &[&ports[0], &ports[1]]);
            held.push(network.prepare(&attachment).expect("a network"));
            let listed = network.published().expect("a list");
            let own: Vec<Publish> =
                listed.iter().filter(|port| port.instance == name).map(|port| port.publish).collect();
            assert_eq!(own, attachment.publish);
            let rules = run("nft list ruleset");
            assert_eq!(rules.matches(&format!("comment \"{name}\"")).count(), 2, "{rules}");
            assert_eq!(rules.matches("table ").count(), 1, "{rules}");
        }
    });
}

#[test]
fn nothing_but_a_name_becomes_part_of_a_rule() {
    let signs =
        ["\"", "'", ";", "{", "}", "\n", "\\", " ", "#", "$", "@", "/", "\0", "ä", ",", ":", "*", "\t"];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..2000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let sign = signs[(state % signs.len() as u64) as usize];
        let at = (state >> 32) as usize % 8;
        let text = format!("{}{sign}{}", &"webweb-1"[..at], &"webweb-1"[at..]);
        let error = text.parse::<Name>().expect_err(&text);
        assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
    }
}
