//! What the host itself is set to: its routes and its sysctls.

use std::fs;
use std::io;
use std::net::Ipv4Addr;

use crate::Error;
use crate::subnet::Subnet;
use crate::table::Forwarding;

const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

/// Whether the host passes on IPv4 packets.
pub fn forwarding() -> Result<Forwarding, Error> {
    let text = fs::read_to_string(IP_FORWARD).map_err(|error| refused("read", IP_FORWARD, &error))?;
    Ok(if text.trim() == "0" { Forwarding::WasOff } else { Forwarding::WasOn })
}

/// Has the host pass on IPv4 packets (`1`), or not (`0`).
pub fn set_forwarding(value: &str) -> Result<(), Error> {
    write(IP_FORWARD, value)
}

/// Sets what the bridge needs besides an address. It goes with the bridge.
pub fn set_bridge(bridge: &str) -> Result<(), Error> {
    // 127.0.0.1 of the host leads to instances; table.rs says what keeps instances out of it.
    write(&format!("/proc/sys/net/ipv4/conf/{bridge}/route_localnet"), "1")?;
    // An instance could announce itself to the host as its IPv6 router (CVE-2020-13401).
    let path = format!("/proc/sys/net/ipv6/conf/{bridge}/disable_ipv6");
    match fs::write(&path, "1") {
        Ok(()) => Ok(()),
        // A kernel without IPv6 has no routers either.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(refused("write", &path, &error)),
    }
}

fn write(path: &str, value: &str) -> Result<(), Error> {
    fs::write(path, value).map_err(|error| refused("write", path, &error))
}

fn refused(what: &str, path: &str, error: &io::Error) -> Error {
    Error::said(format!("{what} {path}: {error}"))
}

/// Refuses a subnet whose addresses the host already has a way to.
pub fn check_routes(subnet: Subnet) -> Result<(), Error> {
    let path = "/proc/thread-self/net/route";
    let table = fs::read_to_string(path).map_err(|error| refused("read", path, &error))?;
    match in_the_way(&table, subnet) {
        None => Ok(()),
        Some((network, prefix, interface)) => Err(Error::said(format!(
            "subnet {subnet}: the host has a route to {network}/{prefix} by {}",
            interface.escape_debug()
        ))
        .hinting("choose a subnet for instances that is used nowhere else")),
    }
}

/// The first route of `/proc/net/route` that the subnet's own would take packets from or lose packets to: to a network
/// at an interface, or to a smaller one. One that is wider and goes by a router leads on as before to all the rest.
fn in_the_way(table: &str, subnet: Subnet) -> Option<(Ipv4Addr, u8, String)> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let number = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok().map(u32::from_be);
        let (network, router, mask) = (number(1)?, number(2)?, number(7)?);
        let prefix = mask.leading_ones() as u8;
        let counts = prefix > 0 && (router == 0 || prefix >= subnet.prefix());
        (counts && subnet.meets(network, prefix))
            .then(|| (Ipv4Addr::from_bits(network), prefix, (*fields.first().unwrap_or(&"")).to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
tun0	0000000A	010200C0	0003	0	0	0	000000FF	0	0	0
podman0	0000580A	00000000	0001	0	0	0	0000FFFF	0	0	0
tun1	0003630A	010200C0	0003	0	0	0	00FFFFFF	0	0	0
";

    #[test]
    fn a_subnet_that_others_use_is_in_the_way() {
        let found = |text: &str| {
            let subnet = text.parse().expect("a subnet");
            in_the_way(ROUTES, subnet).map(|(network, prefix, by)| format!("{network}/{prefix} {by}"))
        };
        assert_eq!(found("10.88.64.0/20"), Some("10.88.0.0/16 podman0".to_owned()), "part of a network");
        assert_eq!(found("192.0.0.0/16"), Some("192.0.2.0/24 eth0".to_owned()), "a network is part of it");
        assert_eq!(
            found("10.99.0.0/16"),
            Some("10.99.3.0/24 tun1".to_owned()),
            "a smaller route by a router"
        );
        assert_eq!(found("10.231.64.0/20"), None, "a wider route by a router leads on to the rest");
        assert_eq!(found("172.30.0.0/16"), None, "the default route");
    }
}
