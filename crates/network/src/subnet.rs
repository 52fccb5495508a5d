//! The addresses of instances.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::Error;

/// A subnet of IPv4 addresses, /8 to /29. Its first address is the gateway's, which is the host's end; the last is
/// the broadcast address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subnet {
    first: u32,
    prefix: u8,
}

impl Subnet {
    /// 10.231.64.0/20: more addresses than a bridge takes instances, which are 1023. Docker takes 172.16.0.0/12, podman 10.88.0.0/16 and up, Kubernetes 10.96.0.0/12
    /// and 10.244.0.0/16, libvirt 192.168.122.0/24, LXC 10.0.3.0/24.
    pub const DEFAULT: Self = Self { first: 0x0ae7_4000, prefix: 20 };

    /// The length of the network's part, in bits.
    #[must_use]
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// The address of the network itself.
    #[must_use]
    pub const fn network(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first)
    }

    /// The mask of the network's part.
    #[must_use]
    pub const fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32::MAX << (32 - self.prefix))
    }

    /// The host's address in it.
    #[must_use]
    pub const fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first + 1)
    }

    /// Whether an instance can have this address: neither the network's, nor the gateway's, nor the broadcast address.
    #[must_use]
    pub const fn has(self, address: Ipv4Addr) -> bool {
        let bits = address.to_bits();
        bits > self.first + 1 && bits < self.last()
    }

    /// Whether the two have addresses in common.
    #[must_use]
    pub(crate) const fn meets(self, network: u32, prefix: u8) -> bool {
        let shorter = if prefix < self.prefix { prefix } else { self.prefix };
        shorter == 0 || (network ^ self.first) >> (32 - shorter) == 0
    }

    const fn last(self) -> u32 {
        self.first | (u32::MAX >> self.prefix)
    }
}

impl FromStr for Subnet {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::said(format!("subnet \"{}\": {why}", text.escape_debug()));
        let (address, prefix) =
            text.split_once('/').ok_or_else(|| wrong("must be ADDRESS/BITS, as 10.231.64.0/20"))?;
        let address: Ipv4Addr =
            address.parse().map_err(|_| wrong("what stands before the '/' is no IPv4 address"))?;
        let prefix = decimal(prefix)
            .and_then(|prefix| u8::try_from(prefix).ok())
            .filter(|prefix| (8..=29).contains(prefix))
            .ok_or_else(|| wrong("the number of bits must be 8 to 29"))?;
        let subnet = Self { first: address.to_bits() & (u32::MAX << (32 - prefix)), prefix };
        if subnet.network() != address {
            return Err(wrong(&format!("the first address is {}", subnet.network())));
        }
        if !is_unicast(subnet.network()) || !is_unicast(Ipv4Addr::from_bits(subnet.last())) {
            return Err(wrong("its addresses are not for hosts"));
        }
        Ok(subnet)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network(), self.prefix)
    }
}

/// Hands out the addresses of a subnet. What is free again comes last, so that a peer who still remembers the
/// instance that had an address does not reach the next one by it.
#[derive(Clone, Debug)]
pub struct Pool {
    subnet: Subnet,
    last: u32,
}

impl Pool {
    /// All of the subnet, from its second address.
    #[must_use]
    pub const fn new(subnet: Subnet) -> Self {
        Self { subnet, last: subnet.first + 1 }
    }

    /// An address that is none of those in use.
    ///
    /// # Errors
    /// All are in use.
    pub fn take(&mut self, in_use: &[Ipv4Addr]) -> Result<Ipv4Addr, Error> {
        let (first, last) = (self.subnet.first + 2, self.subnet.last() - 1);
        let mut used: Vec<u32> = in_use.iter().map(|address| address.to_bits()).collect();
        used.sort_unstable();
        let free = |from: u32, to: u32| (from..=to).find(|bits| used.binary_search(bits).is_err());
        let bits =
            free(self.last + 1, last).or_else(|| free(first, self.last.min(last))).ok_or_else(|| {
                Error::said(format!("subnet {}: all {} addresses are in use", self.subnet, last - first + 1))
            })?;
        self.last = bits;
        Ok(Ipv4Addr::from_bits(bits))
    }
}

