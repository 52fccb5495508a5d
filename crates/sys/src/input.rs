//! Keyboards and other input devices, as the kernel's module evdev shows them in /dev/input
//! (Documentation/input/input.rst and event-codes.rst in the kernel; linux/input.h).

use rustix::fd::{AsFd, AsRawFd};
use syscalls::{Sysno, syscall};

use crate::{Result, check};

/// Number of key codes: KEY_CNT of linux/input-event-codes.h.
const KEYS: usize = 0x300;
const EV_KEY: u32 = 1;

/// A set of key codes, a bit for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keys([u64; KEYS / 64]);

impl Keys {
    /// No key.
    pub const NONE: Self = Self([0; KEYS / 64]);

    /// This set and key `code`; a code that there is not changes nothing.
    #[must_use]
    pub fn with(mut self, code: u16) -> Self {
        if let Some(word) = self.0.get_mut(usize::from(code) / 64) {
            *word |= 1 << (code % 64);
        }
        self
    }

    /// This set without key `code`.
    #[must_use]
    pub fn without(mut self, code: u16) -> Self {
        if let Some(word) = self.0.get_mut(usize::from(code) / 64) {
            *word &= !(1 << (code % 64));
        }
        self
    }

    /// Whether key `code` is in it.
    #[must_use]
    pub fn contains(&self, code: u16) -> bool {
        self.0.get(usize::from(code) / 64).is_some_and(|word| word >> (code % 64) & 1 == 1)
    }
}

/// `struct input_event` without its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// EV_KEY, EV_SYN …
    pub kind: u16,
    /// Which key.
    pub code: u16,
    /// 0 released, 1 pressed, 2 repeated.
    pub value: i32,
}

/// A device hands over at most so many events at a time.
pub const BATCH: usize = 32;
/// Of a `struct input_event` on x86-64: a timeval of two words, two of 16 bits, one of 32.
const EVENT: usize = 24;

/// Reads events, at most [`BATCH`]; `take` gets each.
///
/// # Errors
/// EAGAIN where there are none and the descriptor does not block, ENODEV where the device has been unplugged.
pub fn read<Fd: AsFd>(device: Fd, mut take: impl FnMut(Event)) -> Result<()> {
    let mut bytes = [0u8; EVENT * BATCH];
    let length = rustix::io::read(device, &mut bytes)?;
    for event in bytes[..length].chunks_exact(EVENT) {
        let [.., a, b, c, d, e, f, g, h] = *event else { continue };
        take(Event {
            kind: u16::from_ne_bytes([a, b]),
            code: u16::from_ne_bytes([c, d]),
            value: i32::from_ne_bytes([e, f, g, h]),
        });
    }
    Ok(())
}

/// EVIOCGBIT for EV_KEY: the keys that a device has.
///
/// # Errors
/// ENOTTY where it is no input device, ENODEV where it has been unplugged.
pub fn keys<Fd: AsFd>(device: Fd) -> Result<Keys> {
    ask_for_keys(device, 0x20 + EV_KEY as usize)
}

/// EVIOCGKEY: the keys that are pressed at this moment. Key events that were waiting to be read are dropped with it,
/// so that what is read next comes after this state.
///
/// # Errors
/// As [`keys`].
pub fn pressed<Fd: AsFd>(device: Fd) -> Result<Keys> {
    ask_for_keys(device, 0x18)
}

fn ask_for_keys<Fd: AsFd>(device: Fd, number: usize) -> Result<Keys> {
    let mut keys = Keys::NONE;
    // _IOC(_IOC_READ, 'E', number, size)
    let request = 2 << 30 | size_of::<Keys>() << 16 | 0x45 << 8 | number;
    let fd = device.as_fd().as_raw_fd();
    // SAFETY: the set has the size that the request tells, and is ours to write.
    check(unsafe { syscall!(Sysno::ioctl, fd, request, keys.0.as_mut_ptr()) })?;
    Ok(keys)
}

/// EVIOCSMASK: of all that the device tells, this descriptor gets these keys alone. For nothing else does it become
/// readable: neither movements nor other keys wake the reader, or can be read by it.
///
/// # Errors
/// As [`keys`].
pub fn narrow<Fd: AsFd>(device: Fd, keys: &Keys) -> Result<()> {
    /// `struct input_mask`
    #[repr(C)]
    struct Mask {
        kind: u32,
        size: u32,
        codes: *const u64,
    }
    /// _IOC(_IOC_WRITE, 'E', 0x93, 16)
    const EVIOCSMASK: usize = 1 << 30 | 16 << 16 | 0x45 << 8 | 0x93;
    // The mask of EV_SYN, 0, is the one of kinds; what synchronises is passed in any case.
    let kinds = [1u64 << EV_KEY];
    for (kind, codes) in [(0, kinds.as_slice()), (EV_KEY, keys.0.as_slice())] {
        let mask = Mask { kind, size: size_of_val(codes) as u32, codes: codes.as_ptr() };
        let fd = device.as_fd().as_raw_fd();
        // SAFETY: the record has the kernel's form and tells the size of what it points to; both outlive the call.
        check(unsafe { syscall!(Sysno::ioctl, fd, EVIOCSMASK, &raw const mask) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::fs::{Mode, OFlags};

    use super::*;
    use crate::Errno;

    #[test]
    fn sets_of_keys_hold_what_was_put_in() {
        let keys = Keys::NONE.with(1).with(63).with(64).with(0x2ff);
        assert!([1, 63, 64, 0x2ff].into_iter().all(|code| keys.contains(code)));
        assert!(![0, 2, 62, 65, 0x2fe].into_iter().any(|code| keys.contains(code)));
        assert_eq!(Keys::NONE.with(0x300), Keys::NONE);
        assert_eq!(keys.without(64).without(63).without(1).without(0x2ff).without(0x300), Keys::NONE);
        assert!(!keys.contains(u16::MAX));
    }

    #[test]
    fn events_are_read_from_their_bytes() {
        let (reader, writer) = rustix::pipe::pipe().expect("a pipe");
        let mut bytes = [7u8; EVENT * 2];
        bytes[16..24].copy_from_slice(&[1, 0, 36, 0, 1, 0, 0, 0]);
        bytes[40..48].copy_from_slice(&[0, 0, 3, 0, 255, 255, 255, 255]);
        assert_eq!(rustix::io::write(&writer, &bytes), Ok(bytes.len()));
        let mut events = std::vec::Vec::new();
        read(&reader, |event| events.push(event)).expect("events");
        let key = Event { kind: 1, code: 36, value: 1 };
        assert_eq!(events, [key, Event { kind: 0, code: 3, value: -1 }]);
    }

    #[test]
    fn what_is_no_input_device_is_refused() {
        let null = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty()).expect("/dev/null");
        assert_eq!(keys(&null), Err(Errno::NOTTY));
        assert_eq!(pressed(&null), Err(Errno::NOTTY));
        assert_eq!(narrow(&null, &Keys::NONE), Err(Errno::NOTTY));
    }
}
