//! The network of a machine with one interface: rtnetlink(7), as much of it as an address and a route need.

use core::net::IpAddr;

use rustix::fd::OwnedFd;
use rustix::io::{read, write};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::{Errno, Result};

/// An interface's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interface(u32);

/// An address with the length of its network's prefix, in bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    /// The address of this machine.
    pub address: IpAddr,
    /// 0 to 32, or to 128.
    pub prefix: u8,
}

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

const REQUEST: u16 = 0x1;
const ACKNOWLEDGE: u16 = 0x4;
const DUMP: u16 = 0x300;
/// NLM_F_CREATE and NLM_F_REPLACE
const MAKE: u16 = 0x400 | 0x100;

const HEADER: usize = 16;

/// A socket to the kernel's routing.
#[derive(Debug)]
pub struct Routing {
    socket: OwnedFd,
}

impl Routing {
    /// Opens it.
    ///
    /// # Errors
    /// Those of socket(2): EAFNOSUPPORT or EPROTONOSUPPORT in a kernel without it.
    pub fn open() -> Result<Self> {
        // Protocol 0 is NETLINK_ROUTE.
        let kind = (AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC);
        Ok(Self { socket: rustix::net::socket_with(kind.0, kind.1, kind.2, None)? })
    }

    /// The first interface that is a network card, in the kernel's order: of type Ethernet, and none that only
    /// exists within the kernel (`dummy0` answers no ARP, `bond0` has other interfaces under it).
    ///
    /// # Errors
    /// ENODEV where there is none.
    pub fn first_card(&self) -> Result<Interface> {
        let mut request = Request::new(RTM_GETLINK, REQUEST | DUMP);
        request.add(&[0; 16]); // struct ifinfomsg: every family, every interface
        write(&self.socket, request.finish())?;
        let mut found = None;
        let mut buffer = [0u8; 8192];
        // To its end, so that the next answer is the next request's.
        loop {
            let length = read(&self.socket, &mut buffer[..])?;
            let mut messages = Messages(buffer.get(..length).unwrap_or_default());
            while let Some((kind, body)) = messages.next_message() {
                match kind {
                    NLMSG_DONE => return found.ok_or(Errno::NODEV),
                    NLMSG_ERROR => return Err(error_in(body).err().unwrap_or(Errno::PROTO)),
                    RTM_NEWLINK => found = found.or_else(|| card(body)),
                    _ => {}
                }
            }
        }
    }

    /// The interface of this name.
    ///
    /// # Errors
    /// ENODEV where there is none, or the name is longer than 15 bytes.
    pub fn named(&self, name: &str) -> Result<Interface> {
        rustix::net::netdevice::name_to_index(&self.socket, name).map(Interface)
    }

    /// Brings the interface up.
    ///
    /// # Errors
    /// EPERM without CAP_NET_ADMIN over the network namespace.
    pub fn bring_up(&self, interface: Interface) -> Result<()> {
        const IFF_UP: u32 = 1;
        let mut request = Request::new(RTM_NEWLINK, REQUEST | ACKNOWLEDGE);
        request.add(&[0; 4]); // struct ifinfomsg: family and type, then index, flags, and which flags change
        for word in [interface.0, IFF_UP, IFF_UP] {
            request.add(&word.to_ne_bytes());
        }
        self.ask(request)
    }

    /// Gives the interface an address.
    ///
    /// # Errors
    /// EOPNOTSUPP or EAFNOSUPPORT for IPv6 in a kernel without it.
    pub fn add_address(&self, interface: Interface, network: Network) -> Result<()> {
        const IFA_ADDRESS: u16 = 1;
        const IFA_LOCAL: u16 = 2;
        // IPv6: usable at once, not only when nobody has claimed it for a second.
        const IFA_F_NODAD: u8 = 2;
        let mut request = Request::new(RTM_NEWADDR, REQUEST | ACKNOWLEDGE | MAKE);
        // struct ifaddrmsg: family, prefix, flags, scope, index
        let flags = if network.address.is_ipv6() { IFA_F_NODAD } else { 0 };
        request.add(&[family(network.address), network.prefix, flags, 0]);
        request.add(&interface.0.to_ne_bytes());
        request.add_address(IFA_LOCAL, network.address);
        request.add_address(IFA_ADDRESS, network.address);
        self.ask(request)
    }

    /// Sends everything that is for no network of ours to `gateway`.
    ///
    /// # Errors
    /// ENETUNREACH where the gateway is in none of the interface's networks.
    pub fn add_default_route(&self, interface: Interface, gateway: IpAddr) -> Result<()> {
        const RT_TABLE_MAIN: u8 = 254;
        const RTPROT_BOOT: u8 = 3;
        const RTN_UNICAST: u8 = 1;
        const RTA_OIF: u16 = 4;
        const RTA_GATEWAY: u16 = 5;
        let mut request = Request::new(RTM_NEWROUTE, REQUEST | ACKNOWLEDGE | MAKE);
        // struct rtmsg: family, lengths of destination and source, tos, table, protocol, scope, type, flags
        request.add(&[family(gateway), 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, 0, RTN_UNICAST, 0, 0, 0, 0]);
        request.add_address(RTA_GATEWAY, gateway);
        request.add_attribute(RTA_OIF, &interface.0.to_ne_bytes());
        self.ask(request)
    }

