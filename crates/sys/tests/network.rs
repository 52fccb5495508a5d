//! Addresses and routes, in a network namespace of the test's own.

use std::process::Command;

use sys::Errno;
use sys::network::{Network, Routing};
use sys::thread::{UnshareFlags, unshare_unsafe};

fn busybox(words: &str) -> String {
    let done = Command::new("/bin/busybox").args(words.split(' ')).output().expect("busybox starts");
    assert!(done.status.success(), "{words}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("it prints text")
}

/// Runs it in a thread that has a network namespace of its own, and in which children start there too.
fn in_namespace(test: fn()) {
    let thread = std::thread::spawn(move || {
        // SAFETY: a network namespace is a thread's own; no memory and no descriptor is unshared.
        if let Err(why) = unsafe { unshare_unsafe(UnshareFlags::NEWNET) } {
            println!("skipped: a network namespace: {why}");
            return;
        }
        test();
    });
    thread.join().expect("the test passes");
}

#[test]
fn a_card_gets_addresses_of_both_kinds_and_a_gateway() {
    in_namespace(|| {
        busybox("ip link add card type veth");
        let routing = Routing::open().expect("rtnetlink");
        let card = routing.first_card().expect("there is a card");
        routing.bring_up(card).expect("it comes up");
        let network =
            |address: &str, prefix| Network { address: address.parse().expect("it is one"), prefix };
        routing.add_address(card, network("10.9.8.2", 24)).expect("an address");
        routing.add_address(card, network("fd00::2", 64)).expect("an address");
        // A second time is no mistake: a machine may have been given its address by the kernel's ip=.
        routing.add_address(card, network("10.9.8.2", 24)).expect("the same address");
        let far = "10.7.0.1".parse().expect("it is one");
        assert_eq!(routing.add_default_route(card, far), Err(Errno::NETUNREACH), "in none of its networks");
        let addresses = busybox("ip addr show");
        assert!(addresses.contains("inet 10.9.8.2/24"), "{addresses}");
        assert!(addresses.contains("inet6 fd00::2/64"), "{addresses}");
        // A route needs the other end up too.
        for name in busybox("ip -o link show").lines().filter_map(|line| line.split([':', '@']).nth(1)) {
            busybox(&format!("ip link set {} up", name.trim()));
        }
        routing.add_default_route(card, "10.9.8.1".parse().expect("it is one")).expect("a route");
        let routes = busybox("ip route show");
        assert!(routes.contains("default via 10.9.8.1 dev"), "{routes}");
        routing.add_default_route(card, "fd00::1".parse().expect("it is one")).expect("a route");
        let routes = busybox("ip -6 route show");
        assert!(routes.contains("default via fd00::1 dev"), "{routes}");
    });
}

#[test]
fn an_interface_is_found_by_its_name() {
    in_namespace(|| {
        busybox("ip link add card type veth");
        let routing = Routing::open().expect("rtnetlink");
        let card = routing.named("card").expect("it is there");
        let network = Network { address: "10.9.8.2".parse().expect("it is one"), prefix: 24 };
        routing.add_address(card, network).expect("an address");
        let addresses = busybox("ip addr show dev card");
        assert!(addresses.contains("inet 10.9.8.2/24"), "{addresses}");
        for name in ["other", "a-name-of-20-letters"] {
            assert_eq!(routing.named(name), Err(Errno::NODEV), "{name}");
        }
    });
}

#[test]
fn a_namespace_with_lo_alone_has_no_card() {
    in_namespace(|| {
        let routing = Routing::open().expect("rtnetlink");
        assert_eq!(routing.first_card(), Err(Errno::NODEV), "lo is none");
        // The next answer is the next request's.
        assert_eq!(routing.first_card(), Err(Errno::NODEV));
    });
}
