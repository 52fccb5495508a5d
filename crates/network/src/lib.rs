//! The network `private` of an instance: a network namespace of its own, joined to a bridge of the host, which
//! translates addresses for it.
//!
//! ```text
//!  instance          host
//!  eth0 ───────────▶ huskXXXXXXXX ─┐
//!  10.231.64.2/20                  husk0 ── table ip husk ── the host's own interfaces
//!  eth0 ───────────▶ huskYYYYYYYY ─┘ 10.231.64.1/20
//! ```
//! [`Network::prepare`] returns the namespace as a descriptor, and nothing else holds it: with the last descriptor and
//! the last process in it, it is gone, and both ends of the pair with it. What remains are the elements that publish
//! ports, each with the name of its instance; [`Network::withdraw`] and [`Network::sweep`] remove them. All state is
//! the kernel's. After a boot there is none.
//!
//! No program is started for it: links are made by rtnetlink(7), rules by nf_tables' own messages.
//!
//! What is held by tests: nothing reaches an instance but the host, other instances, and what a published port leads
//! there; an instance does not reach what the host serves on its loopback, and sends with no address of another
//! subnet. What is not: an instance can take the address of another one of the bridge (ARP); a firewall of the host
//! that drops what is passed on (a host with docker has one) drops what instances send; a program that begins to
//! listen on a port that is published gets nothing from it; `nft flush ruleset` takes the ports of running instances
//! away until they are prepared again.
//!
//! IPv4 alone. An instance has IPv6 on `lo` and link-local addresses, no way out by it, and nothing is published on it.

mod error;
mod files;
mod flow;
mod host;
mod link;
mod message;
mod name;
mod namespace;
mod network;
mod port;
mod publish;
mod published;
mod rule;
mod socket;
mod subnet;
mod table;

use std::net::Ipv4Addr;

pub use error::Error;
pub use files::{Files, Resolvers, files};
pub use name::{Label, Name};
pub use network::Network;
pub use publish::{Protocol, Publish};
pub use published::Published;
pub use subnet::{Pool, Subnet, parse_address};

/// What the host's side is called, and which addresses it has. To be changed while no instance has a network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The bridge. It belongs to one user of this crate at a time, in each network namespace of a host.
    pub bridge: Label,
    /// The table of nf_tables, of family `ip`.
    pub table: Label,
    /// The addresses of instances.
    pub subnet: Subnet,
}

impl Default for Settings {
    /// `husk0`, `husk`, [`Subnet::DEFAULT`].
    fn default() -> Self {
        Self { bridge: Label::bridge(), table: Label::table(), subnet: Subnet::DEFAULT }
    }
}

/// Whether a port of the host could be published just now. Nothing is taken for it: it may be another's by the time that it
/// is ([`Network::prepare`] looks again).
///
/// # Errors
/// A program of the host has it; the address is none of the host's; the kernel does not say.
pub fn check_port(publish: &Publish) -> Result<(), Error> {
    let mut socket =
        socket::Socket::diagnosis().map_err(|errno| Error::kernel("open a socket for sock_diag", errno))?;
    port::check(&mut socket, publish)
}

/// What an instance gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attachment {
    /// Its name.
    pub name: Name,
    /// Its address: one of the subnet that no other instance has.
    pub address: Ipv4Addr,
    /// Ports of the host that lead to it.
    pub publish: Vec<Publish>,
}
