//! Networks on Debian's kernel, which is older, and has most of what they need as modules.

mod ground;

use std::fs;
use std::net::IpAddr;

use ground::{LOOPBACK, address, attachment, network, on_a_lonely_host, tcp, udp};

const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

/// The names of all interfaces.
fn interfaces() -> Vec<String> {
    let table = fs::read_to_string("/proc/thread-self/net/dev").expect("a table");
    table.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
}

#[test]
fn instances_reach_each_other_and_published_ports_lead_to_them() {
    on_a_lonely_host(|here| {
        let mut network = network();
        let web =
            network.prepare(&attachment("web", 2, &["8080:80", "127.0.0.1:53:53/udp"])).expect("a network");
        let two = network.prepare(&attachment("two", 3, &[])).expect("a network");
        let seen = |last| Some(IpAddr::V4(address(last)));
        assert_eq!(tcp(&two, &web, 80, (address(2), 80)).ok(), seen(3));
        assert_eq!(tcp(here, &web, 80, (LOOPBACK, 8080)).ok(), seen(1), "from the host");
        assert_eq!(udp(here, &web, 53, (LOOPBACK, 53)).ok(), seen(1), "from the host");
        assert_eq!(tcp(&two, &web, 80, (address(1), 8080)).ok(), seen(1), "from another instance");
        assert_eq!(tcp(&web, &web, 80, (address(1), 8080)).ok(), seen(1), "from the instance itself");
        let listed: Vec<String> =
            network.published().expect("a list").iter().map(|port| port.publish.to_string()).collect();
        assert_eq!(listed, ["8080:80/tcp", "127.0.0.1:53:53/udp"]);
    });
}

#[test]
fn nothing_is_left_after_a_sweep_however_often_it_was_made() {
    on_a_lonely_host(|_| {
        let before = (interfaces(), fs::read_to_string(FORWARD).expect("a sysctl"));
        assert_eq!(before.1.trim(), "0");
        for _ in 0..5 {
            let mut network = network();
            let web = attachment("web", 2, &["8080:80"]);
            for _ in 0..5 {
                let held = network.prepare(&web).expect("a network");
                network.withdraw(&web.name).expect("withdrawn");
                drop(held);
            }
            let _left = network.prepare(&web).expect("a network");
            assert_eq!(fs::read_to_string(FORWARD).expect("a sysctl").trim(), "1");
            network.sweep(&[]).expect("swept");
            assert_eq!(before, (interfaces(), fs::read_to_string(FORWARD).expect("a sysctl")));
        }
    });
}

#[test]
fn a_port_in_use_is_refused() {
    on_a_lonely_host(|_| {
        let _held = (
            std::net::TcpListener::bind("127.0.0.1:80").expect("a port"),
            std::net::UdpSocket::bind("0.0.0.0:53").expect("a port"),
        );
        let own = fs::read_to_string("/proc/self/comm").expect("a name");
        let own = format!("the port is in use by {} (process {})", own.trim(), std::process::id());
        for port in ["80:80", "53:53/udp"] {
            let error =
                network().prepare(&attachment("web", 2, &[port])).expect_err("it is in use").to_string();
            assert!(error.ends_with(&own), "{error}");
        }
    });
}
