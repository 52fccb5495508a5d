//! What instances reach, and what reaches them.

mod ground;

use std::net::IpAddr;

use ground::{
    HOST, LOOPBACK, OUTSIDE, address, attachment, attempt, inside, network, on_a_host, run, tcp, udp,
};

#[test]
fn two_instances_reach_each_other_by_their_own_addresses() {
    on_a_host(|_| {
        let mut network = network();
        let one = network.prepare(&attachment("one", 2, &[])).expect("a network");
        let two = network.prepare(&attachment("two", 3, &[])).expect("a network");
        for filtered in ["1", "0"] {
            // Whether bridges ask the rules of IP too differs between hosts.
            let _ = std::fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", filtered);
            inside(&one, || run("busybox ping -c 1 -W 2 10.231.64.3"));
            assert_eq!(tcp(&one, &two, 80, (address(3), 80)).ok(), Some(IpAddr::V4(address(2))));
            assert_eq!(udp(&two, &one, 53, (address(2), 53)).ok(), Some(IpAddr::V4(address(3))));
        }
    });
}

#[test]
fn an_instance_reaches_the_outside_with_the_address_of_the_host() {
    on_a_host(|host| {
        let one = network().prepare(&attachment("one", 2, &[])).expect("a network");
        assert_eq!(tcp(&one, &host.outside, 80, (OUTSIDE, 80)).ok(), Some(IpAddr::V4(HOST)));
        assert_eq!(udp(&one, &host.outside, 53, (OUTSIDE, 53)).ok(), Some(IpAddr::V4(HOST)));
        inside(&one, || run("busybox ping -c 1 -W 2 192.0.2.2"));
        // The host itself is reached by its addresses, and sees the instance's.
        for target in [address(1), HOST] {
            assert_eq!(tcp(&one, host.here(), 80, (target, 80)).ok(), Some(IpAddr::V4(address(2))));
        }
    });
}

#[test]
fn an_instance_has_lo_and_eth0_and_a_default_route() {
    on_a_host(|_| {
        let one = network().prepare(&attachment("one", 2, &[])).expect("a network");
        let (links, addresses, routes) =
            inside(&one, || (run("ip -o link show"), run("ip -o -4 address show"), run("ip route show")));
        let names: Vec<&str> = links.lines().filter_map(|line| line.split([':', '@']).nth(1)).collect();
        assert_eq!(names, [" lo", " eth0"], "{links}");
        assert!(links.lines().all(|line| line.contains(",UP")), "{links}");
        assert!(links.contains("02:68:0a:e7:40:02"), "{links}");
        assert!(
            addresses.contains("inet 127.0.0.1/8") && addresses.contains("inet 10.231.64.2/20"),
            "{addresses}"
        );
        assert!(routes.starts_with("default via 10.231.64.1 dev eth0"), "{routes}");
    });
}

#[test]
fn neighbours_of_the_host_do_not_reach_ports_that_are_not_published() {
    on_a_host(|host| {
        let one = network().prepare(&attachment("one", 2, &["8080:80"])).expect("a network");
        inside(&host.outside, || run("ip route add 10.231.64.0/20 via 192.0.2.1"));
        assert!(tcp(&host.outside, &one, 80, (address(2), 80)).is_err());
        assert!(udp(&host.outside, &one, 53, (address(2), 53)).is_err());
        inside(&host.outside, || assert!(!attempt("busybox ping -c 1 -W 1 10.231.64.2").0));
        // It is the rules that hold it, and no mistake of the test's.
        run("nft flush chain ip husk forwarded");
        assert!(tcp(&host.outside, &one, 80, (address(2), 80)).is_ok());
    });
}

#[test]
fn what_the_host_serves_on_its_loopback_is_out_of_reach_of_instances() {
    on_a_host(|host| {
        let one = network().prepare(&attachment("one", 2, &["8080:80"])).expect("a network");
        inside(&one, || {
            run("ip address del 127.0.0.1/8 dev lo");
            std::fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1")
                .expect("a sysctl of the instance's");
            run("ip route add 127.0.0.0/8 via 10.231.64.1");
        });
        assert!(tcp(&one, host.here(), 25, (LOOPBACK, 25)).is_err());
        run("nft flush chain ip husk guard");
        assert!(tcp(&one, host.here(), 25, (LOOPBACK, 25)).is_ok(), "it is the guard that holds it");
    });
}

#[test]
fn packets_with_an_address_that_is_no_instances_do_not_leave_the_bridge() {
    on_a_host(|host| {
        let one = network().prepare(&attachment("one", 2, &[])).expect("a network");
        inside(&one, || {
            run("ip address add 198.51.100.9/32 dev lo");
            run("ip route replace default via 10.231.64.1 src 198.51.100.9");
        });
        inside(&host.outside, || run("ip route add 198.51.100.9 via 192.0.2.1"));
        run("ip route add 198.51.100.9 dev husk0");
        assert!(tcp(&one, &host.outside, 80, (OUTSIDE, 80)).is_err());
        run("nft flush chain ip husk guard");
        // Answers find no way back through the other chain's eyes: what matters is that the packet arrives.
        run("nft flush chain ip husk forwarded");
        assert!(tcp(&one, &host.outside, 80, (OUTSIDE, 80)).is_ok(), "it is the guard that holds it");
    });
}

#[test]
fn an_instance_cannot_make_itself_the_router_of_the_host_or_of_others() {
    on_a_host(|_| {
        let one = network().prepare(&attachment("one", 2, &[])).expect("a network");
        let accepts = inside(&one, || std::fs::read_to_string("/proc/sys/net/ipv6/conf/eth0/accept_ra"));
        assert_eq!(accepts.expect("a sysctl of the instance's").trim(), "0");
        let addresses = run("ip -6 address show dev husk0");
        assert_eq!(addresses, "", "without IPv6 there are no router advertisements");
    });
}
