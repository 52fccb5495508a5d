//! Interfaces: the bridge, and the pair of ends that joins an instance to it (veth(4)).

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::thread;
use std::time::Duration;

use sys::{Errno, Result};

use crate::Attachment;
use crate::message::{ACKNOWLEDGE, Attributes, CREATE, DUMP, EXCLUSIVE, Message, Messages, text};
use crate::socket::Socket;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWLINKPROP: u16 = 108;
const RTM_DELLINKPROP: u16 = 109;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BRPORT_MODE: u16 = 4;
const AF_INET6: u16 = 10;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
const VETH_INFO_PEER: u16 = 1;
/// RTEXT_FILTER_SKIP_STATS: without it each link of a list has a kilobyte of counters.
const WITHOUT_COUNTERS: u32 = 1 << 3;
const IFF_UP: u32 = 1;

/// The length of `struct ifinfomsg`: family and type, then index, flags, and which flags change.
const HEAD: usize = 16;

/// What the names of ends at the bridge begin with.
const PORT: &str = "husk";

/// What instances call the end that is theirs.
pub const INSIDE: &str = "eth0";

/// A bridge that exists.
#[derive(Debug)]
pub struct Bridge {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is up, which it becomes last.
    pub is_up: bool,
    /// The address in it, if it is a bridge with a hardware address of [`hardware`]: then husk has made it.
    pub gateway: Option<Ipv4Addr>,
}

/// An end at the bridge.
#[derive(Debug)]
pub struct Port {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its other names: those that [`instance_name`] and [`address_name`] make.
    pub other_names: Vec<String>,
}

impl Port {
    /// The instance whose end it is; none if it is not joined yet, or not any more.
    pub fn instance(&self, bridge: &str) -> Option<&str> {
        let prefix = instance_name(bridge, "");
        self.other_names.iter().find_map(|name| name.strip_prefix(prefix.as_str()))
    }

    /// Whether it was made here.
    pub fn is_ours(&self) -> bool {
        self.name.starts_with(PORT)
    }
}

/// A second name of the end of an instance. The kernel refuses names that are in use, and so an instance that has a
/// network already.
pub fn instance_name(bridge: &str, instance: &str) -> String {
    format!("{bridge}-{instance}")
}

/// And another, by which it refuses an address that is in use. No instance's name has a '='.
fn address_name(bridge: &str, address: Ipv4Addr) -> String {
    format!("{bridge}={address}")
}

/// The hardware address that goes with an address: locally administered, "h". With one of the kernel's making, a
/// bridge would take over one of its ports', and change it whenever a port comes or goes; and peers would remember
/// another for an address that is used again.
fn hardware(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, b'h', a, b, c, d]
}

/// The interface of this name, in the place of the bridge.
pub fn bridge(socket: &mut Socket, name: &str) -> Result<Option<Bridge>> {
    let read = |message: Message<'_>| {
        let link = Attributes::behind(message.body, HEAD);
        let is_bridge = link.within(IFLA_LINKINFO).text(IFLA_INFO_KIND) == "bridge";
        let gateway = match *link.get(IFLA_ADDRESS) {
            [0x02, b'h', a, b, c, d] if is_bridge => Some(Ipv4Addr::new(a, b, c, d)),
            _ => None,
        };
        Some(Bridge {
            index: word(message.body, 4)?,
            name: name.to_owned(),
            is_up: word(message.body, 8)? & IFF_UP != 0,
            gateway,
        })
    };
    match socket.list(&question(IFLA_IFNAME, name), read) {
        Ok(mut found) => Ok(found.pop()),
        Err(Errno::NODEV) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Makes the bridge.
pub fn make_bridge(socket: &mut Socket, name: &str, gateway: Ipv4Addr) -> Result<()> {
    let mut messages = Messages::default();
    messages.add(RTM_NEWLINK, ACKNOWLEDGE | CREATE | EXCLUSIVE, &head(0, 0, 0), |link| {
        link.put_text(IFLA_IFNAME, name);
        link.put(IFLA_ADDRESS, &hardware(gateway));
        link.nest(IFLA_LINKINFO, |kind| kind.put_text(IFLA_INFO_KIND, "bridge"));
    });
    socket.perform(&messages)
}

/// Makes a pair of ends: one at the bridge, whose name is returned; the other, [`INSIDE`], in the namespace.
pub fn make_pair(
    socket: &mut Socket,
    bridge: &Bridge,
    attachment: &Attachment,
    namespace: BorrowedFd<'_>,
) -> Result<String> {
    let port = make_ends(socket, bridge.index, attachment.address, namespace)?;
    let mut messages = Messages::default();
    messages.add(RTM_NEWLINKPROP, ACKNOWLEDGE, &head(0, 0, 0), |link| {
        link.put_text(IFLA_IFNAME, &port);
        link.nest(IFLA_PROP_LIST, |names| {
            names.put_text(IFLA_ALT_IFNAME, &instance_name(&bridge.name, attachment.name.as_str()));
            names.put_text(IFLA_ALT_IFNAME, &address_name(&bridge.name, attachment.address));
        });
    });
    messages.add(RTM_NEWLINK, ACKNOWLEDGE, &head(0, 0, 0), |link| {
        link.put_text(IFLA_IFNAME, &port);
        link.nest(IFLA_LINKINFO, |kind| {
            kind.put_text(IFLA_INFO_SLAVE_KIND, "bridge");
            // With the module br_netfilter a packet to a port that an instance has published itself goes back out
            // of the port that it came from, which a bridge does not do otherwise.
            kind.nest(IFLA_INFO_SLAVE_DATA, |port| port.put(IFLA_BRPORT_MODE, &[1]));
        });
        // The bridge is what has addresses. Its ports need none, not even a link-local one.
        link.nest(IFLA_AF_SPEC, |families| {
            families.nest(AF_INET6, |ipv6| ipv6.put(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]));
        });
    });
    messages
        .add(RTM_NEWLINK, ACKNOWLEDGE, &head(0, IFF_UP, IFF_UP), |link| link.put_text(IFLA_IFNAME, &port));
    match socket.perform(&messages) {
        Ok(()) => Ok(port),
        Err(errno) => {
            // The error is what happened first; and the end goes with the namespace.
            let _ = remove(socket, &port);
            Err(errno)
        }
    }
}

