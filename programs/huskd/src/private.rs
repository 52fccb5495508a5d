//! Private networks of instances: who has which address.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use instance::message::{Reason, Refusal};
use instance::{InstanceName, Record, Settings};
use network::{Attachment, Network, Pool, Publish};
use sys::fd::OwnedFd;

use crate::refusal::refuse;
use crate::seat::Seat;

/// The networks.
#[derive(Debug)]
pub struct Private {
    settings: network::Settings,
    shared: Mutex<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Opened when the first instance needs it: a machine without nf_tables can do without.
    network: Option<Network>,
    /// Addresses of instances that are being started, which their records do not have yet.
    reserved: BTreeSet<Ipv4Addr>,
    /// Instances that have a network. With the last one bridge and table go.
    attached: BTreeSet<InstanceName>,
    pool: Pool,
}

/// The network of an instance that is being started. Its address is reserved as long as this lives.
#[derive(Debug)]
pub struct Lease<'p> {
    of: &'p Private,
    /// What it gets.
    pub attachment: Attachment,
    /// The namespace.
    pub namespace: OwnedFd,
}

fn failed(error: &network::Error) -> Refusal {
    Refusal { hint: error.hint().map(Into::into), ..refuse(Reason::Failed, error.to_string()) }
}

impl Private {
    /// None yet.
    pub fn new(settings: network::Settings) -> Self {
        let (reserved, attached) = (BTreeSet::new(), BTreeSet::new());
        let pool = Pool::new(settings.subnet);
        Self { settings, shared: Mutex::new(Shared { network: None, reserved, attached, pool }) }
    }

    fn locked(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the network of an instance, with an address that none of `others` has.
    ///
    /// # Errors
    /// What is wrong with a port; that no address is free; what the kernel refuses.
    pub fn lease(
        &self,
        name: &InstanceName,
        record: &Record,
        others: &[std::sync::Arc<Seat>],
    ) -> Result<Lease<'_>, Refusal> {
        let mut shared = self.locked();
        let taken: Vec<Ipv4Addr> = others
            .iter()
            .filter_map(|seat| seat.record().state.address.as_deref()?.parse().ok())
            .chain(shared.reserved.iter().copied())
            .collect();
        let address = shared.pool.take(&taken).map_err(|error| failed(&error))?;
        let attachment = Attachment { name: network_name(name)?, address, publish: ports(&record.settings)? };
        let namespace = self.opened(&mut shared)?.prepare(&attachment).map_err(|error| failed(&error))?;
        shared.reserved.insert(address);
        shared.attached.insert(name.clone());
        Ok(Lease { of: self, attachment, namespace })
    }

    fn opened<'s>(&self, shared: &'s mut Shared) -> Result<&'s mut Network, Refusal> {
        let network = match shared.network.take() {
            Some(network) => network,
            None => Network::open(self.settings.clone()).map_err(|error| failed(&error))?,
        };
        Ok(shared.network.insert(network))
    }

    /// Removes what is left of an instance's network, and with the last one's all that they shared.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn withdraw(&self, name: &InstanceName) -> Result<(), Refusal> {
        let mut shared = self.locked();
        self.opened(&mut shared)?.withdraw(&network_name(name)?).map_err(|error| failed(&error))?;
        shared.attached.remove(name);
        if shared.attached.is_empty() {
            self.opened(&mut shared)?.sweep(&[]).map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// These may have one from before this daemon: until they are withdrawn or swept nobody else is the last.
    pub fn expect(&self, names: impl Iterator<Item = InstanceName>) {
        self.locked().attached.extend(names);
    }

    /// Removes what is left of the networks of all but these, which have one.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn sweep(&self, alive: Vec<InstanceName>) -> Result<(), Refusal> {
        let names = alive.iter().map(network_name).collect::<Result<Vec<_>, _>>()?;
        let mut shared = self.locked();
        shared.attached = alive.into_iter().collect();
        self.opened(&mut shared)?.sweep(&names).map_err(|error| failed(&error))
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.of.locked().reserved.remove(&self.attachment.address);
    }
}

fn network_name(name: &InstanceName) -> Result<network::Name, Refusal> {
    name.as_str().parse().map_err(|error: network::Error| failed(&error))
}

/// The ports that settings publish.
///
/// # Errors
/// What is wrong with one.
pub fn ports(settings: &Settings) -> Result<Vec<Publish>, Refusal> {
    let parse =
        |text: &String| text.parse::<Publish>().map_err(|error| refuse(Reason::Invalid, error.to_string()));
    settings.publish.iter().map(parse).collect()
}
