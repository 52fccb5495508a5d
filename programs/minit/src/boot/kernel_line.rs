//! The command line of the kernel.

use core::ffi::CStr;

use sys::fs::{CWD, Mode, OFlags, openat};

use crate::boot::mounts::mount_proc;

/// Room for the command line: 2048 bytes on x86 (COMMAND_LINE_SIZE), and a null.
pub const ROOM: usize = 2049;

const CONFIG: &[u8] = b"minit.config=";

/// The file that `minit.config=` names on the command line of the kernel, which passes no word with a dot on to the
/// first process. For the first process of a machine: it mounts /proc, which is not there yet.
#[must_use]
pub fn config_from_kernel(buffer: &mut [u8; ROOM]) -> Option<&CStr> {
    mount_proc().ok()?;
    let file = openat(CWD, c"/proc/cmdline", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    // A file of /proc is read at once.
    let length = sys::io::read(&file, &mut buffer[..]).ok()?;
    let (start, length) = config_in(buffer.get(..length)?)?;
    *buffer.get_mut(start + length)? = 0;
    CStr::from_bytes_with_nul(buffer.get(start..=start + length)?).ok()
}

/// Where the value of the last `minit.config=` before `--` begins, and its length.
#[must_use]
pub fn config_in(line: &[u8]) -> Option<(usize, usize)> {
    let mut found = None;
    let mut start = 0;
    for word in line.split(|byte| byte.is_ascii_whitespace()) {
        if word == b"--" {
            break;
        }
        if let Some(value) = word.strip_prefix(CONFIG) {
            found = Some((start + CONFIG.len(), value.len()));
        }
        start += word.len() + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_config_before_the_arguments_counts() {
        let read = |line: &'static str| {
            let (start, length) = config_in(line.as_bytes())?;
            line.get(start..start + length)
        };
        assert_eq!(read("console=ttyS0 minit.config=/a.json quiet\n"), Some("/a.json"));
        assert_eq!(read("minit.config=/a minit.config=/b -- minit.config=/c\n"), Some("/b"));
        assert_eq!((read("quiet\n"), read("xminit.config=/a"), read("")), (None, None, None));
    }
}
