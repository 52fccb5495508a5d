//! The types of `config.json`, runtime-spec 1.3, as plain structs.
//!
//! They are lenient where the clients are careless: an absent field, `null` and an empty string are the same.
//! A field of the specification that is not compiled yet has the type [`Unsupported`], so that its use is an
//! error that names it.

mod linux;
mod process;
mod resources;

pub use linux::*;
pub use process::*;
pub use resources::*;

#[cfg(feature = "json")]
use serde::Deserialize;

/// A whole configuration (config.md).
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct Spec {
    /// Version of the specification, semver.
    pub oci_version: String,
    /// What is run.
    pub process: Option<Process>,
    /// The root file system.
    pub root: Option<Root>,
    /// Host name in the uts namespace.
    pub hostname: String,
    /// NIS domain name in the uts namespace.
    pub domainname: String,
    /// Mounts, in order.
    pub mounts: Vec<Mount>,
    /// Programs that the caller wants run on the way.
    pub hooks: Option<Unsupported>,
    /// Notes: they do not change what is done.
    pub annotations: std::collections::BTreeMap<String, String>,
    /// The rest, for Linux.
    pub linux: Option<Linux>,
    /// Another system's part.
    pub solaris: Option<Unsupported>,
    /// Another system's part.
    pub windows: Option<Unsupported>,
    /// Another system's part.
    pub vm: Option<Unsupported>,
    /// Another system's part.
    pub zos: Option<Unsupported>,
}

/// The root file system.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct Root {
    /// Its path: absolute, or relative to the bundle.
    pub path: String,
    /// Whether it is mounted read-only.
    pub readonly: bool,
}

/// One mount.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase", default))]
pub struct Mount {
    /// Where, absolute in the container.
    pub destination: String,
    /// File system type; empty or `bind` or `none` for a bind.
    #[cfg_attr(feature = "json", serde(rename = "type"))]
    pub kind: String,
    /// Device, or what is bound.
    pub source: String,
    /// Options as mount(8) has them.
    pub options: Vec<String>,
    /// Id mapping of the mount.
    pub uid_mappings: Vec<IdMapping>,
    /// Id mapping of the mount.
    pub gid_mappings: Vec<IdMapping>,
}

/// One range of a user namespace's map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "json", derive(Deserialize), serde(rename_all = "camelCase"))]
pub struct IdMapping {
    /// First id in the container.
    #[cfg_attr(feature = "json", serde(rename = "containerID"))]
    pub container_id: u32,
    /// First id on the host.
    #[cfg_attr(feature = "json", serde(rename = "hostID"))]
    pub host_id: u32,
    /// How many.
    pub size: u32,
}

/// A field of the specification that is read and not compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsupported;

#[cfg(feature = "json")]
impl<'de> Deserialize<'de> for Unsupported {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

#[cfg(feature = "json")]
impl Spec {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// What is wrong with it, with line and column.
    pub fn from_json(text: &[u8]) -> Result<Self, serde_json::Error> {
        from_json(text)
    }
}

/// Fields that are `null` are absent.
#[cfg(feature = "json")]
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<T, serde_json::Error> {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                fields.retain(|_, value| !value.is_null());
                fields.values_mut().for_each(strip);
            }
            serde_json::Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }
    // Read as it is first: most texts have no null, and errors then have a line and a column.
    serde_json::from_slice(text).or_else(|error| {
        let mut value: serde_json::Value = serde_json::from_slice(text)?;
        strip(&mut value);
        serde_json::from_value(value).map_err(|_| error)
    })
}
