//! Whether a port of the host is free, and who has it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use crate::Error;
use crate::publish::{Protocol, Publish};

/// Refuses a port at which a program of the host waits: the rules would take its connections away. It is looked up
/// and not taken for a moment: a process that another thread starts just then would keep it for a moment more, and
/// whoever wants it next would be refused.
///
/// # Errors
/// A program of the host has it, or the address is none of the host's.
pub fn check(publish: &Publish) -> Result<(), Error> {
    let refused = |why: String| Err(Error::said(format!("publish {publish}: {why}")));
    if let Some(address) = publish.address
        && UdpSocket::bind((address, 0)).is_err()
    {
        return refused("the host does not have this address".to_owned());
    }
    for version in ["", "6"] {
        let path = format!("/proc/thread-self/net/{}{version}", publish.protocol);
        // Without IPv6 there is no second table.
        let table = fs::read_to_string(path).unwrap_or_default();
        if let Some(inode) = waiting(&table, publish) {
            return refused(match holder(&inode) {
                Some(holder) => format!("the port is in use by {holder}"),
                None => "the port is in use by a program of the host".to_owned(),
            });
        }
    }
    Ok(())
}

/// The inode of a socket that waits where the port is to be published, from a table of proc_pid_net(5).
fn waiting(table: &str, publish: &Publish) -> Option<String> {
    // TCP_LISTEN; what UDP has instead of a state is TCP_CLOSE.
    let state = if publish.protocol == Protocol::Tcp { "0A" } else { "07" };
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (address, port) = fields.get(1)?.rsplit_once(':')?;
        let address = self::address(address)?;
        let meets = address.is_unspecified()
            || publish.address.is_none_or(|wanted| address.to_canonical() == IpAddr::V4(wanted));
        // A socket of IPv6 at a real address of IPv6 gets nothing that is for IPv4. Whether one at all addresses does,
        // the table does not say; unless it was told otherwise, it does.
        let takes = address.is_unspecified() || address.to_canonical().is_ipv4();
        let here = u16::from_str_radix(port, 16) == Ok(publish.host) && *fields.get(3)? == state;
        fields.get(9).filter(|_| here && takes && meets).map(|inode| (*inode).to_owned())
    })
}

/// An address as these tables have it: words of 32 bits in the machine's order, in hexadecimal digits.
fn address(digits: &str) -> Option<IpAddr> {
    let mut bytes = Vec::new();
    for at in (0..digits.len()).step_by(8) {
        let word = u32::from_str_radix(digits.get(at..at + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    match bytes.len() {
        4 => bytes.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes).into()),
        _ => bytes.first_chunk::<16>().map(|bytes| IpAddr::from(*bytes)),
    }
}

/// The program that has a socket, as far as /proc tells.
fn holder(inode: &str) -> Option<String> {
    let link = format!("socket:[{inode}]");
    let is_it = |pid: &str| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut targets = open.filter_map(|entry| fs::read_link(entry.path()).ok());
        targets.any(|target| target.as_os_str() == link.as_str())
    };
    let pid = fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .find(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && is_it(name))?;
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("{} (process {pid})", name.trim_ascii_end().escape_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    const REST: &str = "00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0";

    fn is_free(local: &str, state: &str, publish: &str) -> bool {
        let remote = if local.len() > 13 { "00000000000000000000000000000000:0000" } else { "00000000:0000" };
        let table = format!("{HEAD}   0: {local} {remote} {state} {REST}\n   1: short\n");
        let found = waiting(&table, &publish.parse().expect("a port"));
        assert!(found.as_deref().is_none_or(|inode| inode == "4711"), "{found:?}");
        found.is_none()
    }

    #[test]
    fn a_port_is_taken_where_a_program_waits_for_what_would_be_its() {
        let (any, loopback) = ("00000000:1F90", "0100007F:1F90");
        assert!(!is_free(any, "0A", "8080:80"));
        assert!(!is_free(any, "0A", "192.0.2.1:8080:80"));
        assert!(!is_free(loopback, "0A", "8080:80"));
        assert!(!is_free(loopback, "0A", "127.0.0.1:8080:80"));
        assert!(is_free(loopback, "0A", "192.0.2.1:8080:80"), "another address");
        assert!(is_free(any, "0A", "8081:80"), "another port");
        assert!(is_free(any, "01", "8080:80"), "a connection, for which nobody waits");
        assert!(!is_free(any, "07", "8080:80/udp"));
    }

    #[test]
    fn a_socket_of_ipv6_counts_where_it_takes_ipv4() {
        let (any, loopback) = ("0".repeat(32) + ":1F90", "0".repeat(24) + "01000000:1F90");
        let mapped = "0".repeat(16) + "FFFF00000100007F:1F90";
        assert!(!is_free(&any, "0A", "127.0.0.1:8080:80"));
        assert!(is_free(&loopback, "0A", "8080:80"), "::1");
        assert!(!is_free(&mapped, "0A", "127.0.0.1:8080:80"), "::ffff:127.0.0.1");
        assert!(is_free(&mapped, "0A", "192.0.2.1:8080:80"));
    }
}
