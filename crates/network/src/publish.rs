//! Ports of the host that lead to an instance.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use crate::Error;
use crate::subnet::decimal;

/// What is spoken at a port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// tcp(7)
    Tcp,
    /// udp(7)
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// IPPROTO_TCP, IPPROTO_UDP
pub(crate) const fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    }
}

/// A port of the host that leads to a port of an instance: `[ADDRESS:]HOST:INSTANCE[/tcp|/udp]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Publish {
    /// The address of the host; none is all that it has, 127.0.0.1 among them.
    pub address: Option<Ipv4Addr>,
    /// The port of the host, from 1.
    pub host: u16,
    /// The port of the instance, from 1.
    pub instance: u16,
    /// What is spoken there.
    pub protocol: Protocol,
}

impl Publish {
    /// Whether both want the same port of the host.
    #[must_use]
    pub fn collides(&self, other: &Self) -> bool {
        let address = match (self.address, other.address) {
            (Some(one), Some(two)) => one == two,
            _ => true,
        };
        address && self.host == other.host && self.protocol == other.protocol
    }

    /// The end of it that is the host's.
    pub(crate) fn end(&self) -> String {
        match self.address {
            Some(address) => format!("{address}:{}/{}", self.host, self.protocol),
            None => format!("{}/{}", self.host, self.protocol),
        }
    }
}

impl FromStr for Publish {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why: String| Error::said(format!("publish \"{}\": {why}", text.escape_debug()));
        let (ports, protocol) = match text.split_once('/') {
            None => (text, Protocol::Tcp),
            Some((ports, "tcp")) => (ports, Protocol::Tcp),
            Some((ports, "udp")) => (ports, Protocol::Udp),
            Some(_) => return Err(wrong("what stands after the '/' must be tcp or udp".to_owned())),
        };
        let form = || wrong("must be [ADDRESS:]HOST:INSTANCE[/udp], as 8080:80".to_owned());
        let (rest, instance) = ports.rsplit_once(':').ok_or_else(form)?;
        let (address, host) = match rest.rsplit_once(':') {
            Some((address, host)) => (Some(address), host),
            None => (None, rest),
        };
        let port = |what: &str, text: &str| {
            let port = decimal(text).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
            port.ok_or_else(|| wrong(format!("the {what} port must be 1 to 65535")))
        };
        let address = match address {
            None | Some("0.0.0.0") => None,
            Some(address) if address.contains(':') => {
                return Err(wrong(
                    "IPv6 is not translated: give an IPv4 address of the host, or none".to_owned(),
                ));
            }
            Some(address) => {
                let address: Ipv4Addr =
                    address.parse().map_err(|_| wrong("what stands first is no IPv4 address".to_owned()))?;
                if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
                    return Err(wrong("no host has this address".to_owned()));
                }
                Some(address)
            }
        };
        Ok(Self { address, host: port("host's", host)?, instance: port("instance's", instance)?, protocol })
    }
}

impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(address) = self.address {
            write!(f, "{address}:")?;
        }
        write!(f, "{}:{}/{}", self.host, self.instance, self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_published_as_it_is_written() {
        for (text, meant) in [
            ("8080:80", "8080:80/tcp"),
            ("8080:80/tcp", "8080:80/tcp"),
            ("53:53/udp", "53:53/udp"),
            ("127.0.0.1:8080:80", "127.0.0.1:8080:80/tcp"),
            ("0.0.0.0:1:65535/udp", "1:65535/udp"),
        ] {
            let publish: Publish = text.parse().expect(text);
            assert_eq!(publish.to_string(), meant);
            assert_eq!(meant.parse(), Ok(publish));
        }
    }

    #[test]
    fn what_is_wrong_with_a_published_port_is_said() {
        for (text, why) in [
            ("", "must be [ADDRESS:]HOST:INSTANCE[/udp], as 8080:80"),
            ("80", "must be [ADDRESS:]HOST:INSTANCE[/udp], as 8080:80"),
            ("8080:80/sctp", "what stands after the '/' must be tcp or udp"),
            ("8080:80/", "what stands after the '/' must be tcp or udp"),
            ("0:80", "the host's port must be 1 to 65535"),
            ("65536:80", "the host's port must be 1 to 65535"),
            ("80:+1", "the instance's port must be 1 to 65535"),
            ("80:", "the instance's port must be 1 to 65535"),
            ("localhost:80:80", "what stands first is no IPv4 address"),
            ("[::1]:80:80", "IPv6 is not translated: give an IPv4 address of the host, or none"),
            ("255.255.255.255:80:80", "no host has this address"),
        ] {
            let error = text.parse::<Publish>().expect_err(text).to_string();
            assert_eq!(error, format!("publish \"{text}\": {why}"));
        }
    }

    #[test]
    fn ports_collide_where_one_packet_would_be_for_both() {
        let publish = |text: &str| text.parse::<Publish>().expect(text);
        let collide = |one: &str, two: &str| publish(one).collides(&publish(two));
        assert!(collide("80:1", "80:2"));
        assert!(collide("80:1", "127.0.0.1:80:2"));
        assert!(!collide("192.0.2.1:80:1", "127.0.0.1:80:1"));
        assert!(!collide("80:1", "80:1/udp"));
        assert!(!collide("80:1", "81:1"));
    }
}
