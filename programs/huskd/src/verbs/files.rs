//! Files, into an instance and out of it.

use std::sync::Arc;

use instance::InstanceName;
use instance::message::{Reason, Refusal};

use crate::client::{Client, Done};
use crate::daemon::Daemon;
use crate::refusal::refuse;

pub fn copy_out(
    daemon: &Arc<Daemon>,
    client: &mut Client,
    name: &InstanceName,
    path: &str,
) -> Result<Done, Refusal> {
    Err(refuse(Reason::Unsupported, "cp"))
}

pub fn copy_in(
    daemon: &Arc<Daemon>,
    client: &mut Client,
    name: &InstanceName,
    path: &str,
) -> Result<Done, Refusal> {
    Err(refuse(Reason::Unsupported, "cp"))
}
