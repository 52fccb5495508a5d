//! Whether a port of the host is free, and who has it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use crate::Error;
use crate::flow::is_of_the_host;
use crate::message::{Attributes, DUMP, Message, Messages};
use crate::publish::{Protocol, Publish, number};
use crate::socket::Socket;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// The lengths of `struct inet_diag_req_v2` and `struct inet_diag_msg` (sock_diag(7)).
const QUESTION: usize = 56;
const ANSWER: usize = 72;

/// Refuses a port at which a program of the host waits: the rules would take its connections away. The port is not
/// taken for a moment to find out: a process that another thread starts just then would keep it for a moment more,
/// and whoever wants it next would be refused.
///
/// # Errors
/// A program of the host has it, or the address is none of the host's.
pub fn check(socket: &mut Socket, publish: &Publish) -> Result<(), Error> {
    let refused = |why: String| Err(Error::said(format!("publish {publish}: {why}")));
    if let Some(address) = publish.address
        && !is_of_the_host(address)
    {
        return refused("the host does not have this address".to_owned());
    }
    for family in [AF_INET, AF_INET6] {
        let waiting = socket.list(&question(family, publish), |message| waiting(message, publish));
        let waiting = waiting.map_err(|errno| {
            Error::kernel(format!("publish {publish}: look for sockets at the port"), errno)
                .hinting("the kernel needs the modules tcp_diag and udp_diag")
        })?;
        if let Some(inode) = waiting.first() {
            return refused(match holder(*inode) {
                Some(holder) => format!("the port is in use by {holder}"),
                None => "the port is in use by a program of the host".to_owned(),
            });
        }
    }
    Ok(())
}

/// Asks for the sockets of a family that wait at the port.
fn question(family: u8, publish: &Publish) -> Messages {
    // TCP_LISTEN; what UDP has instead of a state is TCP_CLOSE.
    let state: u32 = if publish.protocol == Protocol::Tcp { 10 } else { 7 };
    let mut body = [0; QUESTION];
    body[..2].copy_from_slice(&[family, number(publish.protocol)]);
    body[4..8].copy_from_slice(&(1u32 << state).to_ne_bytes());
    body[8..10].copy_from_slice(&publish.host.to_be_bytes());
    let mut question = Messages::default();
    question.add(SOCK_DIAG_BY_FAMILY, DUMP, &body, |_| {});
    question
}

/// The inode of a socket, if what comes to the published port would be for it.
fn waiting(message: Message<'_>, publish: &Publish) -> Option<u32> {
    const INET_DIAG_SKV6ONLY: u16 = 11;
    let body = message.body;
    let port = u16::from_be_bytes(body.get(4..6)?.try_into().ok()?);
    let address = match *body.first()? {
        AF_INET => IpAddr::V4(Ipv4Addr::from(*body.get(8..)?.first_chunk::<4>()?)),
        _ => IpAddr::from(*body.get(8..)?.first_chunk::<16>()?).to_canonical(),
    };
    let is_ipv6_alone = Attributes::behind(body, ANSWER).get(INET_DIAG_SKV6ONLY) == [1];
    let takes = match address {
        IpAddr::V4(address) => {
            address.is_unspecified() || publish.address.is_none_or(|wanted| wanted == address)
        }
        IpAddr::V6(address) => address.is_unspecified() && !is_ipv6_alone,
    };
    let inode = u32::from_ne_bytes(body.get(68..ANSWER)?.try_into().ok()?);
    (takes && port == publish.host).then_some(inode)
}

/// The program that has a socket, as far as /proc tells.
fn holder(inode: u32) -> Option<String> {
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
