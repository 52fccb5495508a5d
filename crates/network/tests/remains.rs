//! What is left of networks: nothing.

mod ground;

use std::fs;
use std::net::Ipv4Addr;

use ground::{
    HOST, OUTSIDE, address, attachment, await_same, demand_same, dump, network, on_a_host, run, tcp,
};
use network::{Network, Settings};

const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

#[test]
fn after_the_last_instance_a_sweep_leaves_the_host_as_it_was() {
    on_a_host(|_| {
        let mut network = network();
        let before = dump();
        let web = attachment("web", 2, &["8080:80", "127.0.0.1:53:53/udp"]);
        let two = attachment("two", 3, &[]);
        for _ in 0..2 {
            let held = (network.prepare(&web).expect("a network"), network.prepare(&two).expect("a network"));
            assert_eq!(fs::read_to_string(FORWARD).expect("a sysctl").trim(), "1");
            drop(held);
            network.withdraw(&web.name).expect("withdrawn");
            network.withdraw(&two.name).expect("withdrawn");
            network.sweep(&[]).expect("swept");
            demand_same(&before, &dump());
        }
        // Again, and with nothing there, nothing happens.
        network.withdraw(&web.name).expect("nothing to withdraw");
        network.sweep(&[web.name]).expect("nothing to sweep");
        demand_same(&before, &dump());
    });
}

#[test]
fn withdrawing_one_instance_leaves_the_others_as_they_were() {
    on_a_host(|host| {
        let mut network = network();
        let web = network.prepare(&attachment("web", 2, &["8080:80"])).expect("a network");
        let before = dump();
        // A name that is the beginning of another, and one that it is the beginning of.
        for name in ["we", "webs"] {
            let other = attachment(name, 3, &["8081:80", "53:53/udp"]);
            let held = network.prepare(&other).expect("a network");
            // It still runs: withdrawn is withdrawn.
            network.withdraw(&other.name).expect("withdrawn");
            assert!(tcp(&host.outside, &held, 80, (HOST, 8081)).is_err());
            assert!(tcp(&held, host.here(), 80, (HOST, 80)).is_err());
            drop(held);
            await_same(&before);
        }
        assert!(tcp(&host.outside, &web, 80, (HOST, 8080)).is_ok());
    });
}

#[test]
fn a_sweep_leaves_what_is_alive() {
    on_a_host(|host| {
        let mut network = network();
        let web = attachment("web", 2, &["8080:80"]);
        let held = network.prepare(&web).expect("a network");
        let before = dump();
        // Of one the namespace is gone, of another it is still held.
        drop(network.prepare(&attachment("gone", 3, &["8081:80"])).expect("a network"));
        let _stays = network.prepare(&attachment("stays", 4, &["8082:80"])).expect("a network");
        // Another one, as after a crash.
        ground::network().sweep(&[web.name.clone(), "no-network".parse().expect("a name")]).expect("swept");
        demand_same(&before, &dump());
        assert!(tcp(&host.outside, &held, 80, (HOST, 8080)).is_ok());
    });
}

#[test]
fn with_its_namespace_an_instances_interfaces_are_gone() {
    on_a_host(|_| {
        let mut network = network();
        let _web = network.prepare(&attachment("web", 2, &[])).expect("a network");
        let before = dump();
        drop(network.prepare(&attachment("two", 3, &[])).expect("a network"));
        await_same(&before);
    });
}

#[test]
fn an_instance_that_starts_again_at_once_has_its_address_and_its_ports() {
    on_a_host(|host| {
        let mut network = network();
        let web = attachment("web", 2, &["8080:80"]);
        for _ in 0..20 {
            let held = network.prepare(&web).expect("a network");
            let by_port = tcp(&host.outside, &held, 80, (HOST, 8080)).map(drop).map_err(|error| error.kind());
            let direct =
                tcp(host.here(), &held, 80, (address(2), 80)).map(drop).map_err(|error| error.kind());
            assert_eq!((by_port, direct), (Ok(()), Ok(())));
            network.withdraw(&web.name).expect("withdrawn");
        }
    });
}

#[test]
fn forwarding_that_was_on_stays_on() {
    on_a_host(|_| {
        fs::write(FORWARD, "1").expect("a sysctl");
        let before = dump();
        let mut network = network();
        drop(network.prepare(&attachment("web", 2, &[])).expect("a network"));
        network.sweep(&[]).expect("swept");
        demand_same(&before, &dump());
    });
}

