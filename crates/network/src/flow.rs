//! Flows of UDP that the kernel remembers (nf_conntrack).
//!
//! Where the first packet of a flow was led, all others follow, for as long as they keep coming. A client that never
//! falls silent would not notice that a port has been published, and would go on to send to an instance that is gone.

use std::net::{Ipv4Addr, UdpSocket};

use sys::{Errno, Result};

use crate::message::{ACKNOWLEDGE, Attributes, DUMP, Messages};
use crate::publish::{Protocol, number};
use crate::socket::Socket;
use crate::subnet::Subnet;
use crate::table::{HEAD, attributes};

/// NFNL_SUBSYS_CTNETLINK with IPCTNL_MSG_CT_GET and IPCTNL_MSG_CT_DELETE.
const GET: u16 = 1 << 8 | 1;
const DELETE: u16 = 1 << 8 | 2;

/// How the first packet came, and how its answer would.
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_FILTER: u16 = 25;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_DST_PORT: u16 = 3;
const CTA_FILTER_ORIG_FLAGS: u16 = 1;
/// What a filter looks at: CTA_PROTO_NUM and CTA_PROTO_DST_PORT (net/netfilter/nf_internals.h).
const BY_PORT: u32 = 1 << 3 | 1 << 5;

/// Has the kernel forget the flows that came to a port of the host, whoever they were led to.
pub fn forget(socket: &mut Socket, port: u16, subnet: Subnet) -> Result<()> {
    let mut question = Messages::default();
    question.add(GET, DUMP, &HEAD, |ask| {
        ask.nest(CTA_TUPLE_ORIG, |flow| {
            flow.nest(CTA_TUPLE_PROTO, |protocol| {
                protocol.put(CTA_PROTO_NUM, &[number(Protocol::Udp)]);
                protocol.put(CTA_PROTO_DST_PORT, &port.to_be_bytes());
            });
        });
        ask.nest(CTA_FILTER, |filter| filter.put(CTA_FILTER_ORIG_FLAGS, &BY_PORT.to_ne_bytes()));
    });
    let flows = socket.list(&question, |message| {
        let flow = attributes(message.body);
        is_for_the_host(flow, subnet).then(|| flow.get(CTA_TUPLE_ORIG).to_vec())
    })?;
    for flow in flows {
        let mut messages = Messages::default();
        messages.add(DELETE, ACKNOWLEDGE, &HEAD, |gone| {
            gone.nest(CTA_TUPLE_ORIG, |tuple| tuple.put_head(&flow));
        });
        match socket.perform(&messages) {
            // It has ended meanwhile.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Whether a flow was sent to the host: it was led to an instance, or the host had it itself. What passes through the
/// host to the same port of others is none of ours.
fn is_for_the_host(flow: Attributes<'_>, subnet: Subnet) -> bool {
    let address = |tuple, kind| {
        let bytes = flow.within(tuple).within(CTA_TUPLE_IP).get(kind);
        bytes.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes))
    };
    address(CTA_TUPLE_REPLY, CTA_IP_V4_SRC).is_some_and(|answers| subnet.has(answers))
        || address(CTA_TUPLE_ORIG, CTA_IP_V4_DST).is_some_and(is_of_the_host)
}

/// Whether the host has this address: only then can a socket be bound to it.
pub fn is_of_the_host(address: Ipv4Addr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}
