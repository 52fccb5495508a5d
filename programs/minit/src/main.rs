//! minit: the first process of a container or a small machine.
#![no_std]
#![no_main]

sys::start!(program);

// For the roles that may have one. The first process does not: to it the heap is closed.
#[cfg(feature = "api")]
sys::heap!(HEAP);

#[cfg(feature = "api")]
fn program(invocation: sys::start::Invocation, inherited: sys::start::Inherited) -> u8 {
    minit::run(invocation, inherited, &HEAP)
}

#[cfg(not(feature = "api"))]
use minit::run as program;

/// A defect of ours. As the first process it goes on as well as it can: its end would be everybody's. Where it is
/// is said, what it is not: formatting that would be a third of the program.
#[panic_handler]
#[allow(unused_attributes)] // the compiler says that it passes over `inline` here, and hands it on
#[inline(always)] // so that it is seen that nobody reads the message, and what would format it is dropped: 8 kB
fn panic(panic: &core::panic::PanicInfo<'_>) -> ! {
    minit::survive(panic.location())
}
