//! Whether a port of the host is free, and who has it.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use crate::Error;
use crate::publish::{Protocol, Publish};

/// Takes the port for a moment. The rules would take its connections away from a program that listens there.
///
/// # Errors
/// A program of the host has it, or the address is none of the host's.
pub fn check(publish: &Publish) -> Result<(), Error> {
    let end = (publish.address.unwrap_or(Ipv4Addr::UNSPECIFIED), publish.host);
    let taken = match publish.protocol {
        Protocol::Tcp => TcpListener::bind(end).map(drop),
        Protocol::Udp => UdpSocket::bind(end).map(drop),
    };
    let Err(error) = taken else { return Ok(()) };
    let why = match error.kind() {
        ErrorKind::AddrInUse => match holder(publish.protocol, publish.host) {
            Some(holder) => format!("the port is in use by {holder}"),
            None => "the port is in use by a program of the host".to_owned(),
        },
        ErrorKind::AddrNotAvailable => "the host does not have this address".to_owned(),
        _ => error.to_string(),
    };
    Err(Error::said(format!("publish {publish}: {why}")))
}

/// The program that has a socket at this port, as far as /proc tells.
fn holder(protocol: Protocol, port: u16) -> Option<String> {
    let inodes: Vec<u64> = ["", "6"]
        .iter()
        .filter_map(|version| fs::read_to_string(format!("/proc/thread-self/net/{protocol}{version}")).ok())
        .flat_map(|table| bound(&table, protocol, port))
        .collect();
    let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let is_it = |pid: &str| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut targets = open.filter_map(|entry| fs::read_link(entry.path()).ok());
        targets.any(|target| links.iter().any(|link| target.as_os_str() == link.as_str()))
    };
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pid = processes
        .filter_map(|entry| entry.file_name().into_string().ok())
        .find(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && is_it(name))?;
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("{} (process {pid})", name.trim_ascii_end().escape_ascii()))
}

/// The inodes of the sockets that wait at this port, from a table of proc_pid_net(5).
fn bound(table: &str, protocol: Protocol, port: u16) -> Vec<u64> {
    // TCP_LISTEN; what UDP has instead of a state is TCP_CLOSE.
    let state = if protocol == Protocol::Tcp { "0A" } else { "07" };
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let here = u16::from_str_radix(local, 16) == Ok(port) && *fields.get(3)? == state;
        fields.get(9)?.parse().ok().filter(|_| here)
    };
    table.lines().skip(1).filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1
   2: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0
   3: short
";

    #[test]
    fn sockets_that_wait_at_a_port_are_found() {
        assert_eq!(bound(TABLE, Protocol::Tcp, 8080), [4711]);
        assert_eq!(bound(TABLE, Protocol::Tcp, 80), [4713]);
        assert!(bound(TABLE, Protocol::Tcp, 81).is_empty());
        assert!(bound(TABLE, Protocol::Udp, 8080).is_empty());
    }
}
