//! The kernel's random numbers (random(4)).

use rustix::fd::AsRawFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use syscalls::{Sysno, syscall};

use crate::{Result, check};

/// The most bytes of a seed that are used; what is longer adds nothing to a pool of 256 bits.
const MOST: usize = 512;

/// `struct rand_pool_info` of linux/random.h, with its bytes.
#[repr(C)]
struct Pool {
    bits: i32,
    size: i32,
    bytes: [u8; MOST],
}

/// Mixes secret random bytes into the pool, counting them as such (RNDADDENTROPY), and has the generator take a new key
/// from it at once (RNDRESEEDCRNG): for a machine whose state others have too, since it was restored from a snapshot.
///
/// # Errors
/// Those of open(2) of /dev/urandom; EPERM without CAP_SYS_ADMIN.
pub fn reseed(seed: &[u8]) -> Result<()> {
    const RNDADDENTROPY: usize = 0x4008_5203;
    const RNDRESEEDCRNG: usize = 0x5207;
    let seed = seed.get(..MOST).unwrap_or(seed);
    let size = seed.len() as i32;
    let mut pool = Pool { bits: size * 8, size, bytes: [0; MOST] };
    pool.bytes.iter_mut().zip(seed).for_each(|(place, byte)| *place = *byte);
    let device = openat(CWD, c"/dev/urandom", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let fd = device.as_raw_fd();
    // SAFETY: the record has the form that the request says, with `size` bytes behind its head.
    check(unsafe { syscall!(Sysno::ioctl, fd, RNDADDENTROPY, &raw const pool) })?;
    // SAFETY: this request takes no argument.
    check(unsafe { syscall!(Sysno::ioctl, fd, RNDRESEEDCRNG, 0usize) })?;
    Ok(())
}
