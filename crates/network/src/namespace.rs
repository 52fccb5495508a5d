//! A network namespace that nothing but a descriptor holds.

use std::net::{IpAddr, Ipv4Addr};
use std::{fs, io, thread};

use sys::Errno;
use sys::fd::OwnedFd;
use sys::network::{Network, Routing};

use crate::Error;
use crate::link::INSIDE;
use crate::subnet::Subnet;

/// A new namespace, and a socket in it.
#[derive(Debug)]
pub struct Namespace {
    /// What holds it.
    pub descriptor: OwnedFd,
    routing: Routing,
}

impl Namespace {
    /// Makes one with `lo` up. A thread of its own goes there and ends, so that the caller's stays where it is: what
    /// cannot be left behind half-way need not be undone.
    pub fn new() -> Result<Self, Error> {
        let make = || -> sys::Result<Self> {
            sys::namespace::unshare_network()?;
            sys::loopback::bring_up()?;
            refuse_routers()?;
            Ok(Self { descriptor: sys::namespace::current_network()?, routing: Routing::open()? })
        };
        let thread = thread::Builder::new()
            .name("namespace".to_owned())
            .stack_size(64 * 1024)
            .spawn(make)
            .map_err(|error| Error::said(format!("create a thread: {error}")))?;
        match thread.join() {
            Ok(made) => made.map_err(|errno| Error::kernel("create a network namespace", errno)),
            Err(_) => Err(Error::said("create a network namespace: the thread that does it has died")),
        }
    }

    /// Gives the interface inside its address and a way out.
    pub fn configure(&self, address: Ipv4Addr, subnet: Subnet) -> Result<(), Error> {
        let step = |what: &str| {
            let what = format!("{what} of {INSIDE} ({address}/{})", subnet.prefix());
            move |errno| Error::kernel(what, errno)
        };
        let interface = self.routing.named(INSIDE).map_err(step("find"))?;
        let network = Network { address: IpAddr::V4(address), prefix: subnet.prefix() };
        self.routing.add_address(interface, network).map_err(step("address"))?;
        self.routing.bring_up(interface).map_err(step("start"))?;
        self.routing.add_default_route(interface, IpAddr::V4(subnet.gateway())).map_err(step("default route"))
    }
}

/// Another instance at the bridge could announce itself as the IPv6 router of this one (CVE-2020-10749). The interface
/// that is yet to come takes this over.
fn refuse_routers() -> sys::Result<()> {
    match fs::write("/proc/sys/net/ipv6/conf/default/accept_ra", "0") {
        Ok(()) => Ok(()),
        // A kernel without IPv6 has no routers either.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)),
    }
}
