//! The machine's name, `lo`, and an address on the first network card.

use core::net::IpAddr;
use core::ops::ControlFlow;

use sys::network::{Network, Routing};

use crate::boot::warn;
use crate::lines::each_line;
use crate::message::Part::{Text, Value};
use crate::values::number;

/// What is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Nothing.
    None,
    /// `lo`.
    Loopback,
    /// `lo`, and an address on the first network card, with a gateway where there is one.
    Card(Network, Option<IpAddr>),
}

impl Wanted {
    /// `lo`, `none`, `ADDRESS/PREFIX` or `ADDRESS/PREFIX,GATEWAY`.
    #[must_use]
    pub fn named(text: &[u8]) -> Option<Self> {
        match text {
            b"none" => return Some(Self::None),
            b"lo" => return Some(Self::Loopback),
            _ => {}
        }
        let mut parts = text.splitn(2, |byte| *byte == b',');
        let mut network = parts.next()?.splitn(2, |byte| *byte == b'/');
        let address = ip_address(network.next()?)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = number(network.next()?).filter(|prefix| *prefix <= most)? as u8;
        let gateway = match parts.next() {
            Some(gateway) => {
                Some(ip_address(gateway).filter(|gateway| gateway.is_ipv4() == address.is_ipv4())?)
            }
            None => None,
        };
        Some(Self::Card(Network { address, prefix }, gateway))
    }
}

fn ip_address(text: &[u8]) -> Option<IpAddr> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// Sets it up; a step that fails is a warning.
pub fn set_up(wanted: Wanted) {
    if wanted == Wanted::None {
        return;
    }
    if let Err(errno) = sys::loopback::bring_up() {
        warn(&[Text("lo"), Text("")], errno, "no connections to localhost");
    }
    if let Wanted::Card(network, gateway) = wanted
        && let Err((what, errno)) = set_up_card(network, gateway)
    {
        warn(&[Text("--net: "), Text(what)], errno, "nothing but localhost can be reached");
    }
}

fn set_up_card(network: Network, gateway: Option<IpAddr>) -> Result<(), (&'static str, sys::Errno)> {
    let routing = Routing::open().map_err(|errno| ("rtnetlink", errno))?;
    let card = routing.first_card().map_err(|errno| ("network card", errno))?;
    routing.bring_up(card).map_err(|errno| ("bring it up", errno))?;
    routing.add_address(card, network).map_err(|errno| ("address", errno))?;
    match gateway {
        Some(gateway) => routing.add_default_route(card, gateway).map_err(|errno| ("gateway", errno)),
        None => Ok(()),
    }
}

/// Gives the machine the name that /etc/hostname says: the first line that is neither empty nor a comment
/// (hostname(5)).
pub fn name_from_file() {
    // Without the file the kernel's own name stays.
    let _ = each_line(c"/etc/hostname", &mut |line| {
        let name = line.trim_ascii();
        if name.is_empty() || name.starts_with(b"#") {
            return ControlFlow::Continue(());
        }
        set_name(name);
        ControlFlow::Break(())
    });
}

/// Gives the machine a name.
pub fn set_name(name: &[u8]) {
    if let Err(errno) = sys::system::sethostname(name) {
        warn(&[Text("hostname "), Value(name)], errno, "the name stays what it was");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_prefix_and_perhaps_a_gateway() {
        let card = |address: [u8; 4], prefix| Network { address: IpAddr::from(address), prefix };
        assert_eq!(Wanted::named(b"none"), Some(Wanted::None));
        assert_eq!(Wanted::named(b"10.0.0.2/24"), Some(Wanted::Card(card([10, 0, 0, 2], 24), None)));
        assert_eq!(
            Wanted::named(b"10.0.0.2/24,10.0.0.1"),
            Some(Wanted::Card(card([10, 0, 0, 2], 24), Some(IpAddr::from([10, 0, 0, 1]))))
        );
        assert!(matches!(Wanted::named(b"fd00::2/64,fd00::1"), Some(Wanted::Card(_, Some(IpAddr::V6(_))))));
        for text in ["", "10.0.0.2", "10.0.0.2/33", "10.0.0.2/24,", "10.0.0.2/24,fd00::1", "10.0.2/24", "lo,"]
        {
            assert_eq!(Wanted::named(text.as_bytes()), None, "{text}");
        }
    }
}
