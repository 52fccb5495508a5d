//! husk's table in nf_tables: what it is made of, and how it comes and goes.
//!
//! ```text
//! table ip husk {
//!   map ports     { type inet_proto . inet_service : ipv4_addr . inet_service }
//!   map addresses { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service }
//!   chain guard     { type filter hook prerouting priority raw      … }
//!   chain arriving  { type nat hook prerouting priority dstnat      … }
//!   chain local     { type nat hook output priority dstnat          … }
//!   chain forwarded { type filter hook forward priority filter      … }
//!   chain leaving   { type nat hook postrouting priority srcnat     … }
//! }
//! ```
//! All of it is there once, for the whole subnet; an instance has elements in the maps alone, one for each port, with
//! its name as their comment. The table is made by one transaction: if it exists, it is complete.

use std::net::Ipv4Addr;

use sys::{Errno, Result};

use crate::Settings;
use crate::message::{ACKNOWLEDGE, APPEND, Attributes, CREATE, EXCLUSIVE, Messages, Writer};
use crate::rule::{Address, ByAddress, Comparison, Rule, Side, Verdict};
use crate::socket::Socket;

/// AF_INET: IPv4 alone.
pub const FAMILY: u8 = 2;

/// `struct nfgenmsg`: family, version, resource.
pub const HEAD: [u8; 4] = [FAMILY, 0, 0, 0];

/// NFNL_SUBSYS_NFTABLES, in the upper half of a message's type.
const NFTABLES: u16 = 10 << 8;
const NEWTABLE: u16 = NFTABLES;
const GETTABLE: u16 = NFTABLES | 1;
const DELTABLE: u16 = NFTABLES | 2;
const NEWCHAIN: u16 = NFTABLES | 3;
const GETCHAIN: u16 = NFTABLES | 4;
const NEWRULE: u16 = NFTABLES | 6;
const NEWSET: u16 = NFTABLES | 9;
pub const NEWSETELEM: u16 = NFTABLES | 12;
pub const GETSETELEM: u16 = NFTABLES | 13;
pub const DELSETELEM: u16 = NFTABLES | 14;

/// The map of ports that are published at all addresses of the host, and the map of those at one.
pub const PORTS: &str = "ports";
pub const ADDRESSES: &str = "addresses";

/// A chain without a hook and without rules, by which is known that IPv4 was not forwarded before husk. The kernel
/// keeps it as long as it keeps the setting itself: until the next boot.
const MARK: &str = "ip_forward_was_off";

/// The changes of one transaction.
pub struct Transaction {
    messages: Messages,
}

impl Transaction {
    /// Without a change yet.
    pub fn new() -> Self {
        let mut messages = Messages::default();
        messages.add(0x10, 0, &BATCH, |_| {}); // NFNL_MSG_BATCH_BEGIN
        Self { messages }
    }

    /// The messages, to which changes are added.
    pub fn changes(&mut self) -> &mut Messages {
        &mut self.messages
    }

    /// Has all of it happen, or nothing.
    pub fn commit(mut self, socket: &mut Socket) -> Result<()> {
        self.messages.add(0x11, 0, &BATCH, |_| {}); // NFNL_MSG_BATCH_END
        socket.perform(&self.messages)
    }
}

/// `struct nfgenmsg` of the begin and the end of a transaction, with NFNL_SUBSYS_NFTABLES as its resource.
const BATCH: [u8; 4] = [0, 0, 0, 10];

/// Whether IPv4 was forwarded when the table was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forwarding {
    WasOn,
    WasOff,
}

/// Whether the table exists.
pub fn exists(socket: &mut Socket, table: &str) -> Result<bool> {
    found(socket, GETTABLE, |ask| ask.put_text(1, table)) // NFTA_TABLE_NAME
}

/// What there was before the table was made.
pub fn forwarding_before(socket: &mut Socket, table: &str) -> Result<Forwarding> {
    let marked = found(socket, GETCHAIN, |ask| {
        ask.put_text(1, table); // NFTA_CHAIN_TABLE
        ask.put_text(3, MARK); // NFTA_CHAIN_NAME
    })?;
    Ok(if marked { Forwarding::WasOff } else { Forwarding::WasOn })
}

