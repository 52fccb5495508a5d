//! Networks of instances made and removed.

use std::net::IpAddr;

use sys::Errno;
use sys::fd::{AsFd, OwnedFd};
use sys::network::Routing;

use crate::link::Bridge;
use crate::namespace::Namespace;
use crate::published::Published;
use crate::socket::Socket;
use crate::table::Forwarding;
use crate::{Attachment, Error, Name, Protocol, Publish, Settings, flow, host, link, port, published, table};

/// The host's side of all private networks, in the network namespace of the thread that opened it. Its methods are
/// to be called by threads of that namespace.
#[derive(Debug)]
pub struct Network {
    settings: Settings,
    links: Socket,
    rules: Socket,
}

impl Network {
    /// Opens it. Nothing is made yet.
    ///
    /// # Errors
    /// The kernel has no nf_tables.
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let links = Socket::route().map_err(|errno| Error::kernel("open a socket for rtnetlink", errno))?;
        let rules = Socket::netfilter().map_err(|errno| {
            Error::kernel("open a socket for nf_tables", errno).hinting("load the module nfnetlink")
        })?;
        Ok(Self { settings, links, rules })
    }

    /// Makes a network for an instance and returns its namespace, which is gone with the descriptor and the processes
    /// in it. Inside are `lo` and `eth0` with its address and a default route, both up.
    ///
    /// What all instances share is made if it is missing: the bridge, the table, and net.ipv4.ip_forward. A published
    /// port leads to the instance from outside, from the host itself (127.0.0.1 too) and from all instances.
    ///
    /// # Errors
    /// Something of this is not possible; then nothing has changed. Among it: the address or the name is attached
    /// already, a port is in use, the host has a route to the subnet.
    pub fn prepare(&mut self, attachment: &Attachment) -> Result<OwnedFd, Error> {
        let (subnet, address) = (self.settings.subnet, attachment.address);
        if !subnet.has(address) {
            return Err(Error::said(format!("address {address}: no instance can have it in {subnet}")));
        }
        self.check_ports(attachment)?;
        match self.ready()? {
            Some(bridge) => self.attach(attachment, &bridge),
            None => {
                let made = self.make().and_then(|bridge| self.attach(attachment, &bridge));
                if made.is_err() {
                    // The error is what happened first; what this cannot remove, the next sweep does.
                    let _ = self.sweep_bridge(|_| true);
                }
                made
            }
        }
    }

    /// Withdraws the network of an instance that has ended, or is about to: its rules are gone, its name, its address
    /// and its ports can be had by others. Its interfaces go with the namespace. If there is none, nothing happens.
    ///
    /// # Errors
    /// The kernel refuses to list or to change something.
    pub fn withdraw(&mut self, name: &Name) -> Result<(), Error> {
        self.unpublish(|port| port.instance == name.as_str())?;
        let second = link::instance_name(self.settings.bridge.as_str(), name.as_str());
        link::retire(&mut self.links, &second)
            .map_err(|errno| Error::kernel(format!("withdraw the interface of {name}"), errno))
    }

    /// Removes what instances have left that are not among `alive`, whatever became of them. Once no instance has a
    /// network any more, the bridge and the table go too, and net.ipv4.ip_forward is set to 0 if it was 0 before: then
    /// nothing is left. Doing it again changes nothing.
    ///
    /// To be called when a crash may have left something, and when an instance has ended that may have been the last.
    /// An instance that is being started belongs to `alive` too. It takes the kernel tens
    /// of milliseconds.
    ///
    /// # Errors
    /// The kernel refuses to list or to remove something.
    pub fn sweep(&mut self, alive: &[Name]) -> Result<(), Error> {
        let is_alive = |name: &str| alive.iter().any(|one| one.as_str() == name);
        self.unpublish(|port| !is_alive(&port.instance))?;
        self.sweep_bridge(is_alive)
    }

    /// All ports that are published, with the instances that they lead to.
    ///
    /// # Errors
    /// The kernel refuses to list them.
    pub fn published(&mut self) -> Result<Vec<Published>, Error> {
        match published::list(&mut self.rules, self.settings.table.as_str()) {
            Ok(all) => Ok(all),
            // Without the table nothing is.
            Err(Errno::NOENT) => Ok(Vec::new()),
            Err(errno) => Err(self.with_table("list the elements of", errno)),
        }
    }

    /// The bridge, if all that is shared is there.
    fn ready(&mut self) -> Result<Option<Bridge>, Error> {
        let Some(bridge) = self.bridge()? else { return Ok(None) };
        if bridge.gateway != Some(self.settings.subnet.gateway()) {
            return Err(Error::said(format!(
                "interface {}: it is there, and not husk's bridge for {}",
                self.settings.bridge, self.settings.subnet
            ))
            .hinting(
                "give the bridge of instances another name, or stop the instances of another subnet first",
            ));
        }
        let is_whole = bridge.is_up && self.has_table()?;
        Ok(is_whole.then_some(bridge))
    }

    /// Makes what is missing of what is shared. The bridge is up only when all of it is there.
    fn make(&mut self) -> Result<Bridge, Error> {
        let settings = self.settings.clone();
        let (name, subnet) = (settings.bridge.as_str(), settings.subnet);
        let refused = |what: &str, errno| Error::kernel(format!("{what} {name}"), errno);
        if self.bridge()?.is_none() {
            host::check_routes(subnet)?;
            link::make_bridge(&mut self.links, name, subnet.gateway()).map_err(|errno| {
                refused("create bridge", errno).hinting("the kernel needs the module bridge")
            })?;
        }
        host::set_bridge(name)?;
        let routing = Routing::open().map_err(|errno| refused("configure", errno))?;
        let interface = routing.named(name).map_err(|errno| refused("find", errno))?;
        let own = sys::network::Network { address: IpAddr::V4(subnet.gateway()), prefix: subnet.prefix() };
        routing.add_address(interface, own).map_err(|errno| refused("give an address to", errno))?;
        let before = host::forwarding()?;
        // The table goes first: it says how the sysctl was.
        if !self.has_table()? {
            table::make(&mut self.rules, &settings, before).map_err(|errno| {
                self.with_table("create", errno)
                    .hinting("the kernel needs nf_tables with NAT (nft_masq, nft_nat)")
            })?;
        }
        if before == Forwarding::WasOff {
            host::set_forwarding("1")?;
        }
        routing.bring_up(interface).map_err(|errno| refused("start", errno))?;
        self.bridge()?.ok_or_else(|| refused("find", Errno::NODEV))
    }

    /// Joins a new namespace to the bridge. Rules come last, so that there is nothing to undo but the pair of ends.
    fn attach(&mut self, attachment: &Attachment, bridge: &Bridge) -> Result<OwnedFd, Error> {
        let (name, address) = (&attachment.name, attachment.address);
        let namespace = Namespace::new()?;
        let port = link::make_pair(&mut self.links, bridge, attachment, namespace.descriptor.as_fd())
            .map_err(|errno| match errno {
                Errno::EXIST => {
                    Error::said(format!("network of {name}: the name or the address {address} is in use"))
                        .hinting("withdraw the network of an instance that has ended first")
                }
                Errno::XFULL => Error::said(format!("network of {name}: bridge {} is full", bridge.name))
                    .hinting("a bridge takes 1023 instances"),
                _ => Error::kernel(format!("create the interfaces of {name}"), errno)
                    .hinting("the kernel needs the module veth"),
            })?;
        let done = namespace.configure(address, self.settings.subnet).and_then(|()| {
            link::await_carrier(&mut self.links, &[&port, &bridge.name])
                .map_err(|errno| Error::kernel(format!("look for interface {port}"), errno))?;
            self.publish(attachment)
        });
        match done {
            Ok(()) => Ok(namespace.descriptor),
            Err(error) => {
                // The error is what happened first; and the end goes with the namespace.
                let _ = self.unpublish(|port| port.instance == name.as_str());
                let _ = link::remove(&mut self.links, &port);
                Err(error)
            }
        }
    }

    fn check_ports(&mut self, attachment: &Attachment) -> Result<(), Error> {
        if attachment.publish.is_empty() {
            return Ok(());
        }
        let others = self.published()?;
        let mut sockets =
            Socket::diagnosis().map_err(|errno| Error::kernel("open a socket for sock_diag", errno))?;
        for (number, publish) in attachment.publish.iter().enumerate() {
            if attachment.publish.iter().take(number).any(|earlier| earlier.collides(publish)) {
                return Err(Error::said(format!("publish {publish}: {} is given twice", publish.end())));
            }
            if let Some(other) = others.iter().find(|other| other.publish.collides(publish)) {
                let owner = other.instance.escape_debug();
                return Err(Error::said(format!(
                    "publish {publish}: the port is in use by instance {owner}"
                )));
            }
            port::check(&mut sockets, publish)?;
        }
        Ok(())
    }

    fn publish(&mut self, attachment: &Attachment) -> Result<(), Error> {
        if attachment.publish.is_empty() {
            return Ok(());
        }
        published::add(&mut self.rules, self.settings.table.as_str(), attachment).map_err(|errno| {
            self.with_table(&format!("publish the ports of {} in", attachment.name), errno)
        })?;
        self.forget_flows(attachment.publish.iter())
    }

    fn unpublish(&mut self, is_gone: impl Fn(&Published) -> bool) -> Result<(), Error> {
        let mut gone = self.published()?;
        gone.retain(is_gone);
        published::remove(&mut self.rules, self.settings.table.as_str(), &gone)
            .map_err(|errno| self.with_table("withdraw ports from", errno))?;
        self.forget_flows(gone.iter().map(|port| &port.publish))
    }

    fn forget_flows<'p>(&mut self, ports: impl Iterator<Item = &'p Publish>) -> Result<(), Error> {
        for port in ports.filter(|port| port.protocol == Protocol::Udp) {
            flow::forget(&mut self.rules, port.host, self.settings.subnet).map_err(|errno| {
                Error::kernel(format!("forget the flows to port {}", port.end()), errno)
                    .hinting("the kernel needs the module nf_conntrack_netlink")
            })?;
        }
        Ok(())
    }

    /// Removes the ends of instances that are not alive, and what is shared if none is left.
    fn sweep_bridge(&mut self, is_alive: impl Fn(&str) -> bool) -> Result<(), Error> {
        let bridge = self.bridge()?.filter(|bridge| bridge.gateway.is_some());
        let Some(bridge) = bridge else { return self.remove_shared() };
        let ports = link::ports(&mut self.links, bridge.index)
            .map_err(|errno| Error::kernel(format!("list the ports of {}", bridge.name), errno))?;
        let mut left = 0;
        for port in ports {
            // What somebody else has put there is as good as alive.
            if port.instance(&bridge.name).map_or(!port.is_ours(), &is_alive) {
                left += 1;
                continue;
            }
            link::remove(&mut self.links, &port.name)
                .map_err(|errno| Error::kernel(format!("remove interface {}", port.name), errno))?;
        }
        if left > 0 { Ok(()) } else { self.remove_shared() }
    }

    /// Removes what is shared. The table goes last: as long as it is there, it says what else has to be put back.
    fn remove_shared(&mut self) -> Result<(), Error> {
        let bridge = self.bridge()?;
        if self.has_table()? {
            let before = table::forwarding_before(&mut self.rules, self.settings.table.as_str())
                .map_err(|errno| self.with_table("read", errno))?;
            if before == Forwarding::WasOff {
                host::set_forwarding("0")?;
            }
        }
        if bridge.is_some_and(|bridge| bridge.gateway.is_some()) {
            link::remove(&mut self.links, self.settings.bridge.as_str())
                .map_err(|errno| Error::kernel(format!("remove bridge {}", self.settings.bridge), errno))?;
        }
        table::remove(&mut self.rules, self.settings.table.as_str())
            .map_err(|errno| self.with_table("remove", errno))
    }

    fn bridge(&mut self) -> Result<Option<Bridge>, Error> {
        let name = self.settings.bridge.as_str();
        link::bridge(&mut self.links, name)
            .map_err(|errno| Error::kernel(format!("look for interface {name}"), errno))
    }

    fn has_table(&mut self) -> Result<bool, Error> {
        table::exists(&mut self.rules, self.settings.table.as_str())
            .map_err(|errno| self.with_table("look for", errno))
    }

    fn with_table(&self, what: &str, errno: Errno) -> Error {
        Error::kernel(format!("{what} table ip {}", self.settings.table), errno)
    }
}
