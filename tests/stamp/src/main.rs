//! Started as the first process of a machine, it notes the time and becomes the program that its arguments say: the
//! one that is measured. Started by that, it prints how long it took, in nanoseconds.
//!
//! It has no C library: what it costs itself is next to nothing, and the same whoever is measured.
#![no_std]
#![no_main]

use core::ffi::CStr;

use sys::exec::{Argument, execve};
use sys::start::{Inherited, Invocation};

sys::start!(run);

/// The variable in which the time of the start is kept, in 20 digits.
const NAME: &[u8] = b"STAMP=";
const ROOM: usize = NAME.len() + 20 + 1;

fn run(invocation: Invocation, _: Inherited) -> u8 {
    let now = sys::clock::monotonic();
    if let Some(start) = invocation.variable("STAMP") {
        let start = start.to_bytes().iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        let mut line = *b"stamp 00000000000000000000 ns\n";
        write(now - start, &mut line[6..26]);
        return u8::from(sys::io::write(sys::standard::output(), &line).is_err());
    }
    let mut variable = [0u8; ROOM];
    variable[..NAME.len()].copy_from_slice(NAME);
    let Some(program) = invocation.arguments.get(1).and_then(|program| program.text()) else { return 2 };
    write(sys::clock::monotonic(), &mut variable[NAME.len()..ROOM - 1]);
    let Ok(variable) = CStr::from_bytes_with_nul(&variable) else { return 3 };
    let _ = execve(program, &invocation.arguments[1..], &[Argument::new(variable), Argument::END]);
    1
}

/// The number in as many digits as there is room for.
fn write(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    sys::clone::leave(4)
}