/// The address of an instance, as a person gives it.
///
/// # Errors
/// It is no IPv4 address, or none that an instance can have in this subnet.
pub fn parse_address(text: &str, subnet: Subnet) -> Result<Ipv4Addr, Error> {
    let wrong = |why: String| Error::said(format!("address \"{}\": {why}", text.escape_debug()));
    let address: Ipv4Addr = text.parse().map_err(|_| wrong("not an IPv4 address".to_owned()))?;
    if subnet.has(address) {
        return Ok(address);
    }
    Err(wrong(if address == subnet.gateway() {
        format!("the host has it: it is the gateway of {subnet}")
    } else {
        format!(
            "instances have {} to {}",
            Ipv4Addr::from_bits(subnet.first + 2),
            Ipv4Addr::from_bits(subnet.last() - 1)
        )
    }))
}

/// A number in decimal digits alone: no sign, no space.
pub(crate) fn decimal(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Whether it can be the address of one host: not 0.0.0.0/8, 127.0.0.0/8, multicast or above.
pub(crate) const fn is_unicast(address: Ipv4Addr) -> bool {
    !matches!(address.octets()[0], 0 | 127 | 224..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().expect("a subnet")
    }

    #[test]
    fn a_subnet_has_a_gateway_and_addresses_for_instances() {
        let subnet = subnet("192.0.2.8/29");
        assert_eq!(subnet.to_string(), "192.0.2.8/29");
        assert_eq!(subnet.gateway(), Ipv4Addr::new(192, 0, 2, 9));
        assert_eq!(subnet.mask(), Ipv4Addr::new(255, 255, 255, 248));
        let has: Vec<u8> = (0..=255).filter(|last| subnet.has(Ipv4Addr::new(192, 0, 2, *last))).collect();
        assert_eq!(has, [10, 11, 12, 13, 14]);
        assert_eq!(Subnet::DEFAULT, self::subnet("10.231.64.0/20"));
    }

    #[test]
    fn what_is_wrong_with_a_subnet_is_said() {
        for (text, why) in [
            ("10.0.0.0", "must be ADDRESS/BITS, as 10.231.64.0/20"),
            ("10.0.0/24", "what stands before the '/' is no IPv4 address"),
            ("::1/64", "what stands before the '/' is no IPv4 address"),
            ("10.0.0.0/30", "the number of bits must be 8 to 29"),
            ("10.0.0.0/+9", "the number of bits must be 8 to 29"),
            ("10.0.0.0/4294967304", "the number of bits must be 8 to 29"),
            ("10.0.0.7/24", "the first address is 10.0.0.0"),
            ("127.0.0.0/8", "its addresses are not for hosts"),
            ("224.0.0.0/24", "its addresses are not for hosts"),
        ] {
            let error = text.parse::<Subnet>().expect_err(text).to_string();
            assert_eq!(error, format!("subnet \"{text}\": {why}"));
        }
    }

    #[test]
    fn no_address_is_handed_out_twice_and_an_exhausted_pool_says_so() {
        let mut pool = Pool::new(subnet("10.0.0.0/28"));
        let mut used = Vec::new();
        for last in 2..15 {
            let address = pool.take(&used).expect("one is free");
            assert_eq!(address, Ipv4Addr::new(10, 0, 0, last));
            used.push(address);
        }
        let error = pool.take(&used).expect_err("none is free").to_string();
        assert_eq!(error, "subnet 10.0.0.0/28: all 13 addresses are in use");
        used.remove(4);
        assert_eq!(pool.take(&used), Ok(Ipv4Addr::new(10, 0, 0, 6)));
    }

    #[test]
    fn an_address_that_is_free_again_comes_last() {
        let mut pool = Pool::new(subnet("10.0.0.0/29"));
        let taken: Vec<u8> = (0..7).map(|_| pool.take(&[]).expect("one is free").octets()[3]).collect();
        assert_eq!(taken, [2, 3, 4, 5, 6, 2, 3]);
        // What others use, addresses of other networks among it, is passed over.
        let others = [Ipv4Addr::new(10, 0, 0, 4), Ipv4Addr::new(192, 0, 2, 5)];
        assert_eq!(pool.take(&others), Ok(Ipv4Addr::new(10, 0, 0, 5)));
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said() {
        let parse = |text| parse_address(text, Subnet::DEFAULT);
        assert_eq!(parse("10.231.64.2"), Ok(Ipv4Addr::new(10, 231, 64, 2)));
        for (text, why) in [
            ("10.231.64", "not an IPv4 address"),
            ("10.231.64.1", "the host has it: it is the gateway of 10.231.64.0/20"),
            ("10.231.79.255", "instances have 10.231.64.2 to 10.231.79.254"),
            ("10.231.80.2", "instances have 10.231.64.2 to 10.231.79.254"),
        ] {
            assert_eq!(parse(text).expect_err(text).to_string(), format!("address \"{text}\": {why}"));
        }
    }
}
