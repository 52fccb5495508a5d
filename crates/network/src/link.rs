//! Interfaces: the bridge, and the pair of ends that joins an instance to it (veth(4)).

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::thread;
use std::time::Duration;

use sys::{Errno, Result};

use crate::message::{ACKNOWLEDGE, Attributes, CREATE, DUMP, EXCLUSIVE, Message, Messages};
use crate::socket::Socket;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWLINKPROP: u16 = 108;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BRPORT_MODE: u16 = 4;
const VETH_INFO_PEER: u16 = 1;
/// RTEXT_FILTER_SKIP_STATS: without it each link of a list has a kilobyte of counters.
const WITHOUT_COUNTERS: u32 = 1 << 3;
const IFF_UP: u32 = 1;

/// The length of `struct ifinfomsg`: family and type, then index, flags, and which flags change.
const HEAD: usize = 16;

/// What the names of ends at the bridge begin with.
pub const PORT: &str = "husk";

/// What instances call the end that is theirs.
pub const INSIDE: &str = "eth0";

/// A bridge that exists.
#[derive(Debug)]
pub struct Bridge {
    /// Its number.
    pub index: u32,
    /// Whether it is up, which it becomes last.
    pub is_up: bool,
    /// Whether it is a bridge, and has the hardware address that husk gives to the bridge of this gateway.
    pub is_ours: bool,
}

/// An end at the bridge.
#[derive(Debug)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The bridge's name, '-' and the instance's; empty if it has no such name.
    pub instance: String,
}

/// The name of the end at the bridge. As it comes from the address, the kernel refuses an address that is in use.
pub fn port_name(address: Ipv4Addr) -> String {
    format!("{PORT}{:08x}", address.to_bits())
}

/// The hardware address that goes with an address: locally administered, "h". With one of the kernel's making, a
/// bridge would take over one of its ports', and change it whenever a port comes or goes; and peers would remember
/// another for an address that is used again.
fn hardware(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, b'h', a, b, c, d]
}