fn found(socket: &mut Socket, kind: u16, name: impl FnOnce(&mut Writer<'_>)) -> Result<bool> {
    let mut question = Messages::default();
    question.add(kind, ACKNOWLEDGE, &HEAD, name);
    match socket.list(&question, |_| Some(())) {
        Ok(found) => Ok(!found.is_empty()),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Removes the table with all that is in it, if it exists.
pub fn remove(socket: &mut Socket, table: &str) -> Result<()> {
    let mut transaction = Transaction::new();
    transaction.changes().add(DELTABLE, ACKNOWLEDGE, &HEAD, |gone| gone.put_text(1, table));
    match transaction.commit(socket) {
        Err(Errno::NOENT) => Ok(()),
        outcome => outcome,
    }
}

/// Makes the table.
pub fn make(socket: &mut Socket, settings: &Settings, before: Forwarding) -> Result<()> {
    let mut transaction = Transaction::new();
    let mut making = Making { messages: transaction.changes(), table: settings.table.as_str() };
    making.messages.add(NEWTABLE, ACKNOWLEDGE | CREATE | EXCLUSIVE, &HEAD, |table| {
        table.put_text(1, settings.table.as_str()); // NFTA_TABLE_NAME
        table.put_number(2, 0); // NFTA_TABLE_FLAGS
    });
    making.map(PORTS, 1, &[INET_PROTO, INET_SERVICE]);
    making.map(ADDRESSES, 2, &[INET_PROTO, IPV4_ADDR, INET_SERVICE]);
    making.guard(settings);
    making.redirect("arriving", PREROUTING);
    making.redirect("local", OUTPUT);
    making.forward(settings);
    making.leave(settings);
    if before == Forwarding::WasOff {
        making.chain(MARK, None);
    }
    transaction.commit(socket)
}

/// NF_INET_PRE_ROUTING and the others; priorities as nft(8) names them.
const PREROUTING: Hook = Hook { kind: "nat", number: 0, priority: -100 };
const OUTPUT: Hook = Hook { kind: "nat", number: 3, priority: -100 };
const POSTROUTING: Hook = Hook { kind: "nat", number: 4, priority: 100 };
const FORWARD: Hook = Hook { kind: "filter", number: 2, priority: 0 };
/// Before connections are tracked and addresses translated: what is seen here is what was on the wire.
const RAW: Hook = Hook { kind: "filter", number: 0, priority: -300 };

/// 127.0.0.0/8: the network and its mask.
const LOOPBACK: (Ipv4Addr, Ipv4Addr) = (Ipv4Addr::new(127, 0, 0, 0), Ipv4Addr::new(255, 0, 0, 0));

/// nft(8)'s numbers of types: how the table is shown depends on them, and nothing else.
const IPV4_ADDR: u32 = 7;
const INET_PROTO: u32 = 12;
const INET_SERVICE: u32 = 13;

/// nft(8)'s number of a type that is put together from others.
fn concatenation(parts: &[u32]) -> u32 {
    parts.iter().fold(0, |all, part| all << 6 | part)
}

struct Hook {
    kind: &'static str,
    number: u32,
    priority: i32,
}

/// The table being made.
struct Making<'t> {
    messages: &'t mut Messages,
    table: &'t str,
}

impl Making<'_> {
    fn map(&mut self, name: &str, id: u32, key: &[u32]) {
        const MAP: u32 = 8; // NFT_SET_MAP
        self.messages.add(NEWSET, ACKNOWLEDGE | CREATE | EXCLUSIVE, &HEAD, |map| {
            map.put_text(1, self.table); // NFTA_SET_TABLE
            map.put_text(2, name); // NFTA_SET_NAME
            map.put_number(3, MAP); // NFTA_SET_FLAGS
            map.put_number(4, concatenation(key)); // NFTA_SET_KEY_TYPE
            map.put_number(5, 4 * key.len() as u32); // NFTA_SET_KEY_LEN
            map.put_number(6, concatenation(&[IPV4_ADDR, INET_SERVICE])); // NFTA_SET_DATA_TYPE
            map.put_number(7, 8); // NFTA_SET_DATA_LEN
            map.put_number(10, id); // NFTA_SET_ID
        });
    }

    fn chain(&mut self, name: &str, hook: Option<&Hook>) {
        self.messages.add(NEWCHAIN, ACKNOWLEDGE | CREATE | EXCLUSIVE, &HEAD, |chain| {
            chain.put_text(1, self.table); // NFTA_CHAIN_TABLE
            chain.put_text(3, name); // NFTA_CHAIN_NAME
            let Some(hook) = hook else { return };
            // NFTA_CHAIN_HOOK: NFTA_HOOK_HOOKNUM, NFTA_HOOK_PRIORITY
            chain.nest(4, |place| {
                place.put_number(1, hook.number);
                place.put_number(2, hook.priority.cast_unsigned());
            });
            chain.put_text(7, hook.kind); // NFTA_CHAIN_TYPE
        });
    }

    fn rule(&mut self, chain: &str, write: impl FnOnce(&mut Rule<'_, '_>)) {
        self.messages.add(NEWRULE, ACKNOWLEDGE | CREATE | APPEND, &HEAD, |rule| {
            rule.put_text(1, self.table); // NFTA_RULE_TABLE
            rule.put_text(2, chain); // NFTA_RULE_CHAIN
            rule.nest(4, |words| write(&mut Rule::new(words))); // NFTA_RULE_EXPRESSIONS
        });
    }

    /// What comes from instances with an address that is not theirs is dropped. And what is for 127.0.0.0/8:
    /// route_localnet, without which 127.0.0.1 cannot lead to an instance, would let an instance in to what the host
    /// serves there for itself (CVE-2020-8558).
    fn guard(&mut self, settings: &Settings) {
        let bridge = settings.bridge.as_str();
        let (network, mask) = (settings.subnet.network(), settings.subnet.mask());
        self.chain("guard", Some(&RAW));
        self.rule("guard", |rule| {
            rule.interface(Side::In, Comparison::Is, bridge);
            rule.network(Address::Source, Comparison::IsNot, network, mask).verdict(Verdict::Drop);
        });
        self.rule("guard", |rule| {
            rule.interface(Side::In, Comparison::Is, bridge);
            rule.network(Address::Destination, Comparison::Is, LOOPBACK.0, LOOPBACK.1);
            rule.verdict(Verdict::Drop);
        });
    }

    /// Published ports, for what comes in and for what the host sends itself.
    fn redirect(&mut self, chain: &str, hook: Hook) {
        self.chain(chain, Some(&hook));
        self.rule(chain, |rule| {
            rule.redirect(ADDRESSES, ByAddress::Yes);
        });
        self.rule(chain, |rule| {
            rule.for_this_machine().redirect(PORTS, ByAddress::No);
        });
    }

    /// Into the subnet go answers and what published ports have led there; without this, whoever shares a network
    /// with the host could reach every port of every instance by a route through it.
    fn forward(&mut self, settings: &Settings) {
        let bridge = settings.bridge.as_str();
        let chain = "forwarded";
        self.chain(chain, Some(&FORWARD));
        self.rule(chain, |rule| rule.interface(Side::In, Comparison::Is, bridge).verdict(Verdict::Accept));
        self.rule(chain, |rule| {
            rule.interface(Side::Out, Comparison::Is, bridge).answer().verdict(Verdict::Accept);
        });
        self.rule(chain, |rule| {
            rule.interface(Side::Out, Comparison::Is, bridge).redirected().verdict(Verdict::Accept);
        });
        self.rule(chain, |rule| rule.interface(Side::Out, Comparison::Is, bridge).verdict(Verdict::Drop));
    }

    /// The address of the host in place of: an instance's, when it leaves the subnet; an instance's that has come
    /// back by a published port, since the other would answer it past the host; 127.0.0.1, which has no way back.
    fn leave(&mut self, settings: &Settings) {
        let bridge = settings.bridge.as_str();
        let (network, mask) = (settings.subnet.network(), settings.subnet.mask());
        self.chain("leaving", Some(&POSTROUTING));
        self.rule("leaving", |rule| {
            rule.network(Address::Source, Comparison::Is, network, mask);
            rule.interface(Side::Out, Comparison::IsNot, bridge).masquerade();
        });
        self.rule("leaving", |rule| {
            rule.network(Address::Source, Comparison::Is, network, mask);
            rule.interface(Side::Out, Comparison::Is, bridge).redirected().masquerade();
        });
        self.rule("leaving", |rule| {
            rule.network(Address::Source, Comparison::Is, LOOPBACK.0, LOOPBACK.1);
            rule.interface(Side::Out, Comparison::Is, bridge).masquerade();
        });
    }
}

/// The attributes of an answer of nf_tables.
pub fn attributes(body: &[u8]) -> Attributes<'_> {
    Attributes::behind(body, HEAD.len())
}