/// Makes the ends, and chooses the name of the one at the bridge: "husk", the address, and a number, since the end of
/// an instance that has just ended may be there for some milliseconds more.
fn make_ends(
    socket: &mut Socket,
    bridge: u32,
    address: Ipv4Addr,
    namespace: BorrowedFd<'_>,
) -> Result<String> {
    let mut number = 0u8;
    loop {
        let name = format!("{PORT}{:08x}{number:02x}", address.to_bits());
        let mut messages = Messages::default();
        messages.add(RTM_NEWLINK, ACKNOWLEDGE | CREATE | EXCLUSIVE, &head(0, 0, 0), |link| {
            link.put_text(IFLA_IFNAME, &name);
            link.put(IFLA_MASTER, &bridge.to_ne_bytes());
            link.nest(IFLA_LINKINFO, |kind| {
                kind.put_text(IFLA_INFO_KIND, "veth");
                kind.nest(IFLA_INFO_DATA, |pair| {
                    pair.nest(VETH_INFO_PEER, |peer| {
                        peer.put_head(&head(0, 0, 0));
                        peer.put_text(IFLA_IFNAME, INSIDE);
                        peer.put(IFLA_ADDRESS, &hardware(address));
                        peer.put(IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes());
                    });
                });
            });
        });
        match (socket.perform(&messages), number.checked_add(1)) {
            (Ok(()), _) => return Ok(name),
            (Err(Errno::EXIST), Some(next)) => number = next,
            (Err(errno), _) => return Err(errno),
        }
    }
}

/// Takes an end at the bridge down, and its second names from it: both can be had by others at once. The kernel needs
/// tens of milliseconds to remove an interface, and it is about to do so with the namespace.
pub fn retire(socket: &mut Socket, second_name: &str) -> Result<()> {
    let found = match socket.list(&question(IFLA_ALT_IFNAME, second_name), port) {
        Ok(found) => found,
        Err(Errno::NODEV) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    let Some(port) = found.first() else { return Ok(()) };
    let mut messages = Messages::default();
    messages.add(RTM_NEWLINK, ACKNOWLEDGE, &head(port.index, 0, IFF_UP), |_| {});
    messages.add(RTM_DELLINKPROP, ACKNOWLEDGE, &head(port.index, 0, 0), |link| {
        link.nest(IFLA_PROP_LIST, |names| {
            port.other_names.iter().for_each(|name| names.put_text(IFLA_ALT_IFNAME, name));
        });
    });
    match socket.perform(&messages) {
        // It has gone meanwhile.
        Err(Errno::NODEV) => Ok(()),
        outcome => outcome,
    }
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
    Ok(socket.list(&question(IFLA_IFNAME, name), state)?.contains(&true))
}

/// Asks for the interface of this name; its kind is IFLA_IFNAME or IFLA_ALT_IFNAME.
fn question(kind: u16, name: &str) -> Messages {
    let mut question = Messages::default();
    question.add(RTM_GETLINK, ACKNOWLEDGE, &head(0, 0, 0), |link| {
        link.put_text(kind, name);
        link.put(IFLA_EXT_MASK, &WITHOUT_COUNTERS.to_ne_bytes());
    });
    question
}

/// Removes the interface of this name, if there is one.
pub fn remove(socket: &mut Socket, name: &str) -> Result<()> {
    let mut messages = Messages::default();
    messages.add(RTM_DELLINK, ACKNOWLEDGE, &head(0, 0, 0), |link| link.put_text(IFLA_IFNAME, name));
    match socket.perform(&messages) {
        Err(Errno::NODEV) => Ok(()),
        outcome => outcome,
    }
}

/// All ends at the bridge.
pub fn ports(socket: &mut Socket, bridge: u32) -> Result<Vec<Port>> {
    let mut question = Messages::default();
    question.add(RTM_GETLINK, DUMP, &head(0, 0, 0), |link| {
        link.put(IFLA_MASTER, &bridge.to_ne_bytes());
        link.put(IFLA_EXT_MASK, &WITHOUT_COUNTERS.to_ne_bytes());
    });
    socket.list(&question, |message| {
        // Kernels that do not know the filter list all there are.
        let is_there = Attributes::behind(message.body, HEAD).get(IFLA_MASTER) == bridge.to_ne_bytes();
        is_there.then(|| port(message)).flatten()
    })
}

fn port(message: Message<'_>) -> Option<Port> {
    let link = Attributes::behind(message.body, HEAD);
    let names = link.within(IFLA_PROP_LIST).filter(|(kind, _)| *kind == IFLA_ALT_IFNAME);
    Some(Port {
        index: word(message.body, 4)?,
        name: link.text(IFLA_IFNAME).to_owned(),
        other_names: names.map(|(_, name)| text(name).to_owned()).collect(),
    })
}

/// `struct ifinfomsg`: an interface's number (0 where it is known by name), flags, and which of them change.
fn head(index: u32, flags: u32, change: u32) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[4..8].copy_from_slice(&index.to_ne_bytes());
    head[8..12].copy_from_slice(&flags.to_ne_bytes());
    head[12..].copy_from_slice(&change.to_ne_bytes());
    head
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}