    /// Sends a request whose answer is an error number, 0 included.
    fn ask(&self, mut request: Request) -> Result<()> {
        write(&self.socket, request.finish())?;
        let mut buffer = [0u8; 512];
        let length = read(&self.socket, &mut buffer[..])?;
        match Messages(buffer.get(..length).unwrap_or_default()).next_message() {
            Some((NLMSG_ERROR, body)) => error_in(body),
            _ => Err(Errno::PROTO),
        }
    }
}

const fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 10,
    }
}

/// A message being written: `struct nlmsghdr`, a body, attributes, all at multiples of four bytes.
struct Request {
    bytes: [u8; 128],
    length: usize,
}

impl Request {
    fn new(kind: u16, flags: u16) -> Self {
        let mut request = Self { bytes: [0; 128], length: 0 };
        request.add(&[0; 4]); // the length, known at the end
        request.add(&kind.to_ne_bytes());
        request.add(&flags.to_ne_bytes());
        request.add(&[0; 8]); // no sequence number, and no port: the kernel answers whoever asks
        request
    }

    fn add(&mut self, bytes: &[u8]) {
        for (place, byte) in self.bytes.iter_mut().skip(self.length).zip(bytes) {
            *place = *byte;
        }
        self.length += bytes.len();
    }

    /// `struct rtattr` and a value that is a multiple of four bytes long.
    fn add_attribute(&mut self, kind: u16, value: &[u8]) {
        self.add(&(value.len() as u16 + 4).to_ne_bytes());
        self.add(&kind.to_ne_bytes());
        self.add(value);
    }

    fn add_address(&mut self, kind: u16, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.add_attribute(kind, &address.octets()),
            IpAddr::V6(address) => self.add_attribute(kind, &address.octets()),
        }
    }

    fn finish(&mut self) -> &[u8] {
        let length = (self.length as u32).to_ne_bytes();
        for (place, byte) in self.bytes.iter_mut().zip(length) {
            *place = byte;
        }
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The messages in what was read.
struct Messages<'a>(&'a [u8]);

impl<'a> Messages<'a> {
    /// Type and body of the next one.
    fn next_message(&mut self) -> Option<(u16, &'a [u8])> {
        let length = word(self.0, 0)? as usize;
        let kind = self.0.get(4..6).and_then(|kind| kind.try_into().ok()).map(u16::from_ne_bytes)?;
        let body = self.0.get(HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

/// The error number at the start of an NLMSG_ERROR, negative as the kernel has it; 0 is none.
fn error_in(body: &[u8]) -> Result<()> {
    match word(body, 0) {
        Some(0) => Ok(()),
        Some(number) => Err(Errno::from_raw_os_error((number as i32).wrapping_neg())),
        None => Err(Errno::PROTO),
    }
}

/// The interface that a `struct ifinfomsg` tells of (family, type, index, flags), if it is a network card.
fn card(body: &[u8]) -> Option<Interface> {
    const ARPHRD_ETHER: u16 = 1;
    // IFF_LOOPBACK, IFF_NOARP, IFF_MASTER
    const OTHERS: u32 = 0x8 | 0x80 | 0x400;
    let kind = body.get(2..4)?.try_into().ok().map(u16::from_ne_bytes)?;
    let (index, flags) = (word(body, 4)?, word(body, 8)?);
    (kind == ARPHRD_ETHER && flags & OTHERS == 0).then_some(Interface(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_begin_with_their_length_and_attributes_with_theirs() {
        let mut request = Request::new(RTM_NEWADDR, REQUEST);
        request.add_address(1, IpAddr::from([10, 0, 0, 2]));
        let bytes = request.finish();
        assert_eq!((bytes.len(), word(bytes, 0)), (24, Some(24)));
        assert_eq!(&bytes[16..], [8, 0, 1, 0, 10, 0, 0, 2]);
    }

    #[test]
    fn messages_end_where_they_are_cut_off() {
        let mut request = Request::new(NLMSG_ERROR, 0);
        request.add(&(-1i32).to_ne_bytes());
        let bytes = request.finish();
        let mut messages = Messages(bytes);
        let (kind, body) = messages.next_message().expect("it is whole");
        assert_eq!((kind, error_in(body)), (NLMSG_ERROR, Err(Errno::PERM)));
        assert!(messages.next_message().is_none());
        for length in 0..bytes.len() {
            assert!(Messages(&bytes[..length]).next_message().is_none(), "{length}");
        }
        assert!(Messages(&[0; 16]).next_message().is_none(), "a length that is less than the header's");
    }

    #[test]
    fn what_is_no_card_is_passed_over() {
        let link = |kind: u16, flags: u32| {
            let mut body = [0u8; 16];
            body[2..4].copy_from_slice(&kind.to_ne_bytes());
            body[4..8].copy_from_slice(&7u32.to_ne_bytes());
            body[8..12].copy_from_slice(&flags.to_ne_bytes());
            card(&body)
        };
        assert_eq!(link(1, 0x1002), Some(Interface(7)));
        assert_eq!([link(772, 0x8), link(1, 0x82), link(1, 0x1402), link(776, 0x80)], [None; 4]);
        assert_eq!(card(&[0; 3]), None);
    }
}
