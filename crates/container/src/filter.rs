//! Which system call filter a container gets.

use std::path::Path;

use oci::profile::Confinement;
use oci::spec::Seccomp;
use oci::{Keyring, Spec};
use seccomp::{Arch, Profile};
use sys::privilege::Capabilities;

use crate::Failure;
use crate::options::Options;

/// The filter, or none.
pub fn choose(options: &Options, spec: &Spec) -> Result<Option<Profile<'static>>, Failure> {
    match choice(options) {
        Some("unconfined") => Ok(None),
        Some("default") => Ok(Some(seccomp::default_profile(bounding(spec).0, NATIVE))),
        _ => {
            let path = Path::new(options.seccomp.as_deref().unwrap_or_default());
            from_file(path).map(Some)
        }
    }
}

fn choice(options: &Options) -> Option<&str> {
    let by_default = match options.confinement {
        Some(Confinement::Privileged | Confinement::Unrestricted) => "unconfined",
        Some(Confinement::Default) | None => "default",
    };
    options.seccomp.as_deref().map_or(Some(by_default), |choice| choice.to_str())
}

/// The default filter refuses the calls that a keyring is used by (keyctl, add_key, request_key).
pub fn keyring(options: &Options) -> Keyring {
    if choice(options) == Some("default") { Keyring::Caller } else { Keyring::Own }
}

#[cfg(target_arch = "x86_64")]
const NATIVE: Arch = Arch::X86_64;
#[cfg(target_arch = "aarch64")]
const NATIVE: Arch = Arch::Aarch64;

fn bounding(spec: &Spec) -> Capabilities {
    let names = spec.process.as_ref().and_then(|process| process.capabilities.as_ref());
    names.map_or(Capabilities::NONE, |names| {
        let known = names.bounding.iter().filter_map(|name| Capabilities::named(name));
        known.fold(Capabilities::NONE, Capabilities::with)
    })
}

/// Whether a file of the host is a filter. One that is not there is no matter of this: it may be there when it is needed.
///
/// # Errors
/// That it cannot be read, or what is wrong with it.
pub fn check(words: &str) -> Result<(), Failure> {
    let path = Path::new(words);
    match words {
        "default" | "unconfined" => Ok(()),
        _ if !path.exists() => Ok(()),
        _ => from_file(path).map(drop),
    }
}

fn from_file(path: &Path) -> Result<Profile<'static>, Failure> {
    let what = format!("--seccomp {}", path.display());
    let text = std::fs::read(path).map_err(|error| Failure::io(&what, &error))?;
    let described = Seccomp::from_json(&text).map_err(|error| Failure::ours(format!("{what}: {error}")))?;
    oci::filter(&described).map_err(|error| Failure::ours(format!("{what}: {error}")))
}
