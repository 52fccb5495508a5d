//! From what was said to an OCI specification.

use std::ffi::OsString;

use cgroup::{Memory, Pids};
use oci::profile::{Confinement, Ids, Network};
use oci::spec::{
    CapabilityNames, CpuLimits, Linux, MemoryLimits, Mount, PidsLimit, Process, Resources, Spec,
};
use sys::privilege::Capabilities;

use crate::Failure;
use crate::identity::Identity;
use crate::options::{Change, Options, Writable};

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The specification of a container.
pub fn spec(options: &Options, ids: Ids<'_>, identity: &Identity, host: &Host) -> Result<Spec, Failure> {
    let confinement = options.confinement.unwrap_or(Confinement::Default);
    let network = options.network.unwrap_or(Network::Host);
    let mut spec = oci::profile::spec(confinement, network, ids);
    spec.hostname = match (&options.hostname, confinement) {
        (Some(_), Confinement::Unrestricted) => {
            return Err(Failure::usage("--hostname: an unrestricted container has the host's"));
        }
        (None, Confinement::Unrestricted) => String::new(),
        (Some(name), _) => name.clone(),
        (None, _) => format!("husk-{}", host.digits),
    };
    if let Some(root) = &mut spec.root {
        root.readonly = options.writable == Writable::No;
    }
    mount(&options.mounts, &mut spec.mounts);
    if let Some(process) = &mut spec.process {
        set_process(options, identity, host, process)?;
    }
    if let Some(linux) = &mut spec.linux {
        set_resources(options, linux);
    }
    Ok(spec)
}

/// What is known of where the container is made.
#[derive(Clone, Debug)]
pub struct Host {
    /// Eight random hexadecimal digits.
    pub digits: String,
    /// TERM, where the container gets a terminal.
    pub term: Option<OsString>,
    /// The size of the terminal.
    pub size: Option<oci::spec::ConsoleSize>,
    /// What husk itself may give away; in a user namespace of its own, a container may have everything.
    pub capabilities: Capabilities,
}

/// A mount that was asked for takes the place of a default one, in the order too: what belongs below it is
/// mounted after it.
fn mount(asked: &[Mount], mounts: &mut Vec<Mount>) {
    for mount in asked {
        match mounts.iter_mut().find(|default| default.destination == mount.destination) {
            Some(default) => default.clone_from(mount),
            None => mounts.push(mount.clone()),
        }
    }
}

fn set_process(
    options: &Options,
    identity: &Identity,
    host: &Host,
    process: &mut Process,
) -> Result<(), Failure> {
    process.args.clone_from(&options.command);
    process.console_size = host.size;
    if options.workdir.as_ref().is_some_and(|path| !path.starts_with('/')) {
        let path = options.workdir.as_deref().unwrap_or_default();
        return Err(Failure::usage(format!("--workdir {path:?}: not an absolute path")));
    }
    process.cwd = options.workdir.clone().unwrap_or_else(|| String::from("/"));
    process.env = vec![OsString::from(PATH), OsString::from(format!("HOME={}", identity.home))];
    if let Some(term) = &host.term {
        let mut entry = OsString::from("TERM=");
        entry.push(term);
        process.env.push(entry);
    }
    if options.confinement == Some(Confinement::Unrestricted) {
        // How an init knows that it is in one (systemd.io/CONTAINER_INTERFACE).
        process.env.push(OsString::from("container=husk"));
    }
    for entry in &options.env {
        set_variable(&mut process.env, entry);
    }
    process.user.uid = identity.uid;
    process.user.gid = identity.gid;
    process.user.additional_gids.clone_from(&identity.groups);
    process.rlimits.clone_from(&options.rlimits);
    if let Some(names) = &mut process.capabilities {
        change_capabilities(options, identity, host.capabilities, names)?;
    }
    Ok(())
}

/// One value for each name: the last.
fn set_variable(env: &mut Vec<OsString>, entry: &OsString) {
    let name = |entry: &OsString| {
        let bytes = entry.as_encoded_bytes();
        bytes[..bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len())].to_vec()
    };
    env.retain(|other| name(other) != name(entry));
    env.push(entry.clone());
}

/// As Docker has it: ALL first, wherever it stands; then single ones are added, then dropped.
fn change_capabilities(
    options: &Options,
    identity: &Identity,
    ours: Capabilities,
    names: &mut CapabilityNames,
) -> Result<(), Failure> {
    let mut set = Capabilities::NONE;
    for name in &names.bounding {
        set = Capabilities::named(name).map_or(set, |one| set.with(one));
    }
    let all = |change| options.capabilities.iter().any(|(one, name)| *one == change && is_all(name));
    // All is all that there is to give.
    if all(Change::Add)
        || matches!(options.confinement, Some(Confinement::Privileged | Confinement::Unrestricted))
    {
        set = ours;
    }
    if all(Change::Drop) {
        set = Capabilities::NONE;
    }
    for wanted in [Change::Add, Change::Drop] {
        for (_, name) in options.capabilities.iter().filter(|(one, name)| *one == wanted && !is_all(name)) {
            let option = if wanted == Change::Add { "--cap-add" } else { "--cap-drop" };
            let unknown = || Failure::usage(format!("{option} {name:?}: no capability; see capabilities(7)"));
            let one = Capabilities::named(name).ok_or_else(unknown)?;
            if wanted == Change::Add && !ours.contains(one) {
                return Err(Failure::ours(format!("{option} {name}: husk itself does not have it")));
            }
            set = if wanted == Change::Add { set.with(one) } else { set.without(one) };
        }
    }
    let list: Vec<String> = set.names().map(String::from).collect();
    // A user other than root has capabilities only where a program gives them to it.
    let held = if identity.uid == 0 { list.clone() } else { Vec::new() };
    *names = CapabilityNames {
        bounding: list,
        effective: held.clone(),
        permitted: held,
        ..CapabilityNames::default()
    };
    Ok(())
}

fn is_all(name: &str) -> bool {
    name.eq_ignore_ascii_case("all")
}

fn set_resources(options: &Options, linux: &mut Linux) {
    let bytes = |memory: Memory| match memory {
        Memory::Max => -1,
        Memory::Bytes(bytes) => i64::try_from(bytes).unwrap_or(i64::MAX),
    };
    linux.resources = Some(Resources {
        memory: options
            .memory
            .as_ref()
            .map(|(memory, _)| MemoryLimits { limit: Some(bytes(*memory)), ..MemoryLimits::default() }),
        cpu: (options.cpus.is_some() || options.cpuset.is_some()).then(|| CpuLimits {
            quota: options.cpus.and_then(|cpus| cpus.quota_us).and_then(|quota| i64::try_from(quota).ok()),
            period: options.cpus.map(|cpus| cpus.period_us),
            cpus: options.cpuset.as_ref().map(ToString::to_string).unwrap_or_default(),
            ..CpuLimits::default()
        }),
        pids: options.pids.map(|pids| PidsLimit {
            limit: Some(match pids {
                Pids::Max => -1,
                Pids::Count(count) => i64::from(count),
            }),
        }),
        ..Resources::default()
    });
}
