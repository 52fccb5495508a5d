//! The words that rules of nf_tables are made of (linux/netfilter/nf_tables.h). `nft --debug=netlink` shows the same
//! for a rule in nft(8)'s language.

use std::net::Ipv4Addr;

use crate::message::Writer;

const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_BODY: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;

/// The registers of 4 bytes: a key lies in several, one behind the other.
pub const REGISTER: u32 = 8;
const VERDICT_REGISTER: u32 = 0;

/// What becomes of a packet.
#[derive(Clone, Copy)]
pub enum Verdict {
    Drop = 0,
    Accept = 1,
}

/// Which interface is asked about.
#[derive(Clone, Copy)]
pub enum Side {
    /// The one that a packet came in by: NFT_META_IIFNAME
    In = 6,
    /// The one that it goes out by: NFT_META_OIFNAME
    Out = 7,
}

/// Equal or not: NFT_CMP_EQ, NFT_CMP_NEQ.
#[derive(Clone, Copy)]
pub enum Comparison {
    Is = 0,
    IsNot = 1,
}

/// Where an address stands in an IPv4 header.
#[derive(Clone, Copy)]
pub enum Address {
    Source = 12,
    Destination = 16,
}

/// A rule being written: what is asked of a packet, from left to right, and then what is done.
pub struct Rule<'r, 'm> {
    list: &'r mut Writer<'m>,
}

impl<'r, 'm> Rule<'r, 'm> {
    /// A rule whose words go into this attribute.
    pub fn new(list: &'r mut Writer<'m>) -> Self {
        Self { list }
    }

    fn word(&mut self, name: &str, body: impl FnOnce(&mut Writer<'_>)) -> &mut Self {
        self.list.nest(LIST_ELEMENT, |word| {
            word.put_text(EXPRESSION_NAME, name);
            word.nest(EXPRESSION_BODY, body);
        });
        self
    }

    fn compare(&mut self, comparison: Comparison, value: &[u8]) -> &mut Self {
        self.word("cmp", |word| {
            word.put_number(1, REGISTER); // NFTA_CMP_SREG
            word.put_number(2, comparison as u32); // NFTA_CMP_OP
            word.nest(3, |data| data.put(DATA_VALUE, value)); // NFTA_CMP_DATA
        })
    }

    /// The bits of a register that are in the mask.
    fn mask(&mut self, mask: [u8; 4]) -> &mut Self {
        self.word("bitwise", |word| {
            word.put_number(1, REGISTER); // NFTA_BITWISE_SREG
            word.put_number(2, REGISTER); // NFTA_BITWISE_DREG
            word.put_number(3, 4); // NFTA_BITWISE_LEN
            word.nest(4, |data| data.put(DATA_VALUE, &mask)); // NFTA_BITWISE_MASK
            word.nest(5, |data| data.put(DATA_VALUE, &[0; 4])); // NFTA_BITWISE_XOR
        })
    }

    fn payload(&mut self, register: u32, header: u32, offset: u32, length: u32) -> &mut Self {
        self.word("payload", |word| {
            word.put_number(1, register); // NFTA_PAYLOAD_DREG
            word.put_number(2, header); // NFTA_PAYLOAD_BASE
            word.put_number(3, offset); // NFTA_PAYLOAD_OFFSET
            word.put_number(4, length); // NFTA_PAYLOAD_LEN
        })
    }

    fn meta(&mut self, key: u32) -> &mut Self {
        self.word("meta", |word| {
            word.put_number(2, key); // NFTA_META_KEY
            word.put_number(1, REGISTER); // NFTA_META_DREG
        })
    }

    /// `iifname NAME`, `oifname != NAME`
    pub fn interface(&mut self, side: Side, comparison: Comparison, name: &str) -> &mut Self {
        let mut padded = [0; 16];
        padded.iter_mut().zip(name.bytes()).for_each(|(place, byte)| *place = byte);
        self.meta(side as u32).compare(comparison, &padded)
    }

    /// `ip saddr NETWORK/MASK`, `ip daddr != NETWORK/MASK`
    pub fn network(
        &mut self,
        address: Address,
        comparison: Comparison,
        network: Ipv4Addr,
        mask: Ipv4Addr,
    ) -> &mut Self {
        self.payload(REGISTER, NETWORK_HEADER, address as u32, 4).mask(mask.octets());
        self.compare(comparison, &network.octets())
    }

    /// `fib daddr type local`: the packet is for an address of this machine.
    pub fn for_this_machine(&mut self) -> &mut Self {
        const RTN_LOCAL: u32 = 2;
        self.word("fib", |word| {
            word.put_number(1, REGISTER); // NFTA_FIB_DREG
            word.put_number(2, 3); // NFTA_FIB_RESULT: NFT_FIB_RESULT_ADDRTYPE
            word.put_number(3, 2); // NFTA_FIB_FLAGS: NFTA_FIB_F_DADDR
        })
        .compare(Comparison::Is, &RTN_LOCAL.to_ne_bytes())
    }

    /// `ct state established,related`
    pub fn answer(&mut self) -> &mut Self {
        self.tracked(0, 2 | 4) // NFT_CT_STATE
    }

    /// `ct status dnat`: its destination was another.
    pub fn redirected(&mut self) -> &mut Self {
        self.tracked(2, 1 << 5) // NFT_CT_STATUS, IPS_DST_NAT
    }

    fn tracked(&mut self, key: u32, bits: u32) -> &mut Self {
        self.word("ct", |word| {
            word.put_number(2, key); // NFTA_CT_KEY
            word.put_number(1, REGISTER); // NFTA_CT_DREG
        });
        self.mask(bits.to_ne_bytes()).compare(Comparison::IsNot, &[0; 4])
    }

    /// `dnat to meta l4proto . [ip daddr .] th dport map @MAP`; without an element for it, the rule has no effect.
    pub fn redirect(&mut self, map: &str, by_address: ByAddress) -> &mut Self {
        self.meta(16); // NFT_META_L4PROTO
        let mut next = REGISTER + 1;
        if by_address == ByAddress::Yes {
            self.payload(next, NETWORK_HEADER, Address::Destination as u32, 4);
            next += 1;
        }
        self.payload(next, TRANSPORT_HEADER, 2, 2);
        self.word("lookup", |word| {
            word.put_text(1, map); // NFTA_LOOKUP_SET
            word.put_number(2, REGISTER); // NFTA_LOOKUP_SREG
            word.put_number(3, REGISTER); // NFTA_LOOKUP_DREG
        });
        self.word("nat", |word| {
            word.put_number(1, 1); // NFTA_NAT_TYPE: NFT_NAT_DNAT
            word.put_number(2, u32::from(crate::table::FAMILY)); // NFTA_NAT_FAMILY
            word.put_number(3, REGISTER); // NFTA_NAT_REG_ADDR_MIN
            word.put_number(5, REGISTER + 1); // NFTA_NAT_REG_PROTO_MIN
        })
    }

    /// `masquerade`: the source becomes the address of the interface that the packet goes out by.
    pub fn masquerade(&mut self) {
        self.word("masq", |_| {});
    }

    /// `accept`, `drop`
    pub fn verdict(&mut self, verdict: Verdict) {
        self.word("immediate", |word| {
            word.put_number(1, VERDICT_REGISTER); // NFTA_IMMEDIATE_DREG
            // NFTA_IMMEDIATE_DATA with NFTA_VERDICT_CODE
            word.nest(2, |data| data.nest(DATA_VERDICT, |code| code.put_number(1, verdict as u32)));
        });
    }
}

/// Whether a map's key has the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByAddress {
    Yes,
    No,
}

/// NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
