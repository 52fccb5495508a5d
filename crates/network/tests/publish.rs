//! Ports of the host that lead to instances.

mod ground;

use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};

use ground::{
    HOST, LOOPBACK, OUTSIDE, address, attachment, demand_same, dump, network, on_a_host, run, tcp, udp,
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
