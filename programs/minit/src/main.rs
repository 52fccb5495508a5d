//! minit: the first process of a container or a small machine.
#![no_std]
#![no_main]

sys::start!(minit::run);

/// A defect of ours. As the first process it goes on as well as it can: its end would be everybody's. Where it is
/// is said, what it is not: formatting that would be a third of the program.
#[panic_handler]
fn panic(panic: &core::panic::PanicInfo<'_>) -> ! {
    minit::survive(panic.location())
}
