//! What the kernel brings along and a machine can lack: randomness and the time.

use sys::rand::{GetRandomFlags, getrandom};

use crate::message::Part::Text;
use crate::message::{complain, ours};

/// The first second of 2020: a clock that says less was never set.
const SANE: u64 = 1_577_836_800;

/// Says what is lacking. Nothing is done about it: what minit could add would be neither random nor the time.
pub fn check() {
    let mut byte = [0u8; 1];
    if getrandom(&mut byte[..], GetRandomFlags::NONBLOCK).is_err() {
        complain(&[Text(
            "minit: warning: random numbers: not ready: what asks for them waits (virtio-rng, or \
             random.trust_cpu=on, makes them ready)\n",
        )]);
    }
    if sys::clock::seconds_since_1970() < SANE {
        ours(&[Text("warning: the clock is before 2020: certificates will not be valid yet")]);
    }
}
