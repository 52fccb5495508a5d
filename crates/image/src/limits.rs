//! How much of an archive is believed.

use crate::Devices;

/// What an import may cost at most, and what it may bring.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The bytes of all files of a layer together, holes included.
    pub bytes: u64,
    /// The entries of a layer.
    pub entries: u64,
    /// The layers of an image. overlayfs takes 500.
    pub layers: usize,
    /// Bytes that have to stay free where the store is.
    pub reserve: u64,
    /// Bytes of memory for names while a tree is packed: those that wait in directories, and the first of each file that
    /// has several.
    pub names: u64,
    /// What becomes of device nodes.
    pub devices: Devices,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 256 << 30,
            entries: 4_000_000,
            layers: 500,
            reserve: 64 << 20,
            names: 256 << 20,
            devices: Devices::Refused,
        }
    }
}

impl Limits {
    /// The longest archive that a layer within the limits can have: headers of each entry come on top.
    pub(crate) fn archive(&self) -> u64 {
        self.bytes.saturating_add(self.entries.saturating_mul(4096))
    }
}