#[test]
fn a_name_or_an_address_is_attached_once() {
    on_a_host(|host| {
        let mut network = network();
        let web = network.prepare(&attachment("web", 2, &["8080:80"])).expect("a network");
        let before = dump();
        for (name, last) in [("web", 3), ("two", 2), ("web", 2)] {
            let error = network.prepare(&attachment(name, last, &["80:80"])).expect_err("it is in use");
            let text = format!("network of {name}: the name or the address {} is in use", address(last));
            assert_eq!(error.to_string(), text);
            demand_same(&before, &dump());
        }
        assert!(tcp(&host.outside, &web, 80, (HOST, 8080)).is_ok());
    });
}

#[test]
fn what_is_not_husks_is_left_alone() {
    on_a_host(|_| {
        run("ip link add husk0 type bridge");
        run("nft add table ip filter");
        let before = dump();
        let mut network = network();
        let error = network.prepare(&attachment("web", 2, &[])).expect_err("a bridge of somebody else");
        assert_eq!(
            error.to_string(),
            "interface husk0: it is there, and not husk's bridge for 10.231.64.0/20"
        );
        network.sweep(&[]).expect("swept");
        demand_same(&before, &dump());
    });
}

#[test]
fn rules_that_were_flushed_are_made_again_and_a_failure_costs_no_other_instance() {
    on_a_host(|host| {
        let mut network = network();
        let web = network.prepare(&attachment("web", 2, &[])).expect("a network");
        run("nft flush ruleset");
        assert!(tcp(&web, &host.outside, 80, (OUTSIDE, 80)).is_err());
        // All but the ports is made, and then there is an address in use.
        network.prepare(&attachment("two", 2, &[])).expect_err("it is in use");
        assert!(tcp(&web, &host.outside, 80, (OUTSIDE, 80)).is_ok());
        run("ip link set husk0 down");
        let _two = network.prepare(&attachment("two", 3, &[])).expect("a network");
        assert!(tcp(&web, &host.outside, 80, (OUTSIDE, 80)).is_ok());
    });
}

#[test]
fn a_bridge_of_an_earlier_subnet_is_refused_while_it_is_used_and_then_swept() {
    on_a_host(|_| {
        let before = dump();
        let held = network().prepare(&attachment("web", 2, &[])).expect("a network");
        let other = Settings { subnet: "10.231.128.0/24".parse().expect("a subnet"), ..Settings::default() };
        let mut network = Network::open(other).expect("sockets");
        let mut two = attachment("two", 2, &[]);
        two.address = Ipv4Addr::new(10, 231, 128, 2);
        let web = [attachment("web", 2, &[]).name];
        network.sweep(&web).expect("it is alive");
        network.prepare(&two).expect_err("the bridge has another address");
        drop(held);
        network.sweep(&[]).expect("swept");
        demand_same(&before, &dump());
        network.prepare(&two).expect("a network");
    });
}

#[test]
fn a_subnet_that_the_host_uses_is_refused_and_an_address_of_another_too() {
    on_a_host(|_| {
        run("ip address add 10.231.70.1/24 dev wan0");
        let before = dump();
        let error = network().prepare(&attachment("web", 2, &[])).expect_err("the subnet is in use");
        assert_eq!(
            error.to_string(),
            "subnet 10.231.64.0/20: the host has a route to 10.231.70.0/24 by wan0"
        );
        let other = Settings { subnet: "10.231.128.0/24".parse().expect("a subnet"), ..Settings::default() };
        let mut network = Network::open(other).expect("sockets");
        let error = network.prepare(&attachment("web", 2, &[])).expect_err("an address of another subnet");
        assert_eq!(error.to_string(), "address 10.231.64.2: no instance can have it in 10.231.128.0/24");
        demand_same(&before, &dump());
    });
}

#[test]
fn two_hundred_networks_made_and_withdrawn_leak_nothing() {
    on_a_host(|_| {
        let mut network = network();
        let web = attachment("web", 2, &["8080:80"]);
        let before = dump();
        let open = || fs::read_dir("/proc/thread-self/fd").expect("descriptors").count();
        let first = open();
        for _ in 0..200 {
            drop(network.prepare(&web).expect("a network"));
            network.withdraw(&web.name).expect("withdrawn");
        }
        network.sweep(&[]).expect("swept");
        demand_same(&before, &dump());
        assert!(
            open() <= first + 8,
            "descriptors of tests that run beside this one aside: {first}, {}",
            open()
        );
    });
}