/// The bridge of this name.
pub fn bridge(socket: &mut Socket, name: &str, gateway: Ipv4Addr) -> Result<Option<Bridge>> {
    let read = |message: Message<'_>| {
        let link = Attributes::behind(message.body, HEAD);
        let is_bridge = link.within(IFLA_LINKINFO).text(IFLA_INFO_KIND) == "bridge";
        Some(Bridge {
            index: word(message.body, 4)?,
            is_up: word(message.body, 8)? & IFF_UP != 0,
            is_ours: is_bridge && link.get(IFLA_ADDRESS) == hardware(gateway),
        })
    };
    match socket.list(&question(name), read) {
        Ok(mut found) => Ok(found.pop()),
        Err(Errno::NODEV) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Makes the bridge.
pub fn make_bridge(socket: &mut Socket, name: &str, gateway: Ipv4Addr) -> Result<()> {
    let mut messages = Messages::default();
    messages.add(RTM_NEWLINK, ACKNOWLEDGE | CREATE | EXCLUSIVE, &head(0, 0), |link| {
        link.put_text(IFLA_IFNAME, name);
        link.put(IFLA_ADDRESS, &hardware(gateway));
        link.nest(IFLA_LINKINFO, |kind| kind.put_text(IFLA_INFO_KIND, "bridge"));
    });
    socket.perform(&messages)
}

/// Makes a pair of ends: one at the bridge, with the instance's name as its second one; the other, [`INSIDE`], in
/// the namespace.
pub fn make_pair(
    socket: &mut Socket,
    bridge: u32,
    address: Ipv4Addr,
    second_name: &str,
    namespace: BorrowedFd<'_>,
) -> Result<()> {
    let name = port_name(address);
    let mut messages = Messages::default();
    messages.add(RTM_NEWLINK, ACKNOWLEDGE | CREATE | EXCLUSIVE, &head(0, 0), |link| {
        link.put_text(IFLA_IFNAME, &name);
        link.put(IFLA_MASTER, &bridge.to_ne_bytes());
        link.nest(IFLA_LINKINFO, |kind| {
            kind.put_text(IFLA_INFO_KIND, "veth");
            kind.nest(IFLA_INFO_DATA, |pair| {
                pair.nest(VETH_INFO_PEER, |peer| {
                    peer.put_head(&head(0, 0));
                    peer.put_text(IFLA_IFNAME, INSIDE);
                    peer.put(IFLA_ADDRESS, &hardware(address));
                    peer.put(IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes());
                });
            });
        });
    });
    socket.perform(&messages)?;
    let mut messages = Messages::default();
    // Refused if the instance has an end already.
    messages.add(RTM_NEWLINKPROP, ACKNOWLEDGE, &head(0, 0), |link| {
        link.put_text(IFLA_IFNAME, &name);
        link.nest(IFLA_PROP_LIST, |names| names.put_text(IFLA_ALT_IFNAME, second_name));
    });
    messages.add(RTM_NEWLINK, ACKNOWLEDGE, &head(IFF_UP, IFF_UP), |link| {
        link.put_text(IFLA_IFNAME, &name);
        link.nest(IFLA_LINKINFO, |kind| {
            kind.put_text(IFLA_INFO_SLAVE_KIND, "bridge");
            // With the module br_netfilter a packet to a port that an instance has published itself goes back out
            // of the port that it came from, which a bridge does not do otherwise.
            kind.nest(IFLA_INFO_SLAVE_DATA, |port| port.put(IFLA_BRPORT_MODE, &[1]));
        });
    });
    let outcome = socket.perform(&messages);
    if outcome.is_err() {
        // The error is what happened; that the end goes with the namespace too is why this one does not matter.
        let _ = remove(socket, &name);
    }
    outcome
}

/// Waits until interfaces that have just come up really send, if need be 100 ms. Where both ends of a pair are up,
/// the kernel notes later that the first one has a carrier (linkwatch), and what goes out by it meanwhile is lost:
/// a first connection would take a second. From Linux 6.6 on the question itself makes it note that.
pub fn await_carrier(socket: &mut Socket, names: &[&str]) -> Result<()> {
    const MILLISECONDS: u32 = 100;
    for name in names {
        for _ in 0..MILLISECONDS {
            if is_sending(socket, name)? {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}

fn is_sending(socket: &mut Socket, name: &str) -> Result<bool> {
    const IFLA_OPERSTATE: u16 = 16;
    const IF_OPER_UP: u8 = 6;
    let state = |message: Message<'_>| {
        Some(Attributes::behind(message.body, HEAD).get(IFLA_OPERSTATE) == [IF_OPER_UP])
    };
    Ok(socket.list(&question(name), state)?.contains(&true))
}

/// Asks for the interface of this name.
fn question(name: &str) -> Messages {
    let mut question = Messages::default();
    question.add(RTM_GETLINK, ACKNOWLEDGE, &head(0, 0), |link| {
        link.put_text(IFLA_IFNAME, name);
        link.put(IFLA_EXT_MASK, &WITHOUT_COUNTERS.to_ne_bytes());
    });
    question
}

/// Removes the interface of this name. Returns whether there was one.
pub fn remove(socket: &mut Socket, name: &str) -> Result<bool> {
    remove_by(socket, IFLA_IFNAME, name)
}

/// Removes the interface that has this second name. Returns whether there was one.
pub fn remove_by_second_name(socket: &mut Socket, name: &str) -> Result<bool> {
    remove_by(socket, IFLA_ALT_IFNAME, name)
}

fn remove_by(socket: &mut Socket, kind: u16, name: &str) -> Result<bool> {
    let mut messages = Messages::default();
    messages.add(RTM_DELLINK, ACKNOWLEDGE, &head(0, 0), |link| link.put_text(kind, name));
    match socket.perform(&messages) {
        Ok(()) => Ok(true),
        Err(Errno::NODEV) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// All ends at the bridge.
pub fn ports(socket: &mut Socket, bridge: u32) -> Result<Vec<Port>> {
    let mut question = Messages::default();
    question.add(RTM_GETLINK, DUMP, &head(0, 0), |link| {
        link.put(IFLA_MASTER, &bridge.to_ne_bytes());
        link.put(IFLA_EXT_MASK, &WITHOUT_COUNTERS.to_ne_bytes());
    });
    socket.list(&question, |message| {
        let link = Attributes::behind(message.body, HEAD);
        // Kernels that do not know the filter list all there are.
        (link.get(IFLA_MASTER) == bridge.to_ne_bytes()).then(|| Port {
            name: link.text(IFLA_IFNAME).to_owned(),
            instance: link.within(IFLA_PROP_LIST).text(IFLA_ALT_IFNAME).to_owned(),
        })
    })
}

/// `struct ifinfomsg` for an interface that is known by name.
fn head(flags: u32, change: u32) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[8..12].copy_from_slice(&flags.to_ne_bytes());
    head[12..].copy_from_slice(&change.to_ne_bytes());
    head
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}
