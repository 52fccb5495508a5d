//! Limits on block devices.
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

/// The numbers of a block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Major number: the driver.
    pub major: u32,
    /// Minor number: which of its devices.
    pub minor: u32,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// The most that may be read from and written to one device, as io.max takes it; `None` leaves a value as it
/// is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoMax {
    /// The device: a whole disk, not a partition.
    pub device: Device,
    /// Bytes read in a second.
    pub read_bytes: Option<u64>,
    /// Bytes written in a second.
    pub write_bytes: Option<u64>,
    /// Reads in a second.
    pub reads: Option<u64>,
    /// Writes in a second.
    pub writes: Option<u64>,
}

impl fmt::Display for IoMax {
    /// As io.max takes it: `8:0 rbps=1048576 wiops=120`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = |key: &str, value: Option<u64>| -> String {
            value.map_or(String::new(), |value| format!(" {key}={value}"))
        };
        f.write_str(&self.device.to_string())?;
        f.write_str(&limit("rbps", self.read_bytes))?;
        f.write_str(&limit("wbps", self.write_bytes))?;
        f.write_str(&limit("riops", self.reads))?;
        f.write_str(&limit("wiops", self.writes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_io_max_names_only_what_is_limited() {
        let device = Device { major: 8, minor: 16 };
        let none = IoMax { device, read_bytes: None, write_bytes: None, reads: None, writes: None };
        assert_eq!(none.to_string(), "8:16");
        let some = IoMax { read_bytes: Some(1_048_576), writes: Some(120), ..none.clone() };
        assert_eq!(some.to_string(), "8:16 rbps=1048576 wiops=120");
        let all = IoMax { write_bytes: Some(2), reads: Some(3), ..some };
        assert_eq!(all.to_string(), "8:16 rbps=1048576 wbps=2 riops=3 wiops=120");
    }
}
